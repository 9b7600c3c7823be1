package audit_test

import (
	"strings"
	"testing"
	"time"

	"anchorhold/protocol/audit"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/receipt"
)

// Parameters and crosswalk that both sides know must be the same, as must a reference date.
func TestOptionalPartsAreCompared(t *testing.T) {
	mine, other := hash("parameters"), hash("other parameters")
	crosswalk, otherCrosswalk := digest.Stream(hash("crosswalk")), digest.Stream(hash("other crosswalk"))
	const date = "2026-12-31"
	for name, c := range map[string]struct {
		leaf   func(*receipt.Leaf)
		expect func(*audit.Expect)
		want   error
	}{
		"parameters":       {func(l *receipt.Leaf) { l.Parameters = &mine }, func(e *audit.Expect) { e.Parameters = &mine }, nil},
		"other parameters": {func(l *receipt.Leaf) { l.Parameters = &other }, func(e *audit.Expect) { e.Parameters = &mine }, audit.ErrParameters},
		"no parameters":    {func(*receipt.Leaf) {}, func(e *audit.Expect) { e.Parameters = &mine }, audit.ErrParameters},
		"crosswalk":        {func(l *receipt.Leaf) { l.Crosswalk = &crosswalk }, func(e *audit.Expect) { e.Crosswalk = &crosswalk }, nil},
		"other crosswalk":  {func(l *receipt.Leaf) { l.Crosswalk = &otherCrosswalk }, func(e *audit.Expect) { e.Crosswalk = &crosswalk }, audit.ErrCrosswalk},
		"reference date":   {func(l *receipt.Leaf) { l.ReferenceDate = date }, func(e *audit.Expect) { e.ReferenceDate = date }, nil},
		"other date":       {func(l *receipt.Leaf) { l.ReferenceDate = "2026-01-01" }, func(e *audit.Expect) { e.ReferenceDate = date }, audit.ErrReference},
		"date not asked":   {func(l *receipt.Leaf) { l.ReferenceDate = date }, func(*audit.Expect) {}, nil},
		"no date":          {func(*receipt.Leaf) {}, func(e *audit.Expect) { e.ReferenceDate = date }, audit.ErrReference},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			l, e := w.leaf(0), w.expect()
			c.leaf(l)
			c.expect(&e)
			checkLeaf(t, w, l, e, c.want)
		})
	}
}

// The policy's reference date goes before what the job asked for: ages mean something else under
// another one.
func TestReferenceDateOfThePolicy(t *testing.T) {
	for date, want := range map[string]error{"2026-12-31": nil, "2026-01-01": audit.ErrReference, "": audit.ErrReference} {
		w := newWorld(t)
		w.policy = compile(t, strings.Replace(policyYAML, "preset: safe-harbor\n", "preset: safe-harbor\n    reference-date: 2026-12-31\n", 1))
		w.start(measure.DevImage([]byte("program"), w.policy))
		w.pins.Images[0].PCR0, w.pins.Images[0].PCR1, w.pins.Images[0].PCR2 = w.image.PCR0, w.image.PCR1, w.image.PCR2
		l := w.leaf(0)
		l.ReferenceDate = date
		checkLeaf(t, w, l, w.expect(), want)
	}
}

// checkLeaf has the leaf signed and checks it.
func checkLeaf(t *testing.T, w *world, l *receipt.Leaf, e audit.Expect, want error) {
	t.Helper()
	v, err := audit.Verify(w.files(t, l)[0], w.ca.Roots(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if want != nil {
		wantRefusal(t, v, e, want)
		return
	}
	if a, err := v.Check(e); err != nil || a.Leaf.Sequence != l.Sequence {
		t.Errorf("got %v, want it accepted", err)
	}
}
