package frame_test

import (
	"net"
	"path/filepath"
	"testing"

	"anchorhold/protocol/frame"
)

// BenchmarkUnix sends full frames over a unix socket.
func BenchmarkUnix(b *testing.B) {
	l, err := net.Listen("unix", filepath.Join(b.TempDir(), "s"))
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	peer, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	defer peer.Close()
	sent := make(chan error, 1)
	go func() {
		defer c.Close()
		w := frame.NewWriter(c)
		body := make([]byte, frame.MaxBody)
		for range b.N {
			if err := w.Write(frame.Data, body); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	b.SetBytes(frame.MaxBody)
	b.ReportAllocs()
	b.ResetTimer()
	r := frame.NewReader(peer)
	for range b.N {
		if _, _, err := r.Next(); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	if err := <-sent; err != nil {
		b.Fatal(err)
	}
}
