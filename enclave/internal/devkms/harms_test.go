package devkms_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// A proof does what a finding says, and tells whether it came about.
type proof struct {
	harm func(*sealedKey) bool
	// mend gives the policy with the fix; nil: the good one.
	mend func(good, flawed string) string
}

// proofs are those of all rules that judge a policy.
var proofs map[string]proof

func init() {
	proofs = map[string]proof{
		"unattested-decrypt":  {harm: unattested},
		"deny-needs-document": {harm: func(k *sealedKey) bool { return unattested(k) || unattested(k.with(parentDecrypts)) }},
		"unpinned-image":      {harm: attestedAs("theirs", "ground", "same PCR1")},
		"debug-image":         {harm: attestedAs("debug")},
		"pcr0-alone":          {harm: attestedAs("shifted", "shifted1", "shifted2")},
		"unpaired-image":      {harm: crossed},
		"unpairing-list":      {harm: crossed},
		"absent-key":          {harm: func(k *sealedKey) bool { return unattested(k) || crossed(k) }},
		"unbound-tenant":      {harm: otherTenant},
		"several-tenants":     {harm: otherTenant},
		"any-case-context": {harm: func(k *sealedKey) bool {
			return k.decrypt(k.parent(), "a", k.blobs["upper tenant"]) || unattestedBlob(k, k.blobs["upper tenant"])
		}},
		"re-encrypt":           {harm: reEncrypted},
		"create-grant":         {harm: granted},
		"users-administer":     {harm: policyReplaced},
		"operator-administers": {harm: policyReplaced},
		"users-delete":         {harm: jobsFail},
		"mints-keys":           {harm: mintedKey},
		"foreign-sealer":       {harm: mintedKey},
		"mints-ciphertexts":    {harm: mintedCiphertext},
		"mints-unseen":         {harm: unseen},
		"unbound-data-key":     {harm: sealedForTheirs},
		"data-key-pair":        {harm: keyPair},
		"derive-shared-secret": {harm: derived},
		"replicate":            {harm: replicated},
		"import-material":      {harm: importedKnown},
		"wildcard-principal":   {harm: func(k *sealedKey) bool { return opened(k, "stranger") || opened(k, "other") }},
		"delegation": {harm: func(k *sealedKey) bool {
			return opened(k, "dev") || opened(k, "clerk") || opened(k, "other") || grantedBy(k, "other by EC2")
		}},
		"service-principal": {harm: func(k *sealedKey) bool { return opened(k, "backup") || wrapped(k, k.actor("trail")) }},
		"nothing-denied":    {harm: oneStatementMore},
		"never-matches":     {harm: measurementDoesNothing, mend: measurementsRepaired},
		"case-sensitive":    {harm: inUpperCase},
		"deleted-principal": {harm: byUniqueID, mend: namedByARN},
		"no-administrator":  {harm: nothingRevoked},
		"old-version":       {harm: variableIsText},
		"too-complex":       {harm: func(k *sealedKey) bool { return k.decrypt(k.parent(), "", k.blobs["long purpose"]) }},

		"foreign-administrator": {harm: policyReplaced},
		"limited-grants":        {harm: grantedToEncrypt},
		"partly-denied": {harm: func(k *sealedKey) bool {
			defer func() { k.spare = nil }() // it may have a grant now
			return oneStatementMore(k) || grantStays(k)
		}},
		"idle-allow":    {harm: actsWithoutDenials},
		"never-applies": {harm: func(k *sealedKey) bool { return !imageOpens(k) }},
		"no-recipient":  {harm: func(k *sealedKey) bool { return !wrapped(k, k.parent()) }, mend: lastUnconditional},
		"unknown-key":   {harm: misnamed, mend: namedRight},
		"dead-value":    {harm: func(k *sealedKey) bool { return !revokedOpens(k) }, mend: secondInLowerCase},
		"not-reliable":  {harm: crossed},
	}
}

// changing are rules whose attacks leave the key other than it was, beyond its policy.
var changing = append([]string{"create-grant", "limited-grants", "delegation", "nothing-denied", "partly-denied", "foreign-administrator"}, ownAccount...)

// ownAccount are rules about operations that KMS keeps to the key's own account: where the parent
// has them, the key is the operator's.
var ownAccount = []string{"users-administer", "operator-administers", "users-delete", "replicate", "import-material"}

const (
	everyoneEverything = `{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}`
	parentDecrypts     = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:role/parent"},"Action":"kms:Decrypt","Resource":"*"}`
)

// with is the key under a policy that has one statement more.
func (k *sealedKey) with(statement string) *sealedKey {
	var d struct {
		Version   string
		Statement []json.RawMessage
	}
	if err := json.Unmarshal([]byte(k.policy), &d); err != nil {
		k.t.Fatal(err)
	}
	d.Statement = append(d.Statement, json.RawMessage(statement))
	text, err := json.Marshal(d)
	if err != nil {
		k.t.Fatal(err)
	}
	return k.again(k.t, string(text))
}

// oneStatementMore adds what every tutorial has.
func oneStatementMore(k *sealedKey) bool {
	more := k.with(everyoneEverything)
	return unattested(more) || reEncrypted(more) || granted(more)
}

// works tells whether a job of the image would run.
func (k *sealedKey) works() bool { return k.decrypt(k.parent(), "a", k.blobs["a"]) || unattested(k) }

// jobsFail takes the key out of use, by anybody but an administrator who does nothing else.
func jobsFail(k *sealedKey) bool {
	ctx := context.Background()
	return k.works() && k.anyone(func(c actor) bool {
		if c.name == "admin" && !strings.Contains(k.policy, "kms:*") && !usesItself(k) {
			return false
		}
		_, disable := c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &k.arn})
		_, remove := c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &k.arn})
		return (disable == nil || remove == nil) && !k.works()
	})
}

// nothingRevoked finds nobody who could take an image out, which goes on opening.
func nothingRevoked(k *sealedKey) bool {
	return k.works() && !k.anyone(func(c actor) bool {
		_, err := c.PutKeyPolicy(context.Background(), &kms.PutKeyPolicyInput{KeyId: &k.arn, Policy: new(openPolicy)})
		return err == nil
	}) && k.works()
}

// variableIsText adds a denial of everyone by a policy variable. In the language of 2008 it is
// text, and denies nobody; in that of 2012 the local KMS takes no variable, so that it cannot be
// thought to act.
func variableIsText(k *sealedKey) bool {
	statement := `{"Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalAccount":"${aws:PrincipalAccount}"}}}`
	text := strings.Replace(k.policy, `"Statement": [`, `"Statement": [`+statement+`,`, 1)
	_, err := k.keeper.PutKeyPolicy(context.Background(), &kms.PutKeyPolicyInput{KeyId: &k.arn, Policy: &text, BypassPolicyLockoutSafetyCheck: true})
	return err == nil && text != k.policy && k.works()
}

// byUniqueID lets in whoever has the id, whom no reader of the policy knows; or nobody, not even
// the role of that name that was made anew.
func byUniqueID(k *sealedKey) bool {
	_, err := k.actor("dev").DescribeKey(context.Background(), &kms.DescribeKeyInput{KeyId: &k.arn})
	return k.decrypt(k.stranger(), "", k.blobs["a"]) || err != nil
}

// namedByARN names the role that was made anew in place of the id, and lets it look at the key.
func namedByARN(_, flawed string) string {
	ids := strings.NewReplacer("AROADBQP57FF2AEXAMPLE", devARN, "AROAADVERSARYEXAMPLE1", devARN)
	at := strings.LastIndex(flawed, `"Action"`) // of the statement that was added
	return flawed[:at] + strings.Replace(ids.Replace(flawed[at:]), "kms:Decrypt", "kms:DescribeKey", 1)
}

// revokedOpens is for policies that deny the second image.
func revokedOpens(k *sealedKey) bool { return k.decrypt(k.parent(), "b", k.blobs["b"]) }

// inUpperCase writes the measurements as some tools print them. The image is refused, or one that
// is denied is not.
func inUpperCase(k *sealedKey) bool {
	var d map[string]any
	if err := json.Unmarshal([]byte(k.policy), &d); err != nil {
		k.t.Fatal(err)
	}
	denies := false
	for _, s := range d["Statement"].([]any) {
		s := s.(map[string]any)
		conditions, _ := s["Condition"].(map[string]any)
		for operator, keys := range conditions {
			for key, v := range keys.(map[string]any) {
				if text, ok := v.(string); ok && strings.HasPrefix(key, "kms:RecipientAttestation:") {
					keys.(map[string]any)[key] = strings.ToUpper(text)
					denies = denies || s["Effect"] == "Deny" && operator == "StringEquals"
				}
			}
		}
	}
	text, err := json.Marshal(d)
	if err != nil {
		k.t.Fatal(err)
	}
	upper := k.again(k.t, string(text))
	return !upper.works() || denies && revokedOpens(upper)
}

// material is what the adversary imports.
var material = []byte("key material that everybody knows")[:32]

// wrap encrypts key material for the import.
func (k *sealedKey) wrap(material []byte) []byte {
	k.t.Helper()
	public, err := x509.ParsePKIXPublicKey(k.params.PublicKey)
	if err != nil {
		k.t.Fatal(err)
	}
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public.(*rsa.PublicKey), material, nil)
	if err != nil {
		k.t.Fatal(err)
	}
	return wrapped
}

// importAs tells whether the actor's material becomes the key's.
func (k *sealedKey) importAs(c *kms.Client) bool {
	_, err := c.ImportKeyMaterial(context.Background(), &kms.ImportKeyMaterialInput{
		KeyId: &k.arn, EncryptedKeyMaterial: k.wrap(material), ImportToken: k.params.ImportToken, ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
	})
	return err == nil
}

// importedKnown has the key take known material, and opens without KMS what the owner then seals.
func importedKnown(k *sealedKey) bool {
	return k.anyone(func(c actor) bool {
		if !k.importAs(c.Client) {
			return false
		}
		b, err := k.dataKeyAs(k.owner(), contextOf(image, "clinic"))
		return err == nil && k.openedOutside(b)
	})
}

// openedOutside reads the local KMS's ciphertexts with the material alone. AWS does not publish the
// form of its own; what it keeps secret beside the material is that.
func (k *sealedKey) openedOutside(b sealedBlob) bool {
	_, id, _ := strings.Cut(k.arn, ":key/")
	var aad []byte
	parts := []string{"anchorhold/v1 development KMS ciphertext", id}
	for _, name := range slices.Sorted(maps.Keys(b.context)) {
		parts = append(parts, name, b.context[name])
	}
	for _, p := range parts {
		aad = append(binary.BigEndian.AppendUint32(aad, uint32(len(p))), p...)
	}
	raw, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil || !slices.Equal(raw, b.blob[1:17]) {
		k.t.Fatalf("the ciphertext does not name key %s", id)
	}
	block, err := aes.NewCipher(material)
	if err != nil {
		k.t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		k.t.Fatal(err)
	}
	plaintext, err := aead.Open(nil, b.blob[17:29], b.blob[29:], aad)
	return err == nil && slices.Equal(plaintext, b.plaintext)
}
