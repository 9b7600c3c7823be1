package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
)

// A request is what the policy of a case judges.
type request struct {
	Principal string              `json:"principal"`
	Action    string              `json:"action"`
	Resource  string              `json:"resource"`
	Context   map[string][]string `json:"context"`
}

// A testCase is one line for the outside evaluator.
type testCase struct {
	Policy  json.RawMessage `json:"policy"`
	Request request         `json:"request"`
}

const (
	owner    = "111122223333"
	foreign  = "444455556666"
	keyARN   = "arn:aws:kms:us-east-1:" + owner + ":key/1234abcd-12ab-34cd-56ef-1234567890ab"
	register = "kms:RecipientAttestation:PCR0"
)

var (
	principals = []string{
		"arn:aws:iam::" + owner + ":role/admin", "arn:aws:iam::" + owner + ":user/alice", "arn:aws:sts::" + owner + ":assumed-role/admin/s1",
		"arn:aws:sts::" + owner + ":federated-user/alice", "arn:aws:iam::" + foreign + ":role/parent", "arn:aws:sts::" + foreign + ":assumed-role/parent/i-0abc",
		"arn:aws:sts::" + foreign + ":assumed-role/PARENT/i-0abc",
	}
	named = []string{
		`"*"`, `"*"`, `"*"`, `{"AWS":"*"}`, `{"AWS":"arn:aws:iam::111122223333:root"}`, `{"AWS":"444455556666"}`, `{"AWS":"arn:aws:iam::111122223333:role/admin"}`,
		`{"AWS":["arn:aws:iam::444455556666:role/parent","arn:aws:iam::111122223333:user/alice"]}`, `{"AWS":"arn:aws:sts::444455556666:assumed-role/parent/i-0abc"}`,
		`{"AWS":"arn:aws:iam::444455556666:role/path/parent"}`, `{"AWS":"arn:aws:iam::111122223333:user/alice"}`, `{"Service":"backup.amazonaws.com"}`,
	}
	actions = []string{
		`"kms:*"`, `"kms:*"`, `"*"`, `"kms:Decrypt"`, `"kms:decrypt"`, `["kms:Encrypt","kms:D*"]`, `"kms:?ecrypt"`, `"kms:GenerateDataKey*"`, `"KMS:Decrypt"`, `"kms:ReEncrypt*"`,
	}
	calls     = []string{"kms:Decrypt", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom"}
	resources = []string{
		`"*"`, `"*"`, `"*"`, `"` + keyARN + `"`, `"arn:aws:kms:us-east-1:111122223333:key/*"`, `"arn:aws:kms:*:111122223333:key/*"`, `"arn:aws:kms:us-*:*:key/1234*"`,
		`"arn:aws:kms:*"`, `"arn:aws:kms:us-east-1:*"`, `"arn:aws:kms:us-west-2:*"`, `"arn:aws:kms:us-east-1:1111*"`, `"arn:aws:kms:us-east-1:111122223333:*"`,
		`"arn:aws:kms:*:key/*"`, `"arn:aws:k*:us-east-1:111122223333:key/*"`, `"arn:aws:KMS:us-east-1:111122223333:key/*"`, `"arn:aws:kms:us-east-1:111122223333:k*/1234*"`,
		`["arn:aws:s3:::bucket","arn:aws:kms:us-east-1:111122223333:key/????abcd-*"]`, `"arn:aws:kms:us-east-?:111122223333:key/*"`,
	}
	sets = []string{"", "", "", "ForAllValues:", "ForAnyValue:"}
)

// A kind is a type of condition key with operators, policy values and request values that meet
// often.
type kind struct {
	keys, operators, policy []string // policy values as JSON
	request                 [][]string
}

var kinds = []kind{
	{
		keys:      []string{register, "kms:EncryptionContext:tenant", "kms:ViaService", "AWS:PrincipalTag/Team"},
		operators: []string{"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike"},
		policy:    []string{`"ab"`, `"AB"`, `"a*"`, `"?b"`, `["ab","cd"]`, `"*"`, `""`, `["a*","cd"]`, `"é"`, `"K"`},
		request:   [][]string{nil, nil, {"ab"}, {"AB"}, {"cd"}, {"a*"}, {""}, {"É"}, {"\u212a"}, {"a\nb"}},
	},
	{
		keys:      []string{"kms:EncryptionContextKeys", "aws:TagKeys"},
		operators: []string{"StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase"},
		policy:    []string{`"ab"`, `["ab","cd"]`, `"a*"`, `"*"`},
		request:   [][]string{nil, {"ab"}, {"cd"}, {"ab", "cd"}, {"ab", "ef"}, {"ef"}, {""}, {"AB"}},
	},
	{
		keys:      []string{"aws:MultiFactorAuthAge", "kms:RotationPeriodInDays"},
		operators: []string{"NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals"},
		policy:    []string{`5`, `"5"`, `["5","90"]`, `"-1"`, `"5.5"`},
		request:   [][]string{nil, {"5"}, {"6"}, {"4"}, {"90"}, {"five"}, {"5x"}, {"-2"}, {"5.25"}},
	},
	{
		keys:      []string{"aws:CurrentTime", "aws:TokenIssueTime"},
		operators: []string{"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals"},
		policy:    []string{`"2026-06-30T00:00:00Z"`, `"2026-06-30"`, `"2026-06"`, `["2026-06-30","2027-01-01"]`, `"2026-06-30T02:00:00+02:00"`, `"1782777600"`},
		request:   [][]string{nil, {"2026-06-30T00:00:00Z"}, {"2026-06-29T23:59:59Z"}, {"2026-07-01T00:00:00Z"}, {"x"}},
	},
	{
		keys:      []string{"aws:SecureTransport", "kms:MultiRegion"},
		operators: []string{"Bool"},
		policy:    []string{`"true"`, `"false"`, `true`, `false`},
		request:   [][]string{nil, {"true"}, {"false"}},
	},
	{
		keys:      []string{"aws:SourceIp"},
		operators: []string{"IpAddress", "NotIpAddress"},
		policy:    []string{`"203.0.113.0/24"`, `"203.0.113.5"`, `["10.0.0.0/8","203.0.113.0/24"]`, `"2001:db8::/32"`, `"2001:db8::1"`, `"0.0.0.0/0"`},
		request:   [][]string{nil, {"203.0.113.5"}, {"198.51.100.7"}, {"10.1.2.3"}, {"2001:db8::1"}, {"2001:DB8::1"}, {"AWS Internal"}, {"::ffff:203.0.113.5"}},
	},
	{
		keys:      []string{"aws:PrincipalArn", "aws:SourceArn"},
		operators: []string{"ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"},
		policy:    []string{`"arn:aws:iam::111122223333:role/admin"`, `"arn:aws:iam::*:role/*"`, `["arn:aws:iam::111122223333:role/x","arn:aws:iam::4*:role/parent"]`, `"arn:aws:iam::111122223333:*"`},
		request:   [][]string{nil, {"arn:aws:iam::111122223333:role/admin"}, {"arn:aws:iam::444455556666:role/parent"}, {"arn:aws:iam::111122223333:user/a/role/admin"}, {"no arn"}, {"arn:aws:iam::111122223333"}},
	},
}

// dice draws from pools, so that policies and requests meet often.
type dice struct{ *rand.Rand }

func pick[T any](d dice, list []T) T { return list[d.IntN(len(list))] }

// condition returns one operator with one key, and the key's kind.
func (d dice) condition() (operator, key, values string, k kind) {
	k = pick(d, kinds)
	key = pick(d, k.keys)
	if d.IntN(12) == 0 {
		return "Null", key, pick(d, []string{`"true"`, `"false"`}), k
	}
	operator = pick(d, sets) + pick(d, k.operators)
	if d.IntN(5) == 0 {
		operator += "IfExists"
	}
	return operator, key, pick(d, k.policy), k
}

func (d dice) statement(context map[string][]string) string {
	not := func(name string) string {
		if d.IntN(12) == 0 {
			return "Not" + name
		}
		return name
	}
	effect := pick(d, []string{"Allow", "Allow", "Deny"})
	principal := "Principal"
	if effect == "Deny" {
		principal = not(principal) // AWS advises against NotPrincipal with Allow
	}
	who := pick(d, named)
	if principal == "NotPrincipal" {
		who = `{"AWS":["arn:aws:iam::111122223333:role/admin","arn:aws:iam::111122223333:root"]}`
	}
	var conditions []string
	used := map[string]bool{}
	for range d.IntN(3) {
		operator, key, values, k := d.condition()
		if used[operator] {
			continue
		}
		used[operator] = true
		conditions = append(conditions, fmt.Sprintf("%q:{%q:%s}", operator, key, values))
		if v := pick(d, k.request); v != nil {
			context[strings.ToLower(key)] = v
		}
	}
	return fmt.Sprintf(`{"Effect":%q,%q:%s,%q:%s,%q:%s,"Condition":{%s}}`,
		effect, principal, who, not("Action"), pick(d, actions), not("Resource"), pick(d, resources), strings.Join(conditions, ","))
}

// generate draws n cases. The same seed gives the same cases.
func generate(seed uint64, n int) []testCase {
	d := dice{rand.New(rand.NewPCG(seed, 2012))}
	var list []testCase
	for range n {
		context := map[string][]string{}
		var statements []string
		for range 1 + d.IntN(3) {
			statements = append(statements, d.statement(context))
		}
		list = append(list, testCase{
			Policy:  json.RawMessage(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`),
			Request: request{pick(d, principals), pick(d, calls), keyARN, context},
		})
	}
	return list
}
