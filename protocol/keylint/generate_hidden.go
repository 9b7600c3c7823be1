//go:build ignore

package main

import "strings"

// registersOnly leaves of those denials what is about registers: nothing about the context.
func registersOnly(pcrs int, opens object) []object {
	list := append(bare()[:2], opens)
	for _, s := range good()[4 : 5+pcrs] {
		list = append(list, s)
	}
	return list
}

// hidden are policies whose Allow leaves open by a pattern what only denials pin, all or in part,
// or whose statements hide one another.
func hidden() []flawed {
	opens := func(condition object) object { return allow(aws(parent), "kms:Decrypt", condition) }
	like := func(v any) object { return object{"StringLike": registersLike(v)} }
	pcr0Like := func(v any) object { return object{"StringLike": object{pcr + "0": v}} }
	between := func(v any) []object { return registersOnly(1, opens(pcr0Like(v))) }
	puts := allow(aws(parent), "kms:PutKeyPolicy", nil)
	grants := func(operations ...string) object {
		return object{"ForAllValues:StringEquals": object{"kms:GrantOperations": operations}, "Null": object{"kms:GrantOperations": "false"}}
	}
	return []flawed{
		{"star-pcr0", "all-denied pcr0-alone unbound-tenant unpaired-image", "any PCR0 in the Allow, pinned by a denial", between("*")},
		{"star-puts", "all-denied pcr0-alone unbound-tenant unpaired-image users-administer users-delete", "the same, by a role that changes the policy", append(between("*"), puts,
			allow(aws(parent), "kms:ScheduleKeyDeletion", nil))},
		{"prefix-pcr0", "all-denied case-sensitive pcr0-alone unbound-tenant unpaired-image", "a prefix in the Allow, pinned by a denial", between(p0[:2] + "*")},
		{"suffix-pcr0", "all-denied case-sensitive pcr0-alone unbound-tenant unpaired-image", "a suffix", between("*" + p0[90:])},
		{"infix-pcr0", "all-denied case-sensitive pcr0-alone unbound-tenant unpaired-image", "a part", between("*" + p0[40:50] + "*")},
		{"any-digit-pcr0", "all-denied case-sensitive pcr0-alone unbound-tenant unpaired-image", "one digit left open", between("?" + p0[1:])},
		{"star-three", "all-denied unbound-tenant unpaired-image", "any PCR0, 1 and 2 in the Allow, pinned by denials", registersOnly(3, opens(like("*")))},
		{"star-pcr1-and-2", "all-denied pcr0-alone unbound-tenant unpaired-image", "PCR1 and 2 open, PCR0 pinned twice", registersOnly(1, opens(object{
			anyCase: object{pcr + "0": p0}, "StringLike": object{pcr + "1": "*", pcr + "2": "*"},
		}))},
		{"star-and-not-theirs", "deny-needs-document unpinned-image", "any PCR0 but a list of revoked ones", append(bare()[:2], opens(like("*")),
			deny("kms:Decrypt", object{anyCase: object{pcr + "0": []string{q0, zeros}}}))},
		{"not-like", "case-sensitive partly-denied unpinned-image", "denied but for a prefix, which an image is found for", append(bare()[:2], opens(object{equals: own}),
			deny("kms:Decrypt", object{"StringNotLike": object{pcr + "0": p0[:2] + "*"}}))},
		{"not-like-any", "case-sensitive partly-denied unpinned-image", "denied but for any of a set, by ForAnyValue", append(bare()[:2], opens(object{equals: own}),
			deny("kms:Decrypt", object{"Null": object{pcr + "0": "true"}}), deny("kms:Decrypt", object{"ForAllValues:StringNotLike": object{pcr + "0": p0[:2] + "*"}}))},
		{"denied-for-one-operation", "data-key-pair mints-keys", "a denial of what is not pinned that covers Decrypt only", registersOnlyDecrypt()},
		{"two-statements-open", "unbound-tenant unpaired-image", "two statements of which the second opens for the other's context", with(
			opens(object{anyCase: object{pcr + "0": q0, pcr + "1": q1, pcr + "2": q2}, equals: object{image: p0}}))},
		{"for-all-guarded", "", "ForAllValues with a condition that the document is there", change(func(c object) {
			delete(c, anyCase)
			c["ForAllValues:StringEqualsIgnoreCase"], c["Null"] = all, object{pcr + "0": "false"}
		})},
		{"limited-grants", "limited-grants", "grants that encrypt only", with(allow(aws(parent), "kms:CreateGrant", grants("Encrypt", "DescribeKey")))},
		{"grants-with-one-to-encrypt", "create-grant", "grants of which one operation encrypts, and the others decrypt", with(allow(aws(parent), "kms:CreateGrant", object{
			"ForAnyValue:StringEquals": object{"kms:GrantOperations": "Encrypt"},
		}))},
		{"grants-to-look", "", "grants that look only", with(allow(aws(parent), "kms:CreateGrant", grants("DescribeKey", "RetireGrant")))},
		{"grants-to-open", "create-grant", "grants that decrypt, with an encryption context", with(allow(aws(parent), "kms:CreateGrant", object{
			equals: object{"kms:GrantConstraintType": "EncryptionContextSubset"}, "ForAllValues:StringEquals": object{"kms:GrantOperations": []string{"Decrypt"}},
		}))},
		{"pairs-by-signer", "data-key-pair", "key pairs for what somebody signed", with(allow(aws(parent), "kms:GenerateDataKeyPair", object{anyCase: object{pcr + "8": zeros}}))},
		{"held-back", "all-denied idle-allow", "re-encryption allowed, and denied to everyone", append(good(), allow(aws(parent), "kms:ReEncrypt*", nil))},
		{"grants-not-denied", "partly-denied", "denials that leave out grants", func() []object {
			list := good()
			list[4]["Action"] = []string{"kms:ReEncrypt*", "kms:Encrypt"}
			return list
		}()},
	}
}

// registersOnlyDecrypt denies Decrypt to all but the pinned image, and leaves data keys and pairs
// open.
func registersOnlyDecrypt() []object {
	return append(with(allow(aws(parent), []string{"kms:GenerateDataKey", "kms:GenerateDataKeyPair"}, object{"StringLike": registersLike("*")})),
		deny("kms:Decrypt", object{"Null": object{image: "true"}}))
}

// principals are policies in which one principal has two names.
func principals() []flawed {
	const (
		ci       = "arn:aws:sts::111122223333:assumed-role/owner/ci"
		session  = "arn:aws:sts::444455556666:assumed-role/parent/i-0abc"
		clerk    = "arn:aws:iam::111122223333:user/clerk"
		guest    = "arn:aws:sts::111122223333:federated-user/guest"
		third    = "arn:aws:iam::999988887777:user/stranger"
		put      = "kms:PutKeyPolicy"
		deletion = "kms:ScheduleKeyDeletion"
	)
	list := bare()
	list[1]["Principal"] = aws(clerk)
	return []flawed{
		{"sealer-session-puts", "users-administer", "a session of the sealing role changes the policy", with(allow(aws(ci), put, nil))},
		{"parent-session-puts", "users-administer", "a session of the parent's role changes the policy", with(allow(aws(session), put, nil))},
		{"sealer-session-deletes", "users-delete", "a session of the sealing role deletes the key", with(allow(aws(ci), deletion, nil))},
		{"third-account-puts", "foreign-administrator", "a user of a third account changes the policy", with(allow(aws(third), put, nil))},
		{"operator-deletes", "users-delete", "a role of the operator's account deletes the key", with(allow(aws("arn:aws:iam::444455556666:role/keeper"), deletion, nil))},
		{"federated-user-puts", "users-administer", "a federated user of the sealing user's account changes the policy", append(list, allow(aws(guest), put, nil))},
		{"parent-moves-primary", "users-delete", "the parent's role moves the primary key", with(allow(aws(parent), "kms:UpdatePrimaryRegion", nil))},
		{"session-spared", "unattested-decrypt", "a denial of all but a session", with(allow(aws(parent), "kms:Decrypt", nil), object{
			"Effect": "Deny", "NotPrincipal": aws(session), "Action": "kms:Decrypt", "Resource": "*",
		})},
		{"role-in-path", "unattested-decrypt", "a session of a role in a path, which its ARN leaves out", with(
			allow(aws("arn:aws:sts::111122223333:assumed-role/dev/ci"), "kms:Decrypt", object{"ArnLike": object{"aws:PrincipalArn": "arn:aws:iam::111122223333:role/*/dev"}}))},
	}
}

// dead are policies with statements that never apply.
func dead() []flawed {
	opens := func(condition object) object { return allow(aws(parent), "kms:Decrypt", condition) }
	instead := func(condition object) []object { return append(bare()[:2], opens(condition)) }
	return []flawed{
		{"attested-encrypt", "no-recipient", "Encrypt on a document, which it does not take", with(allow(aws(parent), []string{"kms:Decrypt", "kms:Encrypt"}, paired))},
		{"attested-put", "never-applies no-recipient", "PutKeyPolicy on a document", with(allow(aws(parent), []string{"kms:Put*", "kms:Sign"}, object{anyCase: object{pcr + "0": p0}}))},
		{"no-such-key", "idle-allow partly-denied unknown-key", "a denial by a condition key that does not exist", with(deny("kms:Decrypt", object{"Null": object{"kms:RecipientAttestation": "true"}}))},
		{"no-such-global-key", "unknown-key", "a denial by a name with an error", with(deny("kms:DescribeKey", object{equals: object{"aws:PrincipleArn": admin}}))},
		{"two-registers-at-once", "never-applies", "registers of an enclave and of a NitroTPM, which no document has", instead(object{
			anyCase: object{pcr + "0": p0, "kms:RecipientAttestation:NitroTPMPCR4": p1}, equals: own,
		})},
		{"two-values-at-once", "never-applies", "a register that must have two values", instead(object{anyCase: object{pcr + "0": p0}, "StringLike": object{pcr + "0": "?*" + zeros[:95]}})},
		{"caller-as-session", "never-applies", "aws:PrincipalArn is the role's ARN, never the session's", instead(object{"ArnLike": object{"aws:PrincipalArn": "arn:aws:sts::444455556666:assumed-role/parent/*"}})},
		{"identity-provider", "never-applies", "an identity provider, which signs nothing", append(bare()[:2], allow(object{"Federated": "arn:aws:iam::111122223333:saml-provider/desk"}, "kms:Decrypt", nil))},
		{"too-short", "never-matches never-applies", "95 digits in an Allow", instead(object{anyCase: object{pcr + "0": p0[:95]}, equals: own})},
		{"no-hex", "case-sensitive never-matches never-applies", "a pattern that no register fits", instead(object{"StringLike": object{pcr + "0": "sha384:*"}, equals: own})},
		{"dead-value", "dead-value case-sensitive unpairing-list", "two images, one of them in upper case", append(bare()[:2], opens(object{equals: object{
			image: []string{p0, q0}, tenant: "clinic", pcr + "0": []string{p0, strings.ToUpper(q0)}, pcr + "1": p1, pcr + "2": []string{p2, q2},
		}}))},
		{"both-cases", "case-sensitive", "one image, in lower and in upper case", change(func(c object) {
			delete(c, anyCase)
			c[equals] = object{image: p0, tenant: "clinic", pcr + "0": []string{p0, strings.ToUpper(p0)}, pcr + "1": p1, pcr + "2": p2}
		})},
	}
}
