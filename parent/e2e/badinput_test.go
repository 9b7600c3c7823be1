package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"testing"

	"anchorhold/parent/e2e/stage"
	"anchorhold/protocol/canonical"
	"anchorhold/protocol/code"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/result"
)

// labKey is another tenant's.
const labKey = "arn:aws:kms:us-east-1:111122223333:key/99999999-0000-4000-8000-000000000002"

// twoTenants starts a stage whose policy has a second tenant and a pipeline that fails at the first
// bad record.
func twoTenants(t *testing.T) *stage.Stage {
	t.Helper()
	s := start(t, stage.Options{})
	ctx := t.Context()
	yaml := string(read(t, s.Path("policy.yaml")))
	at := strings.Index(yaml, "pipelines:\n")
	end := strings.Index(yaml, "test:\n")
	pipeline := "    preset: safe-harbor\n    content-types: [application/fhir+ndjson]\n    reference-date: 2026-12-31\n"
	yaml = strings.Replace(yaml[:at], "pipelines: [deid]", "pipelines: [deid, strict]", 1) +
		"  - name: lab\n    keys: [" + labKey + "]\n    pipelines: [theirs]\n" + yaml[at:end] +
		"  - name: strict\n    on-reject: raise\n" + pipeline + "  - name: theirs\n" + pipeline +
		"limits: {encrypted-keys: 2, replays: 9}\n" + yaml[end:]
	write(t, s.Path("policy.yaml"), []byte(yaml))
	check(t, os.Remove(s.Path("policy.cbor")))
	check(t, os.Remove(s.Path("policy.pins")))
	mustOwner(t, s, 0, "policy", "compile", "-o", s.Path("policy.cbor"), s.Path("policy.yaml"))
	check(t, s.WritePins(ctx, "policy"))
	check(t, s.PutKeyPolicy(ctx, "policy"))
	check(t, s.StartEnclave(ctx, "policy"))
	return s
}

// badJob is one way to make a job that must not be done.
type badJob struct {
	name  string
	make  func(t *testing.T, s *stage.Stage, o *order) // before it is sealed
	after func(o *order)
	want  code.Code // of the enclave
	// parent is the parent's code where it refuses before the enclave sees the job; empty: the
	// enclave's.
	parent code.Code
	// tool is what `wrap` says of the message: it refuses first, with exit code 3. Empty: wrap has
	// nothing to see there.
	tool string
	wrap func(s *stage.Stage, o *order) []string // further flags of wrap
}

var badJobs = []badJob{
	{
		name: "not an Encryption SDK message", after: func(o *order) { o.message = bytes.Repeat([]byte(goodRecord), 10) },
		want: code.EnvelopeMalformed, tool: "malformed message: no message of the AWS Encryption SDK",
	},
	{
		name: "legacy suite, format version 1", after: func(o *order) { o.message[0] = 1 },
		want: code.SuiteUnsupported, tool: "suite",
	},
	{
		name: "legacy suite, without commitment", after: func(o *order) { o.message[1], o.message[2] = 0x03, 0x78 },
		want: code.SuiteUnsupported, tool: "suite",
	},
	{
		name: "unknown tenant", make: func(_ *testing.T, _ *stage.Stage, o *order) { o.claims.Tenant = "nobody" },
		want: code.TenantUnknown, tool: `the policy has no tenant "nobody"`,
	},
	{
		name: "another tenant's key", make: func(_ *testing.T, _ *stage.Stage, o *order) { o.arn = labKey },
		want: code.KeyNotAllowed, tool: "no encrypted data key is of one of the tenant's KMS keys",
	},
	{
		name: "pipeline not allowed", make: func(_ *testing.T, _ *stage.Stage, o *order) { o.claims.Pipeline = "theirs" },
		want: code.PipelineNotAllowed, tool: `the policy does not allow tenant clinic the pipeline "theirs"`,
	},
	{
		name: "other image", make: func(_ *testing.T, _ *stage.Stage, o *order) { o.claims.Image[0] ^= 1 },
		want: code.ImageMismatch, tool: "which the pins do not hold",
	},
	{
		name: "wrong reply key", make: func(t *testing.T, _ *stage.Stage, o *order) { o.file.ReplyKey = strangersKey(t) },
		want: code.ReplyMismatch,
	},
	{
		name: "wrong reply key in the context", make: func(_ *testing.T, _ *stage.Stage, o *order) { o.claims.Reply[0] ^= 1 },
		want: code.ReplyMismatch, tool: "anchorhold:reply is",
	},
	{
		name: "expired", make: func(_ *testing.T, _ *stage.Stage, o *order) { o.claims.NotAfter = day(-1) },
		want: code.Expired, tool: "which is past",
	},
	{
		name: "not-after too far ahead", make: func(_ *testing.T, _ *stage.Stage, o *order) { o.claims.NotAfter = day(32) },
		want: code.NotAfterTooFar, tool: "the policy allows at most",
	},
	{
		name: "parameters missing", make: func(_ *testing.T, _ *stage.Stage, o *order) { o.claims.Parameters = &[32]byte{1} },
		want: code.ParametersMissing, tool: "the context names anchorhold:parameters, and none is given",
	},
	{
		name: "parameters that the message does not name", want: code.ParametersMismatch, tool: "the context lacks anchorhold:parameters",
		make: func(t *testing.T, s *stage.Stage, o *order) { o.file.Parameters = parametersMessage(t, s, nil) }, wrap: withParameters,
	},
	{
		name: "foreign parameters, of another pipeline", want: code.ParametersMismatch, tool: "of another image, tenant or pipeline", wrap: withParameters,
		make: func(t *testing.T, s *stage.Stage, o *order) {
			o.carry(parametersMessage(t, s, func(p *order) { p.claims.Pipeline = "strict" }))
		},
	},
	{
		name: "foreign parameters, to another reply key", want: code.ParametersMismatch, tool: "parameters message: refused: anchorhold:reply is", wrap: withParameters,
		make: func(t *testing.T, s *stage.Stage, o *order) {
			o.carry(parametersMessage(t, s, func(p *order) { p.claims.Reply[0] ^= 1 }))
		},
	},
	{
		name: "parameters that are none", want: code.ParametersMalformed,
		make: func(t *testing.T, s *stage.Stage, o *order) {
			o.carry(parametersMessage(t, s, func(p *order) { p.records = []byte("no CBOR") }))
		},
	},
	{
		name: "records sent as parameters", want: code.ParametersMismatch, tool: `anchorhold:content-type is "application/fhir+ndjson"`, wrap: withParameters,
		make: func(t *testing.T, s *stage.Stage, o *order) {
			o.carry(parametersMessage(t, s, func(p *order) { p.claims.ContentType, p.records = envelope.ContentRecords, []byte(goodRecord) }))
		},
	},
	{
		name: "parameters sent as records", want: code.ContentTypeUnsupported, tool: `anchorhold:content-type is "application/vnd.anchorhold.parameters"`,
		make: func(_ *testing.T, _ *stage.Stage, o *order) { o.claims.ContentType = envelope.ContentParameters },
	},
	{
		name: "oversized frame length", make: func(_ *testing.T, _ *stage.Stage, o *order) { o.frame = 4<<20 + 1 },
		want: code.FrameTooLong, tool: "frame length over the limit: it is 4194305, want at most 4194304",
	},
	{
		name: "too many encrypted keys", want: code.TooManyKeys, tool: "too many encrypted data keys: 3, want at most 2",
		make: func(_ *testing.T, _ *stage.Stage, o *order) {
			o.more = []envelope.EncryptedKey{{Provider: "raw", Info: "a", Ciphertext: []byte{1}}, {Provider: "raw", Info: "b", Ciphertext: []byte{2}}}
		},
	},
	{
		name: "unknown entry in the context", make: func(_ *testing.T, _ *stage.Stage, o *order) { o.extra["anchorhold:later"] = "1" },
		want: code.ContextInvalid, tool: "unknown anchorhold entry",
	},
	{
		name: "context changed behind KMS's back", want: code.KMSDenied,
		make:  func(_ *testing.T, _ *stage.Stage, o *order) { o.extra["note"] = "clinic-note" },
		after: func(o *order) { copy(o.message[bytes.Index(o.message, []byte("clinic-note")):], "clinic-node") },
	},
	{name: "last bit flipped", after: func(o *order) { o.message[len(o.message)-1] ^= 1 }, want: code.AuthenticationFailed},
	{name: "cut", after: func(o *order) { o.message = o.message[:len(o.message)-1] }, want: code.Truncated, tool: "it ends before its final frame"},
	{name: "a byte too many", after: func(o *order) { o.message = append(o.message, 0) }, want: code.EnvelopeMalformed, tool: "bytes follow its end"},
	{
		name: "bad record where one fails the job", want: code.RecordRejected,
		make: func(_ *testing.T, _ *stage.Stage, o *order) {
			o.claims.Pipeline, o.records = "strict", []byte(goodRecord+"{\n"+goodRecord)
		},
	},
}

func strangersKey(t *testing.T) []byte {
	t.Helper()
	k, err := result.GenerateKey()
	check(t, err)
	return k.PublicKey()
}

// carry puts a parameters message into the job and names it.
func (o *order) carry(message []byte) {
	hash := sha256.Sum256(message)
	o.file.Parameters, o.claims.Parameters = message, &hash
}

// parametersMessage makes one as seal does, but for what change does.
func parametersMessage(t *testing.T, s *stage.Stage, change func(p *order)) []byte {
	t.Helper()
	p := newOrder(t, s)
	var err error
	p.records, err = canonical.Marshal(map[string]any{"label": "anchorhold/v1 parameters", "values": map[string][]byte{"key": []byte("value")}})
	check(t, err)
	p.claims.ContentType = envelope.ContentParameters
	if change != nil {
		change(p)
	}
	return p.seal(t, s).message
}

func withParameters(s *stage.Stage, o *order) []string {
	name := s.Path("parameters.message")
	if err := os.WriteFile(name, o.file.Parameters, 0o600); err != nil {
		panic(err)
	}
	return []string{"--parameters", name}
}

// Jobs that must not be done. The owner's tool refuses those that it can see; past it, the parent
// or the enclave refuses with the code of the fault and nothing else. After each the enclave does
// the next good job, and what the owner had is there.
func TestBadJobs(t *testing.T) {
	t.Parallel()
	s := twoTenants(t)
	good := job{s, "good"}
	write(t, s.Path("records.ndjson"), []byte(goodRecord))
	mustOwner(t, s, 0, good.sealArgs("policy", s.Path("records.ndjson"))...)
	mustOwner(t, s, 0, good.submitArgs()...)
	mustOwner(t, s, 0, good.openArgs("policy")...)
	before := inventory(t, good)
	for i, b := range badJobs {
		t.Run(b.name, func(t *testing.T) { b.run(t, job{s, fmt.Sprintf("bad%d", i)}) })
	}
	if got := inventory(t, good); got != before {
		t.Errorf("the owner's files changed:\n%s\nwere:\n%s", got, before)
	}
	// The same way as before all this, to the end.
	last := job{s, "last"}
	mustOwner(t, s, 0, last.sealArgs("policy", s.Path("records.ndjson"))...)
	mustOwner(t, s, 0, last.submitArgs()...)
	mustOwner(t, s, 0, last.openArgs("policy")...)
}

func (b badJob) run(t *testing.T, j job) {
	o := newOrder(t, j.s)
	if b.make != nil {
		b.make(t, j.s, o)
	}
	o.seal(t, j.s)
	if b.after != nil {
		b.after(o)
	}
	b.refusedByTool(t, j, o)
	file := o.job(t)
	if got, _ := hand(t, j.s, file); got != b.want {
		t.Errorf("the enclave says %q, want %q", got, b.want)
	}
	write(t, j.path(".ahjob"), file)
	want := b.want
	if b.parent != "" {
		want = b.parent
	}
	kept := inventory(t, j)
	out := mustOwner(t, j.s, 1, j.submitArgs()...)
	reason := reasonOf(t, out)
	t.Log(reason)
	if !strings.HasPrefix(reason, string(want)+": ") || strings.Contains(reason, "no meaning") {
		t.Errorf("submit says %q, want %s and what it means", reason, want)
	}
	if got := inventory(t, j); got != kept {
		t.Errorf("submit left\n%s, want the job file alone", got)
	}
	if got, _ := hand(t, j.s, newOrder(t, j.s).seal(t, j.s).job(t)); got != "" {
		t.Errorf("the next good job: got %q, want it done", got)
	}
}

// refusedByTool wants of wrap what it says about the message, exit code 3 and no job file.
func (b badJob) refusedByTool(t *testing.T, j job, o *order) {
	t.Helper()
	if b.tool == "" {
		return
	}
	write(t, j.s.Path("message"), o.message)
	args := []string{
		"wrap", "--policy", j.s.Path("policy.cbor"), "--pins", j.s.Path("policy.pins"), "--reply", j.s.Path("reply.pub.pem"),
		"-o", j.path(".ahjob"), j.s.Path("message"),
	}
	if b.wrap != nil {
		args = append(args, b.wrap(j.s, o)...)
	}
	reason := reasonOf(t, mustOwner(t, j.s, 3, args...))
	t.Log(reason)
	if !strings.Contains(reason, b.tool) {
		t.Errorf("wrap says %q, want %q", reason, b.tool)
	}
	if _, err := os.Stat(j.path(".ahjob")); err == nil {
		t.Error("wrap left a job file")
	}
}
