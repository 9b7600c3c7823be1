package sealing_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"anchorhold/protocol/internal/records"
)

// BenchmarkSeal seals 64 MiB from a file. The baseline is the same file read by the record reader
// alone.
func BenchmarkSeal(b *testing.B) {
	path := filepath.Join(b.TempDir(), "a.ndjson")
	record := `{"resourceType":"Observation","id":"x","note":"` + strings.Repeat("n", 900) + `"}` + "\n"
	size := int64(64<<20/len(record)) * int64(len(record))
	if err := os.WriteFile(path, []byte(strings.Repeat(record, 64<<20/len(record))), 0o600); err != nil {
		b.Fatal(err)
	}
	reader := func() *records.Reader {
		return records.NewReader(b.Context(), []records.Source{{Path: path}}, nil, records.Limits{Bytes: 1 << 40, Records: 1 << 40})
	}
	b.Run("read", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			io.Copy(io.Discard, reader())
		}
	})
	approved, err := plan(b, "").Check()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("seal", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			if _, err := approved.Seal(b.Context(), &kms{}, reader(), io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	})
}
