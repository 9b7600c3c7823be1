package ownerkey

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"anchorhold/protocol/digest"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/keypolicy"
)

const (
	contextKey = "kms:EncryptionContext:"
	pcrKey     = "kms:RecipientAttestation:PCR"
	callerKey  = "aws:PrincipalArn"
	decrypt    = "kms:Decrypt"
	dataKey    = "kms:GenerateDataKey"
	encrypts   = "kms:Encrypt"
)

// administration are the operations of the administrators. None shows a key, opens a ciphertext or
// lets another do so; PutKeyPolicy is the one by which they could give themselves that, which
// nothing but their own care and CloudTrail can prevent.
var administration = []string{
	"kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListKeyPolicies", "kms:PutKeyPolicy", "kms:ListGrants", "kms:RevokeGrant",
	"kms:GetKeyRotationStatus", "kms:ListKeyRotations", "kms:EnableKeyRotation", "kms:DisableKeyRotation", "kms:RotateKeyOnDemand",
	"kms:EnableKey", "kms:DisableKey", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion", "kms:UpdateKeyDescription",
	"kms:ListResourceTags", "kms:TagResource", "kms:UntagResource",
}

// never are operations that nobody needs and each of which leads around attestation.
var never = []string{
	"kms:ReEncrypt*", "kms:CreateGrant", "kms:ReplicateKey", "kms:UpdatePrimaryRegion", encrypts, "kms:GenerateDataKeyWithoutPlaintext",
	"kms:GenerateDataKeyPair*", "kms:DeriveSharedSecret", "kms:GetParametersForImport", "kms:ImportKeyMaterial", "kms:DeleteImportedKeyMaterial",
}

type document struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid       string
	Effect    string
	Principal any
	Action    any
	Resource  string
	Condition condition `json:",omitempty"`
}

// A condition is operator → key → value or values. encoding/json sorts its keys, so one plan gives
// one text.
type condition map[string]map[string]any

func principals(roles []string) any { return map[string]any{"AWS": roles} }

func allow(sid string, roles []string, action any, c condition) statement {
	return statement{Sid: sid, Effect: "Allow", Principal: principals(roles), Action: action, Resource: "*", Condition: c}
}

func deny(sid string, action any, c condition) statement {
	return statement{Sid: sid, Effect: "Deny", Principal: "*", Action: action, Resource: "*", Condition: c}
}

// Policy returns the policy as JSON: one statement for each image, paired with its own encryption
// context, and denials for everyone else. It fails on plans that are not safe and when KMS would
// not take the document. SPEC 12.
func (p *Plan) Policy() ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	d := document{Version: "2012-10-17"}
	d.Statement = append(d.Statement,
		allow("Administrators change this policy and do not use the key", p.Administrators, administration, nil), p.sealing())
	for n := range p.Images {
		d.Statement = append(d.Statement, p.opening(n))
	}
	d.Statement = append(d.Statement, p.limits()...)
	for n := range p.Images {
		d.Statement = append(d.Statement, p.pairing(n))
	}
	out, err := encode(&d)
	if err != nil {
		return nil, err
	}
	if err := p.proveNoLockout(out); err != nil {
		return nil, err
	}
	return out, nil
}

// encode fits the document into what KMS takes, without blanks if need be.
func encode(d *document) ([]byte, error) {
	out, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, err
	}
	if len(out) >= keypolicy.MaxSize {
		var tight bytes.Buffer
		if err := json.Compact(&tight, out); err != nil {
			return nil, err
		}
		out = tight.Bytes()
	}
	if out = append(out, '\n'); len(out) > keypolicy.MaxSize {
		return nil, fmt.Errorf("the policy has %d bytes and KMS takes %d: pin fewer images", len(out), keypolicy.MaxSize)
	}
	return out, nil
}

func (p *Plan) tenant() (key string, value any) { return contextKey + envelope.KeyTenant, p.Tenant }

// sealing lets the owner's roles make data keys for the images that new jobs go to.
func (p *Plan) sealing() statement {
	tenant, name := p.tenant()
	return allow("Sealers make data keys for approved images", p.Sealers, single(p.seals()),
		condition{"StringEquals": {tenant: name, contextKey + envelope.KeyImage: p.names(false)}})
}

// seals are the operations of sealers. What wraps a data key is limited like what makes one: both
// give a message that enclaves open.
func (p *Plan) seals() []string {
	if p.SealersEncrypt {
		return []string{dataKey, encrypts}
	}
	return []string{dataKey}
}

// nobody are the operations denied to everyone.
func (p *Plan) nobody() []string {
	return slices.DeleteFunc(slices.Clone(never), func(action string) bool { return p.SealersEncrypt && action == encrypts })
}

// single writes a list of one as its element, as people do.
func single(list []string) any {
	if len(list) == 1 {
		return list[0]
	}
	return list
}

// names are the values of anchorhold:image, with those of images that drain or without.
func (p *Plan) names(draining bool) []string {
	var list []string
	for _, i := range p.Images {
		if draining || !i.Drains {
			list = append(list, i.PCR0.String())
		}
	}
	return list
}

// registers are the pinned ones of an image, by number.
func (i *Image) registers() map[int]digest.Digest {
	list := map[int]digest.Digest{0: i.PCR0, 1: i.PCR1, 2: i.PCR2}
	for n, d := range map[int]*digest.Digest{3: i.PCR3, 4: i.PCR4, 8: i.PCR8} {
		if d != nil {
			list[n] = *d
		}
	}
	return list
}

// opening pairs the attested registers of one image with the context that names it. Two images in
// one statement would be lists, and then the one image could open what was sealed for the other.
func (p *Plan) opening(n int) statement {
	i := &p.Images[n]
	attested := map[string]any{}
	for number, d := range i.registers() {
		attested[pcrKey+fmt.Sprint(number)] = d.String()
	}
	tenant, name := p.tenant()
	return allow(sid("Image %d opens what is sealed for it %s", n+1, i.Name), p.Parents, decrypt, condition{
		"StringEqualsIgnoreCase": attested,
		"StringEquals":           {tenant: name, contextKey + envelope.KeyImage: i.PCR0.String()},
	})
}

// limits hold for everyone, whatever other statement, IAM policy or grant may come to allow.
func (p *Plan) limits() []statement {
	registers := make([][]string, 3)
	for _, i := range p.Images {
		for n, d := range []digest.Digest{i.PCR0, i.PCR1, i.PCR2} {
			registers[n] = append(registers[n], d.String())
		}
	}
	list := []statement{deny("Nobody leads keys around attestation", p.nobody(), nil)}
	for n, values := range registers {
		// Negated: without a document there is no such key, the condition holds, and the request is
		// denied.
		list = append(list, deny(sid("Nobody opens without attested PCR%d of a pinned image", n), decrypt,
			condition{"StringNotEqualsIgnoreCase": {pcrKey + fmt.Sprint(n): values}}))
	}
	tenant, name := p.tenant()
	return append(list,
		deny("Nobody opens for another image", decrypt, condition{"StringNotEquals": {contextKey + envelope.KeyImage: p.names(true)}}),
		deny("Nobody seals for another image", single(p.seals()), condition{"StringNotEquals": {contextKey + envelope.KeyImage: p.names(false)}}),
		deny("Nobody opens or seals for another tenant", append([]string{decrypt}, p.seals()...), condition{"StringNotEquals": {tenant: name}}),
		deny("Nobody opens but the parents", decrypt, condition{"ArnNotEquals": {callerKey: p.Parents}}),
		deny("Nobody makes data keys but the sealers", single(p.seals()), condition{"ArnNotEquals": {callerKey: p.Sealers}}),
	)
}

// pairing denies what is sealed for an image to all others, for everyone.
func (p *Plan) pairing(n int) statement {
	i := &p.Images[n]
	return deny(sid("Nobody else opens what is sealed for image %d", n+1), decrypt, condition{
		"StringEquals":              {contextKey + envelope.KeyImage: i.PCR0.String()},
		"StringNotEqualsIgnoreCase": {pcrKey + "0": i.PCR0.String()},
	})
}

// proveNoLockout makes sure that each administrator can put another policy in place, by the
// evaluator that the local KMS uses.
func (p *Plan) proveNoLockout(text []byte) error {
	policy, err := keypolicy.Parse(text)
	if err != nil {
		return fmt.Errorf("the policy does not parse: %w", err)
	}
	for _, role := range p.Administrators {
		for _, action := range []string{"kms:PutKeyPolicy", "kms:GetKeyPolicy"} {
			d := policy.Evaluate(keypolicy.Request{Principal: role, Action: action, Resource: "*", Context: map[string][]string{callerKey: {role}}})
			if !d.Allowed {
				// unreachable: a guard against later changes
				return fmt.Errorf("the policy would lock %s out: %s is not allowed", role, action)
			}
		}
	}
	return nil
}
