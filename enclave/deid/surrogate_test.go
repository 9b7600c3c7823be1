package deid_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

// A surrogate must not be computed from the identifier: jobs with other
// identifiers in the same places give the same surrogates.
func TestSurrogatesComeFromOrderNotFromIdentifiers(t *testing.T) {
	job := func(a, b string) string {
		return fmt.Sprintf(`{"resourceType":"Condition","id":%q,"subject":{"reference":"Patient/%s"},"identifier":[{"system":"s","value":%q}]}`+"\n", a, b, b)
	}
	first, _ := process(t, job("1", "smith")+job("2", "smith")+job("3", "jones"))
	second, _ := process(t, job("x", "912")+job("y", "912")+job("z", "913"))
	if first != second {
		t.Errorf("got %s, want %s", second, first)
	}
	o := options()
	o.SurrogateKey[31]++
	third, _ := processWith(t, job("1", "smith"), o)
	for _, s := range spelt.FindAllString(third, -1) {
		if strings.Contains(first, s) {
			t.Errorf("surrogate %s is in two jobs with different keys", s)
		}
	}
}

// The text of a surrogate is pinned: a change would break every pipeline that
// runs the same message again (design, invariant 7).
func TestTextOfSurrogates(t *testing.T) {
	o := options()
	h := hmac.New(sha256.New, o.SurrogateKey[:])
	h.Write([]byte("anchorhold/v1 surrogate text"))
	c, err := aes.NewCipher(h.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	out, _ := process(t, lineOf(7)+"\n"+lineOf(8)+"\n"+lineOf(7)+"\n")
	got := spelt.FindAllString(out, -1)
	for i, number := range []byte{0, 1, 0} {
		b := make([]byte, 16)
		b[15] = number
		c.Encrypt(b, b)
		want := ""
		for _, d := range hex.EncodeToString(b) {
			want += string("bcdfghjklmnpqrst"[strings.IndexRune("0123456789abcdef", d)])
		}
		if got[i] != want {
			t.Errorf("surrogate %d is %s, want %s", i, got[i], want)
		}
	}
}

// One identifier has one surrogate in each namespace, and no two share one.
func TestSurrogatesAreUnique(t *testing.T) {
	var in strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&in, `{"resourceType":"Condition","id":"%d","identifier":[{"system":"%d","value":"%d"}],"subject":{"reference":"Patient/%d"},"encounter":{"reference":"Encounter/%d"}}`+"\n", i, i%7, i, i, i)
	}
	out, _ := process(t, in.String())
	seen := map[string]bool{}
	for _, s := range spelt.FindAllString(out, -1) {
		seen[s] = true
	}
	if len(seen) != 80_000 {
		t.Errorf("got %d surrogates, want 80000", len(seen))
	}
	// Lengths separate the parts: moving a letter from one to the next is another identifier.
	got := one(t, `{"resourceType":"Patient","identifier":[{"system":"ab","value":"c"},{"system":"a","value":"bc"},{"value":"abc"}]}`)
	for _, s := range []string{"<0>", "<1>", "<2>"} {
		if !strings.Contains(got, s) {
			t.Errorf("got %s, want three surrogates", got)
		}
	}
}

// The table of identifiers is what grows with a job. The default limit of 20
// million at 48 bytes is 960 MB.
func TestMemoryOfIdentifiers(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a table of two million identifiers")
	}
	const n, most = 2_000_000, 48
	w := &meter{every: n / 16}
	w.base = heap()
	if _, err := safeHarbor(t).Process(context.Background(), &ids{n: n}, w, options()); err != nil {
		t.Fatal(err)
	}
	if w.lines != n || w.worst == 0 {
		t.Fatalf("got %d records, measured %f", w.lines, w.worst)
	}
	if w.worst > most {
		t.Errorf("got %.1f bytes for each identifier, want at most %d", w.worst, most)
	}
	t.Logf("at most %.1f bytes for each identifier", w.worst)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// meter counts lines and measures the heap now and then.
type meter struct {
	base               uint64
	lines, next, every int
	worst              float64
}

func (m *meter) Write(p []byte) (int, error) {
	m.lines += bytes.Count(p, []byte{'\n'})
	if m.next += bytes.Count(p, []byte{'\n'}); m.next >= m.every && m.lines > 300_000 {
		m.next = 0
		const pipeline = 4 << 20 // its blocks
		if h := heap(); h > m.base+pipeline {
			m.worst = max(m.worst, float64(h-m.base-pipeline)/float64(m.lines))
		}
	}
	return len(p), nil
}

// ids reads as n records with an id each.
type ids struct {
	n, i int
	rest []byte
}

func (r *ids) Read(p []byte) (int, error) {
	for len(r.rest) < len(p) && r.i < r.n {
		r.rest = append(fmt.Appendf(r.rest, `{"resourceType":"Patient","id":"%d"}`, r.i), '\n')
		r.i++
	}
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	k := copy(p, r.rest)
	r.rest = append(r.rest[:0], r.rest[k:]...)
	return k, nil
}
