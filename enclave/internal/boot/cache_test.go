package boot_test

import (
	"sync/atomic"
	"testing"
	"time"

	"anchorhold/enclave/internal/nsm"
	"anchorhold/protocol/message"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/result"
)

// TestCachedKeyDoesNotOutliveItsJob: a key in the cache opens nothing once not-after has passed by
// the NSM's clock.
func TestCachedKeyDoesNotOutliveItsJob(t *testing.T) {
	b := newBench(t)
	var offset atomic.Int64
	b.startOver(t, nsm.New(softnsm.New(softnsm.Config{CA: b.CA, Image: b.image, Now: func() time.Time {
		return time.Now().Add(time.Duration(offset.Load()))
	}})))
	reply, err := result.GenerateKey()
	check(t, err)
	file, _ := b.job(t, reply, "{}")
	c := b.dial(t)
	if _, m := submit(t, c, file); m.Op() != (message.Done{}).Op() {
		t.Fatalf("got %+v, want done", m)
	}
	offset.Store(int64(49 * time.Hour)) // not-after is tomorrow
	check(t, c.Send(message.Attest{Nonce: []byte{1}}))
	if m, _, _, err := c.Receive(); err != nil || m.Op() != (message.Attestation{}).Op() {
		t.Fatalf("got %v, %v, want a document, which sets the clock", m, err)
	}
	_, m := submit(t, c, file)
	if f, _ := m.(message.Failed); f.Code != "expired" || f.Receipt != nil {
		t.Errorf("got %+v, want expired without a receipt", m)
	}
	if n := len(b.Decrypts(t)); n != 1 {
		t.Errorf("KMS answered %d times, want once", n)
	}
}
