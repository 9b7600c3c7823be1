package e2e_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"anchorhold/parent/e2e/stage"
)

// The main job on the project's own sample: nothing that identifies a person reaches the output,
// the parent's disk, its log or its memory.
func TestMainJobOnSample(t *testing.T) {
	t.Parallel()
	s := start(t, stage.Options{})
	in := sample(t, s)
	j := job{s, "sample"}
	mustOwner(t, s, 0, j.sealArgs("policy", in)...)
	mustOwner(t, s, 0, j.submitArgs()...)
	mustOwner(t, s, 0, j.openArgs("policy")...)
	records := readRecords(t, in)
	if len(records) < 1000 {
		t.Fatalf("the sample has %d records, want at least 1000", len(records))
	}
	checkOutput(t, in, j.path(".out"), nil)
	t.Run("Invariant1_ParentSeesNoPlaintext", func(t *testing.T) { parentSawNothing(t, s, records) })
}

// The main job on published bulk exports, every folder of the set.
func TestMainJobOnSynthea(t *testing.T) {
	root := os.Getenv("VECTORS")
	if root == "" {
		t.Skip("VECTORS is unset: the synthea set was not run")
	}
	folders, err := filepath.Glob(filepath.Join(root, "synthea", "*", "Patient*.ndjson*"))
	if err != nil || len(folders) == 0 {
		t.Fatalf("no synthea folder under %s (%v)", root, err)
	}
	seen := map[string]bool{}
	for _, patients := range folders {
		in := filepath.Dir(patients)
		if seen[in] {
			continue
		}
		seen[in] = true
		t.Run(filepath.Base(in), func(t *testing.T) {
			s := start(t, stage.Options{})
			j := job{s, "synthea"}
			mustOwner(t, s, 0, j.sealArgs("policy", in)...)
			mustOwner(t, s, 0, j.submitArgs()...)
			if code, out := owner(t, s, j.openArgs("policy")...); code != 0 && code != 4 {
				t.Fatalf("open: exit %d\n%s", code, out)
			}
			var extra map[string]bool
			name := filepath.Join(root, "synthea", "canaries-"+filepath.Base(in)+".jsonl.gz")
			if _, err := os.Stat(name); err == nil {
				extra = canaries(t, name)
			}
			checkOutput(t, in, j.path(".out"), extra)
		})
	}
}

// checkOutput compares an output folder with the records that went in, by code that shares nothing
// with the engine.
func checkOutput(t *testing.T, inDir, dir string, canaries map[string]bool) {
	t.Helper()
	in, inLines := readRecords(t, inDir), readLines(t, inDir)
	out := readRecords(t, dir)
	var report struct {
		RecordsIn       int               `json:"records_in"`
		RecordsOut      int               `json:"records_out"`
		RecordsRejected int               `json:"records_rejected"`
		Rejects         []json.RawMessage `json:"rejects"`
		RejectsOmitted  int               `json:"rejects_omitted"`
	}
	b, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &report); err != nil {
		t.Fatal(err)
	}
	if report.RecordsIn != len(in) || report.RecordsOut != len(out) || report.RecordsOut+report.RecordsRejected != report.RecordsIn || len(report.Rejects)+report.RejectsOmitted != report.RecordsRejected {
		t.Errorf("report says in %d, out %d, rejected %d (%d listed); went in %d, came out %d",
			report.RecordsIn, report.RecordsOut, report.RecordsRejected, len(report.Rejects), len(in), len(out))
	}
	values := identifying(in)
	for v := range canaries {
		values[v] = true
	}
	before, after := text(inLines, in), text(readLines(t, dir), out)
	if n, _ := leaked(values, before); n != len(values) {
		t.Fatalf("the search finds %d of %d identifying values in the input itself", n, len(values))
	}
	if n, some := leaked(values, after); n != 0 {
		t.Errorf("%d of %d identifying values are in the output, such as %q", n, len(values), some)
	}
	// The preset rejects types that it has no rules for, by code; their codings and references are
	// gone with them.
	in = ofTypesIn(in, out)
	allIn, resolvedIn := literalReferences(in)
	allOut, resolvedOut := literalReferences(out)
	if len(resolvedIn) == 0 || !maps.Equal(resolvedOut, resolvedIn) || !maps.Equal(allOut, allIn) {
		t.Errorf("literal references, all and those that resolve to exactly one record: in %v, %v; out %v, %v", allIn, resolvedIn, allOut, resolvedOut)
	}
	kept, total := 0, 0
	outCodings := codings(out)
	for c, n := range codings(in) {
		total += n
		kept += min(n, outCodings[c])
		if outCodings[c] < n {
			t.Logf("coding %s: %d in, %d out", c, n, outCodings[c])
		}
	}
	t.Logf("%d records in, %d out, %d rejected; %d identifying values gone; %d of %d codings kept; references by type %v",
		len(in), len(out), report.RecordsRejected, len(values), kept, total, resolvedOut)
	if kept*100 < total*95 {
		t.Errorf("%d of %d codings kept: the output is not worth having", kept, total)
	}
}

// ofTypesIn returns the records whose type occurs in others.
func ofTypesIn(records, others []map[string]any) []map[string]any {
	types := map[any]bool{}
	for _, r := range others {
		types[r["resourceType"]] = true
	}
	return slices.DeleteFunc(slices.Clone(records), func(r map[string]any) bool { return !types[r["resourceType"]] })
}

// parentSawNothing searches the parent's disk, log and memory for what identifies people in the
// records.
func parentSawNothing(t *testing.T, s *stage.Stage, in []map[string]any) {
	values := identifying(in)
	var haystack bytes.Buffer
	err := filepath.Walk(s.SpoolDir(), func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		haystack.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"parent", "enclave"} {
		log, err := s.Logs(name)
		if err != nil {
			t.Fatal(err)
		}
		haystack.Write(log)
	}
	if haystack.Len() == 0 {
		t.Fatal("nothing to search")
	}
	memory, err := readMemory(s.ParentPID())
	if err != nil {
		t.Logf("the parent's memory was not searched: %v", err)
	}
	haystack.Write(memory)
	// Proof that memory is really searched: the tenant's name is known to the parent.
	if memory != nil && !bytes.Contains(memory, []byte(stage.Tenant)) {
		t.Error("the parent's memory does not even hold the tenant's name: the search is broken")
	}
	found, searched := 0, 0
	for v := range values {
		// Memory is large: 500 values of the thousands will do.
		if searched++; searched > 500 {
			break
		}
		// Short values occur in any memory by chance; months too, as parts of times.
		if len(v) >= 9 && !strings.HasPrefix(v, "20") && bytes.Contains(haystack.Bytes(), []byte(v)) {
			found++
		}
	}
	if found != 0 {
		t.Errorf("the parent holds %d values of the records in plaintext", found)
	}
}
