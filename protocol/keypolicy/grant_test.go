package keypolicy_test

import (
	"testing"

	"anchorhold/protocol/keypolicy"
)

// A grant to an AWS service acts for that service, and for the resource that it names (API
// reference, GrantListEntry and GrantConstraints).
func TestGrantsToServices(t *testing.T) {
	const resource, service = "arn:aws:aps:us-east-1:111122223333:workspace/ws-1", "aps.amazonaws.com"
	g := keypolicy.Grant{ID: "g", GranteeService: service, Operations: []string{"Decrypt", "RetireGrant"}, SourceARN: resource}
	on := values{"AWS:SourceArn": {resource}}
	for name, c := range map[string]struct {
		principal, action string
		context           values
		want              bool
	}{
		"the service":           {service, "kms:Decrypt", on, true},
		"another resource":      {service, "kms:Decrypt", values{"aws:SourceArn": {resource + "x"}}, false},
		"no resource":           {service, "kms:Decrypt", nil, false},
		"another service":       {"s3.amazonaws.com", "kms:Decrypt", on, false},
		"a role":                {parent, "kms:Decrypt", on, false},
		"nobody":                {"", "kms:Decrypt", on, false},
		"another operation":     {service, "kms:Encrypt", on, false},
		"retiring, no resource": {service, "kms:RetireGrant", nil, true},
	} {
		r := keypolicy.Request{Principal: c.principal, Action: c.action, Resource: keyARN, Context: c.context}
		if got := g.Allows(r); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	// ListGrants may also name a service in GranteePrincipal, of any partition.
	for _, name := range []string{service, "aps.amazonaws.com.cn"} {
		old := keypolicy.Grant{Grantee: name, Operations: []string{"Decrypt"}}
		if !old.Allows(keypolicy.Request{Principal: name, Action: "kms:Decrypt", Resource: keyARN}) || old.Who() != name {
			t.Errorf("%s in GranteePrincipal is not the service", name)
		}
	}
	if g.Who() != service {
		t.Errorf("got grantee %q, want %q", g.Who(), service)
	}
	without := g
	without.SourceARN = ""
	if g.Covers(without) || !without.Covers(g) || !g.Covers(g) {
		t.Error("a grant made through a grant may drop its resource")
	}
}
