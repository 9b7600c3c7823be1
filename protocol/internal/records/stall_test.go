package records_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"anchorhold/protocol/internal/records"
)

// A terminal or a pipe may never give another byte; an interrupted command must still end.
func TestStalledInputEndsWithContext(t *testing.T) {
	in, out := io.Pipe()
	defer out.Close()
	ctx, cancel := context.WithCancel(t.Context())
	r := records.NewReader(ctx, []records.Source{{Path: records.Stdin, Named: true}}, in, wide)
	defer r.Close()
	go io.WriteString(out, alice)
	first := make([]byte, len(alice))
	if _, err := io.ReadFull(r, first); err != nil || string(first) != alice {
		t.Fatalf("got %q and %v, want what the pipe gave", first, err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := r.Read(make([]byte, 1))
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Fatalf("got %v from an input that stalls", err)
	case <-time.After(20 * time.Millisecond):
	}
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("still reading 10 s after it was canceled")
	}
}
