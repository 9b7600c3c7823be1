package sealing_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/canonical"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/internal/sealing"
	"anchorhold/protocol/jobfile"
	"anchorhold/protocol/protocoltest/standin"
	"anchorhold/protocol/result"
)

var now = time.Date(2026, 5, 6, 23, 59, 0, 0, time.UTC)

// kms is a KMS that remembers what it gave.
type kms struct {
	plaintexts [][]byte // as the caller holds them: they must end cleared
	copies     [][]byte
	contexts   []map[string]string
}

func (k *kms) DataKey(_ context.Context, arn string, c map[string]string) (*sealing.DataKey, error) {
	if arn != standin.Key {
		return nil, errors.New("unexpected key")
	}
	plain := bytes.Repeat([]byte{byte(len(k.copies) + 1)}, 32)
	k.plaintexts, k.copies, k.contexts = append(k.plaintexts, plain), append(k.copies, bytes.Clone(plain)), append(k.contexts, maps.Clone(c))
	return &sealing.DataKey{Plaintext: plain, Ciphertext: []byte("encrypted")}, nil
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// plan is one that passes, under a policy with more limits if wanted.
func plan(t testing.TB, more string) sealing.Plan {
	t.Helper()
	compiled, err := standin.CompilePolicy(standin.PolicyYAML + more)
	check(t, err)
	key, err := result.GenerateKey()
	check(t, err)
	return sealing.Plan{Policy: compiled, Pins: standin.New(compiled).Pins(now), Reply: key.PublicKey(), Now: now}
}

func TestSealedJobSaysWhatWasAsked(t *testing.T) {
	p := plan(t, "")
	crosswalk, err := result.GenerateKey()
	check(t, err)
	p.Crosswalk, p.Parameters = crosswalk.PublicKey(), map[string][]byte{"salt": []byte("secret")}
	approved, err := p.Check()
	check(t, err)
	var file bytes.Buffer
	k := &kms{}
	sealed, err := approved.Seal(t.Context(), k, strings.NewReader("records"), &file)
	check(t, err)
	if sealed.Size != int64(file.Len()) {
		t.Errorf("size: got %d, want %d", sealed.Size, file.Len())
	}
	header, sum, err := jobfile.ReadHeader(&file)
	check(t, err)
	msg, err := envelope.ReadHeader(&file, envelope.Limits{MaxKeys: 1, MaxFrameLength: 4 << 20})
	check(t, err)
	job, err := envelope.ParseContext(msg.Context)
	check(t, err)
	parameters := sha256.Sum256(header.Parameters)
	if sum != sealed.Header || msg.MessageID != sealed.MessageID || job.Reply != sha256.Sum256(p.Reply) ||
		*job.Crosswalk != sha256.Sum256(p.Crosswalk) || *job.Parameters != parameters ||
		job.ReferenceDate != "2026-05-06" || job.NotAfter.Format(time.DateOnly) != "2026-05-13" || job.Tenant != "clinic" {
		t.Errorf("got %+v and %+v, want what was asked", job, sealed)
	}
	if len(k.contexts) != 2 || !maps.Equal(k.contexts[1], msg.Context) {
		t.Errorf("KMS was asked with %v, want the message's own context last", k.contexts)
	}
	r, err := msg.Open(k.copies[1], &file)
	check(t, err)
	if got, err := io.ReadAll(r); err != nil || string(got) != "records" {
		t.Errorf("plaintext: got %q, %v, want records", got, err)
	}
	checkParameters(t, header.Parameters, k.copies[0], job)
	for i, plain := range k.plaintexts {
		if !bytes.Equal(plain, make([]byte, 32)) {
			t.Errorf("data key %d was not cleared", i)
		}
	}
}

// checkParameters opens a parameters message and compares it with its job.
func checkParameters(t *testing.T, message, key []byte, job *envelope.Job) {
	t.Helper()
	in := bytes.NewReader(message)
	msg, err := envelope.ReadHeader(in, envelope.Limits{MaxKeys: 1, MaxFrameLength: 4 << 20})
	check(t, err)
	other, err := envelope.ParseContext(msg.Context)
	check(t, err)
	if other.ContentType != envelope.ContentParameters || other.Image != job.Image || other.Tenant != job.Tenant ||
		other.Pipeline != job.Pipeline || other.Reply != job.Reply {
		t.Errorf("context: got %+v, want that of the job with another content type", other)
	}
	r, err := msg.Open(key, in)
	check(t, err)
	plain, err := io.ReadAll(r)
	check(t, err)
	var got struct {
		Label  string            `cbor:"label"`
		Values map[string][]byte `cbor:"values"`
	}
	check(t, canonical.Unmarshal(plain, &got))
	if got.Label != "anchorhold/v1 parameters" || string(got.Values["salt"]) != "secret" {
		t.Errorf("plaintext: got %+v, want label and salt of SPEC 3.4", got)
	}
}

func TestEachJobFileHasItsOwnNonceAndID(t *testing.T) {
	approved, err := plan(t, "").Check()
	check(t, err)
	seen := map[[32]byte]bool{}
	for range 4 {
		var file bytes.Buffer
		sealed, err := approved.Seal(t.Context(), &kms{}, strings.NewReader("{}"), &file)
		check(t, err)
		header, _, err := jobfile.ReadHeader(&file)
		check(t, err)
		seen[header.Nonce], seen[sealed.MessageID] = true, true
	}
	if len(seen) != 8 {
		t.Fatalf("distinct nonces and ids: got %d, want 8", len(seen))
	}
}

func TestRefusedPlans(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(p *sealing.Plan)
		want   error
	}{
		"no pins":    {func(p *sealing.Plan) { p.Pins = nil }, sealing.ErrRefused},
		"empty pins": {func(p *sealing.Plan) { p.Pins = &appraise.Pins{} }, sealing.ErrRefused},
		// one minute past their last day
		"expired pins":          {func(p *sealing.Plan) { p.Now = now.Add(time.Minute) }, sealing.ErrRefused},
		"zero pcr1":             {func(p *sealing.Plan) { clear(p.Pins.Images[0].PCR1[:]) }, sealing.ErrRefused},
		"image of other policy": {func(p *sealing.Plan) { p.Pins.Images[0].PCR2[0] ^= 1 }, sealing.ErrRefused},
		"foreign key": {func(p *sealing.Plan) {
			p.Key = "arn:aws:kms:us-east-1:999999999999:key/00000000-0000-4000-8000-000000000001"
		}, sealing.ErrRefused},
		// 32 days
		"day too far":      {func(p *sealing.Plan) { p.NotAfter = "2026-06-07" }, sealing.ErrRefused},
		"yesterday":        {func(p *sealing.Plan) { p.NotAfter = "2026-05-05" }, sealing.ErrRefused},
		"no such day":      {func(p *sealing.Plan) { p.NotAfter = "2026-02-30" }, sealing.ErrUnclear},
		"no such image":    {func(p *sealing.Plan) { p.Image = "x" }, sealing.ErrUnclear},
		"frame too long":   {func(p *sealing.Plan) { p.FrameLength = 4<<20 + 1 }, sealing.ErrRefused},
		"reply key is odd": {func(p *sealing.Plan) { p.Reply = p.Reply[1:] }, nil},
		"no reply key":     {func(p *sealing.Plan) { p.Reply = nil }, nil},
		"policy is YAML":   {func(p *sealing.Plan) { p.Policy = []byte(standin.PolicyYAML) }, nil},
	} {
		p := plan(t, "")
		tt.change(&p)
		if _, err := p.Check(); err == nil || (tt.want != nil && !errors.Is(err, tt.want)) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
}

func TestLastDayIsAllowed(t *testing.T) {
	p := plan(t, "")
	p.NotAfter = "2026-06-06" // 31 days
	_, err := p.Check()
	check(t, err)
}

// The nitro-cli layout has the policy in ramdisk 1 with the program: PCR2 cannot be recomputed.
func TestNitroCLILayout(t *testing.T) {
	p := plan(t, "")
	p.Pins.Layout = appraise.LayoutNitroCLI
	p.Pins.Images[0].PCR2[0] ^= 1
	_, err := p.Check()
	check(t, err)
}

func TestPolicyThatFixesTheDate(t *testing.T) {
	p := plan(t, "    reference-date: 2026-12-31\n")
	approved, err := p.Check()
	check(t, err)
	if approved.Job.ReferenceDate != "" || approved.ReferenceDate() != "2026-12-31" {
		t.Errorf("got %q in the job and %q in all, want none and the policy's", approved.Job.ReferenceDate, approved.ReferenceDate())
	}
	p.ReferenceDate = "2026-01-01"
	if _, err := p.Check(); !errors.Is(err, sealing.ErrRefused) {
		t.Errorf("another date: got %v, want %v", err, sealing.ErrRefused)
	}
}

func TestJobOverThePolicysSize(t *testing.T) {
	approved, err := plan(t, "limits:\n  job-bytes: 10000\n").Check()
	check(t, err)
	for _, n := range []int{1 << 10, 1 << 20} {
		_, err := approved.Seal(t.Context(), &kms{}, strings.NewReader(strings.Repeat("x", n)), io.Discard)
		if got, want := errors.Is(err, sealing.ErrTooLarge), n > 10000; got != want {
			t.Errorf("%d bytes: got %v, want refusal %v", n, err, want)
		}
	}
}

func TestCanceled(t *testing.T) {
	approved, err := plan(t, "").Check()
	check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k := &kms{}
	if _, err := approved.Seal(ctx, k, strings.NewReader("x"), io.Discard); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want %v", err, context.Canceled)
	}
	if !bytes.Equal(k.plaintexts[0], make([]byte, 32)) {
		t.Error("the data key was not cleared")
	}
}
