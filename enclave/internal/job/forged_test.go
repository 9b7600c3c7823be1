package job_test

import (
	"bytes"
	"crypto/sha256"
	"sync"
	"testing"

	"anchorhold/protocol/code"
	"anchorhold/protocol/message"
)

// TestForgedParameters: the job's owner, or who has stolen its key, names the hash of any bytes.
// The key of the job is released by then, so that each failure has its leaf.
func TestForgedParameters(t *testing.T) {
	b := newBench(t, options{})
	p := b.dial(t)
	good := parametersPlaintext("anchorhold/v1 parameters", map[string][]byte{"pseudonyms": []byte("secret")})
	for name, c := range map[string]struct {
		forge func([]byte) []byte
		want  code.Code
	}{
		"no message":          {func([]byte) []byte { return []byte("parameters") }, code.ParametersMalformed},
		"header cut":          {func(m []byte) []byte { return m[:40] }, code.ParametersMalformed},
		"other key blob":      {func(m []byte) []byte { m[bytes.Index(m, []byte(keyA))+len(keyA)+2] ^= 1; return m }, code.KMSDenied},
		"last bit":            {func(m []byte) []byte { m[len(m)-1] ^= 1; return m }, code.AuthenticationFailed},
		"cut":                 {func(m []byte) []byte { return m[:len(m)-1] }, code.Truncated},
		"bytes after the end": {func(m []byte) []byte { return append(m, 0) }, code.EnvelopeMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOrder(t, b)
			o.values = good
			o.seal(t, b)
			forged := c.forge(bytes.Clone(o.file.Parameters))
			hash := sha256.Sum256(forged)
			o.values, o.file.Parameters, o.claims.Parameters = nil, forged, &hash
			m, _ := p.run(t, o.seal(t, b).job()).last.(message.Failed)
			if m.Code != c.want || m.Receipt == nil || b.verify(t, m.Receipt).Failure == nil {
				t.Errorf("got %q with a leaf of %d bytes, want %q with a failure leaf", m.Code, len(m.Receipt), c.want)
			}
		})
	}
	b.zeroed(t)
}

// TestReplaysAreCountedBeforeTheyRun: jobs that run at once must not all pass by the count of those
// before them.
func TestReplaysAreCountedBeforeTheyRun(t *testing.T) {
	b := newBench(t, options{})
	first, second, o := b.dial(t), b.dial(t), newOrder(t, b).seal(t, b)
	for range 2 { // of 3, the default
		b.done(t, first, o)
	}
	var arrived sync.WaitGroup
	arrived.Add(2)
	b.keys.mu.Lock()
	b.keys.gate = func() { arrived.Done(); arrived.Wait() }
	b.keys.mu.Unlock()
	other := make(chan code.Code, 1)
	go func() { other <- second.run(t, o.job()).code() }()
	got := map[code.Code]int{first.run(t, o.job()).code(): 1}
	got[<-other]++
	if got["done"] != 1 || got[code.ReplayLimit] != 1 {
		t.Errorf("got %v, want one done and one %q", got, code.ReplayLimit)
	}
}
