package keylint_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/keylint"
	"anchorhold/protocol/keypolicy"
	"anchorhold/protocol/ownerkey"
	"anchorhold/protocol/protocoltest/vectorfile"
)

// Whatever plan anchorhold key-policy accepts, lint finds nothing in what it writes.
func TestNoPlanOfOursHasAFinding(t *testing.T) {
	for _, images := range []int{1, 2, 9} {
		plan := &ownerkey.Plan{
			Tenant: "clinic", Administrators: []string{"arn:aws:iam::111122223333:role/a", "arn:aws:iam::111122223333:role/b"},
			Sealers: []string{"arn:aws:iam::111122223333:role/s"}, Parents: []string{"arn:aws:iam::444455556666:role/p", "arn:aws:iam::777788889999:role/p"},
		}
		for n := range images {
			register := func(i int) digest.Digest { return digest.Sum([]byte{byte(n), byte(i)}) }
			signer := register(8)
			plan.Images = append(plan.Images, ownerkey.Image{
				Image: appraise.Image{Name: fmt.Sprint(n), PCR0: register(0), PCR1: register(1), PCR2: register(2), PCR8: &signer}, Drains: n%3 == 1,
			})
		}
		text, err := plan.Policy()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range lint(t, text) {
			t.Errorf("%d images: %+v", images, f)
		}
	}
}

// Attack: conditions that take too long to go through: seven things to be put in six places, one in
// each, said by denials. It must not pass for a policy without findings, and the search must end.
func TestTooManyCombinations(t *testing.T) {
	const things, places = 7, 6
	in := func(thing, place int) string { return fmt.Sprintf("aws:PrincipalTag/%c%d", 'a'+thing, place) }
	statements := []string{`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:role/p"},"Action":"kms:Decrypt","Resource":"*"}`}
	denyDecrypt := func(operator string, keys ...string) {
		statements = append(statements, `{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{"`+operator+`":{"`+strings.Join(keys, `":"1","`)+`":"1"}}}`)
	}
	for thing := range things {
		var somewhere []string
		for place := range places {
			somewhere = append(somewhere, in(thing, place))
			for other := range thing {
				denyDecrypt("StringEquals", in(thing, place), in(other, place))
			}
		}
		denyDecrypt("StringNotEquals", somewhere...)
	}
	got := names(lint(t, []byte(`{"Version":"2012-10-17","Statement":[`+strings.Join(statements, ",")+`]}`)))
	if !slices.Contains(got, "too-complex") {
		t.Errorf("got %v, want too-complex", got)
	}
}

// The log has the parts that SARIF 2.1.0 requires, and every rule that a finding names.
func TestSARIF(t *testing.T) {
	for _, v := range vectorfile.Load(t, "testdata/flawed/aws-*.txt") {
		findings := lint(t, v.Body)
		text, err := json.Marshal(keylint.SARIF("key.json", v.Body, findings))
		if err != nil {
			t.Fatal(err)
		}
		var log struct {
			Version string
			Runs    []struct {
				Tool struct {
					Driver struct {
						Name  string
						Rules []struct{ ID string }
					}
				}
				Results []struct {
					RuleID, Level string
					Message       struct{ Text string }
					Locations     []struct {
						PhysicalLocation struct {
							ArtifactLocation struct{ URI string }
							Region           struct{ StartLine int }
						}
					}
				}
			}
		}
		if err := json.Unmarshal(text, &log); err != nil || log.Version != "2.1.0" || len(log.Runs) != 1 || len(log.Runs[0].Results) != len(findings) {
			t.Fatalf("%s: got %s (%v)", v.Name, text, err)
		}
		known := map[string]bool{}
		for _, r := range log.Runs[0].Tool.Driver.Rules {
			known[r.ID] = true
		}
		for i, r := range log.Runs[0].Results {
			line := r.Locations[0].PhysicalLocation.Region.StartLine
			if !known[r.RuleID] || r.Message.Text == "" || r.Level == "" || line < 1 {
				t.Errorf("%s: got result %+v", v.Name, r)
			}
			if n := findings[i].Statement; n >= 0 && strings.TrimSpace(strings.Split(string(v.Body), "\n")[line-1]) != "{" {
				t.Errorf("%s: statement %d begins on line %d, which is none of its", v.Name, n, line)
			}
		}
	}
}

// Whatever parses can be judged, twice alike.
func FuzzLint(f *testing.F) {
	// not all: a short run would do nothing but seeds
	for _, v := range vectorfile.Load(f, "testdata/flawed/aws-*.txt") {
		f.Add(v.Body)
	}
	f.Fuzz(func(t *testing.T, source []byte) {
		policy, err := keypolicy.Parse(source)
		if err != nil || len(policy.Statements) > 4 || len(source) > 4000 {
			return
		}
		first := keylint.Lint(&keylint.Key{Policy: policy})
		second := keylint.Lint(&keylint.Key{Policy: policy})
		if len(first) != len(second) || keylint.Worst(first) != keylint.Worst(second) {
			t.Errorf("judged differently: %d and %d findings", len(first), len(second))
		}
		_ = keylint.SARIF("x", source, first)
	})
}
