package audit_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/audit"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/receipt"
	"anchorhold/protocol/verify"
)

func TestReceiptIsAccepted(t *testing.T) {
	w := newWorld(t)
	f := w.files(t, w.failure(0), w.leaf(1), w.failure(2))[1]
	for name, now := range map[string]time.Time{"live": w.clock.Add(time.Minute), "archived": {}} {
		v, err := audit.Verify(f, w.ca.Roots(), now)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		a, err := v.Check(w.expect())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if a.Leaf.Sequence != 1 || a.Image.Name != "release" {
			t.Errorf("%s: got leaf %d of %s", name, a.Leaf.Sequence, a.Image.Name)
		}
		var names []string
		for _, l := range a.Lines {
			// Not quoted as in Go source: a person reads it.
			if l.Detail == "" || strings.ContainsAny(l.Detail, "\"`\\") {
				t.Errorf("%s has no detail for a person: %s", l.Name, l.Detail)
			}
			if l.Name == "time" && !strings.Contains(l.Detail, "sealed "+sealed.Format(time.RFC3339)+" by your clock") {
				t.Errorf("time: got %q, want the sealing time itself", l.Detail)
			}
			names = append(names, l.Name)
		}
		want := strings.Fields("document job policy measurements image tenant pipeline key nonce message header input result")
		if got := names[:min(len(names), len(want))]; !slices.Equal(got, want) {
			t.Errorf("%s: checks are %q, want them to begin with %q", name, names, want)
		}
	}
	if _, err := audit.Verify(f, w.ca.Roots(), w.clock.AddDate(1, 0, 0)); !errors.Is(err, verify.ErrExpired) {
		t.Errorf("live a year later: got %v", err)
	}
	if _, err := audit.Verify(f, verify.AWSRoots(), time.Time{}); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("under AWS's root: got %v", err)
	}
}

// A receipt signed by a newer module is accepted, and the check says what was ignored.
func TestReceiptOfANewerModule(t *testing.T) {
	w := newWorld(t)
	w.nsm = softnsm.New(softnsm.Config{CA: w.ca, Image: w.image, Now: func() time.Time { return w.clock }, Newer: true})
	v, err := audit.Verify(w.files(t, w.leaf(0))[0], w.ca.Roots(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := v.Check(w.expect())
	if err != nil {
		t.Fatal(err)
	}
	if l := a.Lines[0]; l.Name != "document" || !strings.HasSuffix(l.Detail, ", ignored: 1 unknown field") {
		t.Errorf("got %s %q, want it to say that a field was ignored", l.Name, l.Detail)
	}
}

// Whoever swaps one thing that the owner knows is found out, by a reason of its own.
func TestOwnerExpectsAnother(t *testing.T) {
	other := [32]byte{1}
	otherDigest, otherStream := sum("other"), digest.Stream(hash("other"))
	for name, c := range map[string]struct {
		change func(*world, *audit.Expect)
		want   error
	}{
		"swapped result":           {func(_ *world, e *audit.Expect) { e.Output = otherStream }, audit.ErrOutput},
		"swapped result size":      {func(_ *world, e *audit.Expect) { e.OutputSize++ }, audit.ErrOutput},
		"replayed receipt":         {func(_ *world, e *audit.Expect) { e.Nonce = other }, audit.ErrNonce},
		"receipt of another input": {func(_ *world, e *audit.Expect) { e.Input = otherStream }, audit.ErrInput},
		"another input size":       {func(_ *world, e *audit.Expect) { e.InputSize++ }, audit.ErrInput},
		"another message":          {func(_ *world, e *audit.Expect) { e.MessageID = other }, audit.ErrMessage},
		"another header":           {func(_ *world, e *audit.Expect) { e.Header = otherDigest }, audit.ErrHeader},
		"another reply key":        {func(_ *world, e *audit.Expect) { e.Reply = other }, audit.ErrReply},
		"another tenant":           {func(_ *world, e *audit.Expect) { e.Tenant = "other" }, audit.ErrTenant},
		"unknown tenant":           {func(_ *world, e *audit.Expect) { e.Tenant = "nobody" }, audit.ErrTenant},
		"another pipeline":         {func(_ *world, e *audit.Expect) { e.Pipeline = "second" }, audit.ErrPipeline},
		"another key":              {func(_ *world, e *audit.Expect) { e.Key = keyARN + "0" }, audit.ErrKey},
		"image not the sealed one": {func(_ *world, e *audit.Expect) { e.Image = otherDigest }, audit.ErrImage},
		"parameters left out":      {func(_ *world, e *audit.Expect) { e.Parameters = &other }, audit.ErrParameters},
		"crosswalk left out":       {func(_ *world, e *audit.Expect) { e.Crosswalk = &otherStream }, audit.ErrCrosswalk},
		"another reference date":   {func(_ *world, e *audit.Expect) { e.ReferenceDate = "2026-01-01" }, audit.ErrReference},
		"document before sealing":  {func(w *world, e *audit.Expect) { e.SealedAt = w.clock.Add(appraise.Skew + time.Millisecond) }, appraise.ErrTooEarly},
		"document from the future": {func(w *world, e *audit.Expect) { e.Now = w.clock.Add(-2 * time.Minute) }, appraise.ErrFuture},
		"expired pins":             {func(w *world, e *audit.Expect) { w.pins.Expires = w.pins.Expires.AddDate(-1, 0, 0) }, appraise.ErrPinsExpired},
		"pins without images":      {func(w *world, e *audit.Expect) { w.pins.Images = nil }, appraise.ErrNoPins},
		"zero pins":                {func(_ *world, e *audit.Expect) { e.Pins = &appraise.Pins{} }, appraise.ErrPins},
		"debug pins":               {func(w *world, e *audit.Expect) { w.pins.Images[0].PCR1 = digest.Digest{} }, appraise.ErrDebug},
		"another image pinned":     {func(w *world, e *audit.Expect) { w.pins.Images[0].PCR1 = otherDigest }, appraise.ErrImage},
		"another policy pinned": {func(_ *world, e *audit.Expect) {
			e.Policy = compile(t, strings.Replace(policyYAML, "clinic", "hospital", 1))
		}, appraise.ErrPolicy},
		"policy that is none": {func(_ *world, e *audit.Expect) { e.Policy = []byte("policy") }, audit.ErrPolicy},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			v, err := audit.Verify(w.files(t, w.leaf(0))[0], w.ca.Roots(), time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			e := w.expect()
			c.change(w, &e)
			wantRefusal(t, v, e, c.want)
		})
	}
}

// Of a tenant's two pipelines one was asked for; and one that both name must be the tenant's.
func TestPipelines(t *testing.T) {
	both := strings.Replace(policyYAML, "pipelines: [deid]", "pipelines: [deid, second]", 1)
	for name, c := range map[string]struct{ policy, did, asked string }{
		"another of the tenant's": {both, "deid", "second"},
		"another tenant's":        {policyYAML, "second", "second"},
	} {
		w := newWorldOf(t, c.policy)
		leaf := w.leaf(0)
		leaf.Pipeline = c.did
		v, err := audit.Verify(w.files(t, leaf)[0], w.ca.Roots(), time.Time{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		e := w.expect()
		e.Pipeline = c.asked
		wantRefusal(t, v, e, audit.ErrPipeline)
	}
}

// A field that somebody forgot must not pass as "unchecked".
func TestIncompleteExpectation(t *testing.T) {
	w := newWorld(t)
	v, err := audit.Verify(w.files(t, w.leaf(0))[0], w.ca.Roots(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*audit.Expect){
		"zero expectation": func(e *audit.Expect) { *e = audit.Expect{} },
		"no pins":          func(e *audit.Expect) { e.Pins = nil },
		"no policy":        func(e *audit.Expect) { e.Policy = nil },
		"no nonce":         func(e *audit.Expect) { e.Nonce = [32]byte{} },
		"no input":         func(e *audit.Expect) { e.Input = digest.Stream{} },
		"no result":        func(e *audit.Expect) { e.Output = digest.Stream{} },
		"no header":        func(e *audit.Expect) { e.Header = digest.Digest{} },
		"no image":         func(e *audit.Expect) { e.Image = digest.Digest{} },
		"no reply key":     func(e *audit.Expect) { e.Reply = [32]byte{} },
		"no message":       func(e *audit.Expect) { e.MessageID = [32]byte{} },
		"no tenant":        func(e *audit.Expect) { e.Tenant = "" },
		"no pipeline":      func(e *audit.Expect) { e.Pipeline = "" },
		"no sealing time":  func(e *audit.Expect) { e.SealedAt = time.Time{} },
		"no time":          func(e *audit.Expect) { e.Now = time.Time{} },
	} {
		t.Run(name, func(t *testing.T) {
			e := w.expect()
			change(&e)
			wantRefusal(t, v, e, audit.ErrExpect)
		})
	}
}

func wantRefusal(t *testing.T, v *audit.Verified, e audit.Expect, want error) {
	t.Helper()
	a, err := v.Check(e)
	if !errors.Is(err, want) || a != nil {
		t.Fatalf("got %v, want %v", err, want)
	}
	if r, ok := errors.AsType[*audit.Refusal](err); !ok || r.Check == "" {
		t.Errorf("%v does not name the check", err)
	}
}

// The enclave's side is not the one expected, though each document is genuine.
func TestEnclaveIsAnother(t *testing.T) {
	other := [32]byte{1}
	crosswalk := digest.Stream(hash("crosswalk"))
	for name, c := range map[string]struct {
		prepare func(*world)
		leaf    func(*receipt.Leaf)
		want    error
	}{
		"another image":         {prepare: func(w *world) { w.start(measure.DevImage([]byte("evil"), w.policy)) }, want: appraise.ErrImage},
		"debug enclave":         {prepare: func(w *world) { w.start(measure.Image{}) }, want: appraise.ErrDebug},
		"shifted boundary":      {prepare: func(w *world) { i := w.image; i.PCR2 = sum("x"); w.start(i) }, want: appraise.ErrImage},
		"key of another tenant": {leaf: func(l *receipt.Leaf) { l.Key = strings.Replace(keyARN, "/1111", "/9999", 1) }, want: audit.ErrKey},
		"unasked parameters":    {leaf: func(l *receipt.Leaf) { l.Parameters = &other }, want: audit.ErrParameters},
		"unasked crosswalk":     {leaf: func(l *receipt.Leaf) { l.Crosswalk = &crosswalk }, want: audit.ErrCrosswalk},
		"job done before sealed": {leaf: func(l *receipt.Leaf) {
			l.Started, l.Finished = sealed.Add(-2*time.Hour), sealed.Add(-appraise.Skew-time.Millisecond)
		}, want: appraise.ErrTooEarly},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if c.prepare != nil {
				c.prepare(w)
			}
			l := w.leaf(0)
			if c.leaf != nil {
				c.leaf(l)
			}
			v, err := audit.Verify(w.files(t, l)[0], w.ca.Roots(), time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			e := w.expect()
			e.Key = ""
			wantRefusal(t, v, e, c.want)
		})
	}
}

// A failed job's leaf is signed like any other; it must never open a result.
func TestFailureIsNoReceipt(t *testing.T) {
	w := newWorld(t)
	v, err := audit.Verify(w.files(t, w.failure(0))[0], w.ca.Roots(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if v.Leaf != nil || v.Failure.Code != "authentication-failed" {
		t.Errorf("got %+v", v)
	}
	wantRefusal(t, v, w.expect(), audit.ErrFailed)
}

// A policy with test endpoints trusts a KMS that is not AWS's: only who asks for it gets it.
func TestNotAWS(t *testing.T) {
	w := newWorld(t)
	w.policy = compile(t, policyYAML+"test:\n  kms-host: kms.us-east-1.anchorhold.test\n  tls-roots: |\n"+
		"    "+strings.ReplaceAll(strings.TrimSpace(string(w.ca.RootPEM())), "\n", "\n    ")+"\n")
	w.start(measure.DevImage([]byte("program"), w.policy))
	w.pins.Images[0].PCR0, w.pins.Images[0].PCR1, w.pins.Images[0].PCR2 = w.image.PCR0, w.image.PCR1, w.image.PCR2
	v, err := audit.Verify(w.files(t, w.leaf(0))[0], w.ca.Roots(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	e := w.expect()
	wantRefusal(t, v, e, audit.ErrNotAWS)
	e.AllowNotAWS = true
	a, err := v.Check(e)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(a.Lines, func(l audit.CheckLine) bool { return strings.Contains(l.Detail, "NOT AWS") }) {
		t.Error("no line says NOT AWS")
	}
}

// An honest owner's clock may be ahead of the hypervisor's, by Skew and no more.
func TestOwnersClockAhead(t *testing.T) {
	w := newWorld(t)
	l := w.leaf(0)
	v, err := audit.Verify(w.files(t, l)[0], w.ca.Roots(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	e := w.expect()
	e.SealedAt = l.Finished.Add(appraise.Skew)
	if _, err := v.Check(e); err != nil {
		t.Errorf("ahead by the skew: %v", err)
	}
	e.SealedAt = e.SealedAt.Add(time.Millisecond)
	wantRefusal(t, v, e, appraise.ErrTooEarly)
}
