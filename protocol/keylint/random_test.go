package keylint_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"anchorhold/protocol/keylint"
	"anchorhold/protocol/keypolicy"
)

// dice makes policies and requests from few parts, so that they meet often.
type dice struct{ *rand.Rand }

func (d dice) one(list ...string) string { return list[d.IntN(len(list))] }

var (
	pinned  = strings.Repeat("ab", 48)
	foreign = strings.Repeat("cd", 48)
)

func (d dice) condition() string {
	key := d.one("kms:RecipientAttestation:PCR0", "kms:RecipientAttestation:PCR1", "kms:RecipientAttestation:PCR2", "kms:RecipientAttestation:ImageSha384",
		"kms:EncryptionContext:anchorhold:image", "kms:EncryptionContext:anchorhold:tenant", "aws:PrincipalArn", "kms:CallerAccount", "aws:PrincipalTag/x")
	value := `"` + d.one(pinned, foreign) + `"`
	operator := d.one("StringEquals", "StringEqualsIgnoreCase", "StringNotEquals", "StringNotEqualsIgnoreCase", "StringLike", "StringEqualsIfExists", "ForAllValues:StringEquals", "ForAnyValue:StringEquals")
	switch key {
	case "kms:EncryptionContext:anchorhold:tenant", "aws:PrincipalTag/x":
		value = d.one(`"clinic"`, `["clinic","hospital"]`, `"c*"`)
	case "kms:CallerAccount":
		value = d.one(`"444455556666"`, `"111122223333"`)
	case "aws:PrincipalArn":
		operator, value = d.one("ArnEquals", "ArnNotEquals", "ArnLike"), d.one(`"arn:aws:iam::444455556666:role/parent"`, `"arn:aws:iam::111122223333:role/dev"`)
	}
	if d.IntN(8) == 0 {
		operator, value = "Null", d.one(`"true"`, `"false"`)
	}
	return fmt.Sprintf(`%q:{%q:%s}`, operator, key, value)
}

func (d dice) statement() string {
	principal := d.one(`"*"`, `{"AWS":"arn:aws:iam::444455556666:role/parent"}`, `{"AWS":"arn:aws:iam::111122223333:root"}`, `{"AWS":"arn:aws:iam::111122223333:role/dev"}`)
	condition := ""
	if n := d.IntN(3); n == 1 {
		condition = d.condition()
	} else if n == 2 {
		first, second := d.condition(), d.condition()
		condition = first
		if strings.Split(first, ":{")[0] != strings.Split(second, ":{")[0] { // an operator stands once in a statement
			condition += "," + second
		}
	}
	return fmt.Sprintf(`{"Effect":%q,"Principal":%s,"Action":%q,"Resource":"*","Condition":{%s}}`,
		d.one("Allow", "Allow", "Deny"), principal, d.one("kms:*", "kms:Decrypt", "kms:ReEncrypt*", "kms:CreateGrant", "kms:D*"), condition)
}

func (d dice) request(action string, attested bool) keypolicy.Request {
	r := keypolicy.Request{
		Principal: d.one("arn:aws:iam::444455556666:role/parent", "arn:aws:iam::111122223333:role/dev", "arn:aws:iam::999999999999:role/x"),
		Action:    "kms:" + action, Resource: arn, Context: map[string][]string{},
	}
	r.Context["aws:PrincipalArn"] = []string{r.Principal}
	r.Context["kms:CallerAccount"] = []string{strings.Split(r.Principal, ":")[4]}
	for key, values := range map[string][]string{
		"kms:EncryptionContext:anchorhold:image": {pinned, foreign, "x", ""}, "kms:EncryptionContext:anchorhold:tenant": {"clinic", "hospital", "x", ""},
		"aws:PrincipalTag/x": {"clinic", "hospital", "cx", ""},
	} {
		if v := d.one(values...); v != "" {
			r.Context[key] = []string{v}
		}
	}
	if attested { // an image that no policy here names
		other := strings.Repeat("ef", 48)
		for _, name := range []string{"PCR0", "PCR1", "PCR2", "ImageSha384"} {
			r.Context["kms:RecipientAttestation:"+name] = []string{other}
		}
	}
	return r
}

// The linter misses nothing that chance finds: if some request gets around attestation, there is a finding of the kind.
func TestNoRandomRequestFindsMore(t *testing.T) {
	d := dice{rand.New(rand.NewPCG(7, 7))}
	ways := []struct {
		action   string
		attested bool
		rules    []string
	}{
		{"Decrypt", false, []string{"unattested-decrypt"}},
		{"Decrypt", true, []string{"unpinned-image", "unattested-decrypt"}}, // the worse one is enough
		{"ReEncryptFrom", false, []string{"re-encrypt"}},
		{"CreateGrant", false, []string{"create-grant"}},
	}
	reached := make([]int, len(ways))
	for range 120 {
		var statements []string
		for range 1 + d.IntN(4) {
			statements = append(statements, d.statement())
		}
		text := `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
		policy, err := keypolicy.Parse([]byte(text))
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		found := names(keylint.Lint(&keylint.Key{Policy: policy}))
		for n, way := range ways {
			for range 60 {
				r := d.request(way.action, way.attested)
				if !policy.Evaluate(r).Allowed {
					continue
				}
				reached[n]++
				if !slices.ContainsFunc(way.rules, func(rule string) bool { return slices.Contains(found, rule) }) {
					t.Fatalf("allowed: %+v\nfindings %v\n%s", r, found, text)
				}
				break
			}
		}
	}
	for n, count := range reached {
		if count < 20 {
			t.Errorf("%s, attested %v: %d policies allowed it, want more for the test to say something", ways[n].action, ways[n].attested, count)
		}
	}
	t.Logf("policies with a way, by way: %v", reached)
}
