package boot

import (
	"context"
	"crypto/rand"
	"sync"
	"time"
)

// The NSM is asked for a document now and then, so that the clock does not drift without jobs and a module that has stopped
// answering is noticed, and soon after a failure, so that one that has recovered is.
const (
	beatHealthy = 30 * time.Second
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
