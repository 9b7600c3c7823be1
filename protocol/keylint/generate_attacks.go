//go:build ignore

package main

import "strings"

// attacks are policies by which somebody who knows how the linter searches would slip a way to
// Decrypt past it.
func attacks() []flawed {
	clinic := func(operator string, value any) object { return object{operator: object{tenant: value}} }
	decrypts := func(condition object) object { return allow(aws(parent), "kms:Decrypt", condition) }
	list := []flawed{
		{"denied-for-some-keys", "unattested-decrypt", "a denial that names keys of some accounts by a pattern", with(decrypts(nil), onResource(deny("kms:*", nil), "arn:aws:kms:*:9*:key/*"))},
		{"not-another-key", "unattested-decrypt", "all keys but one", with(object{
			"Effect": "Allow", "Principal": aws(parent), "Action": "kms:Decrypt",
			"NotResource": "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
		})},
		{"denied-for-some-tenants", "idle-allow unattested-decrypt", "a denial of the values that a linter would try", with(decrypts(clinic("StringLike", "*")),
			deny("kms:Decrypt", clinic("StringEquals", []string{"clinic", "adversary", "anybody", "other", "x"})), deny("kms:Decrypt", clinic("Null", "true")))},
		{"denied-for-most-tenants", "idle-allow unattested-decrypt", "a denial of all patterns but one", with(decrypts(clinic("StringLike", "?*")),
			deny("kms:Decrypt", clinic("StringLike", []string{"a*", "c*", "n*", "o*", "x*", "y*", "z*", "?l*", "??p*"})))},
		{"denied-in-lower-case", "any-case-context idle-allow unattested-decrypt", "allowed in any case, denied in one", with(decrypts(clinic(anyCase, "clinic")), deny("kms:Decrypt", clinic(equals, "clinic")))},
		{"two-context-keys", "unattested-decrypt", "two conditions on one key, which no single value meets", with(decrypts(object{
			"ForAnyValue:StringEquals": object{"kms:EncryptionContextKeys": "anchorhold:image"}, "ForAnyValue:StringLike": object{"kms:EncryptionContextKeys": "anchorhold:t*"},
		}))},
		{"empty-context", "unattested-decrypt", "an empty value is not an absent one", with(decrypts(object{equals: object{"kms:EncryptionContext:purpose": ""}}))},
		{"by-id", "deleted-principal unattested-decrypt", "a role by its unique id: KMS takes one that exists for its ARN", with(allow(aws("AROAADVERSARYEXAMPLE1"), "kms:Decrypt", nil))},
		{"in-a-window", "unattested-decrypt", "between two days", with(decrypts(object{"DateGreaterThan": object{"aws:CurrentTime": "2020-01-01T00:00:00Z"}}),
			deny("kms:Decrypt", object{"DateGreaterThanEquals": object{"aws:CurrentTime": "2100-01-01T00:00:00Z"}}))},
		{"from-a-gap", "unattested-decrypt", "a range of addresses with a hole in it", with(decrypts(object{"IpAddress": object{"aws:SourceIp": "127.0.0.0/8"}}),
			deny("kms:Decrypt", object{"IpAddress": object{"aws:SourceIp": "127.0.0.0/32"}}))},
		{"users-not-roles", "delegation idle-allow unattested-decrypt", "an account but for its roles", with(allow(aws("111122223333"), "kms:Decrypt", nil),
			deny("kms:Decrypt", object{"ArnLike": object{"aws:PrincipalArn": "arn:aws:iam::*:role/*"}}))},
		{"callers-by-pattern", "unattested-decrypt wildcard-principal", "everyone whose ARN fits", with(allow("*", "kms:Decrypt", object{"StringLike": object{"aws:PrincipalArn": "arn:aws:iam::4*:role/*"}}))},
		{"through-a-service", "unattested-decrypt", "when S3 asks for the role", with(decrypts(object{equals: object{"kms:ViaService": "s3.us-east-1.amazonaws.com"}}))},
		{"service-by-pattern", "unattested-decrypt", "the action by a pattern", with(allow(aws(parent), "k?s:D*ypt", nil))},
		{"denied-if-any", "deny-needs-document unattested-decrypt", "a denial that a request without document does not meet", append(bare()[:2],
			decrypts(object{equals: own}), deny("kms:Decrypt", object{"ForAnyValue:StringNotEqualsIgnoreCase": all}))},
		{"denied-without-document", "partly-denied unpinned-image", "a denial that any document meets", append(bare()[:2], decrypts(object{equals: own}), deny("kms:Decrypt", object{"Null": object{pcr + "0": "true"}}))},
		{"pcrs-by-pattern", "case-sensitive unpinned-image", "two digits of each register: an image that fits is found in a minute", attested("StringLike", object{pcr + "0": p0[:2] + "*", pcr + "1": p1[:2] + "*", pcr + "2": p2[:2] + "*"})},
		{"not-one-pcr0", "unpinned-image", "any PCR0 but one, beside a pinned PCR1", change(func(c object) {
			c[anyCase], c["StringNotEqualsIgnoreCase"] = object{pcr + "1": p1}, object{pcr + "0": strings.Repeat("ef", 48)}
		})},
		{"tenants-by-pattern", "unbound-tenant", "tenants whose names begin alike", change(func(c object) {
			c[equals], c["StringLike"] = object{image: p0}, object{tenant: "clinic*"}
		})},
		{"mints-for-a-document", "mints-keys", "data keys for whatever enclave", with(allow(aws(parent), "kms:GenerateDataKey", object{"Null": object{pcr + "0": "false"}}))},
		{"pairs-for-a-document", "data-key-pair", "key pairs for whatever enclave", with(allow(aws(parent), "kms:GenerateDataKeyPair", object{"Null": object{pcr + "0": "false"}}))},
		{"derives-for-a-document", "derive-shared-secret", "shared secrets for whatever enclave", with(allow(aws(parent), "kms:DeriveSharedSecret", object{"Null": object{pcr + "0": "false"}}))},
		{"operator-seals", "mints-keys", "a role of the operator's account seals", with(allow(aws("arn:aws:iam::444455556666:role/other"), "kms:GenerateDataKey", object{equals: own}))},
		{"stranger-seals", "foreign-sealer", "a role of a third account seals", with(allow(aws("arn:aws:iam::999988887777:user/stranger"), "kms:GenerateDataKey", object{equals: own}))},
		{"operator-puts-policy", "operator-administers", "a role of the operator's account administers", with(allow(aws("arn:aws:iam::444455556666:role/keeper"), "kms:PutKeyPolicy", nil))},
		{"two-tenants", "several-tenants", "a list of tenants", context(equals, object{image: p0, tenant: []string{"clinic", "hospital"}})},
		{"two-tenants-apart", "several-tenants", "a statement for each tenant", with(decrypts(object{anyCase: all, equals: object{image: p0, tenant: "hospital"}}))},
		{"sealer-by-pattern", "unbound-data-key", "a sealer for tenants whose names begin alike", append(bare()[:1], append(bare()[2:], allow(aws(owner), "kms:GenerateDataKey", object{equals: object{image: p0}, "StringLike": object{tenant: "clinic*"}}))...)},
	}
	// Each denial can be met by either of two values.
	many := with(decrypts(nil))
	for n := range 9 {
		either := object{"kms:EncryptionContext:" + string(rune('a'+n)): "z", "kms:EncryptionContext:" + string(rune('j'+n)): "z"}
		many = append(many, deny("kms:Decrypt", object{"StringNotEquals": either}))
	}
	list = append(list, flawed{"either-of-two", "unattested-decrypt", "512 combinations, one of which gets past all denials", many})
	// The shortest value of its kind comes after more beginnings than are gone through: whether an
	// a or a b was at each of the last places.
	long := func(operator, pattern string) object {
		return object{operator: object{"kms:EncryptionContext:purpose": pattern}}
	}
	return append(list, flawed{"too-many", "too-complex", "a value that takes too long to find", with(
		decrypts(long("StringLike", "*a???????????????")), deny("kms:Decrypt", long("StringNotLike", "*b??????????????")))})
}
