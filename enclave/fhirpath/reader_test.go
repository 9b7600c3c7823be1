package fhirpath_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"anchorhold/enclave/fhirpath"
)

// dump writes a tree with all that a node tells.
func dump(n *fhirpath.Node) string {
	var b strings.Builder
	walk(n, func(n *fhirpath.Node) {
		text, ok := n.Text()
		fmt.Fprintln(&b, n.Pointer(), n.Path(), n.Type(), n.Kind(), n.Repeats(), n.Value(), n.Extra(), n.Mark, ok, text)
	})
	return b.String()
}

// A Reader gives the trees that ReadLoose gives, whatever it has read before: nothing of one
// resource gets into the next.
func TestReaderForgets(t *testing.T) {
	wide := `{"resourceType":"Patient","name":[` + strings.Repeat(`{"family":"secret","given":["a","b"]},`, 3_000) + `{}]}`
	texts := []string{
		wide, `{"resourceType":"Patient","name":[{"family":"A"}]}`, `{"resourceType":"Patient","name":[{"family":"\u0041","extension":[`, wide[:1000], ``, `5`,
		`{"resourceType":"Patient","_birthDate":{"extension":[{"url":"u","valueString":"\"x\\"}]},"birthDate":"2000"}`, `{"name":"n","resourceType":"List"}`,
		`{ "resourceType" : "Patient","a":{"b":[1,null,{"c":true}]}}`, `{"resourceType":"Pati\u0065nt"}`, `{"resourceType":"Patient","id":"a","resourceType":"List"}`, `{"resourceType":"Resource"}`,
		`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"x"}},{"resource":{"id":"y","resourceType":"List"}}]}`,
	}
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(b))
	}
	r := fhirpath.NewReader(10)
	for range 3 {
		for _, text := range texts {
			want, wantErr := fhirpath.ReadLoose([]byte(text), 10)
			got, gotErr := r.Read([]byte(text))
			if gotErr != wantErr {
				t.Fatalf("%.100s: got %v, want %v", text, gotErr, wantErr)
			}
			if gotErr != nil {
				continue
			}
			if dump(got) != dump(want) {
				t.Fatalf("%.100s: got\n%.2000s\nwant\n%.2000s", text, dump(got), dump(want))
			}
			walk(got, func(n *fhirpath.Node) { n.Mark = 7 })
		}
	}
	// Texts outlive their tree.
	n, err := r.Read([]byte(texts[1]))
	if err != nil {
		t.Fatal(err)
	}
	var text string
	walk(n, func(n *fhirpath.Node) {
		if s, ok := n.Text(); ok {
			text = s
		}
	})
	r.Forget()
	if text != "A" || n.Type() != nil {
		t.Errorf("got text %q, and a tree of %v that should be gone", text, n.Type())
	}
}

func TestCopy(t *testing.T) {
	n, err := fhirpath.Read([]byte(`{"resourceType":"Patient","name":[{"family":"A","given":["B","C"]}],"birthDate":"2000","_birthDate":{"id":"x"}}`))
	if err != nil {
		t.Fatal(err)
	}
	was := dump(n)
	c := n.Copy()
	if dump(c) != was {
		t.Errorf("got\n%s\nwant\n%s", dump(c), was)
	}
	walk(c, func(n *fhirpath.Node) { n.ClearValue() })
	c.Remove(func(n *fhirpath.Node) bool { return n.Name() == "name" })
	if dump(n) != was {
		t.Error("a change of the copy changes the original")
	}
}
