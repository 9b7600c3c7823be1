package keylint_test

import (
	"slices"
	"strings"
	"testing"

	"anchorhold/protocol/keylint"
	"anchorhold/protocol/keypolicy"
	"anchorhold/protocol/protocoltest/vectorfile"
)

func lint(t testing.TB, text []byte) []keylint.Finding {
	t.Helper()
	policy, err := keypolicy.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return keylint.Lint(&keylint.Key{Policy: policy})
}

// names are the rules of findings, each once, in order.
func names(findings []keylint.Finding) []string {
	var list []string
	for _, f := range findings {
		list = append(list, f.Rule)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Each flawed policy has exactly the findings that its file names.
func TestFlawedPolicies(t *testing.T) {
	vectors := vectorfile.Load(t, "testdata/flawed/*.txt")
	if len(vectors) < 40 {
		t.Errorf("got %d flawed policies, want at least 40", len(vectors))
	}
	for _, v := range vectors {
		want := strings.Fields(v.Expect())
		if got := names(lint(t, v.Body)); !slices.Equal(got, want) {
			t.Errorf("%s (%s): got %v, want %v", v.Name, v.Header["comment"], got, want)
		}
	}
}

func TestOurOwnPolicyHasNoFinding(t *testing.T) {
	for _, v := range vectorfile.Load(t, "testdata/good*.txt") {
		for _, f := range lint(t, v.Body) {
			t.Errorf("%s: %+v", v.Name, f)
		}
	}
}
