//go:build ignore

package main

import "strings"

var (
	p0, p1, p2    = first.PCR0.String(), first.PCR1.String(), first.PCR2.String()
	q0, q1, q2    = second.PCR0.String(), second.PCR1.String(), second.PCR2.String()
	zeros         = strings.Repeat("0", 96)
	all           = object{pcr + "0": p0, pcr + "1": p1, pcr + "2": p2}
	own           = object{image: p0, tenant: "clinic"}
	paired        = object{anyCase: all, equals: own}
	imageOf       = func(v any) object { return object{image: v, tenant: "clinic"} }
	registersLike = func(v any) object { return object{pcr + "0": v, pcr + "1": v, pcr + "2": v} }
)

// ours are policies of ours with one thing wrong in a condition or principal.
func ours() []flawed {
	return []flawed{
		{"bare", "", "right, and nothing stands behind it", bare()},
		{"no-attestation", "unattested-decrypt", "no measurement at all", attested("", nil)},
		{"pcr0-only", "pcr0-alone", "PCR0 alone", attested(anyCase, object{pcr + "0": p0})},
		{"pcr0-and-1", "pcr0-alone", "PCR2 is open", attested(anyCase, object{pcr + "0": p0, pcr + "1": p1})},
		{"pcr0-and-2", "pcr0-alone", "PCR1 is open", attested(anyCase, object{pcr + "0": p0, pcr + "2": p2})},
		{"image-sha384-only", "pcr0-alone", "another name of PCR0", attested(anyCase, object{"kms:RecipientAttestation:ImageSha384": p0})},
		{"pcr8-only", "unpinned-image", "the signer: whatever it signed", attested(anyCase, object{pcr + "8": zeros})},
		{"pcr3-only", "unpinned-image", "the role of the instance, which the parent has", attested(anyCase, object{pcr + "3": zeros})},
		{"like-anything", "unpinned-image", "a pattern that any document fits", attested("StringLike", registersLike("*"))},
		{"attested-by-anything", "unpinned-image", "a document, whichever", attested("Null", object{pcr + "0": "false"})},
		{"not-the-revoked", "absent-key unattested-decrypt", "everything but a revoked image", attested("StringNotEqualsIgnoreCase", object{pcr + "0": q0})},
		{"if-exists", "absent-key unattested-decrypt", "IfExists", attested("StringEqualsIgnoreCaseIfExists", all)},
		{"for-all-values", "absent-key unattested-decrypt", "ForAllValues", attested("ForAllValues:StringEqualsIgnoreCase", all)},
		{"null-true", "absent-key unattested-decrypt", "the document must be absent", attested("Null", object{pcr + "0": "true"})},
		{"debug", "debug-image", "zeros", attested(anyCase, registersLike(zeros))},
		{"debug-beside", "debug-image", "zeros beside the real values", attested(anyCase, object{pcr + "0": []string{p0, zeros}, pcr + "1": []string{p1, zeros}, pcr + "2": []string{p2, zeros}})},
		{"tpm-only", "nitrotpm-instance", "a register of the NitroTPM", attested(anyCase, object{"kms:RecipientAttestation:NitroTPMPCR4": zeros})},
		{"no-context", "unbound-tenant unpaired-image", "no encryption context", change(func(c object) { delete(c, equals) })},
		{"no-image", "unpaired-image", "no image in the context", context(equals, object{tenant: "clinic"})},
		{"no-tenant", "unbound-tenant", "no tenant in the context", context(equals, object{image: p0})},
		{"other-image", "unpaired-image", "the context of another image", context(equals, imageOf(q0))},
		{"any-image", "unpaired-image", "a pattern for the image", context("StringLike", imageOf("*"))},
		{"any-tenant", "unbound-tenant", "a pattern for the tenant", context("StringLike", object{image: p0, tenant: "*"})},
		{"image-if-exists", "absent-key unbound-tenant unpaired-image", "IfExists in the context", context("StringEqualsIfExists", own)},
		{"image-for-all", "absent-key not-reliable unbound-tenant unpaired-image", "ForAllValues in the context", context("ForAllValues:StringEquals", own)},
		{"image-negated", "absent-key unbound-tenant unpaired-image", "a context that must not be", context("StringNotEquals", imageOf(q0))},
		{"image-any-case", "any-case-context", "the context without regard to case", context(anyCase, own)},
		{"lists", "unpairing-list", "both images in one statement", append(bare()[:2], allow(aws(parent), "kms:Decrypt", object{
			anyCase: object{pcr + "0": []string{p0, q0}, pcr + "1": []string{p1, q1}, pcr + "2": []string{p2, q2}}, equals: imageOf([]string{p0, q0}),
		}))},
		{"list-of-contexts", "unpairing-list", "one image, the contexts of two", context(equals, imageOf([]string{p0, q0}))},
		{"exact", "case-sensitive", "compared with regard to case", change(comparedExactly)},
		{"upper-case", "case-sensitive deny-needs-document never-matches", "a denial of a revoked image, in upper case", with(
			deny("kms:Decrypt", object{equals: object{pcr + "0": strings.ToUpper(q0)}}))},
		{"short-register", "deny-needs-document never-matches", "a denial of 95 digits", append(bare(), deny("kms:Decrypt", object{anyCase: object{pcr + "0": q0[:95]}}))},
		{"deny-list", "deny-needs-document unattested-decrypt", "a denial of revoked images instead of pins", append(bare()[:2],
			allow(aws(parent), "kms:Decrypt", object{equals: own}), deny("kms:Decrypt", object{anyCase: object{pcr + "0": q0}}))},
		{"everyone", "mints-keys users-administer users-delete wildcard-principal", "everyone, with all conditions", append(bare()[:2], allow("*", "kms:Decrypt", paired))},
		{"everyone-unconditional", "mints-keys unattested-decrypt users-administer users-delete wildcard-principal", "everyone, with none", with(allow("*", "kms:Decrypt", nil))},
		{"everyone-by-account", "unattested-decrypt wildcard-principal", "everyone of an account", with(allow("*", "kms:Decrypt", object{equals: object{"kms:CallerAccount": "444455556666"}}))},
		{"everyone-by-address", "mints-keys unattested-decrypt users-administer users-delete wildcard-principal", "everyone from an address", with(allow(aws("*"), "kms:Decrypt", object{"IpAddress": object{"aws:SourceIp": "127.0.0.0/8"}}))},
		{"not-principal", "unattested-decrypt users-administer users-delete wildcard-principal", "everyone but one", with(object{"Effect": "Allow", "NotPrincipal": aws(owner), "Action": "kms:Decrypt", "Resource": "*"})},
		{"parent-account", "delegation", "the operator's account, with all conditions", append(bare()[:2], allow(aws("arn:aws:iam::444455556666:root"), "kms:Decrypt", paired))},
		{"owner-account", "delegation mints-keys unattested-decrypt users-administer users-delete", "the owner's account may decrypt", with(allow(aws("111122223333"), "kms:Decrypt", nil))},
		{"service", "service-principal unattested-decrypt", "an AWS service", with(allow(object{"Service": "backup.amazonaws.com"}, "kms:Decrypt", nil))},
		{"deleted", "deleted-principal", "a role that is no more", with(allow(aws("AROADBQP57FF2AEXAMPLE"), "kms:DescribeKey", nil))},
		{"by-arn", "unattested-decrypt", "the key by a pattern of its ARN", with(onResource(allow(aws(parent), "kms:Decrypt", nil), "arn:aws:kms:*:111122223333:key/*"))},
		{"denied-elsewhere", "unattested-decrypt", "a denial that names another key", with(allow(aws(parent), "kms:Decrypt", nil),
			onResource(deny("kms:*", nil), "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"))},
		{"pinned-by-denial", "partly-denied unbound-tenant unpaired-image", "pinned by denials only, without the context", append(bare()[:2], append(good()[5:8], allow(aws(parent), "kms:Decrypt", nil))...)},
		{"pcr0-by-denial", "partly-denied pcr0-alone", "PCR0 pinned by a denial only", append(bare()[:2],
			deny("kms:Decrypt", object{"StringNotEqualsIgnoreCase": object{pcr + "0": p0}}), allow(aws(parent), "kms:Decrypt", object{equals: own}))},
		{"old-version", "old-version", "the language of 2008", bare()},
		{"no-administrator", "no-administrator", "nobody can change it", bare()[1:]},
	}
}

func comparedExactly(c object) {
	delete(c, anyCase)
	c[equals] = object{image: p0, tenant: "clinic", pcr + "0": p0, pcr + "1": p1, pcr + "2": p2}
}

func onResource(statement object, arn string) object {
	statement["Resource"] = arn
	return statement
}

// operations are policies that allow what leads around attestation.
func operations() []flawed {
	list := []flawed{
		{"not-action", "create-grant data-key-pair derive-shared-secret import-material mints-ciphertexts mints-keys mints-unseen re-encrypt replicate users-administer users-delete", "everything but Decrypt", with(object{"Effect": "Allow", "Principal": aws(parent), "NotAction": "kms:Decrypt", "Resource": "*"})},
		{"sealer-decrypts", "mints-keys unattested-decrypt", "the sealer may decrypt as well", with(allow(aws(owner), "kms:Decrypt", nil))},
		{"sealer-unbound", "unbound-data-key", "a sealer for any context", append(bare()[:1], append(bare()[2:], allow(aws(owner), "kms:GenerateDataKey", nil))...)},
		{"sealer-any-image", "unbound-data-key", "a sealer for any image", append(bare()[:1], append(bare()[2:], allow(aws(owner), "kms:GenerateDataKey", object{equals: object{tenant: "clinic"}}))...)},
		{"sealer-encrypts-unbound", "mints-ciphertexts", "a sealer encrypts for any context", with(allow(aws(owner), "kms:Encrypt", nil))},
		{"sealer-encrypts-any-tenant", "mints-ciphertexts", "a sealer encrypts for any tenant", with(allow(aws(owner), "kms:Encrypt", object{equals: object{image: p0}}))},
		{
			"dev-encrypts", "mints-ciphertexts", "a role that makes no data keys encrypts, bound to image and tenant",
			with(allow(aws(dev), "kms:Encrypt", object{equals: object{image: p0, tenant: "clinic"}})),
		},
		{
			"foreign-encrypts", "foreign-sealer mints-ciphertexts", "a user of another account seals and encrypts, bound to image and tenant",
			with(allow(aws("arn:aws:iam::999988887777:user/stranger"), []string{"kms:GenerateDataKey", "kms:Encrypt"}, object{equals: object{image: p0, tenant: "clinic"}})),
		},
		{"sealer-puts-policy", "users-administer", "the sealer changes the policy", with(allow(aws(owner), "kms:PutKeyPolicy", nil))},
		{"dev-decrypts", "unattested-decrypt", "a developer, to look into what went wrong", with(allow(aws(dev), "kms:Decrypt", nil))},
		{"mfa-decrypts", "unattested-decrypt", "a person with MFA", with(allow(aws(dev), "kms:Decrypt", object{"Bool": object{"aws:SecureTransport": "true"}}))},
	}
	for _, o := range []struct{ name, action, rules string }{
		{"parent-everything", "kms:*", "create-grant data-key-pair derive-shared-secret import-material mints-ciphertexts mints-keys mints-unseen re-encrypt replicate unattested-decrypt users-administer users-delete"},
		{"parent-re-encrypt", "kms:ReEncrypt*", "mints-ciphertexts re-encrypt"},
		{"parent-re-encrypt-from", "kms:ReEncryptFrom", "re-encrypt"},
		{"parent-grants", "kms:CreateGrant", "create-grant"},
		{"parent-puts-policy", "kms:Put*", "users-administer"},
		{"parent-deletes", "kms:ScheduleKeyDeletion", "users-delete"},
		{"parent-data-keys", "kms:GenerateDataKey", "mints-keys"},
		{"parent-data-keys-star", "kms:GenerateDataKey*", "data-key-pair mints-keys mints-unseen"},
		{"parent-encrypts", "kms:Encrypt", "mints-ciphertexts"},
		{"parent-key-pairs", "kms:GenerateDataKeyPair", "data-key-pair"},
		{"parent-derives", "kms:DeriveSharedSecret", "derive-shared-secret"},
	} {
		list = append(list, flawed{o.name, o.rules, "the parent's role may " + o.action, with(allow(aws(parent), o.action, nil))})
	}
	for _, o := range []struct{ name, action, rules string }{
		{"admin-replicates", "kms:ReplicateKey", "replicate"},
		{"admin-imports", "kms:ImportKeyMaterial", "import-material"},
		{"admin-grants", "kms:CreateGrant", "create-grant"},
		{"admin-decrypts", "kms:Decrypt", "unattested-decrypt users-administer users-delete"},
		{"admin-seals", "kms:GenerateDataKey", "unbound-data-key users-administer users-delete"},
	} {
		list = append(list, flawed{o.name, o.rules, "the administrator may " + o.action, with(allow(aws(admin), o.action, nil))})
	}
	return list
}

const everyUse = "create-grant data-key-pair delegation derive-shared-secret import-material mints-ciphertexts mints-keys mints-unseen re-encrypt replicate unattested-decrypt users-administer users-delete"

// documented are policies as AWS's documentation has them, with the principals of these tests.
func documented() []flawed {
	root := aws("arn:aws:iam::111122223333:root")
	users := aws(dev, "arn:aws:iam::444455556666:root")
	administrators := allow(aws(admin), []string{
		"kms:Create*", "kms:Describe*", "kms:Enable*", "kms:List*", "kms:Put*", "kms:Update*", "kms:Revoke*", "kms:Disable*", "kms:Get*",
		"kms:Delete*", "kms:TagResource", "kms:UntagResource", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion",
	}, nil)
	use := []string{"kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"}
	attachment := allow(users, []string{"kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"}, object{"Bool": object{"kms:GrantIsForAWSResource": "true"}})
	return []flawed{
		{"aws-default", everyUse, "KMS Developer Guide, Default key policy", []object{allow(root, "kms:*", nil)}},
		{"aws-console", "create-grant data-key-pair delegation derive-shared-secret import-material mints-ciphertexts mints-keys mints-unseen re-encrypt replicate unattested-decrypt users-administer users-delete", "KMS Developer Guide, Creating a key policy: the example", []object{allow(root, "kms:*", nil), administrators, allow(users, use, nil), attachment}},
		{"aws-administrators", "create-grant", "KMS Developer Guide, Default key policy: key administrators", append(bare()[1:], administrators)},
		{"aws-users", "data-key-pair delegation mints-ciphertexts mints-keys mints-unseen re-encrypt unattested-decrypt", "KMS Developer Guide, Default key policy: key users", with(allow(users, use, nil))},
		{"aws-persistent-resources", "create-grant delegation", "KMS Developer Guide, Default key policy: use with AWS services", with(attachment)},
		{"aws-other-account", "data-key-pair delegation mints-ciphertexts mints-keys mints-unseen re-encrypt unattested-decrypt", "KMS Developer Guide, Allowing users in other accounts to use a KMS key", with(allow(aws("arn:aws:iam::444455556666:root"), use, nil))},
		{"aws-enclave-image", "mints-keys pcr0-alone unbound-tenant unpaired-image", "KMS Developer Guide, AWS KMS condition keys for AWS Nitro Enclaves: ImageSha384", with(allow(aws(parent), []string{"kms:Decrypt", "kms:GenerateDataKey", "kms:GenerateRandom"}, object{anyCase: object{"kms:RecipientAttestation:ImageSha384": p0}}))},
		{"aws-enclave-pcrs", "unbound-tenant unpaired-image", "AWS Nitro Enclaves User Guide: PCR0, 1, 2 and 8", with(allow(aws(parent), []string{"kms:Decrypt", "kms:GenerateDataKey"}, object{anyCase: object{pcr + "0": p0, pcr + "1": p1, pcr + "2": p2, pcr + "8": zeros}}))},
		{"aws-enclave-beside-default", everyUse + " unbound-tenant unpaired-image", "the enclave statement beside the default one, which voids it", []object{allow(root, "kms:*", nil), allow(aws(parent), "kms:Decrypt", object{anyCase: all})}},
		{"aws-context", "unattested-decrypt", "KMS Developer Guide, kms:EncryptionContext", with(allow(aws(dev), []string{"kms:Decrypt"}, object{equals: object{"kms:EncryptionContext:AppName": "ExampleApp"}}))},
		{"aws-trail", "mints-ciphertexts service-principal", "CloudTrail User Guide: encrypting logs", with(allow(object{"Service": "cloudtrail.amazonaws.com"}, "kms:Encrypt", nil))},
	}
}
