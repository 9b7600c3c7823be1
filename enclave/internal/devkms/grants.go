package devkms

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"time"

	"anchorhold/protocol/keypolicy"
)

// maxGrants is for one key; KMS's quota is 50,000.
const maxGrants = 1000

// A grant is one that a key has. Its token works at once and for good: here nothing is eventually
// consistent.
type grant struct {
	keypolicy.Grant
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
}

func (g *grant) token() string { return "token-" + g.ID }

// grantOperations are the operations that a grant on a symmetric encryption key may hold (API
// reference, CreateGrant).
var grantOperations = []string{
	"CreateGrant", "Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext",
	"GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo", "RetireGrant",
}

type constraints struct {
	EncryptionContextEquals, EncryptionContextSubset map[string]string
	SourceArn                                        string
}

type createGrantInput struct {
	KeyId, Name                                 string
	GranteePrincipal, GranteeServicePrincipal   string // one of them
	RetiringPrincipal, RetiringServicePrincipal string // one of them, or none
	Operations, GrantTokens                     []string
	Constraints                                 *constraints
	DryRun                                      bool
}

func (in *createGrantInput) grant() (keypolicy.Grant, error) {
	g := keypolicy.Grant{
		Grantee: in.GranteePrincipal, GranteeService: in.GranteeServicePrincipal,
		Retiring: in.RetiringPrincipal, RetiringService: in.RetiringServicePrincipal, Operations: in.Operations,
	}
	if err := in.checkPrincipals(); err != nil {
		return g, err
	}
	if len(in.Operations) == 0 || len(in.Name) > 256 {
		return g, validation("Operations are required, and a Name has at most 256 characters")
	}
	for _, o := range in.Operations {
		if !slices.Contains(grantOperations, o) {
			return g, validation("an operation is not one that a grant on this key may hold")
		}
	}
	if c := in.Constraints; c != nil {
		if len(c.EncryptionContextEquals) > 8 || len(c.EncryptionContextSubset) > 8 {
			return g, validation("a constraint holds more than 8 pairs")
		}
		g.Equals, g.Subset, g.SourceARN = c.EncryptionContextEquals, c.EncryptionContextSubset, c.SourceArn
	}
	return g, nil
}

// checkPrincipals checks what API reference, CreateGrant, demands of the four principals.
func (in *createGrantInput) checkPrincipals() error {
	service := in.GranteeServicePrincipal
	for _, name := range []string{service, in.RetiringServicePrincipal} {
		if name != "" && !servicePattern.MatchString(name) {
			return validation("a service principal is not the host name of an AWS service")
		}
	}
	switch {
	case (in.GranteePrincipal == "") == (service == ""):
		return validation("one of GranteePrincipal and GranteeServicePrincipal is required, and not both")
	case in.RetiringPrincipal != "" && in.RetiringServicePrincipal != "":
		return validation("RetiringPrincipal and RetiringServicePrincipal exclude each other")
	case service != "" && (in.Constraints == nil || in.Constraints.SourceArn == ""):
		return validation("a GranteeServicePrincipal needs the constraint SourceArn")
	case service != "" && in.RetiringPrincipal == "" && in.RetiringServicePrincipal == "":
		return validation("a GranteeServicePrincipal needs a retiring principal")
	}
	return nil
}

// conditions are the keys that policies test on CreateGrant (KMS Developer Guide,
// "kms:GrantOperations" and the sections beside it).
func (in *createGrantInput) conditions(u *User) map[string][]string {
	c := map[string][]string{
		"kms:GrantOperations": in.Operations, "kms:GrantIsForAWSResource": {boolText(u.Via != "")},
	}
	// The keys for service principals are not documented: there are none here.
	if in.GranteePrincipal != "" {
		c["kms:GranteePrincipal"] = []string{in.GranteePrincipal}
	}
	if in.RetiringPrincipal != "" {
		c["kms:RetiringPrincipal"] = []string{in.RetiringPrincipal}
	}
	if in.Constraints != nil && len(in.Constraints.EncryptionContextEquals) > 0 {
		c["kms:GrantConstraintType"] = append(c["kms:GrantConstraintType"], "EncryptionContextEquals")
	}
	if in.Constraints != nil && len(in.Constraints.EncryptionContextSubset) > 0 {
		c["kms:GrantConstraintType"] = append(c["kms:GrantConstraintType"], "EncryptionContextSubset")
	}
	return c
}

func (s *Server) createGrant(c *call) (Answer, error) {
	in, err := parse[createGrantInput](c)
	if err != nil {
		return nil, err
	}
	c.event.request("keyId", in.KeyId)
	c.event.request("granteePrincipal", in.GranteePrincipal)
	c.event.request("granteeServicePrincipal", in.GranteeServicePrincipal)
	made, err := in.grant()
	if err != nil {
		return nil, err
	}
	t, err := s.resolve(c, in.KeyId)
	if err != nil {
		return nil, err
	}
	decision, err := s.decide(c, t, use{extra: in.conditions(c.user)})
	if err != nil {
		return nil, err
	}
	if parent := t.key.grant(decision.Grant); parent != nil && !parent.Covers(made) {
		return nil, accessDenied(c.user.ARN, "kms:CreateGrant", s.keyARN(t.key), notByKey)
	}
	if in.DryRun {
		return nil, dryRunPassed()
	}
	id := make([]byte, 32)
	rand.Read(id)
	made.ID = hex.EncodeToString(id)
	g := grant{Grant: made, Name: in.Name, Created: c.time.UTC()}
	err = s.changeGrants(t.key, func(list []grant) ([]grant, error) {
		if len(list) >= maxGrants {
			return nil, &Error{Type: "LimitExceededException", Message: "too many grants"}
		}
		return append(list, g), nil
	})
	if err != nil {
		return nil, err
	}
	return Answer{"GrantId": g.ID, "GrantToken": g.token()}, nil
}

// grant returns the key's grant of that id, nil when it has none.
func (k *key) grant(id string) *grant {
	if i := slices.IndexFunc(k.Grants, func(g grant) bool { return g.ID == id }); i >= 0 {
		return &k.Grants[i]
	}
	return nil
}

func (k *key) grants() []keypolicy.Grant {
	list := make([]keypolicy.Grant, len(k.Grants))
	for i, g := range k.Grants {
		list[i] = g.Grant
	}
	return list
}

// changeGrants stores a changed copy of the key.
func (s *Server) changeGrants(k *key, change func([]grant) ([]grant, error)) error {
	return s.store.update(func(st *state) error {
		changed := *st.Keys[k.place()]
		list, err := change(slices.Clone(changed.Grants))
		if err != nil {
			return err
		}
		changed.Grants = list
		st.Keys[k.place()] = &changed
		return nil
	})
}

type grantsInput struct {
	KeyId, GrantId, GranteePrincipal, GranteeServicePrincipal, Marker string

	Limit int
}

func (s *Server) listGrants(c *call) (Answer, error) {
	in, err := parse[grantsInput](c)
	if err != nil {
		return nil, err
	}
	t, err := s.keyTarget(c, in.KeyId, "", use{})
	if err != nil {
		return nil, err
	}
	if in.GranteeServicePrincipal != "" && !c.user.service() {
		return nil, validation("only an AWS service may list grants by GranteeServicePrincipal")
	}
	list := slices.DeleteFunc(slices.Clone(t.key.Grants), func(g grant) bool {
		return in.GrantId != "" && g.ID != in.GrantId || in.GranteePrincipal != "" && g.Grantee != in.GranteePrincipal ||
			in.GranteeServicePrincipal != "" && g.GranteeService != in.GranteeServicePrincipal
	})
	slices.SortFunc(list, func(a, b grant) int { return cmp.Compare(a.ID, b.ID) })
	list, a, err := page(&listInput{Limit: in.Limit, Marker: in.Marker}, list, func(g grant) string { return g.ID })
	if err != nil {
		return nil, err
	}
	entries := []map[string]any{}
	for _, g := range list {
		entries = append(entries, s.grantEntry(t.key, &g))
	}
	a["Grants"] = entries
	return a, nil
}

// grantEntry is GrantListEntry of the API reference.
func (s *Server) grantEntry(k *key, g *grant) map[string]any {
	entry := map[string]any{
		"KeyId": s.keyARN(k), "GrantId": g.ID, "Operations": g.Operations, "Name": g.Name,
		"IssuingAccount": "arn:aws:iam::" + s.users.Account + ":root", "CreationDate": float64(g.Created.UnixMilli()) / 1000,
	}
	for name, value := range map[string]string{
		"GranteePrincipal": g.Grantee, "GranteeServicePrincipal": g.GranteeService,
		"RetiringPrincipal": g.Retiring, "RetiringServicePrincipal": g.RetiringService,
	} {
		if value != "" {
			entry[name] = value
		}
	}
	c := map[string]any{}
	if g.Equals != nil {
		c["EncryptionContextEquals"] = g.Equals
	}
	if g.Subset != nil {
		c["EncryptionContextSubset"] = g.Subset
	}
	if g.SourceARN != "" {
		c["SourceArn"] = g.SourceARN
	}
	if len(c) > 0 {
		entry["Constraints"] = c
	}
	return entry
}

type endGrantInput struct {
	KeyId, GrantId, GrantToken string
	DryRun                     bool
}

func (s *Server) revokeGrant(c *call) (Answer, error) {
	in, err := parse[endGrantInput](c)
	if err != nil {
		return nil, err
	}
	t, err := s.keyTarget(c, in.KeyId, "", use{})
	if err != nil {
		return nil, err
	}
	return s.endGrant(t.key, in)
}

// retireGrant is for the retiring principal, and for a grantee whose grant says so; no key policy
// is asked.
func (s *Server) retireGrant(c *call) (Answer, error) {
	in, err := parse[endGrantInput](c)
	if err != nil {
		return nil, err
	}
	for _, k := range s.store.keys() {
		for _, g := range k.Grants {
			if g.token() != in.GrantToken && (g.ID != in.GrantId || s.keyARN(k) != in.KeyId) {
				continue
			}
			c.event.resource(s.users.Account, s.keyARN(k))
			r := s.request(c, s.keyARN(k), nil, use{})
			retiring := keypolicy.Grant{Grantee: g.Retiring, GranteeService: g.RetiringService, Operations: []string{"RetireGrant"}}
			if !retiring.Allows(r) && !g.Allows(r) {
				return nil, accessDenied(c.user.ARN, "kms:RetireGrant", s.keyARN(k), notByKey)
			}
			in.GrantId = g.ID
			return s.endGrant(k, in)
		}
	}
	return nil, notFound("no such grant")
}

func (s *Server) endGrant(k *key, in *endGrantInput) (Answer, error) {
	if k.grant(in.GrantId) == nil {
		return nil, notFound("no such grant")
	}
	if in.DryRun {
		return nil, dryRunPassed()
	}
	return done(s.changeGrants(k, func(list []grant) ([]grant, error) {
		return slices.DeleteFunc(list, func(g grant) bool { return g.ID == in.GrantId }), nil
	}))
}
