package endpoint_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"anchorhold/protocol/internal/endpoint"
	"anchorhold/protocol/policy"
)

const (
	usKey    = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	govKey   = "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	chinaKey = "arn:aws-cn:kms:cn-north-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	vpc      = "vpce-0123456789abcdef0-abcdefgh.kms.us-east-1.vpce.amazonaws.com"
	vpcSTS   = "vpce-0123456789abcdef0-abcdefgh-us-east-1a.sts.us-east-1.vpce.amazonaws.com"
)

// clean removes what the machine's own AWS configuration would add.
func clean(t *testing.T) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

// use returns the endpoints that clients for KMS and STS use, as they report them and as the
// clients have them.
func use(t *testing.T, arn string, rules endpoint.Rules) (reported []string, kms, sts string, err error) {
	t.Helper()
	key, err := policy.ParseKeyARN(arn)
	if err != nil {
		t.Fatal(err)
	}
	rules.Report = func(s string) { reported = append(reported, s) }
	k, err := rules.KMS(t.Context(), key)
	if err != nil {
		return reported, "", "", err
	}
	s, err := rules.STS(t.Context(), key)
	if err != nil {
		return reported, *k.Options().BaseEndpoint, "", err
	}
	return reported, *k.Options().BaseEndpoint, *s.Options().BaseEndpoint, nil
}

func TestEndpointsOfAWS(t *testing.T) {
	for name, c := range map[string]struct {
		key, kms, sts string
		environment   map[string]string
		vpc           []string
	}{
		"aws":                  {key: usKey, kms: "https://kms.us-east-1.amazonaws.com", sts: "https://sts.us-east-1.amazonaws.com"},
		"gov":                  {key: govKey, kms: "https://kms.us-gov-west-1.amazonaws.com", sts: "https://sts.us-gov-west-1.amazonaws.com"},
		"China":                {key: chinaKey, kms: "https://kms.cn-north-1.amazonaws.com.cn", sts: "https://sts.cn-north-1.amazonaws.com.cn"},
		"FIPS":                 {key: usKey, kms: "https://kms-fips.us-east-1.amazonaws.com", sts: "https://sts-fips.us-east-1.amazonaws.com", environment: map[string]string{"AWS_USE_FIPS_ENDPOINT": "true"}},
		"dual stack":           {key: usKey, kms: "https://kms.us-east-1.api.aws", sts: "https://sts.us-east-1.api.aws", environment: map[string]string{"AWS_USE_DUALSTACK_ENDPOINT": "true"}},
		"FIPS by address":      {key: usKey, kms: "https://kms-fips.us-east-1.amazonaws.com", sts: "https://sts.us-east-1.amazonaws.com", environment: map[string]string{"AWS_ENDPOINT_URL_KMS": "https://kms-fips.us-east-1.amazonaws.com"}},
		"VPC":                  {key: usKey, kms: "https://" + vpc, sts: "https://sts.us-east-1.amazonaws.com", vpc: []string{vpc}},
		"VPC for both":         {key: usKey, kms: "https://" + vpc, sts: "https://" + vpcSTS, vpc: []string{vpc, vpcSTS}},
		"VPC by address":       {key: usKey, kms: "https://" + vpc, sts: "https://sts.us-east-1.amazonaws.com", vpc: []string{vpc}, environment: map[string]string{"AWS_ENDPOINT_URL_KMS": "https://" + vpc}},
		"another Region's env": {key: usKey, kms: "https://kms.us-east-1.amazonaws.com", sts: "https://sts.us-east-1.amazonaws.com", environment: map[string]string{"AWS_REGION": "eu-west-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			clean(t)
			for k, v := range c.environment {
				t.Setenv(k, v)
			}
			reported, kms, sts, err := use(t, c.key, endpoint.Rules{VPC: c.vpc})
			if err != nil || kms != c.kms || sts != c.sts {
				t.Fatalf("got %s and %s (%v), want %s and %s", kms, sts, err, c.kms, c.sts)
			}
			if want := "KMS at " + c.kms + ",STS at " + c.sts; strings.Join(reported, ",") != want {
				t.Errorf("got report %q, want %q", reported, want)
			}
		})
	}
}

// Attack: an endpoint from the environment or the shared configuration file that is not AWS's, or
// is not encrypted. A KMS of the adversary's makes data keys that it knows.
func TestOtherEndpointsAreRefused(t *testing.T) {
	for name, value := range map[string]string{
		"plain HTTP":        "http://kms.us-east-1.amazonaws.com",
		"another host":      "https://kms.us-east-1.example.net",
		"AWS's name inside": "https://kms.us-east-1.amazonaws.com.example.net",
		"another Region":    "https://kms.eu-west-1.amazonaws.com",
		"another service":   "https://s3.us-east-1.amazonaws.com",
		"another partition": "https://kms.us-east-1.amazonaws.com.cn",
		"another port":      "https://kms.us-east-1.amazonaws.com:8443",
		"a path":            "https://kms.us-east-1.amazonaws.com/x",
		"a user":            "https://user:secret-7781@kms.us-east-1.amazonaws.com",
		"a VPC endpoint":    "https://" + vpc,
		"loopback":          "https://127.0.0.1:8080",
	} {
		for _, variable := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS", "file", "file for kms"} {
			t.Run(name+" in "+variable, func(t *testing.T) {
				clean(t)
				switch variable {
				case "file":
					writeConfig(t, "[default]\nendpoint_url = "+value+"\n")
				case "file for kms":
					writeConfig(t, "[default]\nservices = s\n[services s]\nkms =\n  endpoint_url = "+value+"\n")
				default:
					t.Setenv(variable, value)
				}
				reported, kms, _, err := use(t, usKey, endpoint.Rules{})
				if !errors.Is(err, endpoint.ErrRefused) || kms != "" || reported != nil {
					t.Fatalf("got %q, report %q (%v), want a refusal", kms, reported, err)
				}
				if strings.Contains(err.Error(), "secret-7781") {
					t.Errorf("the error shows a password: %v", err)
				}
			})
		}
	}
}

func writeConfig(t *testing.T, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CONFIG_FILE", file)
}

// STS says who the caller is: a false one would vouch for other credentials.
func TestOtherSTSIsRefused(t *testing.T) {
	clean(t)
	t.Setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
	if _, kms, sts, err := use(t, usKey, endpoint.Rules{}); !errors.Is(err, endpoint.ErrRefused) || kms == "" || sts != "" {
		t.Errorf("got %q and %q (%v), want STS refused", kms, sts, err)
	}
}

// A VPC endpoint counts for the service and the Region in its name only.
func TestVPCEndpointsOfOthers(t *testing.T) {
	for _, host := range []string{
		"kms.us-east-1.example.net", "vpce-x.kms.us-east-1.vpce.amazonaws.com", strings.Replace(vpc, "us-east-1", "eu-west-1", 1),
		vpc + ".example.net", strings.Replace(vpc, ".kms.", ".s3.", 1), "https://" + vpc,
	} {
		clean(t)
		if _, kms, _, err := use(t, usKey, endpoint.Rules{VPC: []string{host}}); !errors.Is(err, endpoint.ErrRefused) {
			t.Errorf("%s: got %q (%v), want a refusal", host, kms, err)
		}
	}
}

// With a policy that is NOT AWS anything goes, and is marked.
func TestNotAWS(t *testing.T) {
	clean(t)
	t.Setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:1")
	reported, kms, sts, err := use(t, usKey, endpoint.Rules{NotAWS: true})
	if err != nil || kms != "http://127.0.0.1:1" || sts != "https://sts.us-east-1.amazonaws.com" {
		t.Fatalf("got %s and %s (%v)", kms, sts, err)
	}
	if want := "KMS at http://127.0.0.1:1, NOT AWS"; reported[0] != want || strings.Contains(reported[1], "NOT AWS") {
		t.Errorf("got report %q, want %q, and STS without the mark", reported, want)
	}
}
