package records

import (
	"context"
	"io"
)

// unstalled reads a stream that may have nothing to give for hours, such as a terminal or a pipe:
// its Read ends with ctx, while a read of the stream itself cannot be broken off.
type unstalled struct {
	ctx context.Context
	r   io.Reader
	buf []byte // of the read under way; never the caller's, who may be gone when it ends
}

func newUnstalled(ctx context.Context, r io.Reader) *unstalled {
	return &unstalled{ctx: ctx, r: r, buf: make([]byte, 64<<10)}
}

// Read returns ctx's error as soon as there is one. The read that was under way is left behind with
// its buffer: it ends with the stream, or with the program.
func (u *unstalled) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	type outcome struct {
		n   int
		err error
	}
	buf := u.buf[:min(len(p), len(u.buf))]
	done := make(chan outcome, 1)
	go func() {
		n, err := u.r.Read(buf)
		done <- outcome{n, err}
	}()
	select {
	case o := <-done:
		return copy(p, buf[:o.n]), o.err
	case <-u.ctx.Done():
		return 0, u.ctx.Err()
	}
}
