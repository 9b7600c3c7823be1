package keycache

import (
	"context"
	"testing"
	"time"
)

// TestInvariant1_KeysAreZeroedOnTheWayOut looks inside: what was a key must be zero once the cache
// has let it go.
func TestInvariant1_KeysAreZeroedOnTheWayOut(t *testing.T) {
	fill := func(_ context.Context, key *[KeySize]byte) (string, error) {
		for i := range key {
			key[i] = 0xa5
		}
		return "request", nil
	}
	for name, leave := range map[string]func(*Cache){
		"close": func(c *Cache) { c.Close() },
		"pressure": func(c *Cache) {
			var key [KeySize]byte
			_, _ = c.Get(context.Background(), ID{2}, &key, fill, nil)
		},
		"time": func(c *Cache) {
			for end := time.Now().Add(5 * time.Second); c.Len() > 0 && time.Now().Before(end); {
				time.Sleep(time.Millisecond)
			}
		},
	} {
		c := New(1, 300*time.Millisecond)
		var key [KeySize]byte
		if _, err := c.Get(context.Background(), ID{1}, &key, fill, nil); err != nil || key[0] != 0xa5 {
			t.Fatalf("%s: got key %x, %v", name, key[0], err)
		}
		c.mu.Lock()
		held := c.entries[ID{1}]
		if held == nil || held.key[0] != 0xa5 {
			t.Fatalf("%s: the entry does not hold the key", name)
		}
		c.mu.Unlock()
		leave(c)
		c.mu.Lock()
		if held.key != [KeySize]byte{} {
			t.Errorf("%s: the key is still in memory", name)
		}
		c.mu.Unlock()
		c.Close()
	}
}

// TestLateTimerDoesNotLengthenTheTime: whoever keeps the machine busy must not keep keys in use
// past their time.
func TestLateTimerDoesNotLengthenTheTime(t *testing.T) {
	c := New(1, 20*time.Millisecond)
	defer c.Close()
	fills := 0
	fill := func(context.Context, *[KeySize]byte) (string, error) {
		fills++
		return "request", nil
	}
	var key [KeySize]byte
	for range 2 {
		if _, err := c.Get(context.Background(), ID{1}, &key, fill, nil); err != nil {
			t.Fatal(err)
		}
		c.mu.Lock()
		if e := c.entries[ID{1}]; e != nil {
			e.timer.Stop() // so late that it never fires
		}
		c.mu.Unlock()
		time.Sleep(30 * time.Millisecond)
	}
	if fills != 2 {
		t.Errorf("KMS was asked %d times, want 2: the key was past its time", fills)
	}
}

// TestInvariant1_FillsLeaveNoKey: neither in what the fill wrote to nor in what its callers waited
// for.
func TestInvariant1_FillsLeaveNoKey(t *testing.T) {
	c := New(0, time.Minute) // keeps nothing, so all copies are those of the flight
	defer c.Close()
	var f *flight
	var written *[KeySize]byte
	fill := func(_ context.Context, key *[KeySize]byte) (string, error) {
		c.mu.Lock()
		f = c.flights[ID{1}]
		c.mu.Unlock()
		written, key[0] = key, 0xa5
		return "request", nil
	}
	var key [KeySize]byte
	if _, err := c.Get(context.Background(), ID{1}, &key, fill, nil); err != nil || key[0] != 0xa5 {
		t.Fatalf("got key %x, %v", key[0], err)
	}
	c.Close() // waits for the fill
	c.mu.Lock()
	defer c.mu.Unlock()
	if *written != [KeySize]byte{} || f.key != [KeySize]byte{} {
		t.Error("a key is still in memory after its fill")
	}
}
