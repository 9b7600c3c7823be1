package devkms

import "regexp"

var otherRegion = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)

type replicateInput struct {
	KeyId, ReplicaRegion, Policy, Description string
	BypassPolicyLockoutSafetyCheck            bool
	Tags                                      []tag
}

// replicateKey makes a key of the same id and material in another Region, under a policy of its
// own. One server plays all Regions: it tells them by the ARN.
func (s *Server) replicateKey(c *call) (Answer, error) {
	in, err := parse[replicateInput](c)
	if err != nil {
		return nil, err
	}
	c.event.request("replicaRegion", in.ReplicaRegion)
	if !otherRegion.MatchString(in.ReplicaRegion) || in.ReplicaRegion == s.users.Region {
		return nil, validation("ReplicaRegion must be another Region")
	}
	t, err := s.ownTarget(c, in.KeyId, "", use{extra: map[string][]string{"kms:ReplicaRegion": {in.ReplicaRegion}}})
	if err != nil {
		return nil, err
	}
	if !t.key.multiRegion() {
		return nil, unsupported("the key is no multi-Region key")
	}
	if in.Policy == "" {
		in.Policy = s.defaultPolicy() // not the primary's: that is the danger
	}
	replica := *t.key
	replica.Region, replica.Policy, replica.Grants, replica.Created = in.ReplicaRegion, in.Policy, nil, c.time.UTC()
	if replica.policy, err = s.acceptPolicy(c, &replica, in.Policy, in.BypassPolicyLockoutSafetyCheck); err != nil {
		return nil, err
	}
	err = s.store.update(func(st *state) error {
		if st.Keys[replica.place()] != nil {
			return &Error{Type: "AlreadyExistsException", Message: "the replica exists already"}
		}
		st.Keys[replica.place()] = &replica
		return nil
	})
	if err != nil {
		return nil, err
	}
	return Answer{"ReplicaKeyMetadata": s.metadata(&replica), "ReplicaPolicy": replica.Policy}, nil
}
