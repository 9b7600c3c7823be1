package job

import (
	"crypto/sha256"
	"sync"
	"time"

	"anchorhold/protocol/code"
)

// maxReplayEntries bounds the memory of the count, about 200 MiB when full. An entry goes when its
// job has expired.
const maxReplayEntries = 1 << 22

// replays counts how often this boot has opened each message: pseudonyms and noise of one message
// are the same each time, but what a parent learns from sizes and timing of repeated runs is not.
type replays struct {
	limit uint64
	max   int

	mu     sync.Mutex
	counts map[replayID]replayCount // guarded by mu
	// guarded by mu: day of the last purge; one pass over all entries a day is enough
	purged int32
}

// replayID is shorter than the message id, for memory. It is a hash with the tenant's name, so that
// no tenant can use up the count of another.
type replayID [16]byte

type replayCount struct {
	times   uint32
	expires int32 // day since 1970 after which the message is refused anyway
}

func newReplays(limit uint64, max int) *replays {
	return &replays{limit: limit, max: max, counts: map[replayID]replayCount{}}
}

// day counts days since 1970, UTC.
func day(t time.Time) int32 { return int32(t.Unix() / (24 * 60 * 60)) }

func identifyReplay(tenant string, messageID [32]byte) replayID {
	h := sha256.Sum256(append([]byte(tenant), messageID[:]...)) // the id's length is fixed
	return replayID(h[:])
}

// allowed returns an error when the count is used up. Only spend counts: before the message has
// authenticated itself anybody could spend its owner's replays.
func (r *replays) allowed(id replayID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if uint64(r.counts[id].times) >= r.limit {
		return code.New(code.ReplayLimit, nil)
	}
	return nil
}

// spend counts one opening, or returns an error, and then the message must not be opened.
func (r *replays) spend(id replayID, notAfter, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, known := r.counts[id]
	if uint64(c.times) >= r.limit {
		return code.New(code.ReplayLimit, nil)
	}
	if !known && len(r.counts) >= r.max {
		r.purge(day(now))
		if len(r.counts) >= r.max {
			return code.New(code.Busy, nil) // forgetting a live one would lift its cap
		}
	}
	r.counts[id] = replayCount{times: c.times + 1, expires: day(notAfter)}
	return nil
}

// purge forgets messages that are expired. mu is held.
func (r *replays) purge(today int32) {
	if r.purged == today {
		return
	}
	r.purged = today
	for id, c := range r.counts {
		if c.expires < today {
			delete(r.counts, id)
		}
	}
}

// full reports whether no new message can be counted.
func (r *replays) full() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.counts) >= r.max
}
