package keypolicy_test

import (
	"slices"
	"strings"
	"testing"

	"anchorhold/protocol/keypolicy"
)

// A doubtCase is a part of a statement that AWS's documentation does not settle for some request.
type doubtCase struct {
	name, part string // part replaces Resource, Principal or Condition of a statement
	principal  string // owner when empty
	context    values
	static     string // what Doubts says; empty: it cannot know from the statement alone
}

var doubtCases = []doubtCase{
	{name: "several values, positive", part: `"Condition":{"StringEquals":{"kms:EncryptionContextKeys":"a"}}`, context: values{"kms:EncryptionContextKeys": {"a", "b"}}, static: "needs ForAllValues"},
	{name: "several values, one brought", part: `"Condition":{"StringEquals":{"kms:EncryptionContextKeys":"a"}}`, context: values{"kms:EncryptionContextKeys": {"a"}}, static: "needs ForAllValues"},
	{name: "several values, negated", part: `"Condition":{"StringNotEquals":{"kms:EncryptionContextKeys":"a"}}`, context: values{"kms:EncryptionContextKeys": {"b"}}, static: "needs ForAllValues"},
	{name: "several values, negated, absent", part: `"Condition":{"StringNotEquals":{"aws:TagKeys":"a"}}`, static: "needs ForAllValues"},
	{name: "two values of a key that has one", part: `"Condition":{"StringNotEquals":{"aws:x":"a"}}`, context: values{"aws:x": {"a", "b"}}},
	{name: "no number", part: `"Condition":{"NumericNotEquals":{"kms:GrantCount":"5"}}`, context: values{"kms:GrantCount": {"five"}}, static: "not of its type"},
	{name: "no date", part: `"Condition":{"DateNotEquals":{"aws:CurrentTime":"2026-06-30"}}`, context: values{"aws:CurrentTime": {"x"}}, static: "not of its type"},
	{name: "no address", part: `"Condition":{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`, context: values{"aws:SourceIp": {"AWS Internal"}}, static: "not of its type"},
	{name: "address with a zone", part: `"Condition":{"IpAddress":{"aws:SourceIp":"fe80::/16"}}`, context: values{"aws:SourceIp": {"fe80::1%eth0"}}},
	{name: "no ARN", part: `"Condition":{"ArnNotLike":{"aws:x":"arn:aws:iam::111122223333:role/owner"}}`, context: values{"aws:x": {"no arn"}}, static: "not of its type"},
	{name: "mapped address", part: `"Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`, context: values{"aws:SourceIp": {"::ffff:203.0.113.5"}}},
	{name: "mapped range", part: `"Condition":{"IpAddress":{"aws:SourceIp":"::ffff:203.0.113.0/120"}}`, context: values{"aws:SourceIp": {"203.0.113.5"}}},
	{name: "letters other than ASCII", part: `"Condition":{"StringEqualsIgnoreCase":{"kms:ViaService":"\u00e9"}}`, context: values{"kms:ViaService": {"\u00c9"}}, static: "other than ASCII"},
	{name: "Kelvin sign", part: `"Condition":{"StringEqualsIgnoreCase":{"kms:ViaService":"k"}}`, context: values{"kms:ViaService": {"\u212a"}}},
	{name: "four digits", part: `"Condition":{"DateLessThan":{"aws:CurrentTime":"2026"}}`, context: values{"aws:CurrentTime": {"2025-01-01T00:00:00Z"}}, static: "four digits"},
	{name: "list without values", part: `"Condition":{"Null":{"aws:x":"true"}}`, context: values{"aws:x": {}}},
	{name: "list without values, IfExists", part: `"Condition":{"StringEqualsIfExists":{"aws:x":"a"}}`, context: values{"aws:x": {}}},
	{name: "empty string under ForAllValues", part: `"Condition":{"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":"a"}}`, context: values{"kms:EncryptionContextKeys": {""}}, static: "empty string"},
	{name: "empty string under ForAnyValue", part: `"Condition":{"ForAnyValue:StringNotEquals":{"kms:EncryptionContextKeys":"a"}}`, context: values{"kms:EncryptionContextKeys": {""}}, static: "empty string"},
	{name: "star in the middle", part: `"Resource":"arn:aws:kms:*:key/*"`, static: "fewer than six parts"},
	{name: "star in the account", part: `"Resource":"arn:aws:kms:us-*:*-12ab-34cd-56ef-1234567890ab"`, static: "fewer than six parts"},
	{name: "wildcard in the service", part: `"Resource":"arn:aws:k*:us-east-1:111122223333:key/*"`, static: "service of a Resource"},
	{name: "service as star", part: `"Resource":"arn:aws:*"`, static: "service of a Resource"},
	{name: "service in upper case", part: `"Resource":"arn:aws:KMS:us-east-1:111122223333:key/*"`, static: "upper case"},
	{name: "partition in upper case", part: `"Resource":"arn:AWS:kms:*"`, static: "upper case"},
	{name: "wildcard in the type", part: `"Resource":"arn:aws:kms:us-east-1:111122223333:k*/1234*"`, static: "resource type"},
	{name: "role in another case", part: `"Principal":{"AWS":"arn:aws:iam::444455556666:role/PARENT"}`, principal: session},
	{name: "federated session of a user", part: `"Principal":{"AWS":"arn:aws:iam::111122223333:user/Alice"}`, principal: "arn:aws:sts::111122223333:federated-user/bob"},
}

func (c doubtCase) statement(effect string) string {
	parts := map[string]string{"Resource": `"Resource":"*"`, "Principal": `"Principal":"*"`, "Condition": `"Condition":{}`}
	parts[strings.Split(c.part, `"`)[1]] = c.part
	return `{"Effect":"` + effect + `","Action":"kms:*",` + parts["Resource"] + "," + parts["Principal"] + "," + parts["Condition"] + "}"
}

func (c doubtCase) decide(t *testing.T, statements ...string) keypolicy.Decision {
	t.Helper()
	p, err := keypolicy.Parse([]byte(document(strings.Join(statements, ","))))
	if err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	r := keypolicy.Request{Principal: c.principal, Action: "kms:Decrypt", Resource: keyARN, Context: c.context}
	if r.Principal == "" {
		r.Principal = owner
	}
	return p.Evaluate(r)
}

// Attack: a policy whose meaning AWS does not document, so that it protects in one reading only.
// The evaluator lets it protect in none, and says that it was a choice.
func TestOpenQuestionsAreJudgedAgainstTheOwner(t *testing.T) {
	open := `{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}`
	for _, c := range doubtCases {
		if d := c.decide(t, c.statement("Allow")); !d.Allowed || !d.Unclear {
			t.Errorf("%s: Allow: got %+v, want allowed and unclear", c.name, d)
		}
		if d := c.decide(t, open, c.statement("Deny")); !d.Allowed || !d.Unclear || d.Denied {
			t.Errorf("%s: Deny: got %+v, want allowed and unclear", c.name, d)
		}
		if d := c.decide(t, c.statement("Allow"), open); !d.Allowed || d.Unclear || d.Statement != 1 {
			t.Errorf("%s: next to a certain Allow: got %+v, want the certain one", c.name, d)
		}
	}
}

// What the documentation leaves open and a statement alone shows is named.
func TestDoubts(t *testing.T) {
	for _, c := range doubtCases {
		p, err := keypolicy.Parse([]byte(document(c.statement("Deny"))))
		if err != nil {
			t.Fatal(err)
		}
		got := p.Statements[0].Doubts()
		if c.static == "" && len(got) > 0 || c.static != "" && (len(got) != 1 || !strings.Contains(got[0], c.static)) {
			t.Errorf("%s: got %q, want one with %q", c.name, got, c.static)
		}
	}
}

// What is documented is not in doubt, with the very operators and patterns of the cases in doubt.
func TestNoDoubtWhereDocumented(t *testing.T) {
	for _, part := range []string{
		`"Resource":"arn:aws:kms:*"`, `"Resource":"arn:aws:kms:*:111122223333:key/*"`, `"Resource":"arn:aws:kms:us-east-1:111122223333:*"`,
		`"Condition":{"ForAnyValue:StringEquals":{"kms:EncryptionContextKeys":"a"}}`, `"Condition":{"ForAllValues:StringEquals":{"kms:GrantOperations":"Decrypt"}}`,
		`"Condition":{"ArnNotEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/owner"}}`, `"Condition":{"DateLessThan":{"aws:CurrentTime":"2026-06"}}`,
		`"Condition":{"StringNotEqualsIgnoreCase":{"kms:RecipientAttestation:PCR0":"ab"}}`, `"Condition":{"Null":{"kms:EncryptionContextKeys":"true"}}`,
		`"Condition":{"NumericLessThan":{"kms:GrantCount":"5"}}`, `"Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`,
	} {
		p, err := keypolicy.Parse([]byte(document(doubtCase{part: part}.statement("Deny"))))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Statements[0].Doubts(); got != nil {
			t.Errorf("%s: got %q, want none", part, got)
		}
	}
}

// A malformed value meets no positive operator in any reading, and a value that a negated one names
// never passes it.
func TestCertainRefusals(t *testing.T) {
	for _, c := range []doubtCase{
		{part: `"Condition":{"NumericEquals":{"aws:x":"5"}}`, context: values{"aws:x": {"five"}}},
		{part: `"Condition":{"IpAddress":{"aws:x":"0.0.0.0/0"}}`, context: values{"aws:x": {"AWS Internal"}}},
		{part: `"Condition":{"StringNotEquals":{"kms:EncryptionContextKeys":"a"}}`, context: values{"kms:EncryptionContextKeys": {"a"}}},
		{part: `"Condition":{"StringEquals":{"kms:EncryptionContextKeys":"a"}}`, context: values{"kms:EncryptionContextKeys": {"b", "c"}}},
		{part: `"Condition":{"StringEquals":{"kms:EncryptionContextKeys":"a"}}`},
		{part: `"Condition":{"ForAnyValue:StringEquals":{"kms:EncryptionContextKeys":"a"}}`, context: values{"kms:EncryptionContextKeys": {""}}},
		{part: `"Resource":"arn:aws:kms:*:alias/*"`},
		{part: `"Principal":{"AWS":"arn:aws:iam::111122223333:user/Alice"}`, principal: "arn:aws:sts::444455556666:federated-user/Alice"},
		{part: `"Principal":{"AWS":"arn:aws:iam::444455556666:role/PARENTS"}`, principal: session},
	} {
		c.name = c.part
		if d := c.decide(t, c.statement("Allow")); d.Allowed || d.Unclear {
			t.Errorf("%s: got %+v, want no permission", c.part, d)
		}
	}
	texts := []string{}
	for _, c := range doubtCases {
		texts = append(texts, c.name)
	}
	if slices.Sort(texts); len(slices.Compact(texts)) != len(doubtCases) {
		t.Error("two cases have one name")
	}
}
