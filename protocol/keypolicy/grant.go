package keypolicy

import (
	"slices"
	"strings"
)

// A Grant allows one principal some operations on one key. Source: KMS Developer Guide, "Grants in
// AWS KMS"; API reference, GrantListEntry and GrantConstraints. It has no condition but the
// encryption context and the resource on whose behalf a service calls: attestation never limits a
// grant.
type Grant struct {
	ID              string
	Grantee         string // ARN, or the host name of a service; empty: GranteeService is set
	GranteeService  string // host name of an AWS service
	Retiring        string // may end the grant; empty: only who may revoke grants, and the account
	RetiringService string // host name of an AWS service that may end the grant
	Operations      []string
	Equals          map[string]string // the whole encryption context; nil: any
	Subset          map[string]string // a part of the encryption context; nil: any
	// of the resource on whose behalf the request must be made; empty: any
	SourceARN string
}

// Who returns the principal that the grant is for, as a request names it.
func (g Grant) Who() string {
	if g.GranteeService != "" {
		return g.GranteeService
	}
	return g.Grantee
}

// contextPrefix is that of the condition keys that hold an encryption context.
const contextPrefix = "kms:encryptioncontext:"

// withoutContext are the grant operations that take no encryption context: constraints do not apply
// to them.
var withoutContext = []string{
	"DescribeKey", "RetireGrant", "CreateGrant", "GetPublicKey", "Sign", "Verify", "GenerateMac", "VerifyMac", "DeriveSharedSecret",
}

// Allows tells whether the grant permits a request. A grant gives permissions only; a Deny of the
// key policy still counts, see Authorize.
func (g Grant) Allows(r Request) bool {
	operation, ok := cutPrefixFold(r.Action, "kms:")
	if !ok || !slices.ContainsFunc(g.Operations, func(o string) bool { return strings.EqualFold(o, operation) }) {
		return false
	}
	if grantee(g.Grantee).matches(r) == no && (Principal{Service: g.GranteeService}).matches(r) == no {
		return false
	}
	// API reference, GrantConstraints: as if the grant had the condition key aws:SourceArn, but for
	// RetireGrant.
	if g.SourceARN != "" && !strings.EqualFold(operation, "RetireGrant") && !slices.Contains(fold(r.Context)["aws:sourcearn"], g.SourceARN) {
		return false
	}
	if slices.ContainsFunc(withoutContext, func(o string) bool { return strings.EqualFold(o, operation) }) {
		return true
	}
	return g.fits(fold(r.Context))
}

// fits compares the encryption context. Names count without case and values with it (API reference,
// GrantConstraints); with two names that differ by case only, either value will do: the worst case.
func (g Grant) fits(context map[string][]string) bool {
	for _, want := range []map[string]string{g.Equals, g.Subset} {
		for name, value := range want {
			if !slices.Contains(context[contextPrefix+strings.ToLower(name)], value) {
				return false
			}
		}
	}
	if g.Equals == nil {
		return true
	}
	allowed := make(map[string]bool)
	for name := range g.Equals {
		allowed[contextPrefix+strings.ToLower(name)] = true
	}
	for name := range context {
		if strings.HasPrefix(name, contextPrefix) && !allowed[name] {
			return false
		}
	}
	return true
}

// Covers tells whether child gives nothing that g does not: what a principal may create whose right
// to CreateGrant comes from g (KMS Developer Guide, "Granting CreateGrant permission").
func (g Grant) Covers(child Grant) bool {
	for _, o := range child.Operations {
		if !slices.Contains(g.Operations, o) {
			return false
		}
	}
	if g.SourceARN != "" && child.SourceARN != g.SourceARN {
		return false
	}
	if g.Equals != nil {
		return child.Equals != nil && len(child.Equals) == len(g.Equals) && containsAll(child.Equals, g.Equals)
	}
	return containsAll(child.Equals, g.Subset) || containsAll(child.Subset, g.Subset)
}

func containsAll(have, want map[string]string) bool {
	for name, value := range want {
		if v, ok := have[name]; !ok || v != value {
			return false
		}
	}
	return true
}

// grantee reads a grant's principal; one that is no principal of a policy is nobody.
func grantee(s string) Principal {
	if p, err := parsePrincipal("Service", s); err == nil {
		return p
	}
	p, err := parseAWSPrincipal(s)
	if err != nil || p.Any {
		return Principal{} // a grant names one principal, never everyone
	}
	return p
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// Authorize decides a request by key policy and grants: an explicit Deny of the policy wins, then
// either may allow. Source: KMS Developer Guide, "Determining access" and "Troubleshooting key
// access".
func Authorize(p *Policy, grants []Grant, r Request) Decision {
	d := p.Evaluate(r)
	if d.Denied || d.Allowed && !d.Delegated {
		return d
	}
	for _, g := range grants {
		if g.Allows(r) {
			return Decision{Allowed: true, Statement: -1, Grant: g.ID}
		}
	}
	return d
}
