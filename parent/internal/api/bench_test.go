package api_test

import (
	"net/http"
	"testing"
)

// BenchmarkSubmit is the whole way of a job through the parent, sync to disk included, with an
// enclave that only echoes.
func BenchmarkSubmit(b *testing.B) {
	for name, size := range map[string]int{"4KiB": 4 << 10, "32MiB": 32 << 20} {
		b.Run(name, func(b *testing.B) {
			r := start(b, setup{})
			b.SetBytes(int64(size))
			for b.Loop() {
				b.StopTimer()
				body := r.job(size)
				b.StartTimer()
				if a := r.post(body); a.status != http.StatusOK {
					b.Fatalf("got %d", a.status)
				}
			}
		})
	}
}
