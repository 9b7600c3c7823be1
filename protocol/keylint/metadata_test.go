package keylint_test

import (
	"slices"
	"strings"
	"testing"

	"anchorhold/protocol/keylint"
	"anchorhold/protocol/keypolicy"
	"anchorhold/protocol/protocoltest/vectorfile"
)

const arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

// What DescribeKey says of a key is judged beside a policy without a flaw.
func TestMetadata(t *testing.T) {
	policy, err := keypolicy.Parse(vectorfile.Load(t, "testdata/good.txt")[0].Body)
	if err != nil {
		t.Fatal(err)
	}
	good := keylint.Metadata{ARN: arn, Origin: "AWS_KMS", KeySpec: "SYMMETRIC_DEFAULT", KeyUsage: "ENCRYPT_DECRYPT", KeyState: "Enabled"}
	for name, c := range map[string]struct {
		change func(*keylint.Metadata)
		want   string
	}{
		"good":         {func(*keylint.Metadata) {}, ""},
		"multi-Region": {func(m *keylint.Metadata) { m.MultiRegion = true }, "multi-region"},
		"imported":     {func(m *keylint.Metadata) { m.Origin = "EXTERNAL" }, "imported-material"},
		"CloudHSM":     {func(m *keylint.Metadata) { m.Origin = "AWS_CLOUDHSM" }, "cluster-store"},
		"XKS":          {func(m *keylint.Metadata) { m.Origin = "EXTERNAL_KEY_STORE" }, "external-store"},
		"no origin":    {func(m *keylint.Metadata) { m.Origin = "" }, "unknown-origin"},
		"asymmetric":   {func(m *keylint.Metadata) { m.KeySpec = "RSA_2048" }, "wrong-key"},
		"HMAC":         {func(m *keylint.Metadata) { m.KeyUsage = "GENERATE_VERIFY_MAC" }, "wrong-key"},
		"disabled":     {func(m *keylint.Metadata) { m.KeyState = "Disabled" }, "not-enabled"},
	} {
		m := good
		c.change(&m)
		if got := strings.Join(names(keylint.Lint(&keylint.Key{Policy: policy, Metadata: &m})), " "); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// With the ARN known, a denial that names the key counts, and an allowance of another key does not.
func TestKnownARN(t *testing.T) {
	for name, c := range map[string]struct {
		statements string
		leaks      bool
	}{
		"denied by its ARN":   {`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:role/p"},"Action":"kms:Decrypt","Resource":"*"},{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"` + arn + `"}`, false},
		"allowed on another":  {`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:role/p"},"Action":"kms:Decrypt","Resource":"` + arn[:len(arn)-1] + `1"}`, false},
		"allowed by its ARN":  {`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:role/p"},"Action":"kms:Decrypt","Resource":"` + arn + `"}`, true},
		"all but another's":   {`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:role/p"},"Action":"kms:Decrypt","NotResource":"` + arn[:len(arn)-1] + `1"}`, true},
		"denied on another's": {`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:role/p"},"Action":"kms:Decrypt","Resource":"*"},{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"` + arn[:len(arn)-1] + `1"}`, true},
	} {
		policy, err := keypolicy.Parse([]byte(`{"Version":"2012-10-17","Statement":[` + c.statements + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		found := names(keylint.Lint(&keylint.Key{Policy: policy, Metadata: &keylint.Metadata{ARN: arn}}))
		if got := slices.Contains(found, "unattested-decrypt"); got != c.leaks {
			t.Errorf("%s: got %v, want leak %v", name, found, c.leaks)
		}
	}
}
