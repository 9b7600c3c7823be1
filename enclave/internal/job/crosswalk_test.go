package job_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"strings"
	"testing"

	"anchorhold/enclave/deid/stream"
	"anchorhold/protocol/canonical"
	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/message"
	"anchorhold/protocol/receipt"
	"anchorhold/protocol/result"
)

// withCrosswalk makes an order ask for a crosswalk.
func withCrosswalk(t testing.TB, o *order) *result.PrivateKey {
	t.Helper()
	key, err := result.GenerateKey()
	check(t, err)
	o.file.CrosswalkKey = key.PublicKey()
	hash := sha256.Sum256(o.file.CrosswalkKey)
	o.claims.Crosswalk = &hash
	return key
}

// crossed runs a job that must succeed, and returns records, report and crosswalk.
func crossed(t testing.TB, b *bench, p *peer, o *order, key *result.PrivateKey) (records, report, crosswalk string, leaf *receipt.Leaf) {
	t.Helper()
	out := p.run(t, o.job())
	m, ok := out.last.(message.Done)
	if !ok {
		t.Fatalf("got %q, want done", out.code())
	}
	leaf = b.verify(t, m.Receipt).Leaf
	if leaf == nil || leaf.Crosswalk == nil || *leaf.Crosswalk != digest.SumStream(out.crosswalk) || leaf.Output != digest.SumStream(out.result) {
		t.Fatalf("the receipt does not cover result and crosswalk: %+v", leaf)
	}
	r, rep, err := o.open(t, b, out.result)
	check(t, err)
	c, _, err := o.openStream(b, out.crosswalk, result.Crosswalk, key)
	check(t, err)
	return string(r), string(rep), string(c), leaf
}

const crossRecords = `{"resourceType":"Patient","id":"MARKERID","identifier":[{"system":"urn:mrn","value":"MARKERVALUE"}]}` + "\n" +
	`{"resourceType":"Encounter","id":"MARKERTWO","subject":{"reference":"Patient/MARKERID"}}` + "\n"

// What a crosswalk says is in that stream alone: not in records, report, receipt, nor in anything
// that the parent can read; and the key of one stream does not open the other.
func TestCrosswalkIsSealedApart(t *testing.T) {
	b := newBench(t, options{})
	o := newOrder(t, b)
	key := withCrosswalk(t, o)
	o.records = []byte(crossRecords)
	o.seal(t, b)
	p := b.dial(t)
	records, report, crosswalk, _ := crossed(t, b, p, o, key)
	lines := strings.Split(strings.TrimSuffix(crosswalk, "\n"), "\n")
	wants := []string{
		`{"kind":"id","scope":"Patient","original":"MARKERID","surrogate":"`, `{"kind":"identifier","scope":"urn:mrn","original":"MARKERVALUE","surrogate":"`,
		`{"kind":"id","scope":"Encounter","original":"MARKERTWO","surrogate":"`,
	}
	if len(lines) != len(wants) {
		t.Fatalf("got %d lines, want %d: %s", len(lines), len(wants), crosswalk)
	}
	for i, want := range wants {
		surrogate := strings.TrimSuffix(strings.TrimPrefix(lines[i], want), `"}`)
		if len(surrogate) != 32 || !strings.Contains(records, surrogate) {
			t.Errorf("line %d: got %s, want %s… and its surrogate in the records", i+1, lines[i], want)
		}
	}
	for _, original := range []string{"MARKERID", "MARKERVALUE", "MARKERTWO"} {
		for _, form := range []string{original, base64.StdEncoding.EncodeToString([]byte(original))[:8], hex.EncodeToString([]byte(original))} {
			if strings.Contains(records+report, form) {
				t.Errorf("%q is in records or report", form)
			}
			if bytes.Contains(p.recorder.bytes(), []byte(form)) {
				t.Errorf("%q went to the parent", form)
			}
		}
	}
	if strings.Contains(p.run(t, o.job()).string(), "MARKER") {
		t.Error("a replay sends an original")
	}
	out := b.dial(t).run(t, o.job())
	if _, _, err := o.openStream(b, out.crosswalk, result.Crosswalk, o.reply); err == nil {
		t.Error("the reply key opens the crosswalk")
	}
	if _, _, err := o.openStream(b, out.result, result.Result, key); err == nil {
		t.Error("the crosswalk key opens the result")
	}
}

func (o outcome) string() string { return string(o.result) + string(o.crosswalk) }

// Two nights: known identifiers keep their surrogates whichever way the earlier crosswalk comes,
// and the second crosswalk is whole.
func TestEarlierCrosswalk(t *testing.T) {
	b := newBench(t, options{})
	first := newOrder(t, b)
	key := withCrosswalk(t, first)
	first.records = []byte(crossRecords)
	records1, _, crosswalk1, _ := crossed(t, b, b.dial(t), first.seal(t, b), key)

	const tonight = `{"resourceType":"Patient","id":"new"}` + "\n" + crossRecords
	ways := map[string]func(o *order){
		"before the records": func(o *order) {
			o.claims.Earlier = uint64(len(crosswalk1))
			o.records = []byte(crosswalk1 + tonight)
		},
		"in the parameters": func(o *order) {
			values, err := canonical.Marshal(map[string]any{
				"label": "anchorhold/v1 parameters", "values": map[string][]byte{"earlier-crosswalk": []byte(crosswalk1)},
			})
			check(t, err)
			o.records, o.values = []byte(tonight), values
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			o := newOrder(t, b)
			key := withCrosswalk(t, o)
			way(o)
			records, _, crosswalk, leaf := crossed(t, b, b.dial(t), o.seal(t, b), key)
			_, rest, _ := strings.Cut(records, "\n")
			if rest != records1 {
				t.Errorf("got %s, want the records of the first night: %s", rest, records1)
			}
			if added, ok := strings.CutPrefix(crosswalk, crosswalk1); !ok || strings.Count(added, "\n") != 1 || !strings.Contains(added, `"original":"new"`) {
				t.Errorf("got crosswalk %s, want the earlier one and one line", crosswalk)
			}
			if leaf.RecordsIn != 4 {
				t.Errorf("got %d records in (bucketed), want 4", leaf.RecordsIn)
			}
		})
	}

	o := newOrder(t, b)
	key = withCrosswalk(t, o)
	o.records = []byte(crossRecords)
	if records, _, _, _ := crossed(t, b, b.dial(t), o.seal(t, b), key); records == records1 {
		t.Error("without the earlier crosswalk another message gives the same surrogates")
	}
}

func TestEarlierCrosswalkRefused(t *testing.T) {
	b := newBench(t, options{})
	line := `{"kind":"id","scope":"Patient","original":"1","surrogate":"` + strings.Repeat("b", 32) + `"}` + "\n"
	for name, set := range map[string]func(o *order){
		"shorter than the context says": func(o *order) { o.claims.Earlier, o.records = 5000, []byte(line) },
		"cut in a line":                 func(o *order) { o.claims.Earlier, o.records = uint64(len(line)-1), []byte(line) },
		"longer than the context says": func(o *order) {
			o.claims.Earlier, o.records = uint64(len(line)+20), []byte(line+patient)
		},
		"both ways": func(o *order) {
			values, err := canonical.Marshal(map[string]any{"label": "anchorhold/v1 parameters", "values": map[string][]byte{"earlier-crosswalk": []byte(line)}})
			check(t, err)
			o.values, o.claims.Earlier, o.records = values, uint64(len(line)), []byte(line)
		},
		"an identifier twice": func(o *order) { o.claims.Earlier, o.records = uint64(2*len(line)), []byte(line+line) },
	} {
		t.Run(name, func(t *testing.T) {
			o := newOrder(t, b)
			withCrosswalk(t, o)
			o.records = nil
			set(o)
			if got := b.dial(t).run(t, o.seal(t, b).job()); got.code() != code.CrosswalkMalformed {
				t.Errorf("got %q, want %q", got.code(), code.CrosswalkMalformed)
			}
		})
	}
}

// Rules that issue no surrogates make no crosswalk: an empty one would be taken for "nothing was
// replaced".
func TestNoSurrogatesNoCrosswalk(t *testing.T) {
	b := newBench(t, options{engine: engine(func(ctx context.Context, in io.Reader, out io.Writer, o stream.Options) (*stream.Report, error) {
		return stream.Process(ctx, plainRules{}, in, out, o)
	})})
	o := newOrder(t, b)
	withCrosswalk(t, o)
	if got := b.dial(t).run(t, o.seal(t, b).job()); got.code() != code.CrosswalkMismatch {
		t.Errorf("got %q, want %q", got.code(), code.CrosswalkMismatch)
	}
}

type plainRules struct{ stream.Engine }

func (plainRules) Surrogates() bool { return false }
