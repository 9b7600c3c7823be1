package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"anchorhold/parent/e2e/stage"
	"anchorhold/protocol/appraise"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/pinsfile"
	"anchorhold/protocol/result"
)

// attacks are what a lying parent is shown to try; each has at least one row in lies.
var attacks = []string{
	"swapped result", "spliced chunks", "reordered", "truncated", "replayed receipt", "failure leaf as receipt", "other nonce", "other enclave",
	"other image", "debug document", "receipt of another input", "forked chain", "document from before sealing", "expired pins", "zero pins",
	"NOT AWS where AWS was demanded",
}

// theatre is a stage on which jobs have run honestly, and what a lying parent has in hand after
// them.
type theatre struct {
	*stage.Stage
	*forger
	job     job // the one that is lied about; opened honestly before
	log     []logEntry
	honest  string              // summary of all that the owner has
	answers map[string]answered // by name: what the parent holds of other jobs
}

// answered is what a parent answers for a job.
type answered struct{ result, receipt []byte }

// lie is one attack: what is answered, or which command line the owner is brought to.
type lie struct {
	attack, how string
	answer      func(t *testing.T, h *theatre) answered
	// changes those of open; nil: none
	args func(t *testing.T, h *theatre, a []string) []string
	// regular expression for the reason
	want string
}

func setTheatre(t *testing.T) *theatre {
	t.Helper()
	s := start(t, stage.Options{})
	h := &theatre{Stage: s, job: job{s, "job"}, answers: map[string]answered{}}
	in := sample(t, s)
	for _, name := range []string{"job", "second"} {
		j := job{s, name}
		mustOwner(t, s, 0, j.sealArgs("policy", in)...)
		h.run(t, j)
	}
	mustOwner(t, s, 0, h.job.openArgs("policy")...)
	h.forger = newForger(t, s, h.job.path(".receipt"))
	whole := read(t, h.job.path(".ahjob"))
	message := messageOf(t, h.job.path(".ahjob"))
	head := whole[:len(whole)-len(message)]
	// The same message under a nonce of its own.
	write(t, s.Path("message"), message)
	again := job{s, "again"}
	mustOwner(t, s, 0, "wrap", "--policy", s.Path("policy.cbor"), "--reply", s.Path("reply.pub.pem"), "-o", again.path(".ahjob"), s.Path("message"))
	h.run(t, again)
	// The job's header, and with it its nonce, around another message of the same owner: an honest
	// enclave does that job.
	crossed := job{s, "crossed"}
	write(t, crossed.path(".ahjob"), slices.Concat(head, messageOf(t, s.Path("second.ahjob"))))
	h.run(t, crossed)
	h.fail(t, slices.Concat(whole[:len(whole)-1], []byte{whole[len(whole)-1] ^ 1}))
	h.log = waitLog(t, s, 5)
	h.otherImage(t, in)
	h.honest = inventory(t, h.job)
	return h
}

// waitLog returns the parent's log once it shows so many batches: it fetches them from the enclave
// now and then.
func waitLog(t *testing.T, s *stage.Stage, batches int) []logEntry {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		status, _, page := api(t, s, http.MethodGet, "/v1/log?limit=256", nil, nil)
		var log struct{ Batches []logEntry }
		if err := json.Unmarshal(page, &log); err != nil || status != http.StatusOK {
			t.Fatalf("log: status %d, %v", status, err)
		}
		if len(log.Batches) >= batches {
			return log.Batches
		}
		if time.Now().After(end) {
			t.Fatalf("the log has %d batches, want %d", len(log.Batches), batches)
		}
	}
}

// run has a job done and keeps what the parent answered.
func (h *theatre) run(t *testing.T, j job) {
	t.Helper()
	mustOwner(t, h.Stage, 0, j.submitArgs()...)
	h.answers[j.name] = answered{read(t, j.path(".ahres")), read(t, j.path(".receipt"))}
}

// fail has a tampered job fail behind its key, and keeps the failure leaf that the parent gets.
func (h *theatre) fail(t *testing.T, file []byte) {
	t.Helper()
	status, header, _ := api(t, h.Stage, http.MethodPost, "/v1/jobs", nil, bytes.NewReader(file))
	if status != http.StatusUnprocessableEntity {
		t.Fatalf("the tampered job: got status %d", status)
	}
	status, _, leaf := api(t, h.Stage, http.MethodGet, header.Get("Location")+"/receipt", nil, nil)
	if status != http.StatusOK {
		t.Fatalf("its failure leaf: got status %d", status)
	}
	h.answers["failed"] = answered{h.answers["job"].result, leaf}
}

// otherImage has a job done by an image with another policy, which its owner sealed to.
func (h *theatre) otherImage(t *testing.T, in string) {
	t.Helper()
	ctx := t.Context()
	check(t, h.CompilePolicy(ctx, "other", "2025-12-31"))
	check(t, h.WritePins(ctx, "other"))
	check(t, h.PutKeyPolicy(ctx, "policy", "other"))
	check(t, h.StartEnclave(ctx, "other"))
	j := job{h.Stage, "image"}
	mustOwner(t, h.Stage, 0, j.sealArgs("other", in)...)
	h.run(t, j)
}

// inventory lists every file that the owner has of a job, with its hash. A partial file that was
// left behind shows too.
func inventory(t *testing.T, j job) string {
	t.Helper()
	var list strings.Builder
	root := j.s.Dir
	check(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(root, path)
		if err != nil || d.IsDir() || !strings.HasPrefix(strings.TrimPrefix(name, "."), j.name+".") {
			return err
		}
		fmt.Fprintf(&list, "%s %x\n", name, sha256.Sum256(read(t, path)))
		return nil
	}))
	return list.String()
}

// kept answers with what the parent holds of another job.
func kept(result, receipt string) func(*testing.T, *theatre) answered {
	return func(_ *testing.T, h *theatre) answered {
		return answered{h.answers[result].result, h.answers[receipt].receipt}
	}
}

// chunks answers with the job's own receipt and a result whose sealed chunks are arranged anew; b
// are those of another job.
func chunks(arrange func(a, b [][]byte) [][]byte) func(*testing.T, *theatre) answered {
	return func(t *testing.T, h *theatre) answered {
		cut := func(name string) (head []byte, parts [][]byte) {
			sealed := h.answers[name].result
			const headSize, chunk = 8 + 1120, result.ChunkSize + 16 // SPEC 5
			for p := range slices.Chunk(sealed[headSize:], chunk) {
				parts = append(parts, p)
			}
			if len(parts) < 4 {
				t.Fatalf("%s has %d chunks: too few to arrange", name, len(parts))
			}
			return sealed[:headSize], parts
		}
		head, a := cut("job")
		_, b := cut("second")
		return answered{slices.Concat(head, slices.Concat(arrange(slices.Clone(a), b)...)), h.answers["job"].receipt}
	}
}

// forged answers with the job's own result and a receipt of the forger's.
func forged(x forgery) func(*testing.T, *theatre) answered {
	return func(t *testing.T, h *theatre) answered {
		file, _ := h.sign(t, x)
		return answered{h.answers["job"].result, file}
	}
}

// pins has the owner use other pins.
func pins(change func(p *appraise.Pins)) func(*testing.T, *theatre, []string) []string {
	return func(t *testing.T, h *theatre, args []string) []string {
		p := readPins(t, h.Path("policy.pins"))
		change(p)
		name := filepath.Join(t.TempDir(), "pins")
		b, err := pinsfile.Encode(p)
		check(t, err)
		write(t, name, b)
		return replace(args, "--pins", name)
	}
}

func readPins(t *testing.T, name string) *appraise.Pins {
	t.Helper()
	p, err := pinsfile.Parse(read(t, name))
	check(t, err)
	return p
}

// replace gives a flag another value.
func replace(args []string, flag, value string) []string {
	args = slices.Clone(args)
	args[slices.Index(args, flag)+1] = value
	return args
}

// chain makes a row of `verify --log`, which is where an owner looks at the chain.
func chain(entries func(t *testing.T, h *theatre) []logEntry) func(*testing.T, *theatre, []string) []string {
	return func(t *testing.T, h *theatre, _ []string) []string {
		page := writePage(t, filepath.Join(t.TempDir(), "log.json"), entries(t, h)...)
		return []string{
			"verify", "--log", page, "--root", h.Path("ca", "attestation-root.pem"), "--pins", h.Path("policy.pins"),
			"--policy", h.Path("policy.cbor"), h.job.path(".receipt"),
		}
	}
}

func otherProgram(i *measure.Image) {
	*i = measure.DevImage([]byte("another program"), []byte("another policy"))
}

var honestAnswer = kept("job", "job")
