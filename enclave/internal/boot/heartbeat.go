package boot

import (
	"context"
	"crypto/rand"
	"sync"
	"time"
)

// The NSM is asked for a document now and then, so that the clock does not drift without jobs, and
// a module that has stopped answering shows within 10 s: one beat and one timeout of the NSM
// client. After a failure it is asked sooner.
const (
	beatHealthy = 4 * time.Second
	beatSick    = 2 * time.Second
)

// startHeartbeat asks until ctx ends. The caller waits for it.
func startHeartbeat(ctx context.Context, id *identity) *sync.WaitGroup {
	var w sync.WaitGroup
	w.Go(func() {
		nonce := make([]byte, 16)
		for {
			pause := beatHealthy
			if !id.nsm.Healthy() {
				pause = beatSick
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			rand.Read(nonce)
			_, _ = id.attestChallenge(ctx, nonce) // its failure is in Healthy
		}
	})
	return &w
}
