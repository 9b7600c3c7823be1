package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"anchorhold/parent/e2e/stage"
	"anchorhold/protocol/jobfile"
	"anchorhold/protocol/pinsfile"
)

// A pipeline seals, submits and opens a job to the pins of the day whenever it is told to, beside
// what the owner does meanwhile.
type pipeline struct {
	s     *stage.Stage
	input string
	next  chan struct{} // one more job; closed at the end
	done  chan struct{}
	stop  func() // closes next, once

	mu   sync.Mutex // held while a job is sealed, runs and is opened
	pins string     // guarded by mu

	jobs map[string]int // opened jobs, by pins; set by run, read after done
	err  error          // likewise
}

func startPipeline(t *testing.T, s *stage.Stage, input, pins string) *pipeline {
	p := &pipeline{s: s, input: input, pins: pins, next: make(chan struct{}, 1), done: make(chan struct{}), jobs: map[string]int{}}
	p.stop = sync.OnceFunc(func() { close(p.next) })
	go p.run(t)
	t.Cleanup(p.end)
	return p
}

func (p *pipeline) end() {
	p.stop()
	<-p.done
}

// more starts another job, unless one waits to start already.
func (p *pipeline) more() {
	select {
	case p.next <- struct{}{}:
	default:
	}
}

// use changes the pins between two jobs: one that was sealed to the old ones has ended then.
func (p *pipeline) use(pins string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pins = pins
}

func (p *pipeline) run(t *testing.T) {
	defer close(p.done)
	n := 0
	for range p.next {
		if n++; p.err == nil {
			p.err = p.one(t, job{p.s, fmt.Sprintf("pipeline%d", n)})
		}
	}
}

func (p *pipeline) one(t *testing.T, j job) error {
	do := func(args []string) error {
		if out, err := p.s.Owner(t.Context(), args...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %v: %w: %s", j.name, args[0], err, out)
		}
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	pins := p.pins
	err := do(j.sealArgs(pins, p.input))
	for _, args := range [][]string{j.submitArgs(), j.openArgs(pins)} {
		if err == nil {
			err = do(args)
		}
	}
	if err == nil {
		p.jobs[pins]++
	}
	return err
}

// A roller rolls one change out, as the owner does, with the tools that an owner has.
type roller struct {
	t        *testing.T
	s        *stage.Stage
	p        *pipeline
	input    string
	from, to string // names of policies and pins
}

func (r *roller) roles() []string {
	return []string{"--tenant", stage.Tenant, "--admin", r.s.Administrator().ARN, "--sealer", r.s.Sealer().ARN, "--parent", r.s.Parent().ARN}
}

func (r *roller) change() []string {
	return append(r.roles(), "--old", r.s.Path(r.from+".pins"), "--new", r.s.Path(r.to+".pins"), "--policy", r.s.Path(r.from+".cbor"))
}

// apply is what the owner does with the AWS CLI, while a job runs.
func (r *roller) apply(file string) {
	r.t.Helper()
	r.p.more()
	text, err := os.ReadFile(r.s.Path("steps-"+r.to, file))
	check(r.t, err)
	check(r.t, r.s.SetKeyPolicy(r.t.Context(), string(text)))
}

// status wants this exit code and these words.
func (r *roller) status(code int, words string, more ...string) {
	r.t.Helper()
	r.asAdministrator(code, words, append(append([]string{"rollout", "status", "--key", r.s.KeyARN}, r.change()...), more...)...)
}

func (r *roller) asAdministrator(code int, words string, args ...string) {
	r.t.Helper()
	cmd := r.s.Owner(r.t.Context(), args...)
	cmd.Env = r.s.Administrator().Environment
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code || !strings.Contains(string(out), words) {
		r.t.Fatalf("%v: got exit %d, want %d with %q\n%s", args, got, code, words, out)
	}
}

func (r *roller) seal(name, pins string) job {
	r.t.Helper()
	j := job{r.s, name}
	mustOwner(r.t, r.s, 0, j.sealArgs(pins, r.input)...)
	return j
}

func (r *roller) finish(j job, pins string) {
	r.t.Helper()
	mustOwner(r.t, r.s, 0, j.submitArgs()...)
	mustOwner(r.t, r.s, 0, j.openArgs(pins)...)
}

// refused wants KMS to deny sealing.
func (r *roller) sealingDenied(pins string) {
	r.t.Helper()
	if code, out := owner(r.t, r.s, job{r.s, "denied"}.sealArgs(pins, r.input)...); code != 1 || !strings.Contains(out, "KMS denies kms:GenerateDataKey") {
		r.t.Errorf("sealing to %s: got exit %d and %s, want a denial by KMS", pins, code, out)
	}
}

// busyParent is a parent at which a job waits for good.
func (r *roller) busyParent(j job) string {
	r.t.Helper()
	_, header, err := jobfile.ReadHeader(bytes.NewReader(read(r.t, j.path(".ahjob"))))
	check(r.t, err)
	pins, err := pinsfile.Parse(read(r.t, r.s.Path(r.from+".pins")))
	check(r.t, err)
	list := fmt.Sprintf(`{"jobs":[{"job":"waits","status":"queued","image":"%s","header":"%s"}]}`, pins.Images[0].PCR0, header)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, list) }))
	r.t.Cleanup(server.Close)
	return server.URL
}

// roll goes through all steps; the new image runs in the slot, while the pipeline goes on.
func (r *roller) roll(slot stage.Slot, program string) {
	t, ctx := r.t, r.t.Context()
	check(t, os.MkdirAll(r.s.Path("q-"+r.to), 0o700))
	held, late := r.seal("q-"+r.to+"/held", r.from), r.seal("late-"+r.to, r.from)
	mustOwner(t, r.s, 0, append([]string{"rollout", "plan", "--out", r.s.Path("steps-" + r.to)}, r.change()...)...)
	r.status(0, "next: add")
	r.sealingDenied(r.to)

	r.apply("1-add.json")
	r.status(0, "next: canary")
	check(t, r.s.StartEnclaveIn(ctx, slot, program, r.to))
	r.finish(r.seal("canary-"+r.to, r.to), r.to)

	r.p.use(r.to)
	r.apply("3-switch.json")
	r.status(4, "whether jobs have drained is not known", "--parent-url", r.s.ParentURL, "--token-file", r.s.TokenFile())
	r.status(4, "at the parent: queued\nwait: 1 jobs of images that go", "--jobs", r.s.Path("q-"+r.to), "--parent-url", r.busyParent(held), "--token-file", r.s.TokenFile())
	r.sealingDenied(r.from)

	// Back, and forth again: nothing is lost by that.
	r.apply("1-add.json")
	r.finish(r.seal("back-"+r.to, r.from), r.from)
	r.apply("3-switch.json")

	r.finish(held, r.from)
	r.status(0, "next: remove", "--jobs", r.s.Path("q-"+r.to))
	r.apply("5-remove.json")
	r.status(0, "done")
	r.asAdministrator(0, "no finding", "key-policy", "lint", "--policy", r.s.Path("policy.cbor"), "--key", r.s.KeyARN)
	// What was not drained is opened by nobody: not by the old image, which still runs, nor by the
	// new one.
	if code, out := owner(t, r.s, late.submitArgs()...); code != 1 || !strings.Contains(out, "kms-denied") {
		t.Errorf("a job of the removed image: got exit %d and %s, want kms-denied", code, out)
	}
}

// A changed policy, then a changed program, are rolled out while jobs run: none is lost, none is
// opened by another image than its own.
func TestRollout(t *testing.T) {
	t.Parallel()
	s := start(t, stage.Options{Two: true})
	ctx := t.Context()
	input := s.Path("in.ndjson")
	check(t, os.WriteFile(input, []byte(`{"resourceType":"Patient","id":"p1","gender":"female"}`+"\n"), 0o600))
	first := &roller{t: t, s: s, input: input, from: "policy", to: "changed"}
	policy := mustOwner(t, s, 0, append([]string{"key-policy", "--pins", s.Path("policy.pins")}, first.roles()...)...)
	check(t, s.SetKeyPolicy(ctx, policy))
	first.asAdministrator(0, "no finding", "key-policy", "lint", "--policy", s.Path("policy.cbor"), "--key", s.KeyARN)
	first.p = startPipeline(t, s, input, "policy")

	check(t, s.CompilePolicy(ctx, "changed", "2025-12-31"))
	check(t, s.WritePins(ctx, "changed"))
	first.roll(stage.Second, "anchorhold-dev")

	program, err := s.ChangedProgram("dev2")
	check(t, err)
	check(t, s.CompilePolicy(ctx, "program", "2025-12-31"))
	check(t, s.WritePinsOf(ctx, program, "program"))
	second := &roller{t: t, s: s, p: first.p, input: input, from: "changed", to: "program"}
	second.roll(stage.First, program)

	first.p.more()
	first.p.end()
	if first.p.err != nil {
		t.Errorf("a job was lost: %v", first.p.err)
	}
	t.Logf("opened by pins: %v", first.p.jobs)
	for _, pins := range []string{"policy", "changed", "program"} {
		if first.p.jobs[pins] == 0 {
			t.Errorf("no job ran with pins %s", pins)
		}
	}
	checkOpenedByTheirImage(t, s)
}

// checkOpenedByTheirImage reads the KMS's log: each data key that was released went to the image
// that its context names.
func checkOpenedByTheirImage(t *testing.T, s *stage.Stage) {
	t.Helper()
	released := map[string]int{}
	lines := bufio.NewScanner(bytes.NewReader(read(t, filepath.Clean(s.EventsFile()))))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct {
			EventName, ErrorCode string
			RequestParameters    struct{ EncryptionContext map[string]string }
			AdditionalEventData  struct {
				Recipient struct{ AttestationDocumentEnclaveImageDigest string }
			}
		}
		check(t, json.Unmarshal(lines.Bytes(), &e))
		if e.EventName != "Decrypt" || e.ErrorCode != "" {
			continue
		}
		attested, err := base64.StdEncoding.DecodeString(e.AdditionalEventData.Recipient.AttestationDocumentEnclaveImageDigest)
		check(t, err)
		image := e.RequestParameters.EncryptionContext["anchorhold:image"]
		if hex.EncodeToString(attested) != image {
			t.Errorf("a data key for image %s was released to %x", image, attested)
		}
		released[image]++
	}
	if len(released) != 3 {
		t.Errorf("data keys were released to %d images, want 3", len(released))
	}
}
