package e2e_test

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"anchorhold/parent/e2e/stage"
)

// nights is a stage with keys for result and crosswalk, held by different people.
type nights struct{ *stage.Stage }

// night seals, submits and opens one night's job; more are further arguments of seal. It returns
// the records and the opened crosswalk.
func (n nights) night(t *testing.T, name, records string, more ...string) (out, crosswalk string) {
	t.Helper()
	j := job{n.Stage, name}
	write(t, j.path(".ndjson"), []byte(records))
	mustOwner(t, n.Stage, 0, append(j.sealArgs("policy", j.path(".ndjson")), more...)...)
	mustOwner(t, n.Stage, 0, j.submitArgs()...)
	open := j.openArgs("policy")
	if slices.Contains(more, "--crosswalk") {
		open = append(open, "--crosswalk", j.path(".ahxwk"))
		mustOwner(t, n.Stage, 0, n.crossArgs(j, name+".cross.ndjson")...)
		crosswalk = string(read(t, n.Path(name+".cross.ndjson")))
	}
	mustOwner(t, n.Stage, 0, open...)
	return string(read(t, j.path(".out/Patient.ndjson"))), crosswalk
}

// crossArgs opens a job's crosswalk alone, with the crosswalk's key alone.
func (n nights) crossArgs(j job, out string) []string {
	return []string{
		"open", "--job", j.path(".ahjob"), "--result", j.path(".ahres"), "--receipt", j.path(".receipt"), "--policy", n.Path("policy.cbor"),
		"--pins", n.Path("policy.pins"), "--root", n.Path("ca", "attestation-root.pem"), "--crosswalk", j.path(".ahxwk"),
		"--crosswalk-key", n.Path("cross.key.pem"), "--crosswalk-out", n.Path(out),
	}
}

// ids returns the ids of the records of a file, in order.
func ids(t *testing.T, lines string) []string {
	t.Helper()
	var all []string
	for l := range strings.Lines(lines) {
		var r struct{ ID string }
		if err := json.Unmarshal([]byte(l), &r); err != nil || r.ID == "" {
			t.Fatalf("got record %s (%v)", l, err)
		}
		all = append(all, r.ID)
	}
	return all
}

func patients(names ...string) string {
	var b strings.Builder
	for _, n := range names {
		b.WriteString(`{"resourceType":"Patient","id":"` + n + `","identifier":[{"system":"urn:mrn","value":"mrn-` + n + `"}]}` + "\n")
	}
	return b.String()
}

// Two nights share a patient, who keeps the surrogates; a third night without the crosswalk gives
// others. Then the parent lies.
func TestCrosswalkAcrossNights(t *testing.T) {
	t.Parallel()
	n := nights{start(t, stage.Options{})}
	mustOwner(t, n.Stage, 0, "keygen", "--crosswalk", "--out", n.Path("cross"))
	cross := []string{"--crosswalk", n.Path("cross.pub.pem")}
	first, crosswalk1 := n.night(t, "first", patients("QxAlma", "QxBerta"), cross...)
	second, crosswalk2 := n.night(t, "second", patients("QxClara", "QxBerta"), append(cross, "--earlier-crosswalk", n.Path("first.cross.ndjson"))...)
	third, _ := n.night(t, "third", patients("QxBerta"))
	one, two, three := ids(t, first), ids(t, second), ids(t, third)
	if two[1] != one[1] {
		t.Errorf("the patient of both nights is %s and %s", one[1], two[1])
	}
	if three[0] == one[1] || slices.Contains(one, two[0]) {
		t.Errorf("got %v, %v, %v: a surrogate is there twice", one, two, three)
	}
	added, whole := strings.CutPrefix(crosswalk2, crosswalk1)
	if !whole || strings.Count(crosswalk1, "\n") != 4 || strings.Count(added, "\n") != 2 || !strings.Contains(added, `"original":"QxClara","surrogate":"`+two[0]) {
		t.Errorf("got crosswalks\n%s and\n%s, want four lines, and the same with two more", crosswalk1, crosswalk2)
	}
	if !strings.Contains(crosswalk1, `{"kind":"identifier","scope":"urn:mrn","original":"mrn-QxBerta","surrogate":"`) {
		t.Errorf("got %s", crosswalk1)
	}
	t.Run("originals stay in the crosswalk", func(t *testing.T) { n.originalsNowhere(t) })
	t.Run("lies", func(t *testing.T) { n.lies(t) })
}

// original is one of the patients, in full: chance writes a shorter name somewhere in bytes that
// are encrypted.
var original = regexp.MustCompile(`Qx(Alma|Berta|Clara)`)

// originalsNowhere looks at all that left the enclave: opened results and reports, the parent's
// disk and the logs.
func (n nights) originalsNowhere(t *testing.T) {
	var seen []byte
	for _, name := range []string{"first", "second", "third"} {
		for _, f := range []string{".out/Patient.ndjson", ".out/report.json", ".receipt", ".ahres"} {
			seen = append(seen, read(t, n.Path(name+f))...)
		}
	}
	for _, name := range []string{"enclave", "parent", "kms"} {
		log, err := n.Logs(name)
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, log...)
	}
	for _, content := range files(t, n.SpoolDir()) {
		seen = append(seen, content...)
	}
	if found := original.Find(seen); found != nil {
		t.Errorf("%s is outside the crosswalk", found)
	}
}

func files(t *testing.T, dir string) [][]byte {
	t.Helper()
	var all [][]byte
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := dir + "/" + e.Name()
		if e.IsDir() {
			all = append(all, files(t, name)...)
		} else {
			all = append(all, read(t, name))
		}
	}
	return all
}

// lies are what the parent may hand over as the crosswalk of the first night. Each is refused, and
// nothing is written.
func (n nights) lies(t *testing.T) {
	j := job{n.Stage, "first"}
	honest := read(t, j.path(".ahxwk"))
	other := read(t, n.Path("second.ahxwk"))
	longer := append(bytes.Clone(honest), honest[len(honest)-16400:]...)
	changed := bytes.Clone(honest)
	changed[len(changed)/2] ^= 1
	for name, lie := range map[string][]byte{
		"of another job": other, "truncated": honest[:len(honest)-1], "without its last chunk": honest[:len(honest)-16400],
		"a chunk more": longer, "a bit changed": changed, "the result": read(t, j.path(".ahres")), "empty": nil,
		"head of one, chunks of another": slices.Concat(honest[:1128], other[1128:]),
	} {
		write(t, j.path(".ahxwk"), lie)
		for _, args := range [][]string{
			n.crossArgs(j, "lied.ndjson"),
			append(change(j.openArgs("policy"), "--out", n.Path("lied")), "--crosswalk", j.path(".ahxwk")),
		} {
			mustOwner(t, n.Stage, 3, args...)
		}
		for _, out := range []string{"lied.ndjson", "lied"} {
			if _, err := os.Lstat(n.Path(out)); err == nil {
				t.Errorf("%s: %s is there", name, out)
			}
		}
	}
	write(t, j.path(".ahxwk"), honest)
	mustOwner(t, n.Stage, 0, n.crossArgs(j, "again.ndjson")...)
}

func change(args []string, flag, value string) []string {
	args = slices.Clone(args)
	args[slices.Index(args, flag)+1] = value
	return args
}

// A Bundle over many lines goes the whole way and comes out as one.
func TestBundleOnRealProcesses(t *testing.T) {
	t.Parallel()
	s := start(t, stage.Options{})
	j := job{s, "bundle"}
	write(t, j.path(".json"), []byte(`{
  "resourceType": "Bundle",
  "type": "collection",
  "entry": [
    {"fullUrl": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "resource": {"resourceType": "Patient", "id": "QxAlma"}},
    {"resource": {"resourceType": "Condition", "subject": {"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"}}},
    {"resource": {"resourceType": "Zebra"}}
  ]
}
`))
	mustOwner(t, s, 0, j.sealArgs("policy", j.path(".json"))...)
	mustOwner(t, s, 0, j.submitArgs()...)
	if out := mustOwner(t, s, 4, j.openArgs("policy")...); !strings.Contains(out, "at /entry/2/resource: resource-type-not-allowed") || !strings.Contains(out, "3 records in, 2 out, 1 rejected") {
		t.Errorf("got %s", out)
	}
	var got struct {
		Entry []struct {
			FullURL  string
			Resource struct{ Subject struct{ Reference string } }
		}
	}
	b := read(t, j.path(".out/Bundle.json"))
	if err := json.Unmarshal(b, &got); err != nil || len(got.Entry) != 2 {
		t.Fatalf("got %v: %s", err, b)
	}
	if u := got.Entry[0].FullURL; !strings.HasPrefix(u, "urn:anchorhold:surrogate:") || u != got.Entry[1].Resource.Subject.Reference || bytes.Contains(b, []byte("Qx")) {
		t.Errorf("got %s", b)
	}
}
