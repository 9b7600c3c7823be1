package devkms

// policyName is the only one there is.
const policyName = "default"

type policyInput struct {
	BypassPolicyLockoutSafetyCheck bool
	KeyId, Policy, PolicyName      string
}

// ownTarget is keyTarget for operations that KMS keeps to the key's own account (API reference:
// "Cross-account use: No"). What it says to others is not documented; here it is that the key
// policy does not allow it.
func (s *Server) ownTarget(c *call, id, name string, u use) (*target, error) {
	if c.user.account() != s.users.Account {
		c.event.request("keyId", id)
		t, err := s.resolve(c, id)
		if err != nil {
			return nil, err
		}
		return nil, accessDenied(c.user.ARN, "kms:"+c.op, s.keyARN(t.key), notByKey)
	}
	return s.keyTarget(c, id, name, u)
}

// keyTarget resolves a request about a key's policy or grants and checks the caller's right.
func (s *Server) keyTarget(c *call, id, name string, u use) (*target, error) {
	c.event.request("keyId", id)
	if name != "" && name != policyName {
		return nil, notFound("no such policy")
	}
	t, err := s.resolve(c, id)
	if err != nil {
		return nil, err
	}
	if t.alias != "" {
		return nil, validation("KeyId must be a key, not an alias")
	}
	if err := s.authorize(c, t, u); err != nil {
		return nil, err
	}
	return t, nil
}

func (s *Server) putKeyPolicy(c *call) (Answer, error) {
	in, err := parse[policyInput](c)
	if err != nil {
		return nil, err
	}
	t, err := s.ownTarget(c, in.KeyId, in.PolicyName, use{extra: map[string][]string{"kms:BypassPolicyLockoutSafetyCheck": {boolText(in.BypassPolicyLockoutSafetyCheck)}}})
	if err != nil {
		return nil, err
	}
	c.event.request("policy", in.Policy)
	policy, err := s.acceptPolicy(c, t.key, in.Policy, in.BypassPolicyLockoutSafetyCheck)
	if err != nil {
		return nil, err
	}
	return done(s.changeKey(t.key, func(k *key) { k.Policy, k.policy = in.Policy, policy }))
}

func (s *Server) getKeyPolicy(c *call) (Answer, error) {
	in, err := parse[policyInput](c)
	if err != nil {
		return nil, err
	}
	t, err := s.ownTarget(c, in.KeyId, in.PolicyName, use{})
	if err != nil {
		return nil, err
	}
	return Answer{"Policy": t.key.Policy, "PolicyName": policyName}, nil
}

func (s *Server) listKeyPolicies(c *call) (Answer, error) {
	in, err := parse[listInput](c)
	if err != nil {
		return nil, err
	}
	if _, err := s.ownTarget(c, in.KeyId, "", use{}); err != nil {
		return nil, err
	}
	return Answer{"PolicyNames": []string{policyName}, "Truncated": false}, nil
}
