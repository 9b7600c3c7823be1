package opening_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"anchorhold/protocol/internal/opening"
	"anchorhold/protocol/internal/outfile"
	"anchorhold/protocol/internal/sealing"
	"anchorhold/protocol/policy"
	"anchorhold/protocol/protocoltest/standin"
	"anchorhold/protocol/result"
)

// BenchmarkOpen verifies and opens 64 MiB of records of two types, files and fsync included.
func BenchmarkOpen(b *testing.B) {
	record := `{"resourceType":"Observation","id":"x","note":"` + strings.Repeat("n", 900) + `"}` + "\n"
	plain := strings.Repeat(record+strings.Replace(record, "Observation", "Encounter", 1), 64<<20/len(record)/2)
	compiled, err := standin.CompilePolicy(standin.PolicyYAML)
	if err != nil {
		b.Fatal(err)
	}
	w := standin.New(compiled)
	key, _ := result.GenerateKey()
	pins := w.Pins(time.Now().AddDate(0, 0, 30))
	approved, err := sealing.Plan{Policy: compiled, Pins: pins, Reply: key.PublicKey(), Now: time.Now()}.Check()
	if err != nil {
		b.Fatal(err)
	}
	var file bytes.Buffer
	if _, err := approved.Seal(b.Context(), maker{w}, strings.NewReader(plain), &file); err != nil {
		b.Fatal(err)
	}
	sealed, receipt, err := w.Process(file.Bytes())
	if err != nil {
		b.Fatal(err)
	}
	pol, _ := policy.Parse(compiled)
	b.SetBytes(int64(len(plain)))
	b.ResetTimer()
	for b.Loop() {
		job, err := opening.ReadJob(bytes.NewReader(file.Bytes()), pol)
		if err != nil {
			b.Fatal(err)
		}
		accepted, err := opening.Evidence{
			Job: job, Receipt: receipt, Result: bytes.NewReader(sealed), Policy: compiled, Pins: pins, Roots: w.CA.Roots(), Now: time.Now(),
		}.Check()
		if err != nil {
			b.Fatal(err)
		}
		folder, err := outfile.CreateFolder(filepath.Join(b.TempDir(), "out"))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := accepted.Open(key, folder); err != nil {
			b.Fatal(err)
		}
		folder.Abort()
	}
}
