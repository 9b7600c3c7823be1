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

// values are what conditions name, by key, as JSON; requests draw from texts.
var values = map[string][]string{
	"tenant": {`"clinic"`, `["clinic","hospital"]`, `"c*"`, `"*l"`, `""`}, "image": {`"` + pinned + `"`, `"` + foreign + `"`, `["` + pinned + `","` + foreign + `"]`},
	"pcr": {`"` + pinned + `"`, `"` + strings.ToUpper(pinned) + `"`, `"` + foreign + `"`, `"ab*"`, `["` + pinned + `","` + foreign + `"]`},
}

var texts = []string{"clinic", "CLINIC", "hospital", "cx", "xl", "x", "other"}

func (d dice) condition() string {
	key := d.one("kms:RecipientAttestation:PCR0", "kms:RecipientAttestation:PCR0", "kms:RecipientAttestation:PCR1", "kms:RecipientAttestation:PCR2", "kms:RecipientAttestation:ImageSha384",
		"kms:EncryptionContext:anchorhold:image", "kms:EncryptionContext:anchorhold:tenant", "aws:PrincipalArn", "kms:CallerAccount", "aws:PrincipalTag/x", "kms:EncryptionContextKeys",
		"aws:SourceIp", "aws:CurrentTime", "aws:MultiFactorAuthAge", "aws:SecureTransport")
	value := d.one(values["pcr"]...)
	operator := d.one("StringEquals", "StringEqualsIgnoreCase", "StringNotEquals", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike", "StringEqualsIfExists", "StringNotEqualsIfExists",
		"ForAllValues:StringEquals", "ForAnyValue:StringEquals", "ForAnyValue:StringLike", "ForAllValues:StringNotEquals")
	switch key {
	case "kms:EncryptionContext:anchorhold:image":
		value = d.one(values["image"]...)
	case "kms:EncryptionContext:anchorhold:tenant", "aws:PrincipalTag/x", "kms:EncryptionContextKeys":
		value = d.one(values["tenant"]...)
	case "kms:CallerAccount":
		value = d.one(`"444455556666"`, `"111122223333"`, `"4*"`)
	case "aws:PrincipalArn":
		operator = d.one("ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike", "StringLike")
		value = d.one(`"arn:aws:iam::444455556666:role/parent"`, `"arn:aws:iam::111122223333:role/dev"`, `"arn:aws:iam::*:role/*"`, `"arn:aws:iam::4*:*"`)
	case "aws:SourceIp":
		operator, value = d.one("IpAddress", "NotIpAddress"), d.one(`"10.0.0.0/8"`, `"10.0.0.0/16"`, `["10.1.0.0/16","192.168.0.0/24"]`)
	case "aws:CurrentTime":
		operator, value = d.one("DateGreaterThan", "DateLessThanEquals", "DateEquals"), d.one(`"2026-01-01T00:00:00Z"`, `"2026-01-03T00:00:00Z"`)
	case "aws:MultiFactorAuthAge":
		operator, value = d.one("NumericLessThan", "NumericGreaterThanEquals", "NumericNotEquals"), d.one("300", "302", "10")
	case "aws:SecureTransport":
		operator, value = d.one("Bool", "BoolIfExists"), d.one("true", "false")
	}
	if d.IntN(8) == 0 {
		operator, value = "Null", d.one(`"true"`, `"false"`)
	}
	return fmt.Sprintf(`%q:{%q:%s}`, operator, key, value)
}

func (d dice) statement() string {
	principal := d.one(`"Principal":"*"`, `"Principal":{"AWS":"arn:aws:iam::444455556666:role/parent"}`, `"Principal":{"AWS":"arn:aws:iam::111122223333:root"}`,
		`"Principal":{"AWS":["arn:aws:iam::111122223333:role/dev","arn:aws:iam::444455556666:role/parent"]}`, `"NotPrincipal":{"AWS":"arn:aws:iam::111122223333:role/dev"}`)
	resource := d.one(`"Resource":"*"`, `"Resource":"*"`, `"Resource":"*"`, `"Resource":"arn:aws:kms:us-*:111122223333:key/*"`, `"NotResource":"arn:aws:kms:eu-west-1:*:key/*"`)
	action := d.one(`"Action":"kms:*"`, `"Action":"kms:Decrypt"`, `"Action":"kms:ReEncrypt*"`, `"Action":"kms:CreateGrant"`, `"Action":"k?s:D*"`, `"Action":["kms:GenerateDataKey*","kms:Decrypt"]`,
		`"NotAction":"kms:Decrypt"`, `"NotAction":["kms:Put*","kms:Create*"]`)
	condition, used := "", map[string]bool{}
	for range d.IntN(4) {
		c := d.condition()
		if operator := strings.Split(c, ":{")[0]; !used[operator] { // an operator stands once in a statement
			used[operator] = true
			condition += "," + c
		}
	}
	return fmt.Sprintf(`{"Effect":%q,%s,%s,%s,"Condition":{%s}}`, d.one("Allow", "Allow", "Deny"), principal, action, resource, strings.TrimPrefix(condition, ","))
}

// request draws what an adversary may choose; registers are those of the document, none without.
func (d dice) request(action string, registers ...string) keypolicy.Request {
	r := keypolicy.Request{
		Principal: d.one("arn:aws:iam::444455556666:role/parent", "arn:aws:iam::111122223333:role/dev", "arn:aws:iam::111122223333:user/clerk", "arn:aws:iam::999999999999:role/x"),
		Action:    "kms:" + action, Resource: d.one(arn, arn, "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"), Context: map[string][]string{},
	}
	r.Context["aws:PrincipalArn"] = []string{r.Principal}
	r.Context["kms:CallerAccount"] = []string{strings.Split(r.Principal, ":")[4]}
	for key, list := range map[string][]string{
		"kms:EncryptionContext:anchorhold:image": {pinned, foreign, "x"}, "kms:EncryptionContext:anchorhold:tenant": texts, "aws:PrincipalTag/x": texts,
		"aws:SourceIp": {"10.0.0.1", "10.2.0.1", "10.1.3.4", "192.168.0.9", "8.8.8.8"}, "aws:SecureTransport": {"true", "false"},
		"aws:CurrentTime": {"2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-02-01T00:00:00Z"}, "aws:MultiFactorAuthAge": {"5", "10", "300", "301", "400"},
	} {
		if d.IntN(4) > 0 {
			r.Context[key] = []string{d.one(list...)}
		}
	}
	for range d.IntN(3) {
		r.Context["kms:EncryptionContextKeys"] = append(r.Context["kms:EncryptionContextKeys"], d.one(texts...))
	}
	for n, v := range registers {
		r.Context[fmt.Sprintf("kms:RecipientAttestation:PCR%d", n)] = []string{v}
		if n == 0 {
			r.Context["kms:RecipientAttestation:ImageSha384"] = []string{v}
		}
	}
	return r
}

var (
	theirs = strings.Repeat("ef", 48) // an image that no policy here names
	ground = strings.Repeat("ab", 24) + strings.Repeat("ef", 24)
)

// ways around attestation, and the rules of which one must then find something: a worse one is enough.
var ways = []struct {
	action    string
	registers []string
	rules     []string
}{
	{"Decrypt", nil, []string{"unattested-decrypt"}},
	{"Decrypt", []string{theirs, theirs, theirs}, []string{"unattested-decrypt", "unpinned-image"}},
	{"Decrypt", []string{ground, ground, ground}, []string{"unattested-decrypt", "unpinned-image"}},
	{"Decrypt", []string{theirs, pinned, pinned}, []string{"unattested-decrypt", "unpinned-image"}},
	{"Decrypt", []string{theirs, pinned, theirs}, []string{"unattested-decrypt", "unpinned-image"}},
	{"Decrypt", []string{pinned, theirs, theirs}, []string{"unattested-decrypt", "unpinned-image", "pcr0-alone"}},
	{"Decrypt", []string{pinned, pinned, theirs}, []string{"unattested-decrypt", "unpinned-image", "pcr0-alone"}},
	{"ReEncryptFrom", nil, []string{"re-encrypt"}},
	{"CreateGrant", nil, []string{"create-grant"}},
	{"GenerateDataKeyPair", nil, []string{"data-key-pair"}},
	{"GenerateDataKeyPair", []string{theirs, theirs, theirs}, []string{"data-key-pair"}},
	{"GenerateDataKeyPair", []string{theirs, pinned, theirs}, []string{"data-key-pair"}},
	{"Encrypt", nil, []string{"mints-ciphertexts"}},
}

// crossCheck draws policies, and requests to each, and wants a finding wherever one gets around attestation. It returns how many policies have
// each of the ways.
func crossCheck(t *testing.T, seed uint64, policies int) []int {
	d := dice{rand.New(rand.NewPCG(7, seed))}
	reached := make([]int, len(ways))
	for range policies {
		var statements []string
		for range 1 + d.IntN(4) {
			statements = append(statements, d.statement())
		}
		text := `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
		policy, err := keypolicy.Parse([]byte(text))
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		var found []string
		for n, way := range ways {
			for range 60 {
				r := d.request(way.action, way.registers...)
				if !policy.Evaluate(r).Allowed {
					continue
				}
				reached[n]++
				if found == nil {
					found = append(names(keylint.Lint(&keylint.Key{Policy: policy})), "")
				}
				if !slices.ContainsFunc(append(way.rules, "too-complex"), func(rule string) bool { return slices.Contains(found, rule) }) {
					t.Fatalf("seed %d, allowed: %+v\nfindings %v\n%s", seed, r, found, text)
				}
				break
			}
		}
	}
	return reached
}

// The linter misses nothing that chance finds: if some request gets around attestation, there is a finding of the kind.
func TestNoRandomRequestFindsMore(t *testing.T) {
	reached := crossCheck(t, 7, 60)
	for n, count := range reached {
		if count < 10 {
			t.Errorf("%s with %d registers: %d policies allowed it, want more for the test to say something", ways[n].action, len(ways[n].registers), count)
		}
	}
	t.Logf("policies with a way, by way: %v", reached)
}

// The same for whatever seed.
func FuzzNoRequestFindsMore(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { crossCheck(t, seed, 1) })
}
