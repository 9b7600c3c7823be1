package keylint

import (
	"slices"
	"strings"

	"anchorhold/protocol/keypolicy"
)

// open tells whether a statement lets in others than the principals that it names.
func open(s *keypolicy.Statement) bool {
	return s.NotPrincipal || slices.ContainsFunc(s.Principals, func(p keypolicy.Principal) bool { return p.Any || p.Account != "" })
}

// try searches and reports the finding; it tells whether there is one.
func (l *linter) try(j judge, a attempt, rule string, statement int) bool {
	found, sure := j.reach(a)
	if found {
		l.report(rule, statement, a.principal)
	} else if !sure {
		l.report("too-complex", statement, a.principal)
		l.limit = fewTries
	}
	return found
}

// tryAs tries without a document and with those of the adversary's own images: an operation that takes a Recipient must not be had by any.
func (l *linter) tryAs(j judge, a attempt, rule string, statement int) {
	list := []document{{}}
	if slices.Contains(withRecipient, a.action) {
		for _, d := range l.documents(&l.Policy.Statements[statement]) {
			list = append(append(list, l.near(d, false)...), d.with(zero, zero, zero))
		}
	}
	for _, d := range list {
		if a.fixed = d.keys(); l.try(j, a, rule, statement) {
			return
		}
	}
}

// withRecipient are the operations that answer to an attestation document (KMS Developer Guide, "AWS KMS condition keys for AWS Nitro
// Enclaves"), but for Decrypt, which has probes of its own, and GenerateRandom, which no key has a part in.
var withRecipient = []string{"GenerateDataKey", "GenerateDataKeyPair", "DeriveSharedSecret"}

// findUsers notes who may open anything at all, by whatever document, who may make data keys, and whose the key is.
func (l *linter) findUsers() {
	l.opens, l.attested, l.seals = make(map[string]bool), make(map[string]bool), make(map[string]bool)
	for i := range l.Policy.Statements {
		s := &l.Policy.Statements[i]
		if s.Deny {
			continue
		}
		j := l.only(i)
		can := func(who, action string, d document) bool {
			found, _ := j.reach(attempt{principal: who, action: action, fixed: d.keys()})
			return found
		}
		for _, who := range l.principals(s) {
			if can(who, "Decrypt", document{}) {
				l.opens[who] = true
			} else if slices.ContainsFunc(l.documents(s), func(d document) bool { return can(who, "Decrypt", d) }) {
				l.opens[who], l.attested[who] = true, true
			}
			if can(who, "GenerateDataKey", document{}) {
				l.seals[who] = true
			}
			if account := accountOf(who); account != "" && !open(s) && can(who, "PutKeyPolicy", document{}) {
				l.owners = append(l.owners, account)
			}
		}
	}
}

// probe plays the adversary against one statement that allows.
func (l *linter) probe(i int) {
	s := &l.Policy.Statements[i]
	j := l.only(i)
	for _, who := range l.principals(s) {
		l.probeDecrypt(j, i, who)
		l.probeMinting(j, i, who)
		l.probeWrapping(j, i, who)
		for _, o := range forbiddenOperations {
			l.tryAs(j, attempt{principal: who, action: o.action}, o.rule, i)
		}
		if l.opens[who] || l.seals[who] || open(s) {
			l.try(j, attempt{principal: who, action: "PutKeyPolicy", fixed: document{}.keys()}, "users-administer", i)
			for _, action := range []string{"ScheduleKeyDeletion", "DisableKey", "DeleteImportedKeyMaterial"} {
				l.try(j, attempt{principal: who, action: action, fixed: document{}.keys()}, "users-delete", i)
			}
		}
		if !l.opens[who] && l.neighbour(who) && !open(s) {
			l.try(j, attempt{principal: who, action: "PutKeyPolicy", fixed: document{}.keys()}, "operator-administers", i)
		}
		if strings.HasSuffix(who, ".amazonaws.com") {
			l.report("service-principal", i, who)
		}
	}
}

// forbiddenOperations are those that nobody needs, whoever it is.
var forbiddenOperations = []struct{ action, rule string }{
	{"ReEncryptFrom", "re-encrypt"},
	{"CreateGrant", "create-grant"},
	{"GenerateDataKeyPair", "data-key-pair"},
	{"DeriveSharedSecret", "derive-shared-secret"},
	{"ReplicateKey", "replicate"},
	{"ImportKeyMaterial", "import-material"},
	{"ReEncryptTo", "mints-ciphertexts"},
	{"GenerateDataKeyWithoutPlaintext", "mints-unseen"},
	{"GenerateDataKeyPairWithoutPlaintext", "mints-unseen"},
}

// probeDecrypt tries what gets around attestation, worst first: what a worse attempt shows, a lesser one need not.
func (l *linter) probeDecrypt(j judge, i int, who string) {
	s := &l.Policy.Statements[i]
	decrypt := func(d document, rule string) bool {
		return l.try(j, attempt{principal: who, action: "Decrypt", fixed: d.keys()}, rule, i)
	}
	if decrypt(document{}, "unattested-decrypt") {
		return
	}
	for _, d := range l.documents(s) {
		for _, theirs := range l.near(d, false) {
			if decrypt(theirs, "unpinned-image") {
				return
			}
		}
		if decrypt(d.with(zero, zero, zero), "debug-image") {
			return
		}
	}
	for _, d := range l.documents(s) {
		if slices.ContainsFunc(l.near(d, true), func(theirs document) bool { return decrypt(theirs, "pcr0-alone") }) {
			break
		}
	}
	l.probePairing(j, i, who)
}

// probePairing asks whether an attested image opens what was sealed for another one, or for another tenant.
func (l *linter) probePairing(j judge, i int, who string) {
	s := &l.Policy.Statements[i]
	for _, d := range l.documents(s) {
		crossed := attempt{principal: who, action: "Decrypt", fixed: d.keys(), forbidden: map[string]bool{d.pcr0: true}}
		rule := "unpaired-image"
		if manyValues(s) {
			rule = "unpairing-list"
		}
		if l.try(j, crossed, rule, i) {
			break
		}
	}
	for _, d := range l.documents(s) {
		for _, tenant := range append(l.foreign(tenantKey), "") {
			fixed := d.keys()
			if fixed[tenantKey] = nil; tenant != "" {
				fixed[tenantKey] = []string{tenant}
			}
			if l.try(j, attempt{principal: who, action: "Decrypt", fixed: fixed}, "unbound-tenant", i) {
				return
			}
		}
	}
}

// manyValues tells whether a statement lists several measurements or several images.
func manyValues(s *keypolicy.Statement) bool {
	return slices.ContainsFunc(s.Conditions, func(c keypolicy.Condition) bool {
		key := strings.ToLower(c.Key)
		return len(c.Values) > 1 && (key == imageKey || strings.HasPrefix(key, attestation))
	})
}

// probeMinting looks at who makes data keys: one who opens, or anyone, must not; a sealer does, for named images and tenants.
func (l *linter) probeMinting(j judge, i int, who string) {
	s := &l.Policy.Statements[i]
	a := attempt{principal: who, action: "GenerateDataKey"}
	if l.opens[who] || l.neighbour(who) || open(s) {
		l.tryAs(j, a, "mints-keys", i)
		return
	}
	if account := accountOf(who); account != "" && len(l.owners) > 0 && !slices.Contains(l.owners, account) {
		a.fixed = document{}.keys()
		l.try(j, a, "foreign-sealer", i)
	}
	for _, key := range []string{imageKey, tenantKey} {
		for _, value := range l.foreign(key) {
			a.fixed = document{}.keys()
			a.fixed[key] = []string{value}
			if l.try(j, a, "unbound-data-key", i) {
				return
			}
		}
	}
}

// probeWrapping looks at who wraps data keys of their own choice. A role that makes data keys gains nothing by it (SPEC 12), as long as it is
// bound to images and tenants there too; nobody else needs it.
func (l *linter) probeWrapping(j judge, i int, who string) {
	s := &l.Policy.Statements[i]
	a := attempt{principal: who, action: "Encrypt"}
	account := accountOf(who)
	foreign := account != "" && len(l.owners) > 0 && !slices.Contains(l.owners, account)
	if !l.seals[who] || l.opens[who] || l.neighbour(who) || foreign || open(s) {
		l.tryAs(j, a, "mints-ciphertexts", i)
		return
	}
	for _, key := range []string{imageKey, tenantKey} {
		for _, value := range l.foreign(key) {
			a.fixed = document{}.keys()
			a.fixed[key] = []string{value}
			if l.try(j, a, "mints-ciphertexts", i) {
				return
			}
		}
	}
}
