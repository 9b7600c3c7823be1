package keypolicy_test

import (
	"bytes"
	"strings"
	"testing"

	"anchorhold/protocol/keypolicy"
)

// refusals are documents of which some part could not be judged, or would be judged differently by
// another parser.
var refusals = map[string]string{
	"empty":                    ``,
	"array":                    `[]`,
	"null":                     `null`,
	"no statement":             `{"Version":"2012-10-17"}`,
	"empty statements":         document(``),
	"trailing data":            document(allow(`"Action":"*"`)) + `{}`,
	"duplicate element":        `{"Version":"2012-10-17","Version":"2012-10-17","Statement":` + allow(`"Action":"*"`) + `}`,
	"duplicate Effect":         document(`{"Effect":"Deny","Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}`),
	"duplicate key in context": document(strings.Replace(allow(`"Action":"*"`), `}`, `,"Condition":{"Bool":{"aws:x":"true","aws:x":"false"}}}`, 1)),
	"key in two cases":         withCondition(`{"Bool":{"aws:x":"true","AWS:X":"false"}}`),
	"unknown policy element":   `{"Version":"2012-10-17","Owner":"x","Statement":` + allow(`"Action":"*"`) + `}`,
	"unknown element":          document(`{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Conditions":{}}`),
	"element in other case":    document(`{"effect":"Allow","Principal":"*","Action":"*","Resource":"*"}`),
	"version":                  `{"Version":"2012-10-18","Statement":` + allow(`"Action":"*"`) + `}`,
	"effect":                   document(statement("allow", `"Principal":"*"`, `"Action":"*"`, `"Resource":"*"`)),
	"no principal":             document(`{"Effect":"Allow","Action":"*","Resource":"*"}`),
	"no action":                document(`{"Effect":"Allow","Principal":"*","Resource":"*"}`),
	"no resource":              document(`{"Effect":"Allow","Principal":"*","Action":"*"}`),
	"no effect":                document(`{"Principal":"*","Action":"*","Resource":"*"}`),
	"both actions":             document(`{"Effect":"Allow","Principal":"*","Action":"*","NotAction":"kms:X","Resource":"*"}`),
	"both principals":          document(`{"Effect":"Deny","Principal":"*","NotPrincipal":"*","Action":"*","Resource":"*"}`),
	"both resources":           document(`{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","NotResource":"*"}`),
	"empty actions":            document(allow(`"Action":[]`)),
	"empty principals":         document(allow(`"Principal":{"AWS":[]}`)),
	"empty principal object":   document(allow(`"Principal":{}`)),
	"action without service":   document(allow(`"Action":"Decrypt"`)),
	"action with space":        document(allow(`"Action":"kms: Decrypt"`)),
	"action with two colons":   document(allow(`"Action":"kms:Decrypt:"`)),
	"wildcard and two colons":  document(allow(`"NotAction":"kms:*:*"`)),
	"number as action":         document(allow(`"Action":1`)),
	"nested action":            document(allow(`"Action":[["kms:Decrypt"]]`)),
	"resource":                 document(allow(`"Resource":"key/1"`)),
	"resource variable":        document(allow(`"Resource":"arn:aws:kms:${aws:x}:*:*"`)),
	"principal wildcard":       document(allow(`"Principal":{"AWS":"arn:aws:iam::111122223333:role/*"}`)),
	"principal account":        document(allow(`"Principal":{"AWS":"11112222333"}`)),
	"principal group":          document(allow(`"Principal":{"AWS":"arn:aws:iam::111122223333:group/x"}`)),
	"principal kind":           document(allow(`"Principal":{"Robot":"x.example"}`)),
	"canonical user":           document(allow(`"Principal":{"CanonicalUser":"79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}`)),
	"federated wildcard":       document(allow(`"Principal":{"Federated":"*"}`)),
	"principal text":           document(allow(`"Principal":"` + owner + `"`)),
	"service wildcard":         document(allow(`"Principal":{"Service":"*"}`)),
	"duplicate sid":            document(`{"Sid":"a",` + allow(`"Action":"*"`)[1:] + `,{"Sid":"a",` + allow(`"Action":"*"`)[1:]),
	"operator":                 withCondition(`{"StringMatches":{"aws:x":"a"}}`),
	"operator case":            withCondition(`{"stringequals":{"aws:x":"a"}}`),
	"ip value":                 withCondition(`{"IpAddress":{"aws:SourceIp":"10.0.0.0/33"}}`),
	"ip zone":                  withCondition(`{"IpAddress":{"aws:SourceIp":"fe80::1%eth0"}}`),
	"binary operator":          withCondition(`{"BinaryEquals":{"aws:x":"YQ=="}}`),
	"set operator":             withCondition(`{"ForSomeValues:StringEquals":{"aws:x":"a"}}`),
	"null if exists":           withCondition(`{"NullIfExists":{"aws:x":"true"}}`),
	"null of set":              withCondition(`{"ForAllValues:Null":{"aws:x":"true"}}`),
	"null value":               withCondition(`{"Null":{"aws:x":"yes"}}`),
	"bool value":               withCondition(`{"Bool":{"aws:x":"yes"}}`),
	"numeric value":            withCondition(`{"NumericEquals":{"aws:x":"1e9"}}`),
	"date value":               withCondition(`{"DateEquals":{"aws:x":"tomorrow"}}`),
	"arn value":                withCondition(`{"ArnLike":{"aws:x":"*"}}`),
	"arn with five parts":      withCondition(`{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*"}}`),
	"empty values":             withCondition(`{"StringEquals":{"aws:x":[]}}`),
	"no keys":                  withCondition(`{"StringEquals":{}}`),
	"key without prefix":       withCondition(`{"StringEquals":{"x":"a"}}`),
	"variable":                 withCondition(`{"StringEquals":{"aws:x":"${aws:username}"}}`),
	"null as value":            withCondition(`{"StringEquals":{"aws:x":null}}`),
	"deep":                     withCondition(strings.Repeat(`[`, 40) + strings.Repeat(`]`, 40)),
	"invalid utf-8":            withCondition("{\"StringEquals\":{\"aws:x\":\"\xff\"}}"),
	"too large":                document(allow(`"Action":"*"`)) + strings.Repeat(" ", keypolicy.MaxSize),
}

func withCondition(c string) string {
	return document(`{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":` + c + `}`)
}

func TestParseRefuses(t *testing.T) {
	for name, src := range refusals {
		if p, err := keypolicy.Parse([]byte(src)); err == nil || p != nil {
			t.Errorf("%s: got policy %v and error %v, want a refusal", name, p, err)
		}
	}
}

// An error may travel to a log: it must not quote the document.
func TestErrorsQuoteNothing(t *testing.T) {
	const canary = "canary-7781"
	for _, src := range []string{
		`{"` + canary + `":1,"Statement":` + allow(`"Action":"*"`) + `}`,
		document(allow(`"Action":"` + canary + `"`)),
		document(allow(`"Principal":{"AWS":"` + canary + `"}`)),
		withCondition(`{"` + canary + `":{"aws:x":"a"}}`),
		withCondition(`{"Bool":{"aws:x":"` + canary + `"}}`),
	} {
		if _, err := keypolicy.Parse([]byte(src)); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("got error %v, want one without the document's text", err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, src := range refusals {
		f.Add([]byte(src))
	}
	for _, c := range statementCases {
		f.Add([]byte(document(c.statement)))
	}
	for _, c := range conditionCases {
		f.Add([]byte(withCondition(c.condition)))
	}
	for _, c := range loadCases(f) {
		f.Add([]byte(c.policy()))
	}
	request := keypolicy.Request{
		Principal: session, Action: "kms:Decrypt", Resource: keyARN,
		Context: values{"kms:k": {"a", "b"}, "aws:CurrentTime": {"2026-01-01T00:00:00Z"}, "kms:EncryptionContext:a": {strings.Repeat("a", 99)}},
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		p, err := keypolicy.Parse(src)
		if err != nil {
			return
		}
		first := p.Evaluate(request)
		if first.Allowed && first.Denied {
			t.Error("a decision both allows and denies")
		}
		// Blanks mean nothing: the same policy must decide alike.
		again, err := keypolicy.Parse(append(bytes.TrimSpace(src), '\n'))
		if err != nil || again.Evaluate(request) != first {
			t.Errorf("the same document was judged differently: %v", err)
		}
		// A grant can add permission and take none, and no grant beats a Deny.
		grant := keypolicy.Grant{ID: "g", Grantee: request.Principal, Operations: []string{"Decrypt"}}
		with := keypolicy.Authorize(p, []keypolicy.Grant{grant}, request)
		if with.Denied != first.Denied || with.Allowed == first.Denied {
			t.Errorf("with a grant: got %+v, without %+v", with, first)
		}
	})
}

// Attack: JSON escapes, by which a reader and a parser see two policies. What is escaped is judged
// as what it means, and a name that is given twice is refused whichever way it is written.
func TestEscapes(t *testing.T) {
	plain := document(allow(`"Action":"kms:Decrypt"`))
	escaped := strings.NewReplacer(`"Effect"`, `"\u0045ffect"`, `Allow`, `\u0041llow`, `Decrypt`, `\u0044ecrypt`).Replace(plain)
	for _, text := range []string{plain, escaped} {
		p, err := keypolicy.Parse([]byte(text))
		if err != nil || !p.Evaluate(keypolicy.Request{Principal: owner, Action: "kms:Decrypt", Resource: keyARN}).Allowed {
			t.Errorf("%s: got %v, want it to allow", text, err)
		}
	}
	for _, text := range []string{
		strings.Replace(plain, `"Effect":"Allow"`, `"Effect":"Deny","\u0045ffect":"Allow"`, 1),
		strings.Replace(withCondition(`{"Bool":{"aws:x":"true"}}`), `"aws:x":"true"`, `"aws:x":"true","aws:\u0078":"false"`, 1),
		strings.Replace(withCondition(`{"Bool":{"aws:x":"true"}}`), `"Bool":`, `"\u0042ool":{"aws:y":"true"},"Bool":`, 1),
		strings.Replace(plain, `Decrypt`, `\ud800`, 1),
		strings.Replace(plain, `kms:`, `\u212Ams:`, 1), // the Kelvin sign, whose lower case is k
	} {
		if p, err := keypolicy.Parse([]byte(text)); err == nil {
			t.Errorf("%s: got %+v, want an error", text, p)
		}
	}
}
