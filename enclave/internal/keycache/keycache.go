// Package keycache keeps decrypted data keys for a few minutes, so that many small jobs under one
// data key cost one KMS call.
//
// The main call is [Cache.Get]. An entry is found only by the key's ARN, the encrypted key and the
// whole encryption context together, so the cache never answers what KMS was not asked. It does not
// check policy or expiry: the caller does that on every hit. Keys are zeroed when they leave the
// cache.
package keycache

import (
	"context"
	"errors"
	"sync"
	"time"
)

// KeySize is the length of a data key.
const KeySize = 32

// TTL is the longest that a key is used after the start of the Decrypt that gave it: a key policy
// that changes takes effect within it.
const TTL = 5 * time.Minute

// fillTimeout bounds one fill, which no caller's context ends: others may wait for it.
const fillTimeout = 30 * time.Second

var (
	errClosed = errors.New("key cache is closed")
	errPanic  = errors.New("key fill panicked")
)

// Fill writes a data key and returns the id of the KMS request that gave it.
type Fill func(ctx context.Context, key *[KeySize]byte) (requestID string, err error)

// Late is told the id of a KMS request that gave a key after its caller's context had ended.
type Late func(requestID string)

// Cache holds at most a fixed number of keys. It is safe for concurrent use. Close it.
type Cache struct {
	max int
	ttl time.Duration

	fills sync.WaitGroup
	ctx   context.Context // ends with Close
	stop  context.CancelFunc

	mu      sync.Mutex
	closed  bool           // guarded by mu
	entries map[ID]*entry  // guarded by mu: filled, and not past their time
	order   []*entry       // guarded by mu: entries, oldest first
	flights map[ID]*flight // guarded by mu: being filled
}

// entry is a key and where it came from. Its fields are guarded by the cache's mu.
type entry struct {
	id        ID
	key       [KeySize]byte
	requestID string
	until     time.Time   // a hit later than that is none: timers fire late on a busy machine
	timer     *time.Timer // evicts it: a key must not outlive its time because nobody asks
}

// flight is one fill that any number of callers wait for. It has a copy of the key of its own, so
// that an eviction between the fill and their waking does not fail them. All fields but done are
// guarded by the cache's mu.
type flight struct {
	done      chan struct{} // closed when the fill has ended
	landed    bool
	waiting   int // the last one to leave zeroes key
	key       [KeySize]byte
	requestID string
	err       error
	late      []Late // of callers that did not wait for the end
}

// New returns a cache for at most max keys, each for at most ttl.
func New(max int, ttl time.Duration) *Cache {
	ctx, stop := context.WithCancel(context.Background())
	return &Cache{
		max: max, ttl: min(ttl, TTL), ctx: ctx, stop: stop,
		entries: map[ID]*entry{}, flights: map[ID]*flight{},
	}
}

// Get copies the key of id to key, which the caller clears, and returns the id of the KMS request
// it came from. On a miss it calls fill, once for all callers that wait for the same id. A failed
// fill is not kept. Should ctx end first and the fill succeed all the same, late is called, by
// another goroutine.
func (c *Cache) Get(ctx context.Context, id ID, key *[KeySize]byte, fill Fill, late Late) (requestID string, err error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return "", errClosed
	}
	if e, ok := c.entries[id]; ok {
		if time.Now().Before(e.until) {
			defer c.mu.Unlock()
			*key = e.key
			return e.requestID, nil
		}
		c.evict(e)
	}
	f, ok := c.flights[id]
	if !ok {
		f = &flight{done: make(chan struct{})}
		c.flights[id] = f
		c.fills.Go(func() { c.fly(id, f, fill) })
	}
	f.waiting++
	c.mu.Unlock()
	select {
	case <-f.done:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	defer f.leave()
	switch {
	case !f.landed:
		f.late = append(f.late, late)
		return "", ctx.Err()
	case f.err != nil:
		return "", f.err
	}
	*key = f.key
	return f.requestID, nil
}

// leave counts a waiter out. mu is held.
func (f *flight) leave() {
	if f.waiting--; f.waiting == 0 && f.landed {
		clear(f.key[:])
	}
}

// fly fills a flight. A panic in fill fails this flight and nothing else.
func (c *Cache) fly(id ID, f *flight, fill Fill) {
	ctx, cancel := context.WithTimeout(c.ctx, fillTimeout)
	defer cancel()
	var key [KeySize]byte
	// before KMS is asked: a slow answer must not lengthen the time
	e := &entry{id: id, until: time.Now().Add(c.ttl)}
	err := errPanic
	defer func() {
		_ = recover()
		e.key = key
		clear(key[:])
		for _, tell := range c.land(f, e, err) {
			tell(f.requestID) // written before it landed
		}
	}()
	e.requestID, err = fill(ctx, &key)
}

// land ends a flight and returns who is to be told of its key.
func (c *Cache) land(f *flight, e *entry, err error) []Late {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(f.done)
	delete(c.flights, e.id)
	f.landed, f.err = true, err
	if err != nil {
		clear(e.key[:])
		return nil
	}
	f.key, f.requestID = e.key, e.requestID
	f.waiting++
	f.leave() // zeroes it when nobody waits any more
	c.insert(e)
	return f.late
}

// insert adds an entry, in the place of the oldest when the cache is full. mu is held.
func (c *Cache) insert(e *entry) {
	ttl := time.Until(e.until)
	if c.closed || ttl <= 0 || c.max <= 0 {
		clear(e.key[:])
		return
	}
	for len(c.order) >= c.max {
		c.evict(c.order[0])
	}
	c.entries[e.id] = e
	c.order = append(c.order, e)
	e.timer = time.AfterFunc(ttl, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.evict(e)
	})
}

// evict zeroes an entry and forgets it. mu is held.
func (c *Cache) evict(e *entry) {
	for i, o := range c.order {
		if o == e {
			c.order = append(c.order[:i], c.order[i+1:]...)
			delete(c.entries, e.id)
			break
		}
	}
	e.timer.Stop()
	clear(e.key[:])
}

// Len returns the number of keys held.
func (c *Cache) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.order)
}

// Close waits for fills under way and zeroes all keys.
func (c *Cache) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.stop()
	c.fills.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.order) > 0 {
		c.evict(c.order[0])
	}
	return nil
}
