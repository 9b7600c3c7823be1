package devkms_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"anchorhold/enclave/internal/devkms"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/softnsm"
)

const (
	ownersAccount    = "111122223333"
	operatorsAccount = "444455556666"
	thirdAccount     = "999988887777"
	devARN           = "arn:aws:iam::111122223333:role/dev"
	strangerUserARN  = "arn:aws:iam::999988887777:user/stranger"
)

const flawUsers = `
account: "ACCOUNT"
region: us-east-1
users:
  - {arn: "arn:aws:iam::111122223333:role/admin", access-key-id: AKIAADMIN00000000000, secret-access-key: secret-secret-secret}
  - {arn: "arn:aws:iam::111122223333:role/owner", access-key-id: AKIAOWNER00000000000, secret-access-key: owner-secret-owner-secret}
  - {arn: "arn:aws:iam::111122223333:role/dev", access-key-id: AKIADEV0000000000000, secret-access-key: secret-secret-secret}
  - {arn: "arn:aws:iam::111122223333:user/clerk", access-key-id: AKIACLERK00000000000, secret-access-key: secret-secret-secret}
  - {arn: "arn:aws:sts::444455556666:assumed-role/parent/i-0abc", access-key-id: ASIAPARENT0000000000, secret-access-key: parent-secret-parent-secret, session-token: parent-token}
  - {arn: "arn:aws:iam::444455556666:role/other", access-key-id: AKIAOTHER00000000000, secret-access-key: secret-secret-secret}
  - {arn: "arn:aws:iam::444455556666:role/keeper", access-key-id: AKIAKEEPER0000000000, secret-access-key: secret-secret-secret}
  - {arn: "arn:aws:iam::999988887777:user/stranger", unique-id: AROAADVERSARYEXAMPLE1, access-key-id: AKIASTRANGER00000000, secret-access-key: stranger-secret-stranger}
  - {arn: "arn:aws:sts::111122223333:assumed-role/owner/ci", access-key-id: ASIAOWNERCI000000000, secret-access-key: secret-secret-secret, session-token: ci-token}
  - {arn: backup.amazonaws.com, access-key-id: AKIABACKUP0000000000, secret-access-key: secret-secret-secret}
  - {arn: cloudtrail.amazonaws.com, access-key-id: AKIATRAIL00000000000, secret-access-key: secret-secret-secret}
  - {arn: "arn:aws:iam::111122223333:role/dev", via: ec2.us-east-1.amazonaws.com, access-key-id: AKIAEC2DEV0000000000, secret-access-key: secret-secret-secret}
  - {arn: "arn:aws:iam::444455556666:role/other", via: ec2.us-east-1.amazonaws.com, access-key-id: AKIAEC2OTHER00000000, secret-access-key: secret-secret-secret}
  - {arn: "arn:aws:iam::444455556666:role/parent", via: s3.us-east-1.amazonaws.com, access-key-id: AKIAS3PARENT00000000, secret-access-key: secret-secret-secret}
`

// An actor is one of them; an AWS service that acts for a role is one. Who gets furthest under most
// policies comes first.
type actor struct {
	name string
	*kms.Client
}

var keyIDs = []struct{ name, id string }{
	{"dev", "AKIADEV0000000000000"},
	{"admin", "AKIAADMIN00000000000"},
	{"other", "AKIAOTHER00000000000"},
	{"clerk", "AKIACLERK00000000000"},
	{"keeper", "AKIAKEEPER0000000000"},
	{"backup", "AKIABACKUP0000000000"},
	{"trail", "AKIATRAIL00000000000"},
	{"dev by EC2", "AKIAEC2DEV0000000000"},
	{"other by EC2", "AKIAEC2OTHER00000000"},
	{"parent by S3", "AKIAS3PARENT00000000"},
}

const openPolicy = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}}`

// A proving is a KMS with what an adversary has: everybody's credentials but the enclave's key,
// documents of every kind of image, and a key of their own.
type proving struct {
	*fixture
	actors    []actor
	keeper    *kms.Client // makes keys: of the account that they are in
	documents map[string][]byte
	mine      string // ARN of the adversary's key
	cluster   *cluster
	spare     *sealedKey // see again
}

// second is the other approved image of the policies in keylint's testdata.
var second = measure.DevImage([]byte("program"), []byte("policy 2"))

// newProving has all keys in one account: KMS keeps administration to it.
func newProving(t *testing.T, account string) *proving {
	p := &proving{documents: map[string][]byte{}, cluster: newCluster()}
	p.fixture = serve(t, func(c *devkms.Config) {
		users, err := devkms.ParseUsers([]byte(strings.Replace(flawUsers, "ACCOUNT", account, 1)))
		if err != nil {
			t.Fatal(err)
		}
		c.Users, c.Events, c.Stores = users, nil, map[string]devkms.Store{"cks-1": p.cluster}
	})
	p.actors = []actor{{"parent", p.parent()}, {"owner", p.owner()}}
	for _, k := range keyIDs {
		p.actors = append(p.actors, actor{k.name, p.client(k.id, "secret-secret-secret", "")})
	}
	p.actors = append(p.actors,
		actor{"owner in CI", p.client("ASIAOWNERCI000000000", "secret-secret-secret", "ci-token")},
		actor{"stranger", p.stranger()})
	p.keeper = p.actor(map[string]string{ownersAccount: "admin", operatorsAccount: "keeper", thirdAccount: "stranger"}[account])
	x := digest.Sum([]byte("adversary"))
	for name, i := range map[string]measure.Image{
		"a": image, "b": second, "theirs": {PCR0: x, PCR1: x, PCR2: x}, "same PCR1": {PCR0: x, PCR1: image.PCR1, PCR2: x}, "debug": {}, "ground": {PCR0: ground(image.PCR0), PCR1: ground(image.PCR1), PCR2: ground(image.PCR2)},
		"shifted1": {PCR0: image.PCR0, PCR1: x, PCR2: image.PCR2}, "shifted2": {PCR0: image.PCR0, PCR1: image.PCR1, PCR2: x}, "shifted": {PCR0: image.PCR0, PCR1: x, PCR2: x},
	} {
		p.documents[name] = p.attestation(t, spki(t, &recipientKey().PublicKey), func(c *softnsm.Config) { c.Image = i })
	}
	p.mine = p.newKey(t, openPolicy, &kms.CreateKeyInput{})
	return p
}

// ground is a register whose first byte an adversary has found by trying.
func ground(d digest.Digest) digest.Digest {
	other := digest.Sum(d[:])
	other[0] = d[0]
	return other
}

func (p *proving) newKey(t *testing.T, policy string, in *kms.CreateKeyInput) string {
	t.Helper()
	in.Policy, in.BypassPolicyLockoutSafetyCheck = &policy, true
	out, err := p.keeper.CreateKey(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	return *out.KeyMetadata.Arn
}

// A sealedKey is a key with data keys that were sealed under it before the policy came.
type sealedKey struct {
	*proving
	t      *testing.T
	arn    string
	policy string
	blobs  map[string]sealedBlob
	params *kms.GetParametersForImportOutput // of a key whose material is to be imported
}

type sealedBlob struct {
	plaintext, blob []byte
	context         map[string]string
}

func contextOf(i measure.Image, tenant string) map[string]string {
	return map[string]string{"anchorhold:image": i.PCR0.String(), "anchorhold:tenant": tenant}
}

// contexts are those of the data keys, by name.
func contexts() map[string]map[string]string {
	list := map[string]map[string]string{
		"a": contextOf(image, "clinic"), "b": contextOf(second, "clinic"), "other tenant": contextOf(image, "hospital"), "upper tenant": contextOf(image, "CLINIC"),
		"longer tenant": contextOf(image, "clinic2"), "no tenant": {"anchorhold:image": image.PCR0.String()}, "no image": {"anchorhold:tenant": "clinic"},
		"none": nil, "app": {"AppName": "ExampleApp"}, "empty": {"purpose": ""}, "long purpose": {"purpose": "abcccccccccccccc"}, "rare tenant": {"anchorhold:tenant": "qu"}, "z": {},
	}
	for r := 'a'; r <= 'r'; r++ {
		list["z"][string(r)] = "z"
	}
	return list
}

// seal makes a key, seals data keys for each context under an open policy, and puts the policy in
// place. A key without material seals nothing.
func (p *proving) seal(t *testing.T, policy string, in *kms.CreateKeyInput) *sealedKey {
	t.Helper()
	k := &sealedKey{proving: p, t: t, arn: p.newKey(t, openPolicy, in), policy: policy, blobs: map[string]sealedBlob{}}
	if in.Origin == types.OriginTypeExternal {
		var err error
		k.params, err = p.keeper.GetParametersForImport(context.Background(), &kms.GetParametersForImportInput{
			KeyId: &k.arn, WrappingAlgorithm: types.AlgorithmSpecRsaesOaepSha256, WrappingKeySpec: types.WrappingKeySpecRsa2048,
		})
		if err != nil {
			t.Fatal(err)
		}
	} else {
		for name, c := range contexts() {
			b, err := k.dataKeyAs(p.owner(), c)
			if err != nil {
				t.Fatal(err)
			}
			k.blobs[name] = b
		}
	}
	k.put(policy)
	return k
}

// again is seal with the same key as long as its keeper can put the policies in place: data keys
// take their time.
func (p *proving) again(t *testing.T, policy string) *sealedKey {
	t.Helper()
	if p.spare != nil {
		open := &kms.PutKeyPolicyInput{KeyId: &p.spare.arn, Policy: new(openPolicy)}
		if _, err := p.keeper.PutKeyPolicy(context.Background(), open); err != nil {
			p.spare = nil
		}
	}
	if p.spare == nil {
		p.spare = p.seal(t, openPolicy, &kms.CreateKeyInput{})
	}
	k := *p.spare
	k.policy = policy
	k.put(policy)
	return &k
}

func (k *sealedKey) dataKeyAs(c *kms.Client, encryptionContext map[string]string) (sealedBlob, error) {
	out, err := c.GenerateDataKey(context.Background(), &kms.GenerateDataKeyInput{
		KeyId: &k.arn, KeySpec: types.DataKeySpecAes256, EncryptionContext: encryptionContext,
	})
	if err != nil {
		return sealedBlob{}, err
	}
	return sealedBlob{out.Plaintext, out.CiphertextBlob, encryptionContext}, nil
}

func (k *sealedKey) put(policy string) {
	k.t.Helper()
	_, err := k.keeper.PutKeyPolicy(context.Background(), &kms.PutKeyPolicyInput{KeyId: &k.arn, Policy: &policy, BypassPolicyLockoutSafetyCheck: true})
	if err != nil {
		k.t.Fatal(err)
	}
}

// decrypt tells whether the actor gets at the data key: with a document as its recipient, or
// without one in the clear.
func (k *sealedKey) decrypt(client *kms.Client, document string, b sealedBlob) bool {
	in := &kms.DecryptInput{KeyId: &k.arn, CiphertextBlob: b.blob, EncryptionContext: b.context}
	if document != "" {
		in.Recipient = recipient(k.documents[document])
	}
	out, err := client.Decrypt(context.Background(), in)
	if err != nil {
		return false
	}
	return bytes.Equal(k.received(out.Plaintext, out.CiphertextForRecipient), b.plaintext)
}

// received is what an answer holds, in the clear or for the holder of the recipient's key.
func (k *sealedKey) received(plaintext, forRecipient []byte) []byte {
	if len(forRecipient) == 0 {
		return plaintext
	}
	return readEnveloped(k.t, forRecipient).open(k.t, recipientKey())
}

func (p *proving) actor(name string) *kms.Client {
	i := slices.IndexFunc(p.actors, func(a actor) bool { return a.name == name })
	return p.actors[i].Client
}

func (p *proving) anyone(try func(a actor) bool) bool { return slices.ContainsFunc(p.actors, try) }

// shown lets everyone try without a document and with those of enclaves of their own.
func (p *proving) shown(try func(c *kms.Client, r *types.RecipientInfo) bool) bool {
	for _, d := range []string{"", "theirs", "shifted"} {
		var r *types.RecipientInfo
		if d != "" {
			r = recipient(p.documents[d])
		}
		if p.anyone(func(a actor) bool { return try(a.Client, r) }) {
			return true
		}
	}
	return false
}
