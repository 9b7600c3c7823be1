package e2e_test

import (
	"bytes"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/receipt"
)

// lies are the rows: each must end in exit code 3, without output, with one line that names what
// differs.
var lies = []lie{
	{attack: "swapped result", how: "another job's", answer: kept("second", "job"), want: `result: another result`},
	{attack: "swapped result", how: "with its receipt", answer: kept("second", "second"), want: `nonce: another nonce`},
	{
		attack: "spliced chunks", how: "half and half", want: `result: another result`,
		answer: chunks(func(a, b [][]byte) [][]byte { return append(a[:len(a)/2], b[len(b)/2:]...) }),
	},
	{
		attack: "reordered", how: "two chunks change places", want: `result: another result`,
		answer: chunks(func(a, _ [][]byte) [][]byte { a[1], a[2] = a[2], a[1]; return a }),
	},
	{attack: "truncated", how: "by its last chunk", answer: chunks(func(a, _ [][]byte) [][]byte { return a[:len(a)-1] }), want: `result: another result`},
	{
		attack: "truncated", how: "by a byte", want: `result: another result`,
		answer: func(_ *testing.T, h *theatre) answered {
			a := h.answers["job"]
			return answered{a.result[:len(a.result)-1], a.receipt}
		},
	},
	{
		attack: "replayed receipt", how: "of the same message submitted before", answer: honestAnswer, want: `nonce: another nonce: the receipt of another submission`,
		args: func(_ *testing.T, h *theatre, a []string) []string { return replace(a, "--job", h.Path("again.ahjob")) },
	},
	{attack: "failure leaf as receipt", how: "of the same job file", answer: kept("failed", "failed"), want: `job: the job failed: this is no receipt \(authentication-failed\)`},
	{attack: "other nonce", how: "result and receipt of the same message, wrapped again", answer: kept("again", "again"), want: `nonce: another nonce`},
	{attack: "other nonce", how: "nothing but the nonce differs", answer: forged(forgery{leaf: func(l *receipt.Leaf) { l.Nonce[0] ^= 1 }}), want: `nonce: another nonce`},
	{attack: "other enclave", how: "whose leaf names the pinned image", answer: forged(forgery{image: otherProgram}), want: `leaf does not fit its document: image`},
	{
		attack: "other enclave", how: "whose document signs another leaf", want: `leaf is not in the batch|path`,
		answer: func(t *testing.T, h *theatre) answered {
			other, err := receipt.ParseFile(h.answers["second"].receipt)
			check(t, err)
			other.Leaf = h.real.Leaf
			b, err := other.Encode()
			check(t, err)
			return answered{h.answers["job"].result, b}
		},
	},
	{
		attack: "other enclave", how: "of a root that is not AWS's", answer: honestAnswer, want: `certificate chain does not end at a pinned root`,
		args: func(_ *testing.T, h *theatre, a []string) []string {
			return replace(a, "--root", h.Path("ca", "tls-root.pem"))
		},
	},
	{attack: "other image", how: "with another policy, done honestly there", answer: kept("image", "image"), want: `measurements: image is not pinned`},
	{
		attack: "other image", how: "that its leaf names too", want: `measurements: image is not pinned`,
		answer: forged(forgery{image: otherProgram, leaf: func(l *receipt.Leaf) {
			var i measure.Image
			otherProgram(&i)
			l.Image = i.PCR0
		}}),
	},
	{
		attack: "other image", how: "pinned too, but not the one that the job was sealed to", want: `image: not the image that the job was sealed to`,
		answer: func(t *testing.T, h *theatre) answered {
			second := secondImage(t, h)
			return forged(forgery{image: func(i *measure.Image) { *i = second }, leaf: func(l *receipt.Leaf) { l.Image = second.PCR0 }})(t, h)
		},
		args: func(t *testing.T, h *theatre, a []string) []string {
			second := secondImage(t, h)
			return pins(func(p *appraise.Pins) {
				p.Images = append(p.Images, appraise.Image{Name: "second", PCR0: second.PCR0, PCR1: second.PCR1, PCR2: second.PCR2})
			})(t, h, a)
		},
	},
	{attack: "debug document", how: "all registers zero", answer: forged(forgery{image: func(i *measure.Image) { *i = measure.Image{} }}), want: `debug enclave`},
	{attack: "debug document", how: "one register zero", answer: forged(forgery{image: func(i *measure.Image) { i.PCR1 = digest.Digest{} }}), want: `debug enclave`},
	{attack: "receipt of another input", how: "done under the job's own header", answer: kept("crossed", "crossed"), want: `message: another message`},
	{
		attack: "receipt of another input", how: "nothing but the input differs", want: `input: another input`,
		answer: forged(forgery{leaf: func(l *receipt.Leaf) { l.Input[0] ^= 1 }}),
	},
	{
		attack: "forked chain", how: "two histories in the log", want: `one boot signed two histories: batch 0`,
		args: chain(func(t *testing.T, h *theatre) []logEntry {
			_, rival := h.sign(t, anotherHistory)
			return slices.Concat(h.log[:3], []logEntry{rival}, h.log[3:])
		}),
	},
	{
		attack: "forked chain", how: "the receipt's batch replaced in the log", want: `one boot signed two histories: batch 0`,
		args: chain(func(t *testing.T, h *theatre) []logEntry {
			_, rival := h.sign(t, anotherHistory)
			return []logEntry{rival}
		}),
	},
	{attack: "forked chain", how: "a batch left out", want: `not consecutive batches`, args: chain(func(_ *testing.T, h *theatre) []logEntry { return slices.Delete(slices.Clone(h.log), 1, 2) })},
	{
		attack: "forked chain", how: "batches in another order", want: `not consecutive batches`,
		args: chain(func(_ *testing.T, h *theatre) []logEntry {
			log := slices.Clone(h.log)
			log[1], log[2] = log[2], log[1]
			return log
		}),
	},
	{attack: "forked chain", how: "the receipt's batch not shown", want: `does not hold the receipt's batch`, args: chain(func(_ *testing.T, h *theatre) []logEntry { return h.log[1:] })},
	{
		attack: "forked chain", how: "the true batch, signed by another enclave", want: `not of the enclave that signs the receipt`,
		args: chain(func(t *testing.T, h *theatre) []logEntry {
			_, impostor := h.sign(t, forgery{image: otherProgram})
			return []logEntry{impostor}
		}),
	},
	{attack: "document from before sealing", how: "by an hour", answer: forged(forgery{before: time.Hour}), want: `measurements: document is from before the expected time`},
	{attack: "expired pins", how: "yesterday", answer: honestAnswer, want: `pins have expired`, args: pins(func(p *appraise.Pins) { p.Expires = p.Expires.AddDate(0, 0, -400) })},
	{
		attack: "zero pins", how: "as a debug enclave shows", answer: honestAnswer, want: `debug enclave|zero`,
		args: func(t *testing.T, h *theatre, a []string) []string {
			text := regexp.MustCompile(`(pcr[012]: )[0-9a-f]{96}`).ReplaceAll(read(t, h.Path("policy.pins")), []byte("${1}"+strings.Repeat("0", 96)))
			name := filepath.Join(t.TempDir(), "pins")
			write(t, name, text)
			return replace(a, "--pins", name)
		},
	},
	{
		attack: "NOT AWS where AWS was demanded", how: "no --root", answer: honestAnswer, want: `NOT AWS`,
		args: func(_ *testing.T, _ *theatre, a []string) []string {
			at := slices.Index(a, "--root")
			return slices.Delete(slices.Clone(a), at, at+2)
		},
	},
}

// anotherHistory is the job's batch with another result in it.
var anotherHistory = forgery{leaf: func(l *receipt.Leaf) { l.Output[0] ^= 1 }}

// secondImage is another program with the same policy.
func secondImage(t *testing.T, h *theatre) measure.Image {
	t.Helper()
	return measure.DevImage([]byte("an older release"), read(t, h.Path("policy.cbor")))
}

// A lying parent against the owner's tool. submit fetches whatever it is given and says that
// nothing is verified; open, or verify for the chain, refuses with exit code 3 and one line that
// names what differs, writes nothing, and leaves what the owner had.
func TestLyingParent(t *testing.T) {
	t.Parallel()
	h := setTheatre(t)
	// The honest answers pass the same ways, so that each row is refused for what it changes.
	mustOwner(t, h.Stage, 0, replace(h.job.openArgs("policy"), "--out", filepath.Join(t.TempDir(), "out"))...)
	mustOwner(t, h.Stage, 0, chain(func(_ *testing.T, h *theatre) []logEntry { return h.log })(t, h, nil)...)
	left := slices.Clone(attacks)
	for _, l := range lies {
		left = slices.DeleteFunc(left, func(name string) bool { return name == l.attack })
		if !slices.Contains(attacks, l.attack) {
			t.Errorf("%q is no attack of the list", l.attack)
		}
		t.Run(l.attack+"/"+l.how, func(t *testing.T) { l.run(t, h) })
	}
	if len(left) > 0 {
		t.Errorf("no row for %q", left)
	}
	if got := inventory(t, h.job); got != h.honest {
		t.Errorf("the owner's files changed:\n%s\nwere:\n%s", got, h.honest)
	}
}

func (l lie) run(t *testing.T, h *theatre) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	args := replace(h.job.openArgs("policy"), "--out", out)
	if l.answer != nil {
		a := l.answer(t, h)
		fetched := filepath.Join(dir, "f")
		said := mustOwner(t, h.Stage, 0, "submit", "--parent", liar(t, a.result, a.receipt), "-o", fetched+".ahres", "--receipt", fetched+".receipt", h.job.path(".ahjob"))
		if !strings.Contains(said, "fetched, not verified") || !bytes.Equal(read(t, fetched+".ahres"), a.result) {
			t.Fatalf("submit did not fetch the lie: %s", said)
		}
		args = replace(replace(args, "--result", fetched+".ahres"), "--receipt", fetched+".receipt")
	}
	if l.args != nil {
		args = l.args(t, h, args)
	}
	before := inventory(t, h.job)
	said := mustOwner(t, h.Stage, 3, args...)
	if reason := reasonOf(t, said); !regexp.MustCompile(l.want).MatchString(reason) {
		t.Errorf("the reason is %q, want %s", reason, l.want)
	}
	for _, left := range []string{out, filepath.Join(dir, ".out.*.partial")} {
		if found, _ := filepath.Glob(left); len(found) > 0 {
			t.Errorf("output was left: %v", found)
		}
	}
	if got := inventory(t, h.job); got != before {
		t.Error("what the owner had has changed")
	}
}

// reasonOf returns the one line in which a command says why it ended.
func reasonOf(t *testing.T, output string) string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(output) {
		if rest, ok := strings.CutPrefix(line, "anchorhold: "); ok {
			lines = append(lines, strings.TrimSpace(rest))
		}
	}
	if len(lines) != 1 {
		t.Errorf("got %d lines of reason, want 1:\n%s", len(lines), output)
		return ""
	}
	return lines[0]
}
