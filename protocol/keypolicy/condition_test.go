package keypolicy_test

import (
	"testing"

	"anchorhold/protocol/keypolicy"
)

type values = map[string][]string

// conditionCases hold for a single Allow statement: want says whether the condition is met.
var conditionCases = []struct {
	page      string // of the AWS documentation that the expectation is taken from
	condition string
	context   values
	want      bool
}{
	// IAM User Guide, "IAM JSON policy elements: Condition operators", section "String condition
	// operators".
	{"string", `{"StringEquals":{"kms:k":"a"}}`, values{"kms:k": {"a"}}, true},
	{"string", `{"StringEquals":{"kms:k":"a"}}`, values{"kms:k": {"A"}}, false},
	{"string", `{"StringEquals":{"kms:k":"a"}}`, values{"kms:k": {"b"}}, false},
	{"string", `{"StringEquals":{"kms:k":"a"}}`, nil, false},
	{"string", `{"StringEquals":{"kms:k":"a*"}}`, values{"kms:k": {"ab"}}, false},
	{"string", `{"StringEquals":{"kms:k":["a","b"]}}`, values{"kms:k": {"b"}}, true},
	{"string", `{"StringEquals":{"kms:k":""}}`, values{"kms:k": {"x"}}, false},
	{"string", `{"StringNotEquals":{"kms:k":"a"}}`, values{"kms:k": {"b"}}, true},
	{"string", `{"StringNotEquals":{"kms:k":"a"}}`, values{"kms:k": {"a"}}, false},
	{"string", `{"StringNotEquals":{"kms:k":"a"}}`, values{"kms:k": {"A"}}, true},
	{"string", `{"StringNotEquals":{"kms:k":["a","b"]}}`, values{"kms:k": {"b"}}, false},
	{"string", `{"StringNotEquals":{"kms:k":["a","b"]}}`, values{"kms:k": {"c"}}, true},
	{"string", `{"StringEqualsIgnoreCase":{"kms:k":"aB"}}`, values{"kms:k": {"Ab"}}, true},
	{"string", `{"StringEqualsIgnoreCase":{"kms:k":"aB"}}`, values{"kms:k": {"Abc"}}, false},
	{"string", `{"StringEqualsIgnoreCase":{"kms:k":"aB"}}`, nil, false},
	{"string", `{"StringNotEqualsIgnoreCase":{"kms:k":"aB"}}`, values{"kms:k": {"Ab"}}, false},
	{"string", `{"StringNotEqualsIgnoreCase":{"kms:k":"aB"}}`, values{"kms:k": {"c"}}, true},
	{"string", `{"StringLike":{"kms:k":"a*"}}`, values{"kms:k": {"abc"}}, true},
	{"string", `{"StringLike":{"kms:k":"a*"}}`, values{"kms:k": {"a"}}, true},
	{"string", `{"StringLike":{"kms:k":"a*"}}`, values{"kms:k": {"Abc"}}, false},
	{"string", `{"StringLike":{"kms:k":"a?c"}}`, values{"kms:k": {"abc"}}, true},
	{"string", `{"StringLike":{"kms:k":"a?c"}}`, values{"kms:k": {"ac"}}, false},
	{"string", `{"StringLike":{"kms:k":"*b*d"}}`, values{"kms:k": {"abcbd"}}, true},
	{"string", `{"StringLike":{"kms:k":"*"}}`, values{"kms:k": {""}}, true},
	{"string", `{"StringLike":{"kms:k":"*"}}`, nil, false},
	{"string", `{"StringNotLike":{"kms:k":"a*"}}`, values{"kms:k": {"abc"}}, false},
	{"string", `{"StringNotLike":{"kms:k":"a*"}}`, values{"kms:k": {"b"}}, true},
	// Same page, on negated matching operators: a key that the request lacks meets them.
	{"negated, absent", `{"StringNotEquals":{"kms:k":"a"}}`, nil, true},
	{"negated, absent", `{"StringNotEquals":{"kms:k":"a"}}`, values{"kms:k": {}}, true},
	{"negated, absent", `{"StringNotEqualsIgnoreCase":{"kms:k":"a"}}`, nil, true},
	{"negated, absent", `{"StringNotLike":{"kms:k":"a"}}`, nil, true},
	{"negated, absent", `{"ArnNotLike":{"aws:k":"arn:aws:iam::1:*"}}`, nil, true},
	{"negated, absent", `{"ArnNotEquals":{"aws:k":"arn:aws:iam::1:x"}}`, nil, true},
	{"negated, absent", `{"NumericNotEquals":{"aws:k":1}}`, nil, true},
	{"negated, absent", `{"DateNotEquals":{"aws:k":"2026-01-01"}}`, nil, true},
	// Same page, "Numeric condition operators".
	{"numeric", `{"NumericEquals":{"aws:k":5}}`, values{"aws:k": {"5.0"}}, true},
	{"numeric", `{"NumericEquals":{"aws:k":"5"}}`, values{"aws:k": {"6"}}, false},
	{"numeric", `{"NumericNotEquals":{"aws:k":5}}`, values{"aws:k": {"6"}}, true},
	{"numeric", `{"NumericNotEquals":{"aws:k":5}}`, values{"aws:k": {"5"}}, false},
	{"numeric", `{"NumericLessThan":{"aws:k":5}}`, values{"aws:k": {"4"}}, true},
	{"numeric", `{"NumericLessThan":{"aws:k":5}}`, values{"aws:k": {"5"}}, false},
	// by number, not by text
	{"numeric", `{"NumericLessThan":{"aws:k":10}}`, values{"aws:k": {"9"}}, true},
	{"numeric", `{"NumericLessThanEquals":{"aws:k":5}}`, values{"aws:k": {"5"}}, true},
	{"numeric", `{"NumericLessThanEquals":{"aws:k":5}}`, values{"aws:k": {"5.1"}}, false},
	{"numeric", `{"NumericGreaterThan":{"aws:k":-2}}`, values{"aws:k": {"-1"}}, true},
	{"numeric", `{"NumericGreaterThan":{"aws:k":5}}`, values{"aws:k": {"5"}}, false},
	{"numeric", `{"NumericGreaterThanEquals":{"aws:k":5}}`, values{"aws:k": {"5"}}, true},
	{"numeric", `{"NumericGreaterThanEquals":{"aws:k":5}}`, nil, false},
	{"numeric", `{"NumericEquals":{"aws:k":5}}`, values{"aws:k": {"five"}}, false},
	// Same page, "Date condition operators".
	{"date", `{"DateLessThan":{"aws:CurrentTime":"2026-06-30T00:00:00Z"}}`, values{"aws:CurrentTime": {"2026-06-29T23:59:59Z"}}, true},
	{"date", `{"DateLessThan":{"aws:CurrentTime":"2026-06-30T00:00:00Z"}}`, values{"aws:CurrentTime": {"2026-06-30T00:00:00Z"}}, false},
	{"date", `{"DateLessThanEquals":{"aws:CurrentTime":"2026-06-30"}}`, values{"aws:CurrentTime": {"2026-06-30T00:00:00Z"}}, true},
	{"date", `{"DateGreaterThan":{"aws:CurrentTime":"2026-06-30T02:00:00+02:00"}}`, values{"aws:CurrentTime": {"2026-06-30T00:00:01Z"}}, true},
	{"date", `{"DateGreaterThanEquals":{"aws:EpochTime":"1000"}}`, values{"aws:EpochTime": {"1000"}}, true},
	{"date", `{"DateEquals":{"aws:EpochTime":"0"}}`, values{"aws:EpochTime": {"1970-01-01T00:00:00Z"}}, true},
	{"date", `{"DateGreaterThan":{"aws:CurrentTime":"2020-01-01"}}`, nil, false},
	{"date", `{"DateLessThan":{"aws:CurrentTime":"2026-06"}}`, values{"aws:CurrentTime": {"2026-05-31T23:59:59Z"}}, true},
	{"date", `{"DateLessThan":{"aws:CurrentTime":"2026-06"}}`, values{"aws:CurrentTime": {"2026-06-01T00:00:00Z"}}, false},
	// Same page, "Boolean condition operators".
	{"bool", `{"Bool":{"aws:SecureTransport":"true"}}`, values{"aws:SecureTransport": {"true"}}, true},
	{"bool", `{"Bool":{"aws:SecureTransport":true}}`, values{"aws:SecureTransport": {"true"}}, true},
	{"bool", `{"Bool":{"aws:SecureTransport":"false"}}`, values{"aws:SecureTransport": {"true"}}, false},
	{"bool", `{"Bool":{"aws:SecureTransport":"false"}}`, nil, false},
	// Same page, "Amazon Resource Name (ARN) condition operators": six parts, each compared on its
	// own.
	{"arn", `{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/a"}}`, values{"aws:PrincipalArn": {"arn:aws:iam::111122223333:role/a"}}, true},
	{"arn", `{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/a"}}`, values{"aws:PrincipalArn": {"arn:aws:iam::111122223333:role/a"}}, true},
	{"arn", `{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::*:role/a"}}`, values{"aws:PrincipalArn": {"arn:aws:iam::111122223333:role/a"}}, true},
	{"arn", `{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/a"}}`, values{"aws:PrincipalArn": {"arn:aws:iam::111122223333:user/role/a"}}, false},
	{"arn", `{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/a"}}`, values{"aws:PrincipalArn": {"arn:aws:iam::111122223333:role/a"}}, false},
	{"arn", `{"ArnNotEquals":{"aws:PrincipalArn":"arn:aws:iam::*:role/a"}}`, values{"aws:PrincipalArn": {"arn:aws:iam::111122223333:role/b"}}, true},
	{"arn", `{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/a"}}`, values{"aws:PrincipalArn": {"no arn"}}, false},
	// Same page, "…IfExists condition operators".
	{"ifexists", `{"StringEqualsIfExists":{"kms:k":"a"}}`, nil, true},
	{"ifexists", `{"StringEqualsIfExists":{"kms:k":"a"}}`, values{"kms:k": {"b"}}, false},
	{"ifexists", `{"StringEqualsIfExists":{"kms:k":"a"}}`, values{"kms:k": {"a"}}, true},
	{"ifexists", `{"StringNotEqualsIfExists":{"kms:k":"a"}}`, nil, true},
	{"ifexists", `{"StringNotEqualsIfExists":{"kms:k":"a"}}`, values{"kms:k": {"a"}}, false},
	{"ifexists", `{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}`, nil, true},
	{"ifexists", `{"NumericLessThanIfExists":{"aws:k":1}}`, values{"aws:k": {"2"}}, false},
	// IAM User Guide, "Single-valued vs. multivalued context keys": without values the outcome is
	// false.
	{"set", `{"ForAnyValue:StringEqualsIfExists":{"kms:k":"a"}}`, nil, false},
	{"set", `{"ForAnyValue:StringNotEqualsIfExists":{"kms:k":"a"}}`, nil, false},
	{"set", `{"ForAllValues:StringEqualsIfExists":{"kms:k":"a"}}`, nil, true},
	// Same page, "Condition operator to check existence of condition keys".
	{"null", `{"Null":{"kms:k":"true"}}`, nil, true},
	{"null", `{"Null":{"kms:k":"true"}}`, values{"kms:k": {"a"}}, false},
	{"null", `{"Null":{"kms:k":"false"}}`, values{"kms:k": {"a"}}, true},
	{"null", `{"Null":{"kms:k":false}}`, nil, false},
	{"null", `{"Null":{"kms:k":["true","false"]}}`, nil, true},
	// IAM User Guide, "Set operators for multivalued context keys".
	{"set", `{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}`, values{"aws:TagKeys": {"a"}}, true},
	{"set", `{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}`, values{"aws:TagKeys": {"a", "b"}}, true},
	{"set", `{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}`, values{"aws:TagKeys": {"a", "c"}}, false},
	// the documented trap
	{"set", `{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}`, nil, true},
	{"set", `{"ForAllValues:StringLike":{"aws:TagKeys":["k1*","k2*"]}}`, values{"aws:TagKeys": {"k1:x", "k2:y"}}, true},
	{"set", `{"ForAllValues:StringNotLike":{"aws:TagKeys":"k1*"}}`, values{"aws:TagKeys": {"k1:x", "k2:y"}}, false},
	{"set", `{"ForAllValues:StringNotEquals":{"aws:TagKeys":"a"}}`, values{"aws:TagKeys": {"b", "c"}}, true},
	{"set", `{"ForAllValues:StringNotEquals":{"aws:TagKeys":"a"}}`, nil, true},
	{"set", `{"ForAnyValue:StringEquals":{"aws:TagKeys":["a","b"]}}`, values{"aws:TagKeys": {"c", "b"}}, true},
	{"set", `{"ForAnyValue:StringEquals":{"aws:TagKeys":["a","b"]}}`, values{"aws:TagKeys": {"c"}}, false},
	{"set", `{"ForAnyValue:StringEquals":{"aws:TagKeys":["a","b"]}}`, nil, false},
	{"set", `{"ForAnyValue:StringNotEquals":{"aws:TagKeys":"a"}}`, values{"aws:TagKeys": {"a", "b"}}, true},
	{"set", `{"ForAnyValue:StringNotEquals":{"aws:TagKeys":"a"}}`, values{"aws:TagKeys": {"a"}}, false},
	{"set", `{"ForAnyValue:StringNotEquals":{"aws:TagKeys":"a"}}`, nil, false},
	// IAM User Guide, "Conditions with multiple context keys or values": AND over operators and
	// keys, OR (NOR when negated) over values.
	{"logic", `{"StringEquals":{"kms:a":"1","kms:b":"2"}}`, values{"kms:a": {"1"}, "kms:b": {"2"}}, true},
	{"logic", `{"StringEquals":{"kms:a":"1","kms:b":"2"}}`, values{"kms:a": {"1"}}, false},
	{"logic", `{"StringEquals":{"kms:a":"1"},"Bool":{"aws:SecureTransport":true}}`, values{"kms:a": {"1"}, "aws:SecureTransport": {"false"}}, false},
	{"logic", `{}`, nil, true},
	// IAM User Guide, "Condition": names of condition keys are not case sensitive.
	{"key case", `{"StringEquals":{"KMS:K":"a"}}`, values{"kms:k": {"a"}}, true},
	// KMS Developer Guide, "Condition keys for AWS Nitro Enclaves": hex digits, ImageSha384 equals
	// PCR0.
	{"enclave", `{"StringEqualsIgnoreCase":{"kms:RecipientAttestation:PCR0":"AB"}}`, values{"kms:RecipientAttestation:PCR0": {"ab"}}, true},
	{"enclave", `{"StringEqualsIgnoreCase":{"kms:RecipientAttestation:PCR0":"ab"}}`, nil, false},
	{"enclave", `{"StringEquals":{"kms:RecipientAttestation:PCR0":"AB"}}`, values{"kms:RecipientAttestation:PCR0": {"ab"}}, false},
	{"enclave", `{"StringNotEqualsIgnoreCase":{"kms:RecipientAttestation:PCR0":"ab"}}`, nil, true},
	// KMS Developer Guide, "kms:EncryptionContext:context-key": the name's case does not count, the
	// value's does.
	{"context", `{"StringEquals":{"kms:EncryptionContext:AppName":"x"}}`, values{"kms:EncryptionContext:appname": {"x"}}, true},
	{"context", `{"StringEquals":{"kms:EncryptionContext:AppName":"x"}}`, values{"kms:EncryptionContext:AppName": {"X"}}, false},
	// KMS Developer Guide, "kms:EncryptionContextKeys": with a set operator the keys' case counts.
	{"context keys", `{"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":"AppName"}}`, values{"kms:EncryptionContextKeys": {"appname"}}, false},
	{"context keys", `{"ForAnyValue:StringEquals":{"kms:EncryptionContextKeys":"AppName"}}`, values{"kms:EncryptionContextKeys": {"AppName", "z"}}, true},
	// Ours: two context keys that differ by case only are one key with two values, of which either
	// may satisfy an Allow.
	{"worst case", `{"StringEquals":{"kms:EncryptionContext:a":"x"}}`, values{"kms:EncryptionContext:A": {"y"}, "kms:EncryptionContext:a": {"x"}}, true},
	{"worst case", `{"StringNotEquals":{"kms:EncryptionContext:a":"x"}}`, values{"kms:EncryptionContext:A": {"y"}, "kms:EncryptionContext:a": {"x"}}, true},
}

func TestConditions(t *testing.T) {
	for _, c := range conditionCases {
		policy := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":` + c.condition + `}}`
		p, err := keypolicy.Parse([]byte(policy))
		if err != nil {
			t.Errorf("%s: %s: %v", c.page, c.condition, err)
			continue
		}
		got := p.Evaluate(keypolicy.Request{Principal: owner, Action: "kms:Decrypt", Resource: keyARN, Context: c.context}).Allowed
		if got != c.want {
			t.Errorf("%s: %s with %v: got %v, want %v", c.page, c.condition, c.context, got, c.want)
		}
	}
}
