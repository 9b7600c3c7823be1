package envelope_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"io"
	"testing"

	"anchorhold/protocol/envelope"
	"anchorhold/protocol/protocoltest/cputime"
)

const benchSize = 16 << 20

var benchFrames = []int{4 << 10, 64 << 10, 256 << 10, 1 << 20}

// BenchmarkOpen and BenchmarkRawGCM open the same bytes in the same pieces: their ratio is what the
// format costs.
func BenchmarkOpen(b *testing.B) {
	for _, frame := range benchFrames {
		message := seal(b, params(uint32(frame)), make([]byte, benchSize), 1<<20)
		b.Run(fmt.Sprintf("frame=%dKiB", frame>>10), func(b *testing.B) {
			b.SetBytes(benchSize)
			b.ReportAllocs()
			buf := make([]byte, max(frame, 64<<10))
			report := cputime.PerOp(b)
			for b.Loop() {
				r := bytes.NewReader(message)
				h, err := envelope.ReadHeader(r, limits)
				if err != nil {
					b.Fatal(err)
				}
				d, err := h.Open(dataKey, r)
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for {
					k, err := d.Read(buf)
					n += k
					if err == io.EOF {
						break
					}
					if err != nil {
						b.Fatal(err)
					}
				}
				if n != benchSize {
					b.Fatalf("got %d bytes, want %d", n, benchSize)
				}
			}
			report()
		})
	}
}

func BenchmarkRawGCM(b *testing.B) {
	block, err := aes.NewCipher(dataKey)
	if err != nil {
		b.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		b.Fatal(err)
	}
	nonce := make([]byte, gcm.NonceSize())
	for _, frame := range benchFrames {
		b.Run(fmt.Sprintf("frame=%dKiB", frame>>10), func(b *testing.B) {
			sealed := make([][]byte, benchSize/frame)
			for i := range sealed {
				sealed[i] = gcm.Seal(nil, nonce, make([]byte, frame), nil)
			}
			dst := make([]byte, frame)
			b.SetBytes(benchSize)
			report := cputime.PerOp(b)
			for b.Loop() {
				for _, s := range sealed {
					if _, err := gcm.Open(dst[:0], nonce, s, nil); err != nil {
						b.Fatal(err)
					}
				}
			}
			report()
		})
	}
}

func BenchmarkSeal(b *testing.B) {
	plain := make([]byte, benchSize)
	b.SetBytes(benchSize)
	for b.Loop() {
		w, err := envelope.NewWriter(io.Discard, params(0))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := w.Write(plain); err != nil {
			b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
