package devkms_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"anchorhold/enclave/internal/devkms"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/keylint"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/protocoltest/vectorfile"
)

const flawUsers = `
account: "111122223333"
region: us-east-1
users:
  - {arn: "arn:aws:iam::111122223333:role/admin", access-key-id: AKIAADMIN00000000000, secret-access-key: secret-secret-secret}
  - {arn: "arn:aws:iam::111122223333:role/owner", access-key-id: AKIAOWNER00000000000, secret-access-key: owner-secret-owner-secret}
  - {arn: "arn:aws:iam::111122223333:role/dev", access-key-id: AKIADEV0000000000000, secret-access-key: secret-secret-secret}
  - {arn: "arn:aws:sts::444455556666:assumed-role/parent/i-0abc", access-key-id: ASIAPARENT0000000000, secret-access-key: parent-secret-parent-secret, session-token: parent-token}
  - {arn: "arn:aws:iam::444455556666:role/other", access-key-id: AKIAOTHER00000000000, secret-access-key: secret-secret-secret}
  - {arn: "arn:aws:iam::999988887777:user/stranger", access-key-id: AKIASTRANGER00000000, secret-access-key: stranger-secret-stranger}
`

const openPolicy = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}}`

// A proving is a KMS with what an adversary has: everybody's credentials but the enclave's key, documents of every kind of image, and a key
// of their own.
type proving struct {
	*fixture
	actors    map[string]*kms.Client
	documents map[string][]byte
	mine      string // ARN of the adversary's key
}

// second is the other approved image of the policies in keylint's testdata.
var second = measure.DevImage([]byte("program"), []byte("policy 2"))

func newProving(t *testing.T) *proving {
	p := &proving{actors: map[string]*kms.Client{}, documents: map[string][]byte{}}
	p.fixture = serve(t, func(c *devkms.Config) {
		users, err := devkms.ParseUsers([]byte(flawUsers))
		if err != nil {
			t.Fatal(err)
		}
		c.Users, c.Events = users, nil
	})
	p.actors = map[string]*kms.Client{
		"admin": p.client("AKIAADMIN00000000000", "secret-secret-secret", ""), "owner": p.owner(), "parent": p.parent(), "stranger": p.stranger(),
		"dev": p.client("AKIADEV0000000000000", "secret-secret-secret", ""), "other": p.client("AKIAOTHER00000000000", "secret-secret-secret", ""),
	}
	x := digest.Sum([]byte("adversary"))
	for name, i := range map[string]measure.Image{
		"a": image, "b": second, "theirs": {PCR0: x, PCR1: x, PCR2: x}, "debug": {},
		"shifted1": {PCR0: image.PCR0, PCR1: x, PCR2: image.PCR2}, "shifted2": {PCR0: image.PCR0, PCR1: image.PCR1, PCR2: x}, "shifted": {PCR0: image.PCR0, PCR1: x, PCR2: x},
	} {
		p.documents[name] = p.attestation(t, spki(t, &recipientKey().PublicKey), func(c *softnsm.Config) { c.Image = i })
	}
	p.mine = p.newKey(t, openPolicy, &kms.CreateKeyInput{})
	return p
}

func (p *proving) newKey(t *testing.T, policy string, in *kms.CreateKeyInput) string {
	t.Helper()
	in.Policy, in.BypassPolicyLockoutSafetyCheck = &policy, true
	out, err := p.actors["admin"].CreateKey(context.Background(), in)
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
}

type sealedBlob struct {
	plaintext, blob []byte
	context         map[string]string
}

func contextOf(i measure.Image, tenant string) map[string]string {
	return map[string]string{"anchorhold:image": i.PCR0.String(), "anchorhold:tenant": tenant}
}

// seal makes a key, seals data keys for each image under an open policy, and puts the policy in place.
func (p *proving) seal(t *testing.T, policy string, in *kms.CreateKeyInput) *sealedKey {
	t.Helper()
	k := &sealedKey{proving: p, t: t, arn: p.newKey(t, openPolicy, in), policy: policy, blobs: map[string]sealedBlob{}}
	ctx := context.Background()
	for name, c := range map[string]map[string]string{
		"a": contextOf(image, "clinic"), "b": contextOf(second, "clinic"), "other tenant": contextOf(image, "hospital"),
		"no tenant": {"anchorhold:image": image.PCR0.String()}, "no image": {"anchorhold:tenant": "clinic"}, "none": nil, "app": {"AppName": "ExampleApp"},
	} {
		out, err := p.owner().GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &k.arn, KeySpec: types.DataKeySpecAes256, EncryptionContext: c})
		if err != nil {
			t.Fatal(err)
		}
		k.blobs[name] = sealedBlob{out.Plaintext, out.CiphertextBlob, c}
	}
	k.put(policy)
	return k
}

func (k *sealedKey) put(policy string) {
	k.t.Helper()
	_, err := k.actors["admin"].PutKeyPolicy(context.Background(), &kms.PutKeyPolicyInput{KeyId: &k.arn, Policy: &policy, BypassPolicyLockoutSafetyCheck: true})
	if err != nil {
		k.t.Fatal(err)
	}
}

// decrypt tells whether the actor gets at the data key: with a document as its recipient, or without one in the clear.
func (k *sealedKey) decrypt(client *kms.Client, document string, b sealedBlob) bool {
	in := &kms.DecryptInput{KeyId: &k.arn, CiphertextBlob: b.blob, EncryptionContext: b.context}
	if document != "" {
		in.Recipient = recipient(k.documents[document])
	}
	out, err := client.Decrypt(context.Background(), in)
	if err != nil {
		return false
	}
	if document == "" {
		return bytes.Equal(out.Plaintext, b.plaintext)
	}
	return bytes.Equal(readEnveloped(k.t, out.CiphertextForRecipient).open(k.t, recipientKey()), b.plaintext)
}

func (k *sealedKey) anyone(try func(name string, c *kms.Client) bool) bool {
	for _, name := range []string{"parent", "dev", "owner", "admin", "other", "stranger"} {
		if try(name, k.actors[name]) {
			return true
		}
	}
	return false
}

// unproven are findings of single policies that the local KMS cannot show, and why.
var unproven = map[string]string{
	"tpm-only/unpinned-image":                 "the software NSM makes no NitroTPM documents",
	"aws-persistent-resources/create-grant":   "only an AWS service makes grants for AWS resources",
	"aws-persistent-resources/delegation":     "what it delegates is the grant above",
	"aws-trail/mints-ciphertexts":             "nobody here is an AWS service",
	"service/unattested-decrypt":              "nobody here is an AWS service",
	"everyone/mints-keys":                     "the sealer makes data keys under a good policy as well: what is wrong is that it opens",
	"everyone/users-administer":               "the administrator opens as everyone does, attested",
	"everyone-by-address/mints-keys":          "the sealer makes data keys under a good policy as well: what is wrong is that it opens",
	"everyone-unconditional/mints-keys":       "the sealer makes data keys under a good policy as well: what is wrong is that it opens",
	"owner-account/mints-keys":                "the sealer makes data keys under a good policy as well: what is wrong is that it opens",
	"sealer-decrypts/mints-keys":              "the sealer makes data keys under a good policy as well: what is wrong is that it opens",
	"parent-data-keys-star/mints-ciphertexts": "GenerateDataKeyWithoutPlaintext shows no plaintext to who calls it",
	"upper-case/deny-needs-document":          "the statements that allow need a document",
	"short-register/deny-needs-document":      "the statements that allow need a document",
	"parent-everything/users-administer":      "KMS keeps PutKeyPolicy to the key's own account, and so does the local one",
	"parent-puts-policy/users-administer":     "KMS keeps PutKeyPolicy to the key's own account, and so does the local one",
	"not-action/users-administer":             "KMS keeps PutKeyPolicy to the key's own account, and so does the local one",
	"aws-administrators/replicate":            "kms:Update* holds UpdatePrimaryRegion, which shows nothing without a replica",
	"parent-everything/replicate":             "KMS keeps ReplicateKey to the key's own account, and so does the local one",
	"not-action/replicate":                    "KMS keeps ReplicateKey to the key's own account, and so does the local one",
}

// harmless are rules by which no data key leaks, and why they are findings.
var harmless = map[string]string{
	"any-case-context":  "the enclave compares the context exactly",
	"case-sensitive":    "KMS's digits are in lower case today",
	"deleted-principal": "nobody has that id",
	"import-material":   "the local KMS takes no key material; who imports it has it without KMS",
	"no-administrator":  "a matter of repair",
	"old-version":       "a trap for the next change",
	"service-principal": "nobody here is an AWS service",
	"users-delete":      "a matter of availability",
}

// enough proofs of one rule: the test takes its time from others.
const enough = 6

// Attack: what each finding says can be done is done, on the local KMS, with the flawed policy; a data key leaks, or one is made that the
// enclave takes for the owner's. With the policy of anchorhold key-policy in its place the same attack fails, and the enclave still opens.
func TestFindingsAreReal(t *testing.T) {
	p := newProving(t)
	good := string(vectorfile.Load(t, "../../../protocol/keylint/testdata/good.txt")[0].Body)
	fixed := p.seal(t, good, &kms.CreateKeyInput{})
	if !fixed.decrypt(p.parent(), "a", fixed.blobs["a"]) || !fixed.decrypt(p.parent(), "b", fixed.blobs["b"]) {
		t.Fatal("the good policy does not let the enclaves open")
	}
	proven := map[string]int{}
	for _, v := range vectorfile.Load(t, "../../../protocol/keylint/testdata/flawed/*.txt") {
		rules := append(strings.Fields(v.Expect()), "nothing-denied")
		for _, rule := range rules {
			attack := leaks[rule]
			if harmless[rule] != "" || unproven[v.Name+"/"+rule] != "" || proven[rule] == enough {
				continue
			}
			if attack == nil {
				t.Errorf("%s: no attack for %s", v.Name, rule)
			} else if !attack(p.seal(t, string(v.Body), keyFor(rule))) {
				t.Errorf("%s: the attack for %s leaks nothing", v.Name, rule)
			} else {
				proven[rule]++
			}
		}
	}
	for rule, attack := range leaks {
		if proven[rule] == 0 {
			t.Errorf("%s: no flawed policy proves it", rule)
		}
		if rule != "never-matches" && attack(p.seal(t, good, keyFor(rule))) {
			t.Errorf("%s: the good policy does not stop the attack", rule)
		}
	}
	t.Logf("findings proven, by rule: %v", proven)
}

// keyFor makes the kind of key that an attack is about.
func keyFor(rule string) *kms.CreateKeyInput {
	if rule == "replicate" {
		return &kms.CreateKeyInput{MultiRegion: new(true)}
	}
	return &kms.CreateKeyInput{}
}

// The fix of a denial in upper case is one that ignores case.
func TestRevocationMustIgnoreCase(t *testing.T) {
	p := newProving(t)
	flawed := string(vectorfile.Load(t, "../../../protocol/keylint/testdata/flawed/upper-case.txt")[0].Body)
	upper := strings.ToUpper(second.PCR0.String())
	mended := strings.Replace(flawed, `"StringEquals": {
     "kms:RecipientAttestation:PCR0": "`+upper, `"StringEqualsIgnoreCase": {
     "kms:RecipientAttestation:PCR0": "`+upper, 1)
	if mended == flawed {
		t.Fatal("the vector has another form")
	}
	if !leaks["never-matches"](p.seal(t, flawed, &kms.CreateKeyInput{})) || leaks["never-matches"](p.seal(t, mended, &kms.CreateKeyInput{})) {
		t.Error("want a leak with the flaw and none without")
	}
}

// Findings about a live key: grants and metadata.
func TestLiveFindingsAreReal(t *testing.T) {
	p := newProving(t)
	good := string(vectorfile.Load(t, "../../../protocol/keylint/testdata/good.txt")[0].Body)
	bare := string(vectorfile.Load(t, "../../../protocol/keylint/testdata/flawed/bare.txt")[0].Body)
	ctx := context.Background()
	k := p.seal(t, openPolicy, &kms.CreateKeyInput{})
	out, err := p.owner().CreateGrant(ctx, &kms.CreateGrantInput{
		KeyId: &k.arn, GranteePrincipal: new("arn:aws:iam::999988887777:user/stranger"),
		Operations: []types.GrantOperation{types.GrantOperationDecrypt, types.GrantOperationGenerateDataKey},
	})
	if err != nil {
		t.Fatal(err)
	}
	mint := func() bool {
		_, err := p.stranger().GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &k.arn, KeySpec: types.DataKeySpecAes256, EncryptionContext: contextOf(image, "clinic")})
		return err == nil
	}
	for _, c := range []struct {
		name, policy string
		leaks        bool
		want         string
	}{
		{"a grant that nothing denies", bare, true, "grant-mints grant-opens nothing-denied"},
		{"a grant behind denials", good, false, "idle-grant"},
	} {
		k.put(c.policy)
		if opens, mints := k.decrypt(p.stranger(), "", k.blobs["a"]), mint(); opens != c.leaks || mints != c.leaks {
			t.Errorf("%s: got opened %v, minted %v, want %v", c.name, opens, mints, c.leaks)
		}
		if got := lintLive(t, p.actors["admin"], k.arn); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	if _, err := p.actors["admin"].RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: &k.arn, GrantId: out.GrantId}); err != nil {
		t.Fatal(err)
	}
	if got := lintLive(t, p.actors["admin"], k.arn); got != "" {
		t.Errorf("after the grant was revoked: got %q", got)
	}
	many := p.seal(t, openPolicy, &kms.CreateKeyInput{MultiRegion: new(true)})
	replica := *many
	replica.arn = many.replicate(p.owner())
	many.put(good)
	opens := replica.decrypt(p.stranger(), "", many.blobs["a"])
	if got := lintLive(t, p.actors["admin"], many.arn); !opens || got != "multi-region" {
		t.Errorf("multi-Region: the replica opens %v, findings %q", opens, got)
	}
	external := p.newKey(t, good, &kms.CreateKeyInput{Origin: types.OriginTypeExternal})
	if got := lintLive(t, p.actors["admin"], external); got != "imported-material not-enabled" {
		t.Errorf("imported: got %q", got)
	}
	agreement := p.newKey(t, good, &kms.CreateKeyInput{KeySpec: types.KeySpecEccNistP256, KeyUsage: types.KeyUsageTypeKeyAgreement})
	if got := lintLive(t, p.actors["admin"], agreement); got != "wrong-key" {
		t.Errorf("key agreement: got %q", got)
	}
}

// lintLive judges a key as it stands and names the rules that find something.
func lintLive(t *testing.T, client *kms.Client, arn string) string {
	t.Helper()
	key, err := keylint.Read(context.Background(), client, arn)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	seen := map[string]bool{}
	for _, f := range keylint.Lint(key) {
		if !seen[f.Rule] {
			seen[f.Rule] = true
			names = append(names, f.Rule)
		}
	}
	return sorted(names)
}
