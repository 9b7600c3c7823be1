package fleet_test

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"anchorhold/parent/internal/enclavetest"
	"anchorhold/parent/internal/fleet"
	"anchorhold/parent/internal/spool"
	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
)

func TestJobsOfManyTenants(t *testing.T) {
	e := enclavetest.New(t, image).Start(t)
	r := start(t, t.TempDir(), spool.Options{}, options(), e)
	big := strings.Repeat("0123456789", 1<<20/10)
	ids := map[string]string{}
	for i := range 12 {
		body := big + strconv.Itoa(i)
		ids[r.submit(t, "t"+strconv.Itoa(i%3), image, body)] = body
	}
	for id, body := range ids {
		j := r.mustDone(t, id, body)
		if j.CrosswalkBytes != 1 || j.Attempts != 1 {
			t.Errorf("got %d crosswalk bytes in %d attempts, want 1 in 1", j.CrosswalkBytes, j.Attempts)
		}
	}
	if got := e.Most.Load(); got > int64(e.Capacity) {
		t.Errorf("got %d jobs at once, want at most %d", got, e.Capacity)
	}
}

// A tenant with many jobs delays another's by the one that runs, not by all.
func TestFairness(t *testing.T) {
	e := enclavetest.New(t, image)
	e.Capacity = 1
	order := make(chan byte, 100)
	e.Handle(func(j *enclavetest.Job) error {
		b, err := io.ReadAll(j.Input)
		if err != nil {
			return err
		}
		order <- b[0]
		j.Input = bytes.NewReader(b)
		return enclavetest.Echo(j)
	})
	r := start(t, t.TempDir(), spool.Options{}, options(), e)
	for range 20 {
		r.submit(t, "loud", image, "L")
	}
	for range 3 {
		r.submit(t, "quiet", image, "Q")
	}
	e.Start(t)
	var got []byte
	for range 8 {
		got = append(got, <-order)
	}
	if n := bytes.Count(got[:7], []byte("Q")); n != 3 {
		t.Errorf("got order %s, want the three of the quiet tenant among the first 7", got)
	}
}

func TestPrefersImage(t *testing.T) {
	other := digest.Digest{9}
	a, b := enclavetest.New(t, image).Start(t), enclavetest.New(t, other).Start(t)
	r := start(t, t.TempDir(), spool.Options{}, options(), a, b)
	for range 4 {
		r.mustDone(t, r.submit(t, "t", other, "x"), "x")
	}
	if a.Total.Load() != 0 || b.Total.Load() != 4 {
		t.Errorf("got %d jobs on the wrong image, %d on the right one", a.Total.Load(), b.Total.Load())
	}
	if got := r.fleet.Ask(t.Context(), digest.Digest{7}); got != fleet.No {
		t.Errorf("got fit %v for an image that none has, want no", got)
	}
	if j := r.wait(t, r.submit(t, "t", digest.Digest{7}, "x")); j.Code != code.ImageMismatch {
		t.Errorf("got %s %s, want %s", j.State, j.Code, code.ImageMismatch)
	}
}

// An enclave is replaced by one with another image. Jobs for it are not refused on the strength of
// what the old one said.
func TestImageChanges(t *testing.T) {
	e := enclavetest.New(t, image).Start(t)
	o := options()
	o.ProbeEvery, o.ProbeTime = time.Minute, 5*time.Second // only what is asked for
	r := start(t, t.TempDir(), spool.Options{}, o, e)
	until(t, "ready", r.fleet.Ready)
	next := digest.Digest{8}
	e.Kill()
	e.Image = next
	e.Start(t)
	if got := r.fleet.Ask(t.Context(), next); got == fleet.No {
		t.Errorf("got no for the image that now runs")
	}
	r.mustDone(t, r.submit(t, "t", next, "x"), "x")
	if got := r.fleet.Ask(t.Context(), image); got != fleet.No {
		t.Errorf("got %v for the image that ran before, want no", got)
	}
}

// The log survives restarts of enclave and parent, without gaps or doubles.
func TestReceiptLog(t *testing.T) {
	e := enclavetest.New(t, image).Start(t)
	dir := t.TempDir()
	r := start(t, dir, spool.Options{}, options(), e)
	stored := func(n int) func() bool {
		return func() bool { b, _ := r.spool.Batches(0, 1000); return len(b) == n }
	}
	for range 70 {
		e.Sign()
	}
	until(t, "70 batches", stored(70))
	r.stop()
	e.Sign()
	r = start(t, dir, spool.Options{}, options(), e)
	until(t, "71 batches", stored(71))
	e.Kill()
	e.Start(t)
	e.Sign()
	until(t, "72 batches", stored(72))
	b, err := r.spool.Batches(70, 2)
	if err != nil || b[0].Number != 70 || b[1].Number != 0 || b[0].Boot == b[1].Boot {
		t.Errorf("got %+v, %v, want batch 70 of one boot and 0 of the next", b, err)
	}
}

// An enclave that signs a batch for each of many small jobs forgets those that are not fetched in
// time: the parent must not wait for the next question after each few.
func TestReceiptLogKeepsUp(t *testing.T) {
	e := enclavetest.New(t, image).Start(t)
	for range 1500 {
		e.Sign()
	}
	o := options()
	o.ProbeEvery = time.Hour
	r := start(t, t.TempDir(), spool.Options{}, o, e)
	until(t, "all batches", func() bool { b, _ := r.spool.Batches(0, 2000); return len(b) == 1500 })
}

// A parent that was kept from fetching for too long has a gap in its log, and not the end of it.
func TestReceiptLogGoesOnBehindAGap(t *testing.T) {
	e := enclavetest.New(t, image).Start(t)
	e.Sign()
	r := start(t, t.TempDir(), spool.Options{}, options(), e)
	until(t, "one batch", func() bool { b, _ := r.spool.Batches(0, 10); return len(b) == 1 })
	e.SignForgetting(5, 2)
	until(t, "three batches", func() bool { b, _ := r.spool.Batches(0, 10); return len(b) == 3 })
	e.Sign()
	until(t, "four batches", func() bool { b, _ := r.spool.Batches(0, 10); return len(b) == 4 })
	b, err := r.spool.Batches(0, 10)
	if err != nil || b[0].Number != 0 || b[1].Number != 4 || b[3].Number != 6 {
		t.Errorf("got %+v, %v, want batches 0, 4, 5 and 6", b, err)
	}
}

func TestAttestAndPolicy(t *testing.T) {
	e := enclavetest.New(t, image).Start(t)
	r := start(t, t.TempDir(), spool.Options{}, options(), e)
	if _, _, err := r.fleet.Attest(t.Context(), &digest.Digest{5}, []byte("n")); !errors.Is(err, fleet.ErrNoEnclave) {
		t.Errorf("got %v for another image, want no enclave", err)
	}
	until(t, "ready", r.fleet.Ready)
	doc, name, err := r.fleet.Attest(t.Context(), nil, []byte("n"))
	if err != nil || string(doc) != "document over n" || name != "e0" {
		t.Errorf("got %q of %q, %v", doc, name, err)
	}
	for range 2 {
		b, sum, err := r.fleet.Policy(t.Context(), &image)
		if err != nil || string(b) != "policy" || sum != digest.Sum(b) {
			t.Errorf("got %q, %v", b, err)
		}
	}
}

// The attack: the enclave describes one policy and sends another.
func TestPolicyThatIsNotTheDescribedOne(t *testing.T) {
	e := enclavetest.New(t, image)
	e.Policy = digest.Digest{8}
	e.Start(t)
	r := start(t, t.TempDir(), spool.Options{}, options(), e)
	until(t, "ready", r.fleet.Ready)
	if b, _, err := r.fleet.Policy(t.Context(), nil); err == nil || b != nil {
		t.Errorf("got %q, want an error", b)
	}
}
