package keylint_test

import (
	"slices"
	"strings"
	"testing"
)

// policyOf is a policy of the statements, each without its Principal.
func policyOf(statements ...string) []byte {
	for i, s := range statements {
		statements[i] = `{"Principal":"*",` + s + `}`
	}
	return []byte(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`)
}

const everything = `"Effect":"Allow","Action":"kms:*","Resource":"*"`

// Attack: a statement that protects in one of several readings, of which AWS documents none. The
// report says so, and assumes the reading in which it does not protect.
func TestStatementsInDoubtAreReported(t *testing.T) {
	deny := `"Effect":"Deny","Action":"kms:*",`
	for name, text := range map[string][]byte{
		"several values":     policyOf(everything, deny+`"Resource":"*","Condition":{"StringNotEquals":{"kms:EncryptionContextKeys":"anchorhold:image"}}`),
		"no address":         policyOf(everything, deny+`"Resource":"*","Condition":{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`),
		"service in capital": policyOf(everything, deny+`"Resource":"arn:aws:KMS:us-east-1:111122223333:key/*"`),
		"star across colons": policyOf(everything, deny+`"Resource":"arn:aws:kms:*:key/*"`),
		"no value but in doubt": policyOf(
			`"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"kms:EncryptionContextKeys":"x"}}`,
			deny+`"Resource":"*","Condition":{"StringNotEquals":{"kms:EncryptionContextKeys":"anchorhold:image"}}`),
		"empty string": policyOf(everything, deny+`"Resource":"*","Condition":{"ForAnyValue:StringNotEquals":{"kms:EncryptionContextKeys":"a"}}`),
	} {
		findings := lint(t, text)
		got := names(findings)
		if !slices.Contains(got, "not-reliable") || !slices.Contains(got, "unattested-decrypt") {
			t.Errorf("%s: got %v, want not-reliable and unattested-decrypt", name, got)
		}
		for _, f := range findings {
			if f.Rule == "not-reliable" && (f.Statement != 1 || !strings.Contains(f.Says, ": ")) {
				t.Errorf("%s: got %+v, want the reason and statement 1", name, f)
			}
		}
	}
	if got := names(lint(t, policyOf(everything, deny+`"Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}`))); slices.Contains(got, "not-reliable") {
		t.Errorf("a documented condition: got %v, want no not-reliable", got)
	}
}

// Attack: an open Allow on fewer than six parts of an ARN, which matches every key: it must be
// found. A Deny so written acts.
func TestShortResources(t *testing.T) {
	for resource, open := range map[string]bool{
		"arn:aws:kms:*": true, "arn:aws:kms:us-east-1:*": true, "arn:aws:kms:us-east-1:1111*": true, "arn:aws-us-gov:kms:us-gov-west-1:*": true,
		"arn:aws:s3:*": false, "arn:aws:kms:us-east-1": false,
	} {
		allowed := policyOf(`"Effect":"Allow","Action":"kms:*","Resource":"` + resource + `"`)
		if got := slices.Contains(names(lint(t, allowed)), "unattested-decrypt"); got != open {
			t.Errorf("Allow on %s: unattested-decrypt is %v, want %v", resource, got, open)
		}
		denied := policyOf(`"Effect":"Allow","Action":"kms:*","Resource":"`+resource+`"`, `"Effect":"Deny","Action":"kms:Decrypt","Resource":"`+resource+`"`)
		if got := names(lint(t, denied)); slices.Contains(got, "unattested-decrypt") {
			t.Errorf("Deny on %s: got %v, want no unattested-decrypt", resource, got)
		}
	}
}
