package canary

import (
	"slices"
	"strings"
)

// Who refused a request, as far as AWS says.
const (
	byKeyPolicy = "key policy"
	byUnknown   = "unknown"
)

// refusers are the reasons that AWS states, without the action (IAM User Guide, "Troubleshoot
// access denied error messages"), and who refuses with them. Of several policies that refuse AWS
// names one. Only the key policy's refusal proves anything about the key.
var refusers = map[string]string{
	"with an explicit deny in a resource-based policy":            byKeyPolicy,
	"because no resource-based policy allows the ACTION action":   byKeyPolicy,
	"with an explicit deny in an identity-based policy":           "identity-based policy",
	"because no identity-based policy allows the ACTION action":   "identity-based policy",
	"with an explicit deny in a service control policy":           "service control policy",
	"because no service control policy allows the ACTION action":  "service control policy",
	"with an explicit deny in a resource control policy":          "resource control policy",
	"because no resource control policy allows the ACTION action": "resource control policy",
	"with an explicit deny in a permissions boundary":             "permissions boundary",
	"because no permissions boundary allows the ACTION action":    "permissions boundary",
	"with an explicit deny in a session policy":                   "session policy",
	"because no session policy allows the ACTION action":          "session policy",
	"with an explicit deny in a VPC endpoint policy":              "VPC endpoint policy",
	"because no VPC endpoint policy allows the ACTION action":     "VPC endpoint policy",
}

// acrossAccounts is how KMS refuses callers of other accounts. AWS's documentation lacks it; it is
// seen in public reports. Each cause that it names is the key's: that the key exists in this Region
// the enclave has shown, as it opened with it.
const acrossAccounts = "because the resource does not exist in this Region, no resource-based policies allow access, " +
	"or a resource-based policy explicitly denies access"

// refuser reads who refused an action on the key. A text that it does not know, or about another
// action or resource, is unknown.
func refuser(message, action, key string) string {
	_, rest, ok := strings.Cut(message, " is not authorized to perform: "+action+" on ")
	if !ok || !strings.HasPrefix(message, "User: ") {
		return byUnknown
	}
	rest = strings.TrimSuffix(rest, ".")
	for _, object := range []string{"this resource ", "the resource associated with this ciphertext "} {
		if rest == object+acrossAccounts {
			return byKeyPolicy
		}
	}
	reason, ok := strings.CutPrefix(rest, "resource: "+key+" ")
	if !ok {
		return byUnknown
	}
	for text, by := range refusers {
		if reason == strings.ReplaceAll(text, "ACTION", action) {
			return by
		}
	}
	return byUnknown
}

// action is what KMS authorizes an attempt as. ReEncrypt is authorized twice, and what it would
// open is the source.
func (a attempt) action() string {
	operation, _, _ := strings.Cut(a.name, " ")
	if operation == "ReEncrypt" {
		operation = "ReEncryptFrom"
	}
	return "kms:" + operation
}

// judge says how an attempt ended that KMS answered with an error.
func (t *Target) judge(a attempt, code, message string) (Verdict, string) {
	switch {
	case slices.Contains(granted, code):
		return Open, ""
	case !slices.Contains(a.want, code):
		return Odd, ""
	case code != accessDenied:
		return Refused, "" // KMS refused the document itself
	}
	by := refuser(message, a.action(), t.Key)
	if by != byKeyPolicy {
		return Inconclusive, by
	}
	return Refused, by
}
