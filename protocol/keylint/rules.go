package keylint

// A rule is one kind of flaw.
type rule struct {
	severity          Severity
	says, attack, fix string
}

// wordings are texts for cases that a rule's own text does not fit, each with the name of that
// rule.
var wordings = map[string]struct {
	of string
	rule
}{
	"unpinned-key-pair": {"data-key-pair", rule{
		High, "GenerateDataKeyPair is allowed on documents of images that are not pinned",
		"the parent starts an enclave of its own making, which gets the private keys of pairs that pass for the owner's",
		removeIt + " (kms:GenerateDataKeyPair*)",
	}},
}

const (
	byKeyPolicy = "write the policy with anchorhold key-policy"
	removeIt    = "remove it from the statement, and deny it to everyone"
)

// rules are all kinds of findings, by name.
var rules = map[string]rule{
	"unattested-decrypt": {
		Critical, "Decrypt is allowed without an attestation document",
		"the parent calls Decrypt without Recipient and gets the data key in the clear",
		"require kms:RecipientAttestation:PCR0, 1 and 2 in the statement, and deny Decrypt without them to everyone",
	},
	"unpinned-image": {
		Critical, "Decrypt is allowed to images whose PCR0, 1 and 2 are not pinned",
		"the parent starts an enclave of its own making, which decrypts and hands out the data key",
		"pin PCR0, 1 and 2 to exact values; PCR3, 4 and 8 say who runs or signed an image, not which it is",
	},
	"debug-image": {
		Critical, "Decrypt is allowed to debug enclaves, whose PCRs are zero",
		"the parent starts any image in debug mode and reads its memory through the console",
		"remove the zero value: no image that may see records has it",
	},
	"nitrotpm-instance": {
		Critical, "Decrypt is allowed to instances that a NitroTPM attests, which are not enclaves",
		"the parent starts an instance with that boot chain, logs in and decrypts there: registers of a NitroTPM are no image of an enclave",
		"require kms:RecipientAttestation:PCR0, 1 and 2; no document of a NitroTPM has them",
	},
	"pcr0-alone": {
		High, "Decrypt needs PCR0 and leaves PCR1 or PCR2 open",
		"bytes are moved between kernel, command line and ramdisks: PCR0 stays, and what runs is another program",
		"require PCR1 and PCR2 as well as PCR0",
	},
	"unpaired-image": {
		High, "the attested image is not paired with kms:EncryptionContext:anchorhold:image",
		"an older or other approved image opens what was sealed for another one",
		"one statement for each image, with its PCR0 as the only value of kms:EncryptionContext:anchorhold:image",
	},
	"unpairing-list": {
		High, "several values in one condition take images and contexts apart",
		"any image of the list opens what was sealed for any other of the list",
		"one statement for each image, with a single value for each key",
	},
	"unbound-tenant": {
		High, "Decrypt is allowed for any kms:EncryptionContext:anchorhold:tenant",
		"what was sealed for another tenant under the same key is run as this tenant's",
		"require the tenant by StringEquals",
	},
	"several-tenants": {
		Medium, "the key serves several tenants",
		"one tenant's sealers seal under the same key as another's: what keeps them apart is the enclave alone",
		"one key for each tenant",
	},
	"re-encrypt": {
		Critical, "ReEncryptFrom is allowed, which knows no attestation",
		"the data key is re-encrypted under a key of the adversary's and decrypted there",
		removeIt + " (kms:ReEncrypt*)",
	},
	"create-grant": {
		Critical, "CreateGrant is allowed, and grants know no attestation",
		"the adversary grants itself Decrypt and calls it without Recipient",
		removeIt,
	},
	"limited-grants": {
		Medium, "CreateGrant is allowed for grants that make keys or ciphertexts, though for none that opens",
		"the adversary grants itself to make data keys or ciphertexts that pass for the owner's",
		removeIt,
	},
	"users-administer": {
		Critical, "a role that uses the key, or anyone at all, may change its policy",
		"the adversary puts a policy in place that lets it decrypt",
		"allow kms:PutKeyPolicy to administrators only, who neither seal nor open",
	},
	"operator-administers": {
		Critical, "a role of the account that opens may change the policy",
		"the administrator of that account takes the role and puts a policy in place that lets it decrypt",
		"keep the key in an account of the owner's, and name only its roles as administrators",
	},
	"foreign-administrator": {
		Critical, "a principal of another account than the key's, or than the first administrator's, may change the policy",
		"where the key lies in that account, its administrator puts a policy in place that lets it decrypt; where not, KMS refuses it",
		"name only roles of the key's own account, the owner's, as administrators",
	},
	"users-delete": {
		Medium, "a role that uses the key, or one of the operator's or another account, may disable, delete or move it",
		"the adversary schedules the key for deletion: everything sealed under it is lost",
		"allow administration to administrators only",
	},
	"mints-keys": {
		High, "a role that opens, one of its account, or anyone at all, may make data keys",
		"the adversary makes a data key whose plaintext it knows, and seals records of its own that pass for the owner's",
		"allow kms:GenerateDataKey to sealing roles of the owner's account only, and deny it to others",
	},
	"foreign-sealer": {
		Medium, "a role of another account than the administrators' makes data keys",
		"the administrator of that account seals records that pass for the owner's",
		"allow kms:GenerateDataKey to sealing roles of the owner's account only",
	},
	"mints-ciphertexts": {
		Medium, "Encrypt or ReEncryptTo is allowed to others than sealers, or for any image or tenant",
		"the adversary wraps a data key of its own choice under the owner's key, with any context",
		removeIt + "; key-policy --sealers-may-encrypt writes Encrypt as narrowly as GenerateDataKey",
	},
	"mints-unseen": {
		Low, "data keys or key pairs may be made without their plaintext, which nobody needs",
		"who may not seal makes data keys that enclaves open; any way to Decrypt shows them, and they pass for the owner's",
		removeIt,
	},
	"unbound-data-key": {
		Medium, "GenerateDataKey is allowed for any image or tenant in the context",
		"a sealing role that was taken over seals for an image that nobody approved",
		"require anchorhold:image and anchorhold:tenant of the encryption context by StringEquals",
	},
	"data-key-pair": {
		High, "GenerateDataKeyPair is allowed, whose private key KMS returns in the clear without Recipient",
		"the adversary makes pairs under the owner's key that pass for the owner's",
		removeIt + " (kms:GenerateDataKeyPair*)",
	},
	"derive-shared-secret": {
		High, "DeriveSharedSecret is allowed to others than pinned images",
		"with a key agreement key in its place the adversary, or an enclave of its making, gets the shared secret",
		removeIt,
	},
	"replicate": {
		High, "ReplicateKey is allowed",
		"a replica in another Region has the same key material and a policy of its own, without conditions",
		removeIt,
	},
	"import-material": {
		High, "key material may be imported",
		"anyone who imports the material knows it: every data key under it is known outside of KMS",
		removeIt + " (kms:ImportKeyMaterial)",
	},
	"wildcard-principal": {
		High, "the statement allows everyone",
		"any AWS account may try; one missing condition opens the key to the world",
		"name the roles",
	},
	"delegation": {
		High, "the statement leaves the decision to an account's IAM",
		"anyone who administers IAM there gives any role what the statement allows, whatever other statements demand",
		"name the roles in the key policy, and none of an account as such",
	},
	"service-principal": {
		High, "an AWS service may use the key",
		"who can make the service act for them reads through it",
		"remove it: nothing but sealers and enclaves uses the key",
	},
	"absent-key": {
		High, "the condition holds when the request lacks the key: a trap",
		"the adversary leaves out the attestation document or the context entry, and the condition is met",
		"in Allow use StringEqualsIgnoreCase or StringEquals, without IfExists, negation or ForAllValues",
	},
	"deny-needs-document": {
		Medium, "the denial acts only when an attestation document is there",
		"the adversary sends no document, and is not denied",
		"deny by a negated operator with the values that are allowed: it holds without a document as well",
	},
	"case-sensitive": {
		Low, "measurements are compared with a case-sensitive operator",
		"KMS compares with lower-case digits; the same value written otherwise no longer matches, and a denial by it does not act",
		"use StringEqualsIgnoreCase and StringNotEqualsIgnoreCase",
	},
	"never-matches": {
		High, "a measurement can never match: upper case in a case-sensitive operator, or not 96 hex digits",
		"in a denial, what looks like protection never acts; in an Allow, no image is let in",
		"96 hex digits, compared with StringEqualsIgnoreCase or StringNotEqualsIgnoreCase",
	},
	"dead-value": {
		Low, "one of several measurements can never match: upper case in a case-sensitive operator, or not 96 hex digits",
		"no attack: the image that it means is not let in",
		"96 hex digits in lower case",
	},
	"unknown-key": {
		Medium, "no condition key of that name is known: no request has it",
		"a denial that looks like protection never acts, or an Allow never applies; under a negated operator or Null it is the other way round",
		"use a condition key that KMS documents; each register of a document has one of its own, such as kms:RecipientAttestation:PCR0",
	},
	"no-recipient": {
		Low, "the statement asks for an attestation document, and allows actions that take none: it never applies to them",
		"no attack: a permission that is not one; anyone who removes the condition to make it work opens the key",
		"remove the actions, or allow them in a statement of their own",
	},
	"never-applies": {
		Medium, "the statement names operations that open or administer the key, and no request was found that it allows",
		"none is known: its principals make no such request, its conditions contradict each other, or the linter does not see how they are met",
		"remove the operations or the statement",
	},
	"idle-allow": {
		Low, "the statement allows operations that open the key, which only denials hold back today",
		"the statement acts as soon as a denial is removed or changed",
		"remove the operations from the statement",
	},
	"any-case-context": {
		Low, "a context entry is compared without regard to case",
		"two contexts that differ by case are one to the policy and two to everybody else",
		"use StringEquals",
	},
	"nothing-denied": {
		Medium, "no statement denies unattested use to everyone",
		"one further statement, IAM delegation or grant opens the key; no denial backs the conditions",
		byKeyPolicy + ", which denies what is not attested, re-encryption and grants to everyone",
	},
	"partly-denied": {
		Medium, "unattested Decrypt is denied to everyone; other ways around attestation are not",
		"one further statement or IAM delegation allows them: a data key is re-encrypted under another key, or a grant made that acts once a denial goes",
		"deny kms:ReEncrypt* and kms:CreateGrant to everyone as well, as anchorhold key-policy does",
	},
	"no-administrator": {
		Medium, "nobody is named who may change the policy",
		"no attack: a revoked image could not be taken out",
		"name two roles that may kms:PutKeyPolicy",
	},
	"deleted-principal": {
		Low, "the statement names a user or role that was deleted",
		"no attack: AWS put its unique id in place of the ARN; it shows that nobody keeps the policy up to date",
		"remove it",
	},
	"old-version": {
		Low, "the policy has the language version of 2008",
		"policy variables are text in it: a condition with one does not do what it says",
		"Version 2012-10-17",
	},
	"not-reliable": {
		Medium, "AWS does not document what the statement means",
		"an Allow may let in more, and a Deny keep out less, than its author meant: this report assumes both",
		"write what the documentation settles: see the reason in the finding",
	},
	"too-complex": {
		High, "there are too many combinations of conditions to try them all",
		"unknown: the linter has not found one, and has not tried everything",
		byKeyPolicy,
	},
	"grant-opens": {
		Critical, "a grant lets its grantee around attestation",
		"the grantee calls the operation without Recipient; no condition of the policy limits a grant",
		"revoke the grant, and deny kms:CreateGrant to everyone",
	},
	"grant-mints": {
		High, "a grant lets its grantee make keys or ciphertexts",
		"the grantee seals what passes for the owner's",
		"revoke the grant, and deny kms:CreateGrant to everyone",
	},
	"service-grant": {
		High, "a grant lets an AWS service use the key",
		"who can make the service act for them, or for the resource that the grant names, reads through it",
		"have the grant retired or revoke it, and deny kms:CreateGrant to everyone",
	},
	"unknown-grantee": {
		High, "a grant does not say whom it is for",
		"unknown: the linter cannot judge who uses the grant",
		"revoke the grant, and deny kms:CreateGrant to everyone",
	},
	"idle-grant": {
		Low, "a grant is there, which the policy's denials hold back today",
		"the grant acts as soon as a denial is removed",
		"revoke the grant",
	},
	"multi-region": {
		High, "the key is a multi-Region key",
		"a replica has the same key material and a policy of its own: conditions here do not bind it",
		"make a new single-Region key: a key cannot be turned into one",
	},
	"imported-material": {
		High, "the key material was imported",
		"anyone who imported it knows it, and opens ciphertexts without KMS: no secret but the material protects them",
		"make a new key with origin AWS_KMS",
	},
	"cluster-store": {
		High, "the key material lies in a CloudHSM cluster",
		"anyone who administers the cluster takes over the login of KMS and opens ciphertexts there, without KMS and its policy",
		"make a new key with origin AWS_KMS",
	},
	"external-store": {
		Medium, "the key is in an external key store",
		"no key leaks, as KMS encrypts first; anyone who runs the store lets all jobs fail, or none be opened ever again",
		"make a new key with origin AWS_KMS",
	},
	"unknown-origin": {
		High, "where the key material comes from is not known",
		"unknown: anyone who has the material opens ciphertexts without KMS",
		"make a new key with origin AWS_KMS",
	},
	"wrong-key": {
		High, "the key is not a symmetric encryption key",
		"it takes no encryption context, so nothing binds an image or a tenant",
		"make a new key with KeySpec SYMMETRIC_DEFAULT",
	},
	"not-enabled": {
		Low, "the key is not enabled",
		"no attack: nothing can be sealed or opened",
		"enable it, or cancel its deletion",
	},
}
