package policy_test

import (
	"strings"
	"testing"

	"anchorhold/protocol/policy"
)

const keyID = "0f1e2d3c-4b5a-4678-9abc-def012345678"

func TestParseKeyARN(t *testing.T) {
	for arn, host := range map[string]string{
		"arn:aws:kms:us-east-1:111122223333:key/" + keyID:            "kms.us-east-1.amazonaws.com",
		"arn:aws:kms:ap-southeast-2:111122223333:key/" + keyID:       "kms.ap-southeast-2.amazonaws.com",
		"arn:aws-cn:kms:cn-north-1:111122223333:key/" + keyID:        "kms.cn-north-1.amazonaws.com.cn",
		"arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/" + keyID: "kms.us-gov-west-1.amazonaws.com",
	} {
		a, err := policy.ParseKeyARN(arn)
		if err != nil || a.Host() != host || a.String() != arn || a.MultiRegion() {
			t.Errorf("%s: got %+v, host %s and %v, want host %s", arn, a, a.Host(), err, host)
		}
	}
	a, err := policy.ParseKeyARN("arn:aws:kms:us-east-1:111122223333:key/mrk-0123456789abcdef0123456789abcdef")
	if err != nil || !a.MultiRegion() {
		t.Errorf("got %+v and %v, want a multi-Region key", a, err)
	}
}

// The enclave connects to the host that an ARN names: whatever could lead elsewhere is refused.
func TestParseKeyARNRefuses(t *testing.T) {
	for _, arn := range []string{
		"",
		keyID,
		"alias/clinic",
		"arn:aws:kms:us-east-1:111122223333:alias/clinic",
		"arn:aws:kms:us-east-1:111122223333:" + keyID,
		"arn:aws:kms:us-east-1:111122223333:key/",
		"arn:aws:kms:us-east-1:111122223333:key/" + keyID + "/x",
		"arn:aws:kms:us-east-1:111122223333:key/" + keyID + ":x",
		"arn:aws:kms:us-east-1:111122223333:key/" + strings.ToUpper(keyID),
		"arn:aws:kms:us-east-1:111122223333:key/" + keyID + "\n",
		"arn:aws:kms:us-east-1:11112222333:key/" + keyID,
		"arn:aws:kms:us-east-1:11112222333a:key/" + keyID,
		"arn:aws:kms::111122223333:key/" + keyID,
		"arn:aws:kms:evil.example/us-east-1:111122223333:key/" + keyID,
		"arn:aws:kms:us-east-1.evil.example:111122223333:key/" + keyID,
		"arn:aws:kms:us-east-1#:111122223333:key/" + keyID,
		"arn:aws:kms:US-EAST-1:111122223333:key/" + keyID,
		"arn:aws:kms:cn-north-1:111122223333:key/" + keyID,
		"arn:aws-cn:kms:us-east-1:111122223333:key/" + keyID,
		"arn:aws-us-gov:kms:us-east-1:111122223333:key/" + keyID,
		"arn:aws-iso:kms:us-iso-east-1:111122223333:key/" + keyID,
		"arn:evil:kms:us-east-1:111122223333:key/" + keyID,
		"arn:aws:s3:us-east-1:111122223333:key/" + keyID,
		"ARN:aws:kms:us-east-1:111122223333:key/" + keyID,
		" arn:aws:kms:us-east-1:111122223333:key/" + keyID,
	} {
		if a, err := policy.ParseKeyARN(arn); err == nil || a != (policy.KeyARN{}) {
			t.Errorf("%q: accepted as %+v", arn, a)
		}
	}
}
