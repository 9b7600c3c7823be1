package keylint_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"anchorhold/protocol/keypolicy"
)

// dice makes policies and requests from few parts, so that they meet often.
type dice struct{ *rand.Rand }

func (d dice) one(list ...string) string { return list[d.IntN(len(list))] }

var (
	pinned  = strings.Repeat("ab", 48)
	foreign = strings.Repeat("cd", 48)
	theirs  = strings.Repeat("ef", 48) // an image that no policy here names
	ground  = strings.Repeat("ab", 24) + strings.Repeat("ef", 24)
	zeros   = strings.Repeat("0", 96)
	images  = []string{pinned, foreign, theirs, ground, "12" + theirs[2:], theirs[:94] + "cd"}
)

const (
	parent   = "arn:aws:iam::444455556666:role/parent"
	sealer   = "arn:aws:iam::111122223333:role/service/dev" // a session's ARN leaves out the path
	clerk    = "arn:aws:iam::111122223333:user/clerk"
	stranger = "arn:aws:iam::999999999999:role/x"
)

// senders are principals with the aws:PrincipalArn that they have.
var senders = map[string]string{
	"arn:aws:sts::444455556666:assumed-role/parent/i-0abc": parent, "arn:aws:sts::444455556666:assumed-role/parent/ci": parent,
	"arn:aws:sts::111122223333:assumed-role/dev/ci": sealer, "arn:aws:sts::111122223333:assumed-role/dev/joe": sealer,
	clerk: clerk, "arn:aws:sts::999999999999:assumed-role/x/y": stranger,
	"arn:aws:sts::111122223333:federated-user/clerk": "arn:aws:sts::111122223333:federated-user/clerk",
}

// sendersInOrder are their principals in an order that is always the same.
var sendersInOrder = slices.Sorted(func(yield func(string) bool) {
	for s := range senders {
		if !yield(s) {
			return
		}
	}
})

// values are what conditions name, by key, as JSON; requests draw from texts and images.
var values = map[string][]string{
	"tenant": {`"clinic"`, `["clinic","hospital"]`, `"c*"`, `"*l"`, `"*"`, `""`},
	"image":  {`"` + pinned + `"`, `"` + foreign + `"`, `["` + pinned + `","` + foreign + `"]`, `"*"`, `"?*b"`},
	"exact": {
		`"` + pinned + `"`, `"` + strings.ToUpper(pinned) + `"`, `"` + foreign + `"`, `["` + pinned + `","` + foreign + `"]`, `["` + pinned + `","` + zeros + `"]`,
	},
	"glob": {`"*"`, `"ab*"`, `"?b*"`, `"*cd"`, `"a*f"`, `"*e*"`, `["` + pinned + `","e*"]`, `"` + pinned[:95] + `?"`, `"0*"`},
}

var texts = []string{"clinic", "CLINIC", "hospital", "cx", "xl", "x", "other"}

// measured is a condition on registers: by patterns or exact values, in all operators that compare
// text.
func (d dice) measured() string {
	key := "kms:RecipientAttestation:" + d.one("PCR0", "PCR0", "PCR1", "PCR2", "ImageSha384")
	operator := d.one("StringEquals", "StringEqualsIgnoreCase", "StringNotEquals", "StringNotEqualsIgnoreCase", "StringEqualsIfExists", "StringNotEqualsIfExists",
		"ForAllValues:StringEquals", "ForAnyValue:StringEquals", "ForAllValues:StringNotEquals", "ForAnyValue:StringNotEqualsIgnoreCase")
	value := d.one(values["exact"]...)
	if d.IntN(2) == 0 {
		operator, value = d.one("StringLike", "StringLike", "StringNotLike", "ForAnyValue:StringLike", "StringLikeIfExists"), d.one(values["glob"]...)
	}
	return fmt.Sprintf(`%q:{%q:%s}`, operator, key, value)
}

func (d dice) condition() string {
	if d.IntN(3) == 0 {
		return d.measured()
	}
	key := d.one("kms:EncryptionContext:anchorhold:image", "kms:EncryptionContext:anchorhold:tenant", "aws:PrincipalArn", "kms:CallerAccount",
		"aws:PrincipalTag/x", "kms:EncryptionContextKeys", "aws:SourceIp", "aws:CurrentTime", "aws:MultiFactorAuthAge", "aws:SecureTransport")
	operator := d.one("StringEquals", "StringEqualsIgnoreCase", "StringNotEquals", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike", "StringEqualsIfExists",
		"StringNotEqualsIfExists", "ForAllValues:StringEquals", "ForAnyValue:StringEquals", "ForAnyValue:StringLike", "ForAllValues:StringNotEquals")
	value := d.one(values["tenant"]...)
	switch key {
	case "kms:EncryptionContext:anchorhold:image":
		value = d.one(values["image"]...)
	case "kms:CallerAccount":
		value = d.one(`"444455556666"`, `"111122223333"`, `"4*"`)
	case "aws:PrincipalArn":
		operator = d.one("ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike", "StringLike", "StringNotEquals")
		value = d.one(`"`+parent+`"`, `"`+sealer+`"`, `"arn:aws:iam::*:role/*"`, `"arn:aws:iam::4*:*"`, `"arn:aws:sts::*:assumed-role/*"`, `"arn:aws:iam::1*:role/service/*"`)
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
	return d.statementOf(d.one("Allow", "Allow", "Deny"), d.one(
		`"Action":"kms:*"`, `"Action":"kms:Decrypt"`, `"Action":"kms:Decrypt"`, `"Action":"kms:ReEncrypt*"`, `"Action":"kms:CreateGrant"`, `"Action":"k?s:D*"`,
		`"Action":["kms:GenerateDataKey*","kms:Decrypt"]`, `"Action":"kms:GenerateDataKey"`, `"Action":["kms:PutKeyPolicy","kms:ScheduleKeyDeletion"]`, `"Action":"kms:Put*"`,
		`"NotAction":"kms:Decrypt"`, `"NotAction":["kms:Put*","kms:Create*"]`), d.condition)
}

func (d dice) statementOf(effect, action string, conditions func() string) string {
	principal := d.one(`"Principal":"*"`, `"Principal":{"AWS":"`+parent+`"}`, `"Principal":{"AWS":"arn:aws:iam::111122223333:root"}`, `"Principal":{"AWS":"`+clerk+`"}`,
		`"Principal":{"AWS":["`+sealer+`","`+parent+`"]}`, `"NotPrincipal":{"AWS":"`+sealer+`"}`, `"Principal":{"AWS":"arn:aws:sts::111122223333:assumed-role/dev/ci"}`,
		`"Principal":{"AWS":"arn:aws:sts::444455556666:assumed-role/parent/ci"}`, `"NotPrincipal":{"AWS":"arn:aws:sts::444455556666:assumed-role/parent/ci"}`,
		`"Principal":{"AWS":"`+stranger+`"}`, `"Principal":{"AWS":"arn:aws:sts::111122223333:federated-user/clerk"}`)
	resource := d.one(`"Resource":"*"`, `"Resource":"*"`, `"Resource":"*"`, `"Resource":"arn:aws:kms:us-*:111122223333:key/*"`, `"NotResource":"arn:aws:kms:eu-west-1:*:key/*"`)
	condition, used := "", map[string]bool{}
	for range d.IntN(4) {
		c := conditions()
		// an operator stands once in a statement
		if operator := strings.Split(c, ":{")[0]; !used[operator] {
			used[operator] = true
			condition += "," + c
		}
	}
	return fmt.Sprintf(`{"Effect":%q,%s,%s,%s,"Condition":{%s}}`, effect, principal, action, resource, strings.TrimPrefix(condition, ","))
}

// policy draws statements of all kinds, or some that allow and deny Decrypt by registers only: what
// one leaves open another may pin.
func (d dice) policy() string {
	var statements []string
	registersOnly := d.IntN(3) == 0
	for n := range 1 + d.IntN(4) {
		switch {
		case registersOnly && n == 0:
			statements = append(statements, d.statementOf("Allow", `"Action":"kms:Decrypt"`, d.measured))
		case registersOnly:
			statements = append(statements, d.statementOf("Deny", `"Action":["kms:Decrypt","kms:ReEncrypt*"]`, d.measured))
		default:
			statements = append(statements, d.statement())
		}
	}
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

// request draws what an adversary may choose; registers are those of the document, none without.
func (d dice) request(action string, registers ...string) keypolicy.Request {
	r := keypolicy.Request{
		Principal: d.one(sendersInOrder...), Action: "kms:" + action, Resource: d.one(arn, arn, "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"),
		Context: map[string][]string{},
	}
	r.Context["aws:principalarn"] = []string{senders[r.Principal]}
	r.Context["kms:calleraccount"] = []string{account(r.Principal)}
	for _, choice := range []struct {
		key  string
		list []string
	}{
		{"kms:encryptioncontext:anchorhold:image", []string{pinned, pinned, foreign, "x"}},
		{"kms:encryptioncontext:anchorhold:tenant", texts},
		{"aws:principaltag/x", texts},
		{"aws:sourceip", []string{"10.0.0.1", "10.2.0.1", "10.1.3.4", "192.168.0.9", "8.8.8.8"}},
		{"aws:securetransport", []string{"true", "false"}},
		{"aws:currenttime", []string{"2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-02-01T00:00:00Z"}},
		{"aws:multifactorauthage", []string{"5", "10", "300", "301", "400"}},
	} {
		if d.IntN(4) > 0 {
			r.Context[choice.key] = []string{d.one(choice.list...)}
		}
	}
	for range d.IntN(3) {
		r.Context["kms:encryptioncontextkeys"] = append(r.Context["kms:encryptioncontextkeys"], d.one(texts...))
	}
	for n, v := range registers {
		r.Context[fmt.Sprintf("kms:recipientattestation:pcr%d", n)] = []string{v}
		if n == 0 {
			r.Context["kms:recipientattestation:imagesha384"] = []string{v}
		}
	}
	return r
}

func account(principal string) string { return strings.Split(principal, ":")[4] }
