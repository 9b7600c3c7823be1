// Package serve accepts connections of enclaves, a bounded number at once, and waits for all of
// them when it ends. Relay and credentials use it. It says nothing about who connects: on vsock
// nobody can.
package serve

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// Accept may fail while descriptors are short; waiting a little leaves the processor to those who
// will free some.
const acceptPause = 50 * time.Millisecond

// Connections accepts on l until ctx is done, then closes l and all connections and returns when
// every handle has. At most limit handles run at once: further connections wait in the kernel's
// queue, which is bounded too. handle closes nothing.
func Connections(ctx context.Context, l net.Listener, limit int, handle func(context.Context, net.Conn)) error {
	var all sync.WaitGroup
	defer all.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	defer l.Close()
	slots := make(chan struct{}, limit)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := l.Accept()
		if err != nil {
			<-slots
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			pause(ctx)
			continue
		}
		all.Go(func() {
			defer func() { <-slots }()
			defer conn.Close()
			// A handle that waits in Read ends when its connection is closed under it.
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			handle(ctx, conn)
		})
	}
}

func pause(ctx context.Context) {
	t := time.NewTimer(acceptPause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
