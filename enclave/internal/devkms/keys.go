package devkms

import (
	"crypto/rand"
	"encoding/hex"
	"time"

	"anchorhold/protocol/keypolicy"
)

type tag struct{ TagKey, TagValue string }

type createKeyInput struct {
	BypassPolicyLockoutSafetyCheck        bool
	CustomKeyStoreId, XksKeyId            string
	CustomerMasterKeySpec, KeySpec        string
	Description, KeyUsage, Origin, Policy string
	MultiRegion                           bool
	Tags                                  []tag
}

func oneOf(value string, allowed ...string) bool {
	for _, a := range append(allowed, "") {
		if value == a {
			return true
		}
	}
	return false
}

func (s *Server) createKey(c *call) (Answer, error) {
	in, err := parse[createKeyInput](c)
	if err != nil {
		return nil, err
	}
	if err := s.ownAccount(c); err != nil {
		return nil, err
	}
	k, err := in.newKey(s.stores)
	if err != nil {
		return nil, err
	}
	if len(in.Description) > 8192 || len(in.Tags) > 50 {
		return nil, validation("Description or Tags are too long")
	}
	if in.Policy == "" {
		in.Policy = s.defaultPolicy()
	}
	k.Description, k.Created, k.Policy = in.Description, c.time.UTC().Truncate(time.Millisecond), in.Policy
	materialID := make([]byte, 32)
	rand.Read(materialID)
	k.MaterialID = hex.EncodeToString(materialID)
	if k.policy, err = s.acceptPolicy(c, k, in.Policy, in.BypassPolicyLockoutSafetyCheck); err != nil {
		return nil, err
	}
	c.event.resource(s.users.Account, s.keyARN(k))
	if err := s.store.update(func(st *state) error { st.Keys[k.ID] = k; return nil }); err != nil {
		return nil, err
	}
	return Answer{"KeyMetadata": s.metadata(k)}, nil
}

// newKey makes id and material: of a symmetric encryption key, or of a key agreement key on a NIST
// curve. A key whose material is to be imported has none yet.
func (in *createKeyInput) newKey(stores map[string]Store) (*key, error) {
	curve := curves[in.KeySpec]
	symmetric := oneOf(in.KeySpec, algorithmName) && oneOf(in.KeyUsage, "ENCRYPT_DECRYPT")
	agreement := curve != nil && in.KeyUsage == "KEY_AGREEMENT" && !in.MultiRegion
	own := oneOf(in.Origin, originKMS, originImported) && in.CustomKeyStoreId == "" && in.XksKeyId == ""
	if !symmetric && !agreement || !oneOf(in.CustomerMasterKeySpec, algorithmName) || !own && !in.inStore(stores) {
		return nil, unsupported("only symmetric encryption keys and key agreement keys on NIST curves exist here, and custom key stores that are connected")
	}
	k := &key{ID: newUUID(), Material: make([]byte, 32), Store: in.CustomKeyStoreId, StoreKey: in.XksKeyId}
	rand.Read(k.Material)
	if in.MultiRegion {
		k.ID = newMultiRegionID()
	}
	if in.Origin != originKMS {
		k.Origin = in.Origin
	}
	if in.Origin == originImported && !agreement {
		k.Material = nil
	}
	if agreement {
		var err error
		if k.Material, _, err = newPair(curve); err != nil {
			return nil, err
		}
		k.Spec = in.KeySpec
	}
	return k, nil
}

// defaultPolicy is what KMS gives a key that is created without one: the whole account may do
// everything (KMS Developer Guide, "Default key policy").
func (s *Server) defaultPolicy() string {
	return `{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"Enable IAM User Permissions","Effect":"Allow",` +
		`"Principal":{"AWS":"arn:aws:iam::` + s.users.Account + `:root"},"Action":"kms:*","Resource":"*"}]}`
}

// acceptPolicy parses a policy and makes sure that the caller could still change it, unless told
// not to: KMS's lockout check.
func (s *Server) acceptPolicy(c *call, k *key, text string, bypass bool) (*keypolicy.Policy, error) {
	policy, err := keypolicy.Parse([]byte(text))
	if err != nil {
		return nil, &Error{Type: "MalformedPolicyDocumentException", Message: "key policy: " + err.Error()}
	}
	req := s.request(c, s.keyARN(k), nil, use{})
	req.Action = "kms:PutKeyPolicy"
	if !bypass && !policy.Evaluate(req).Allowed {
		return nil, &Error{
			Type:    "MalformedPolicyDocumentException",
			Message: "The new key policy will not allow you to update the key policy in the future.",
		}
	}
	return policy, nil
}

// metadata is KeyMetadata of the API reference. Times are seconds since 1970.
func (s *Server) metadata(k *key) map[string]any {
	m := map[string]any{
		"AWSAccountId":          s.users.Account,
		"KeyId":                 k.ID,
		"Arn":                   s.keyARN(k),
		"CreationDate":          float64(k.Created.UnixMilli()) / 1000,
		"CurrentKeyMaterialId":  k.MaterialID,
		"CustomerMasterKeySpec": k.spec(),
		"Description":           k.Description,
		"Enabled":               k.state() == stateEnabled,
		"KeyManager":            "CUSTOMER",
		"KeySpec":               k.spec(),
		"KeyState":              k.state(),
		"KeyUsage":              k.usage(),
		"MultiRegion":           k.multiRegion(),
		"Origin":                k.origin(),
	}
	if k.Store != "" {
		m["CustomKeyStoreId"] = k.Store
	}
	if k.Spec == "" {
		m["EncryptionAlgorithms"] = []string{algorithmName}
	}
	return m
}

type keyInput struct {
	KeyId       string
	GrantTokens []string
}

func (s *Server) describeKey(c *call) (Answer, error) {
	in, err := parse[keyInput](c)
	if err != nil {
		return nil, err
	}
	c.event.request("keyId", in.KeyId)
	t, err := s.resolve(c, in.KeyId)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(c, t, use{}); err != nil {
		return nil, err
	}
	return Answer{"KeyMetadata": s.metadata(t.key)}, nil
}

type listInput struct {
	KeyId  string // ListAliases and ListKeyPolicies
	Limit  int
	Marker string
}

// page cuts a sorted list behind marker. The marker is the last name of the page before.
func page[T any](in *listInput, items []T, name func(T) string) ([]T, Answer, error) {
	if in.Limit < 0 || in.Limit > 1000 {
		return nil, nil, validation("Limit must be 1 to 1000")
	}
	if in.Limit == 0 {
		in.Limit = 100
	}
	for len(items) > 0 && in.Marker != "" && name(items[0]) <= in.Marker {
		items = items[1:]
	}
	if len(items) <= in.Limit {
		return items, Answer{"Truncated": false}, nil
	}
	items = items[:in.Limit]
	return items, Answer{"Truncated": true, "NextMarker": name(items[in.Limit-1])}, nil
}

func (s *Server) listKeys(c *call) (Answer, error) {
	in, err := parse[listInput](c)
	if err != nil {
		return nil, err
	}
	if err := s.ownAccount(c); err != nil {
		return nil, err
	}
	keys, a, err := page(in, s.store.keys(), func(k *key) string { return k.ID })
	if err != nil {
		return nil, err
	}
	list := []map[string]string{}
	for _, k := range keys {
		list = append(list, map[string]string{"KeyId": k.ID, "KeyArn": s.keyARN(k)})
	}
	a["Keys"] = list
	return a, nil
}
