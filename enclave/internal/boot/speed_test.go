package boot_test

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"anchorhold/protocol/envelope"
	"anchorhold/protocol/jobfile"
	"anchorhold/protocol/message"
	"anchorhold/protocol/result"
)

// BenchmarkSmallJobs runs jobs of one record under one cached data key, over as many connections as
// there are jobs at once.
func BenchmarkSmallJobs(b *testing.B) {
	bench := newBench(b)
	bench.start(b)
	files := bench.smallJobs(b, 64)
	var next atomic.Int64
	b.SetParallelism(16)
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		c := bench.dial(b)
		for p.Next() {
			if _, m := submit(b, c, files[int(next.Add(1))%len(files)]); m.Op() != (message.Done{}).Op() {
				b.Errorf("got %+v", m)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}

// smallJobs seals messages under one data key, as an SDK with data key caching does.
func (b *bench) smallJobs(t testing.TB, n int) [][]byte {
	t.Helper()
	reply, err := result.GenerateKey()
	check(t, err)
	claims := envelope.Job{
		Image: b.image.PCR0, Tenant: "clinic", Pipeline: "deid", ContentType: envelope.ContentRecords,
		Reply:    sha256.Sum256(reply.PublicKey()),
		NotAfter: time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1), ReferenceDate: "2026-06-30",
	}
	key, blob := b.DataKey(t, b.KeyARN, claims.Context())
	header := jobfile.Header{ReplyKey: reply.PublicKey(), SealedAt: uint64(time.Now().UnixMilli())}
	head, err := header.Encode()
	check(t, err)
	files := make([][]byte, n)
	for i := range files {
		sealed := bytes.NewBuffer(bytes.Clone(head))
		w, err := envelope.NewWriter(sealed, envelope.Params{
			Context: claims.Context(), DataKey: bytes.Clone(key),
			Keys: []envelope.EncryptedKey{{Provider: "aws-kms", Info: b.KeyARN, Ciphertext: blob}},
		})
		check(t, err)
		_, err = w.Write([]byte(`{"resourceType":"Patient","id":"p1","gender":"female","birthDate":"1980-05-17"}`))
		check(t, err)
		check(t, w.Close())
		files[i] = sealed.Bytes()
	}
	return files
}

// BenchmarkLargeJob streams one job of 64 MiB of records.
func BenchmarkLargeJob(b *testing.B) {
	bench := newBench(b)
	bench.start(b)
	reply, err := result.GenerateKey()
	check(b, err)
	const record = `{"resourceType":"Patient","id":"p1","gender":"female","birthDate":"1980-05-17","name":[{"family":"Doe","given":["Jane"]}]}` + "\n"
	file, _ := bench.job(b, reply, strings.Repeat(record, 64<<20/len(record)))
	c := bench.dial(b)
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, m := submit(b, c, file); m.Op() != (message.Done{}).Op() {
			b.Fatalf("got %+v", m)
		}
	}
}
