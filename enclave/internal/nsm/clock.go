package nsm

import (
	"fmt"
	"sync"
	"time"

	"anchorhold/protocol/attest"
)

// clock is the module's time, carried between documents by the monotonic clock: the enclave's wall
// clock comes from the parent's side and decides nothing.
type clock struct {
	mu   sync.Mutex
	base time.Time // guarded by mu: time of the latest document
	seen time.Time // guarded by mu: monotonic reading when it arrived
}

// set takes the time of a document that the module has just made.
func (c *clock) set(document []byte) error {
	d, err := attest.Parse(document)
	if err != nil {
		return fmt.Errorf("nsm made a document that does not parse: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.base, c.seen = d.Timestamp, time.Now()
	return nil
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.base.IsZero() {
		return time.Time{}
	}
	return c.base.Add(time.Since(c.seen)).UTC() // both readings hold the monotonic clock
}
