package audit_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"anchorhold/protocol/audit"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/receipt"
	"anchorhold/protocol/verify"
)

// batches signs n consecutive batches of two leaves.
func batches(t testing.TB, w *world, n int) []*verify.Attested {
	t.Helper()
	var out []*verify.Attested
	var previous digest.Digest
	for i := range uint64(n) {
		leaves := encodeAll(t, w.leaf(2*i), w.failure(2*i+1))
		v := w.batch(t, w.userData(i, 2*i, previous, leaves))
		previous = receipt.Head(v.Document().UserData)
		out = append(out, v)
		w.clock = w.clock.Add(time.Minute)
	}
	return out
}

func (w *world) batch(t testing.TB, u *receipt.UserData) *verify.Attested {
	t.Helper()
	return w.verified(t, w.attest(t, u, nil, nil))
}

func TestChain(t *testing.T) {
	w := newWorld(t)
	docs := batches(t, w, 4)
	c, err := audit.VerifyChain(docs...)
	if err != nil {
		t.Fatal(err)
	}
	if c.First != 0 || c.Last != 3 || c.Leaves != 8 || c.Boot != w.boot || c.Head != receipt.Head(docs[3].Document().UserData) {
		t.Errorf("got %+v", c)
	}
	if c, err := audit.VerifyChain(docs[1:3]...); err != nil || c.First != 1 || c.Last != 2 {
		t.Errorf("middle: got %+v, %v", c, err)
	}
	if err := audit.CheckFork(docs[3], docs[0], docs[2], docs[3]); err != nil {
		t.Errorf("with gaps and repeats: %v", err)
	}
}

func TestChainRefused(t *testing.T) {
	w := newWorld(t)
	docs := batches(t, w, 4)
	last := receipt.Head(docs[3].Document().UserData)
	next := func(change func(*receipt.UserData)) *verify.Attested {
		u := w.userData(4, 8, last, encodeAll(t, w.leaf(8)))
		change(u)
		return w.batch(t, u)
	}
	good := next(func(*receipt.UserData) {})
	if _, err := audit.VerifyChain(append(docs[:4:4], good)...); err != nil {
		t.Fatalf("good next batch: %v", err)
	}
	w.clock = w.clock.Add(-time.Hour)
	older := next(func(*receipt.UserData) {})
	w.clock = w.clock.Add(time.Hour)
	cases := map[string]struct {
		docs []*verify.Attested
		want error
		why  string // what the error says: refused for another reason, a case would test nothing
	}{
		"none":               {nil, audit.ErrChain, "none"},
		"nil":                {[]*verify.Attested{nil}, audit.ErrChain, "no document"},
		"left out":           {[]*verify.Attested{docs[0], docs[2]}, audit.ErrChain, "batch 2 stands after 0"},
		"out of order":       {[]*verify.Attested{docs[1], docs[0]}, audit.ErrChain, "batch 0 stands after 1"},
		"twice":              {[]*verify.Attested{docs[0], docs[0]}, audit.ErrChain, "batch 0 stands after 0"},
		"fork at the end":    {append(docs[:4:4], next(func(u *receipt.UserData) { u.Batch.Number, u.Batch.First = 3, 6 })), audit.ErrFork, "batch 3"},
		"fork in the past":   {append(docs[:4:4], next(func(u *receipt.UserData) { u.Batch.Previous = sum("other") })), audit.ErrFork, "batch 3"},
		"leaves left out":    {append(docs[:4:4], next(func(u *receipt.UserData) { u.Batch.First = 9 })), audit.ErrChain, "leaves missing before batch 4"},
		"another boot":       {append(docs[:4:4], next(func(u *receipt.UserData) { u.Boot[0]++ })), audit.ErrChain, "another boot"},
		"another policy":     {append(docs[:4:4], next(func(u *receipt.UserData) { u.Policy = sum("other") })), audit.ErrChain, "another policy or enclave"},
		"older than before":  {append(docs[:4:4], older), audit.ErrChain, "batch 4 is older"},
		"challenge in chain": {append(docs[:4:4], w.verified(t, w.attest(t, &receipt.UserData{Purpose: receipt.PurposeChallenge}, []byte("n"), nil))), audit.ErrPurpose, ""},
	}
	// Last: from here on, w is another enclave.
	other := func(image measure.Image, module, why string) {
		w.nsm = softnsm.New(softnsm.Config{CA: w.ca, Image: image, ModuleID: module, Now: func() time.Time { return w.clock }})
		c := cases["none"]
		c.docs, c.why = append(docs[:4:4], next(func(*receipt.UserData) {})), why
		cases[fmt.Sprint(len(cases), " ", why)] = c
	}
	same := good.Document().ModuleID
	other(w.image, same+"0", "another policy or enclave")
	for i, evil := range []measure.Image{w.image, w.image, w.image} {
		*[]*digest.Digest{&evil.PCR0, &evil.PCR1, &evil.PCR2}[i] = sum("evil")
		other(evil, same, "another image")
	}
	for name, c := range cases {
		if got, err := audit.VerifyChain(c.docs...); !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.why) || got != nil {
			t.Errorf("%s: got %v, want %v: %s", name, err, c.want, c.why)
		}
	}
}

// An owner who got two receipts finds out that one boot signed two histories, also without the
// batches between.
func TestForkIsFoundWithGaps(t *testing.T) {
	w := newWorld(t)
	docs := batches(t, w, 4)
	forged := w.batch(t, w.userData(2, 4, sum("another history"), encodeAll(t, w.leaf(4))))
	for _, known := range [][]*verify.Attested{{docs[1], forged}, {docs[2], forged}, {forged, docs[3]}, {docs[0], docs[3], forged}} {
		if err := audit.CheckFork(known...); !errors.Is(err, audit.ErrFork) {
			t.Errorf("got %v, want %v", err, audit.ErrFork)
		}
	}
}

func TestVerifyBatch(t *testing.T) {
	w := newWorld(t)
	leaves := encodeAll(t, w.leaf(0), w.failure(1), w.leaf(2))
	v := w.batch(t, w.userData(0, 0, digest.Digest{}, leaves))
	h := hashes(leaves)
	if u, err := audit.VerifyBatch(v, h); err != nil || u.Batch.Size != 3 {
		t.Fatalf("got %+v, %v", u, err)
	}
	for name, bad := range map[string][]digest.Digest{
		"none": nil, "left out": h[:2], "one more": append(h[:3:3], h[0]), "swapped": {h[1], h[0], h[2]},
	} {
		if _, err := audit.VerifyBatch(v, bad); !errors.Is(err, receipt.ErrPath) {
			t.Errorf("%s: got %v, want %v", name, err, receipt.ErrPath)
		}
	}
}
