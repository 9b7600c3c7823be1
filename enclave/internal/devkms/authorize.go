package devkms

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"anchorhold/protocol/keypolicy"
)

const algorithmName = "SYMMETRIC_DEFAULT"

// A target is a key as a request named it.
type target struct {
	key   *key
	alias string // with its alias/ prefix; empty when named otherwise
}

func (s *Server) arnPrefix() string {
	return "arn:aws:kms:" + s.users.Region + ":" + s.users.Account + ":"
}

func (s *Server) keyARN(k *key) string {
	if k.Region != "" {
		return "arn:aws:kms:" + k.Region + ":" + s.users.Account + ":key/" + k.ID
	}
	return s.arnPrefix() + "key/" + k.ID
}

// resolve finds a key by id, key ARN, alias name or alias ARN. A bare id or alias name means one in
// the caller's own account, so callers of other accounts must send an ARN, as with KMS.
func (s *Server) resolve(c *call, id string) (*target, error) {
	if id == "" || len(id) > 2048 {
		return nil, validation("KeyId must have 1 to 2048 characters")
	}
	missing := notFound("the key or alias does not exist in this account and Region")
	for _, k := range s.store.keys() {
		if k.Region != "" && s.keyARN(k) == id { // a replica, which only its ARN names
			return &target{key: k}, nil
		}
	}
	local, isARN := strings.CutPrefix(id, s.arnPrefix())
	if !isARN && (strings.HasPrefix(id, "arn:") || c.user.account() != s.users.Account) {
		return nil, missing
	}
	if strings.HasPrefix(local, "alias/") {
		a, ok := s.store.alias(local)
		if !ok {
			return nil, missing
		}
		k, ok := s.store.key(a.KeyID)
		if !ok {
			return nil, missing // unreachable: keys are never deleted
		}
		return &target{key: k, alias: local}, nil
	}
	if isARN {
		bare, ok := strings.CutPrefix(local, "key/")
		if !ok {
			return nil, missing
		}
		local = bare
	}
	k, ok := s.store.key(local)
	if !ok {
		return nil, missing
	}
	return &target{key: k}, nil
}

// A use is what a policy judges beside the caller and the operation.
type use struct {
	context   map[string]string // encryption context
	crypto    bool              // the operation takes an encryption algorithm
	recipient *recipient
	extra     map[string][]string // further condition keys
	action    string              // when it is not the operation's own name
}

// authorize asks the key's policy and grants, and notes the key in the event.
func (s *Server) authorize(c *call, t *target, u use) error {
	_, err := s.decide(c, t, u)
	return err
}

func (s *Server) decide(c *call, t *target, u use) (keypolicy.Decision, error) {
	arn := s.keyARN(t.key)
	c.event.resource(s.users.Account, arn)
	r := s.request(c, arn, t, u)
	decision := keypolicy.Authorize(t.key.policy, t.key.grants(), r)
	if reason := s.refusal(c.user, r.Action, decision); reason != "" {
		return keypolicy.Decision{}, accessDenied(c.user.ARN, r.Action, arn, reason)
	}
	return decision, nil
}

// refusal is the reason for which a request is refused; "" if it is not. A caller of another
// account, and one whom the key policy allows through the account only, needs IAM's permission as
// well (IAM User Guide, "Cross-account policy evaluation logic"). A grant is enough by itself.
// Which of two policies AWS names that both allow nothing is not documented; here it is the
// caller's.
func (s *Server) refusal(u *User, action string, d keypolicy.Decision) string {
	direct := d.Grant != "" || u.service() || d.Allowed && !d.Delegated && u.account() == s.users.Account
	switch {
	case d.Denied:
		return deniedByKey
	case !direct && !u.permitted(action):
		return notByIdentity
	case !d.Allowed:
		return notByKey
	default:
		return ""
	}
}

// request makes the condition keys of KMS and AWS that this server has values for ("Condition keys
// for AWS KMS"; "AWS global condition context keys").
func (s *Server) request(c *call, resource string, t *target, u use) keypolicy.Request {
	now := c.time.UTC()
	context := map[string][]string{
		"aws:SecureTransport": {"true"},
		"aws:RequestedRegion": {s.users.Region},
		"aws:CurrentTime":     {now.Format(time.RFC3339)},
		"aws:EpochTime":       {strconv.FormatInt(now.Unix(), 10)},
	}
	c.user.identify(context)
	if c.event.SourceIPAddress != "" {
		context["aws:SourceIp"] = []string{c.event.SourceIPAddress}
	}
	if t != nil {
		context["kms:KeySpec"], context["kms:KeyUsage"] = []string{t.key.spec()}, []string{t.key.usage()}
		context["kms:KeyOrigin"], context["kms:MultiRegion"] = []string{t.key.origin()}, []string{boolText(t.key.multiRegion())}
	}
	if t != nil && t.alias != "" {
		context["kms:RequestAlias"] = []string{t.alias}
	}
	if u.crypto {
		context["kms:EncryptionAlgorithm"] = []string{algorithmName}
	}
	for name, value := range u.context {
		context["kms:EncryptionContext:"+name] = []string{value}
		context["kms:EncryptionContextKeys"] = append(context["kms:EncryptionContextKeys"], name)
	}
	slices.Sort(context["kms:EncryptionContextKeys"])
	for name, value := range u.extra {
		context[name] = value
	}
	u.recipient.conditions(context)
	action := "kms:" + c.op
	if u.action != "" {
		action = "kms:" + u.action
	}
	return keypolicy.Request{
		Principal: c.user.ARN, UniqueID: c.user.UniqueID, Account: c.user.account(), Action: action, Resource: resource, Context: context,
	}
}

// identify says who calls, and through which AWS service.
func (u *User) identify(context map[string][]string) {
	context["aws:PrincipalIsAWSService"], context["aws:ViaAWSService"] = []string{boolText(u.service())}, []string{boolText(u.Via != "")}
	if u.service() {
		context["aws:PrincipalServiceName"] = []string{u.ARN}
		if u.SourceARN != "" {
			context["aws:SourceArn"] = []string{u.SourceARN}
		}
		return
	}
	account := []string{u.account()}
	context["aws:PrincipalArn"] = []string{u.roleARN()}
	context["aws:PrincipalAccount"], context["kms:CallerAccount"] = account, account
	if u.Via != "" {
		context["kms:ViaService"] = []string{u.Via}
	}
}

// ownAccount refuses callers of other accounts, and those without IAM's permission, for operations
// that no key policy governs.
func (s *Server) ownAccount(c *call) error {
	if c.user.account() != s.users.Account {
		return accessDenied(c.user.ARN, "kms:"+c.op, "*", notByIdentity)
	}
	if action := "kms:" + c.op; !c.user.permitted(action) {
		return accessDenied(c.user.ARN, action, "*", notByIdentity)
	}
	return nil
}
