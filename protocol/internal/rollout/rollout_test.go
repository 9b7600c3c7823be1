package rollout_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/internal/rollout"
	"anchorhold/protocol/internal/submit"
	"anchorhold/protocol/keylint"
	"anchorhold/protocol/keypolicy"
	"anchorhold/protocol/ownerkey"
)

const (
	sealer = "arn:aws:iam::111122223333:role/sealing"
	parent = "arn:aws:iam::444455556666:role/parent"
)

func image(name string) appraise.Image {
	register := func(n byte) digest.Digest { return digest.Sum([]byte(name), []byte{n}) }
	return appraise.Image{Name: name, PCR0: register(0), PCR1: register(1), PCR2: register(2)}
}

func pins(names ...string) *appraise.Pins {
	p := &appraise.Pins{Layout: appraise.LayoutAnchorhold, Expires: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	for _, n := range names {
		p.Images = append(p.Images, image(n))
	}
	return p
}

func plan(t *testing.T, before, after *appraise.Pins) []rollout.Step {
	t.Helper()
	steps, err := rollout.New(rollout.Change{
		Old: before, New: after, DrainDays: 31,
		Roles: ownerkey.Plan{Tenant: "clinic", Administrators: []string{"arn:aws:iam::111122223333:role/admin"}, Sealers: []string{sealer}, Parents: []string{parent}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

// may tells whether a job of one image can be sealed, or opened by an enclave of another.
func may(t *testing.T, s rollout.Step, action, principal, attested, context string) bool {
	t.Helper()
	policy, err := keypolicy.Parse(s.Policy)
	if err != nil {
		t.Fatal(err)
	}
	i := image(attested)
	return policy.Evaluate(keypolicy.Request{Principal: principal, Action: "kms:" + action, Resource: "*", Context: map[string][]string{
		"aws:PrincipalArn": {principal}, "kms:RecipientAttestation:PCR0": {i.PCR0.String()}, "kms:RecipientAttestation:PCR1": {i.PCR1.String()},
		"kms:RecipientAttestation:PCR2": {i.PCR2.String()}, "kms:EncryptionContext:anchorhold:image": {image(context).PCR0.String()},
		"kms:EncryptionContext:anchorhold:tenant": {"clinic"},
	}}).Allowed
}

// At each step: who opens (o), who is sealed for (s). Nothing is sealed that the step after next
// does not open; no image ever opens another's.
func TestStepsLoseNothingAndCrossNothing(t *testing.T) {
	for name, c := range map[string]struct {
		before, after []string
		want          map[string]string
	}{
		"one for one":  {[]string{"a"}, []string{"b"}, map[string]string{"start": "a:os", "add": "a:os b:os", "switch": "a:o b:os", "remove": "b:os"}},
		"one stays":    {[]string{"a", "k"}, []string{"k", "b"}, map[string]string{"start": "a:os k:os", "add": "a:os b:os k:os", "switch": "a:o b:os k:os", "remove": "b:os k:os"}},
		"only added":   {[]string{"a"}, []string{"a", "b"}, map[string]string{"start": "a:os", "add": "a:os b:os", "switch": "a:os b:os"}},
		"only removed": {[]string{"a", "b"}, []string{"b"}, map[string]string{"start": "a:os b:os", "add": "a:os b:os", "switch": "a:o b:os", "remove": "b:os"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := map[string]string{}
			for _, s := range plan(t, pins(c.before...), pins(c.after...)) {
				if s.Policy == nil {
					continue
				}
				var words []string
				for _, i := range []string{"a", "b", "k", "x"} {
					word := ""
					if may(t, s, "Decrypt", parent, i, i) {
						word = "o"
					}
					if may(t, s, "GenerateDataKey", sealer, "", i) {
						word += "s"
					}
					if word != "" {
						words = append(words, i+":"+word)
					}
					for _, other := range []string{"a", "b", "k", "x"} {
						if other != i && may(t, s, "Decrypt", parent, i, other) {
							t.Errorf("step %s: image %s opens what is sealed for %s", s.Name, i, other)
						}
					}
				}
				got[s.Name] = strings.Join(words, " ")
				policy, err := keypolicy.Parse(s.Policy)
				if err != nil {
					t.Fatal(err)
				}
				if findings := keylint.Lint(&keylint.Key{Policy: policy}); len(findings) != 0 {
					t.Errorf("step %s: lint finds %+v", s.Name, findings)
				}
			}
			for step, want := range c.want {
				if got[step] != want {
					t.Errorf("step %s: got %q, want %q", step, got[step], want)
				}
			}
			if len(got) != len(c.want) {
				t.Errorf("got policies for %v, want %v", got, c.want)
			}
		})
	}
}

func TestNothingToRollOut(t *testing.T) {
	if steps, err := rollout.New(rollout.Change{Old: pins("a"), New: pins("a")}); err == nil || steps != nil {
		t.Errorf("got %v and %v, want an error", steps, err)
	}
	// The same PCR0 with other registers cannot be told apart by the context.
	odd := pins("a")
	odd.Images[0].PCR1 = digest.Sum([]byte("x"))
	if _, err := rollout.New(rollout.Change{Old: pins("a"), New: odd}); err == nil {
		t.Error("two images with one PCR0: no error")
	}
}

func TestLocate(t *testing.T) {
	steps := plan(t, pins("a"), pins("b"))
	for _, s := range steps {
		if s.Policy == nil {
			continue
		}
		live, err := keypolicy.Parse(s.Policy)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := rollout.Locate(steps, live); !ok || got.Name != s.Name {
			t.Errorf("got %s, want %s", got.Name, s.Name)
		}
	}
	other, err := keypolicy.Parse([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := rollout.Locate(steps, other); ok {
		t.Errorf("a foreign policy was taken for step %s", got.Name)
	}
	var names []string
	for at, ok := steps[0], true; ok; at, ok = rollout.Following(steps, at.Name) {
		names = append(names, at.Name)
	}
	if want := []string{"start", "add", "canary", "switch", "drain", "remove"}; !slices.Equal(names, want) {
		t.Errorf("got order %v, want %v", names, want)
	}
	if text, err := json.Marshal(steps); err != nil || !strings.Contains(string(text), "1-add.json") {
		t.Errorf("got %s and %v", text, err)
	}
}

// Attack: a job file that was cut must not count as none.
func TestFolderWithABrokenJob(t *testing.T) {
	dir := t.TempDir()
	if open, err := rollout.OpenJobs(dir, nil, time.Now()); err != nil || len(open) != 0 {
		t.Errorf("empty folder: got %v and %v", open, err)
	}
	if _, err := rollout.OpenJobs(filepath.Join(dir, "missing"), nil, time.Now()); err == nil {
		t.Error("a folder that is not there: no error")
	}
	if err := os.WriteFile(filepath.Join(dir, "cut.ahjob"), []byte("AH"), 0o600); err != nil {
		t.Fatal(err)
	}
	if open, err := rollout.OpenJobs(dir, nil, time.Now()); err == nil || open != nil {
		t.Errorf("got %v and %v, want an error", open, err)
	}
}

// Attack: a parent that says of jobs what suits it. What it lists is open, what it leaves out stays
// open by its file, and what it lists of an image that stays is nobody's concern.
func TestJoin(t *testing.T) {
	header := func(name string) digest.Digest { return digest.Sum([]byte("header " + name)) }
	stays := []digest.Digest{image("new").PCR0}
	old := image("old").PCR0
	files := []rollout.OpenJob{{File: "a.ahjob", Image: old, Header: header("a")}, {File: "b.ahjob", Image: old, Header: header("b")}}
	pending := []submit.Pending{
		{ID: "1", Status: "running", Image: old, Header: header("b")},
		{ID: "2", Status: "queued", Image: old, Header: header("elsewhere")},
		{ID: "3", Status: "queued", Image: stays[0], Header: header("new")},
		// of another image than its file says
		{ID: "4", Status: "queued", Image: stays[0], Header: header("a")},
	}
	want := []rollout.OpenJob{
		{File: "a.ahjob", Image: old, Header: header("a"), Parent: "queued"},
		{File: "b.ahjob", Image: old, Header: header("b"), Parent: "running"},
		{Image: old, Header: header("elsewhere"), Parent: "queued"},
	}
	if got := rollout.Join(files, pending, stays); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := rollout.Join(files, nil, stays); !slices.Equal(got, files) {
		t.Errorf("a silent parent: got %+v, want %+v", got, files)
	}
	if files[0].Parent != "" {
		t.Error("the list that was given has changed")
	}
}
