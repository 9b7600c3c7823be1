package keypolicy_test

import (
	"testing"

	"anchorhold/protocol/keypolicy"
)

const (
	owner   = "arn:aws:iam::111122223333:role/owner"
	parent  = "arn:aws:iam::444455556666:role/parent"
	session = "arn:aws:sts::444455556666:assumed-role/parent/i-0abc"
	keyARN  = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
)

func statement(effect, principal, action, resource string) string {
	return `{"Effect":"` + effect + `",` + principal + `,` + action + `,` + resource + `}`
}

func document(statements string) string {
	return `{"Version":"2012-10-17","Statement":[` + statements + `]}`
}

// element names one pair of a statement; the others are open.
func allow(part string) string {
	parts := map[byte]string{'P': `"Principal":"*"`, 'A': `"Action":"*"`, 'R': `"Resource":"*"`}
	kind := part[1]
	if kind == 'N' { // NotPrincipal, NotAction, NotResource
		kind = part[4]
	}
	parts[kind] = part
	return statement("Allow", parts['P'], parts['A'], parts['R'])
}

var statementCases = []struct {
	page      string
	statement string
	principal string
	action    string
	want      bool
}{
	// IAM User Guide, "AWS JSON policy elements: Principal".
	{"principal", allow(`"Principal":"*"`), parent, "kms:Decrypt", true},
	{"principal", allow(`"Principal":{"AWS":"*"}`), parent, "kms:Decrypt", true},
	{"principal", allow(`"Principal":{"AWS":"` + parent + `"}`), parent, "kms:Decrypt", true},
	{"principal", allow(`"Principal":{"AWS":"` + parent + `"}`), owner, "kms:Decrypt", false},
	{"principal", allow(`"Principal":{"AWS":["` + owner + `","` + parent + `"]}`), parent, "kms:Decrypt", true},
	{"principal", allow(`"Principal":{"AWS":"444455556666"}`), parent, "kms:Decrypt", true},
	{"principal", allow(`"Principal":{"AWS":"arn:aws:iam::444455556666:root"}`), parent, "kms:Decrypt", true},
	{"principal", allow(`"Principal":{"AWS":"arn:aws:iam::444455556666:root"}`), session, "kms:Decrypt", true},
	{"principal", allow(`"Principal":{"AWS":"arn:aws:iam::444455556666:root"}`), owner, "kms:Decrypt", false},
	{"principal", allow(`"Principal":{"Service":"cloudtrail.amazonaws.com"}`), "cloudtrail.amazonaws.com", "kms:Decrypt", true},
	{"principal", allow(`"Principal":{"Service":"cloudtrail.amazonaws.com"}`), parent, "kms:Decrypt", false},
	// Same page, "Role session principals" and "IAM role principals": a role's ARN covers its
	// sessions, not the reverse.
	{"session", allow(`"Principal":{"AWS":"` + parent + `"}`), session, "kms:Decrypt", true},
	{"session", allow(`"Principal":{"AWS":"arn:aws:iam::444455556666:role/path/parent"}`), session, "kms:Decrypt", true},
	{"session", allow(`"Principal":{"AWS":"` + session + `"}`), session, "kms:Decrypt", true},
	{"session", allow(`"Principal":{"AWS":"` + session + `"}`), "arn:aws:sts::444455556666:assumed-role/parent/i-other", "kms:Decrypt", false},
	{"session", allow(`"Principal":{"AWS":"` + session + `"}`), parent, "kms:Decrypt", false},
	{"session", allow(`"Principal":{"AWS":"` + parent + `"}`), "arn:aws:sts::999955556666:assumed-role/parent/i-0abc", "kms:Decrypt", false},
	{"session", allow(`"Principal":{"AWS":"` + parent + `"}`), "arn:aws:sts::444455556666:assumed-role/parent2/i-0abc", "kms:Decrypt", false},
	{"session", allow(`"Principal":{"AWS":"` + parent + `"}`), "arn:aws:sts::444455556666:assumed-role/x/parent", "kms:Decrypt", false},
	{"session", allow(`"Principal":{"AWS":"arn:aws:iam::444455556666:user/parent"}`), session, "kms:Decrypt", false},
	// IAM User Guide, "AWS JSON policy elements: NotPrincipal".
	{"notprincipal", allow(`"NotPrincipal":{"AWS":"` + parent + `"}`), parent, "kms:Decrypt", false},
	{"notprincipal", allow(`"NotPrincipal":{"AWS":"` + parent + `"}`), owner, "kms:Decrypt", true},
	// Ours, the worst case: a session of a listed role is exempt.
	{"notprincipal", allow(`"NotPrincipal":{"AWS":"` + parent + `"}`), session, "kms:Decrypt", false},
	// IAM User Guide, "IAM JSON policy elements: Action".
	{"action", allow(`"Action":"kms:Decrypt"`), parent, "kms:Decrypt", true},
	{"action", allow(`"Action":"kms:decrypt"`), parent, "kms:Decrypt", true},
	{"action", allow(`"Action":"KMS:Decrypt"`), parent, "kms:Decrypt", true},
	{"action", allow(`"Action":"kms:Encrypt"`), parent, "kms:Decrypt", false},
	{"action", allow(`"Action":"kms:*"`), parent, "kms:Decrypt", true},
	{"action", allow(`"Action":"kms:GenerateDataKey*"`), parent, "kms:GenerateDataKeyWithoutPlaintext", true},
	{"action", allow(`"Action":"kms:GenerateDataKey"`), parent, "kms:GenerateDataKeyWithoutPlaintext", false},
	{"action", allow(`"Action":"kms:?ecrypt"`), parent, "kms:Decrypt", true},
	{"action", allow(`"Action":"*:Decrypt"`), parent, "kms:Decrypt", true},
	{"action", allow(`"Action":["kms:Encrypt","kms:Decrypt"]`), parent, "kms:Decrypt", true},
	{"action", allow(`"Action":"s3:*"`), parent, "kms:Decrypt", false},
	// IAM User Guide, "IAM JSON policy elements: NotAction".
	{"notaction", allow(`"NotAction":"kms:Decrypt"`), parent, "kms:Decrypt", false},
	{"notaction", allow(`"NotAction":"kms:Put*"`), parent, "kms:Decrypt", true},
	{"notaction", allow(`"NotAction":["kms:Put*","kms:Dec*"]`), parent, "kms:Decrypt", false},
	// IAM User Guide, "IAM JSON policy elements: Resource"; KMS Developer Guide, "Key policies":
	// "*" is the key itself.
	{"resource", allow(`"Resource":"*"`), parent, "kms:Decrypt", true},
	{"resource", allow(`"Resource":"` + keyARN + `"`), parent, "kms:Decrypt", true},
	{"resource", allow(`"Resource":"arn:aws:kms:us-east-1:111122223333:key/*"`), parent, "kms:Decrypt", true},
	{"resource", allow(`"Resource":"arn:aws:kms:*:111122223333:key/*"`), parent, "kms:Decrypt", true},
	{"resource", allow(`"Resource":"arn:aws:kms:us-west-2:111122223333:key/*"`), parent, "kms:Decrypt", false},
	{"resource", allow(`"NotResource":"` + keyARN + `"`), parent, "kms:Decrypt", false},
	// Same page: a * at the end of a pattern matches all further parts.
	{"resource", allow(`"Resource":"arn:aws:kms:*"`), parent, "kms:Decrypt", true},
	{"resource", allow(`"Resource":"arn:aws:kms:us-east-1:*"`), parent, "kms:Decrypt", true},
	{"resource", allow(`"Resource":"arn:aws:kms:us-east-1:1111*"`), parent, "kms:Decrypt", true},
	{"resource", allow(`"Resource":"arn:aws:kms:us-west-2:*"`), parent, "kms:Decrypt", false},
	{"resource", allow(`"Resource":"arn:aws:kms:us-east-1"`), parent, "kms:Decrypt", false},
	{"resource", allow(`"Resource":"arn:aws:s3:*"`), parent, "kms:Decrypt", false},
	{"resource", allow(`"NotResource":"arn:aws:kms:us-east-1:*"`), parent, "kms:Decrypt", false},
	{"resource", allow(`"NotResource":"arn:aws:kms:us-west-2:*"`), parent, "kms:Decrypt", true},
}

func TestStatements(t *testing.T) {
	for _, c := range statementCases {
		p, err := keypolicy.Parse([]byte(document(c.statement)))
		if err != nil {
			t.Errorf("%s: %s: %v", c.page, c.statement, err)
			continue
		}
		got := p.Evaluate(keypolicy.Request{Principal: c.principal, Action: c.action, Resource: keyARN}).Allowed
		if got != c.want {
			t.Errorf("%s: %s for %s: got %v, want %v", c.page, c.statement, c.principal, got, c.want)
		}
	}
}

// IAM User Guide, "Policy evaluation logic": an explicit deny wins wherever it stands; what nothing
// allows is denied.
func TestDenyPrecedence(t *testing.T) {
	yes := `{"Sid":"yes","Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}`
	no := `{"Sid":"no","Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*"}`
	unattested := `{"Sid":"unattested","Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*",
		"Condition":{"StringNotEqualsIgnoreCase":{"kms:RecipientAttestation:PCR0":"ab"}}}`
	pcr := values{"kms:RecipientAttestation:PCR0": {"ab"}}
	for _, c := range []struct {
		name, statements, action string
		context                  values
		want                     keypolicy.Decision
	}{
		{"allow", yes, "kms:Decrypt", nil, keypolicy.Decision{Allowed: true, Sid: "yes"}},
		{"implicit deny", yes, "s3:GetObject", nil, keypolicy.Decision{Statement: -1}},
		{"deny after allow", yes + "," + no, "kms:Decrypt", nil, keypolicy.Decision{Denied: true, Statement: 1, Sid: "no"}},
		{"deny before allow", no + "," + yes, "kms:Decrypt", nil, keypolicy.Decision{Denied: true, Sid: "no"}},
		{"other action", no + "," + yes, "kms:Encrypt", nil, keypolicy.Decision{Allowed: true, Statement: 1, Sid: "yes"}},
		{"no document", yes + "," + unattested, "kms:Decrypt", nil, keypolicy.Decision{Denied: true, Statement: 1, Sid: "unattested"}},
		{"right document", yes + "," + unattested, "kms:Decrypt", pcr, keypolicy.Decision{Allowed: true, Sid: "yes"}},
		{"deny alone", no, "kms:Encrypt", nil, keypolicy.Decision{Statement: -1}},
	} {
		p, err := keypolicy.Parse([]byte(document(c.statements)))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		got := p.Evaluate(keypolicy.Request{Principal: parent, Action: c.action, Resource: keyARN, Context: c.context})
		if got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestZeroPolicyDenies(t *testing.T) {
	var p keypolicy.Policy
	if d := p.Evaluate(keypolicy.Request{Principal: owner, Action: "kms:Decrypt", Resource: keyARN}); d.Allowed {
		t.Error("the zero policy allowed a request")
	}
	p.Statements = []keypolicy.Statement{{}}
	if d := p.Evaluate(keypolicy.Request{Principal: owner, Action: "kms:Decrypt", Resource: keyARN}); d.Allowed {
		t.Error("the zero statement allowed a request")
	}
}

// A request must not be able to claim an account: it follows from the ARN unless the caller knows
// better.
func TestAccountFromARN(t *testing.T) {
	p, err := keypolicy.Parse([]byte(document(allow(`"Principal":{"AWS":"111122223333"}`))))
	if err != nil {
		t.Fatal(err)
	}
	for principal, want := range map[string]bool{owner: true, session: false, "nobody": false, "": false} {
		if got := p.Evaluate(keypolicy.Request{Principal: principal, Action: "kms:Decrypt", Resource: keyARN}).Allowed; got != want {
			t.Errorf("%q: got %v, want %v", principal, got, want)
		}
	}
}

func TestRoleARN(t *testing.T) {
	for in, want := range map[string]string{session: parent, owner: owner, "x": "x"} {
		if got := keypolicy.RoleARN(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}
