package keylint

import (
	"slices"
	"strings"

	"anchorhold/protocol/keypolicy"
)

// open reports whether a statement lets in others than the principals that it names.
func open(s *keypolicy.Statement) bool {
	return s.NotPrincipal || slices.ContainsFunc(s.Principals, func(p keypolicy.Principal) bool { return p.Any || p.Account != "" })
}

// try searches and reports the finding; it reports whether there is one.
func (l *linter) try(j judge, a attempt, rule string, statement int) bool {
	by, sure := j.sender(a)
	switch {
	case by != nil && a.who == l.someone(l.account): // of whatever account
		l.report(rule, statement, l.someone(accountOf(by.principal)))
	case by != nil:
		l.report(rule, statement, a.who)
	case !sure:
		l.report("too-complex", statement, a.who)
	}
	return by != nil
}

// with returns the attempt with a document, and limits in addition to those that it has.
func (a attempt) with(d document, limits ...limit) attempt {
	a.document, a.limits = d, slices.Concat(a.limits, limits)
	return a
}

// register is the variable of PCR0, 1 or 2.
func (l *linter) register(n int) (int, *variable) { return n, &l.variables[n] }

// unpinned are the attempt with the documents of images that are not pinned: another PCR0, 1 or 2
// than statements name, or a debug enclave's.
func (l *linter) unpinned(a attempt) []attempt {
	var list []attempt
	for n := range 3 {
		i, v := l.register(n)
		list = append(list, a.with(enclave, limit{i, v.foreign}))
	}
	return append(list, l.debug(a), a.with(tpm))
}

// debug is the attempt with the document of a debug enclave.
func (l *linter) debug(a attempt) attempt {
	for n := range 3 {
		i, v := l.register(n)
		a = a.with(enclave, limit{i, v.where(func(value []string) bool { return value != nil && value[0] == zero })})
	}
	return a
}

// any is the attempt without a document, and with each kind of document.
func (a attempt) any() []attempt { return []attempt{a.with(none), a.with(enclave), a.with(tpm)} }

// findUsers notes who may open anything at all, by whatever document, who may make data keys, and
// whose the key is.
func (l *linter) findUsers() {
	l.opens, l.attested, l.seals = make(map[string]bool), make(map[string]bool), make(map[string]bool)
	for i := range l.Policy.Statements {
		s := &l.Policy.Statements[i]
		if s.Deny {
			continue
		}
		j := l.only(i)
		can := func(attempts ...attempt) bool {
			return slices.ContainsFunc(attempts, func(a attempt) bool { found, _ := j.reach(a); return found })
		}
		for _, who := range l.principals(s) {
			decrypt := attempt{who: who, action: "Decrypt"}
			if can(decrypt) {
				l.opens[who] = true
			} else if can(decrypt.with(enclave), decrypt.with(tpm)) {
				l.opens[who], l.attested[who] = true, true
			}
			if can((attempt{who: who, action: "GenerateDataKey"}).any()...) {
				l.seals[who] = true
			}
			if account := accountOf(who); account != "" && !open(s) && can(attempt{who: who, action: "PutKeyPolicy"}) {
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
		l.probeGranting(j, i, who)
		l.probePairs(j, i, who)
		for _, o := range forbiddenOperations {
			a := attempt{who: who, action: o.action}
			if slices.Contains(withRecipient, o.action) {
				l.tryUnpinned(j, a, o.rule, i)
			} else {
				l.try(j, a, o.rule, i)
			}
		}
		l.probeAdministration(j, i, who)
		if strings.HasSuffix(who, ".amazonaws.com") {
			l.report("service-principal", i, who)
		}
	}
}

// tryUnpinned tries without a document and with those of images that are not pinned: an operation
// that takes a Recipient must not be had by any.
func (l *linter) tryUnpinned(j judge, a attempt, rule string, statement int) bool {
	return slices.ContainsFunc(append([]attempt{a}, l.unpinned(a)...), func(a attempt) bool { return l.try(j, a, rule, statement) })
}

// forbiddenOperations are those that nobody needs, whoever it is.
var forbiddenOperations = []struct{ action, rule string }{
	{"ReEncryptFrom", "re-encrypt"},
	{"DeriveSharedSecret", "derive-shared-secret"},
	{"ReplicateKey", "replicate"},
	{"ImportKeyMaterial", "import-material"},
	{"ReEncryptTo", "mints-ciphertexts"},
	{"GenerateDataKeyWithoutPlaintext", "mints-unseen"},
	{"GenerateDataKeyPairWithoutPlaintext", "mints-unseen"},
}

// Operations of grants by which the grantee opens, and by which it makes what passes for the
// owner's.
var (
	openingGrants = []string{"Decrypt", "ReEncryptFrom", "CreateGrant", "GenerateDataKeyPair", "DeriveSharedSecret"}
	mintingGrants = []string{"GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPairWithoutPlaintext", "Encrypt", "ReEncryptTo"}
)

// probeGranting asks for CreateGrant, and for which operations of a grant, where the policy limits
// these.
func (l *linter) probeGranting(j judge, i int, who string) {
	a := attempt{who: who, action: "CreateGrant"}
	n, limited := l.index[grantKey]
	if !limited {
		l.try(j, a, "create-grant", i)
		return
	}
	v := &l.variables[n]
	holds := func(operations []string) limit {
		return limit{n, v.where(func(value []string) bool {
			return slices.ContainsFunc(value, func(o string) bool { return slices.Contains(operations, o) })
		})}
	}
	if !l.try(j, a.with(none, holds(openingGrants)), "create-grant", i) {
		l.try(j, a.with(none, holds(mintingGrants)), "limited-grants", i)
	}
}

// probePairs asks for key pairs: KMS returns the private key in the clear where no document is
// needed.
func (l *linter) probePairs(j judge, i int, who string) {
	a := attempt{who: who, action: "GenerateDataKeyPair"}
	if l.try(j, a, "data-key-pair", i) {
		return
	}
	for _, other := range l.unpinned(a) {
		if l.try(j, other, "unpinned-key-pair", i) {
			return
		}
	}
}

// probeAdministration looks at who may change the policy, or take the key out of use: nobody who
// uses the key, nor anybody of the operator's account or of one that the key is not in.
func (l *linter) probeAdministration(j judge, i int, who string) {
	s := &l.Policy.Statements[i]
	user := uses(l.opens, who) || uses(l.seals, who) || open(s)
	rule := ""
	switch {
	case user:
		rule = "users-administer"
	case l.neighbour(who):
		rule = "operator-administers"
	case l.outsider(who):
		rule = "foreign-administrator"
	default:
		return
	}
	changes := l.try(j, attempt{who: who, action: "PutKeyPolicy"}, rule, i)
	if !user && changes {
		return
	}
	for _, action := range []string{"ScheduleKeyDeletion", "DisableKey", "DeleteImportedKeyMaterial", "UpdatePrimaryRegion"} {
		l.try(j, attempt{who: who, action: action}, "users-delete", i)
	}
}

// outsider reports whether a principal is of another account than the key; or, where the key's is
// not known, than the first administrator.
func (l *linter) outsider(who string) bool {
	account := l.keyAccount()
	if account == "" && len(l.owners) > 0 {
		account = l.owners[0]
	}
	return account != "" && accountOf(who) != "" && accountOf(who) != account
}

// keyAccount is the account that the key is in, as far as its ARN or the policy's resources say.
func (l *linter) keyAccount() string {
	if l.Metadata != nil && l.Metadata.ARN != "" {
		return accountOf(l.Metadata.ARN)
	}
	account := ""
	for i := range l.Policy.Statements {
		s := &l.Policy.Statements[i]
		for _, r := range s.Resources {
			a := accountOf(r)
			if s.NotResource || len(a) != 12 || strings.Trim(a, digits) != "" {
				continue
			}
			if account != "" && account != a {
				return ""
			}
			account = a
		}
	}
	return account
}

// probeDecrypt tries what gets around attestation, worst first: what a worse attempt shows, a
// lesser one need not.
func (l *linter) probeDecrypt(j judge, i int, who string) {
	a := attempt{who: who, action: "Decrypt"}
	if l.try(j, a, "unattested-decrypt", i) {
		return
	}
	l.try(j, a.with(tpm), "nitrotpm-instance", i)
	n, pcr0 := l.register(0)
	if l.try(j, a.with(enclave, limit{n, pcr0.foreign}), "unpinned-image", i) || l.try(j, l.debug(a), "debug-image", i) {
		return
	}
	for _, n := range []int{1, 2} {
		_, v := l.register(n)
		if l.try(j, a.with(enclave, limit{0, pcr0.named}, limit{n, v.foreign}), "pcr0-alone", i) {
			break
		}
	}
	l.probePairing(j, i, a.with(enclave, limit{n, pcr0.named}))
}

// probePairing asks whether an attested image opens what was sealed for another one, or for another
// tenant.
func (l *linter) probePairing(j judge, i int, a attempt) {
	rule := "unpaired-image"
	if manyValues(&l.Policy.Statements[i]) {
		rule = "unpairing-list"
	}
	_, pcr0 := l.register(0)
	image := l.index[imageKey]
	for n, value := range pcr0.values {
		if !pcr0.named.has(n) {
			continue
		}
		only := newMask(len(pcr0.values))
		only.add(n)
		other := l.variables[image].where(func(context []string) bool { return len(context) != 1 || !strings.EqualFold(context[0], value[0]) })
		if l.try(j, a.with(enclave, limit{0, only}, limit{image, other}), rule, i) {
			break
		}
	}
	tenant := l.index[tenantKey]
	v := &l.variables[tenant]
	l.try(j, a.with(enclave, limit{tenant, v.foreign.or(v.absent())}), "unbound-tenant", i)
}

// manyValues reports whether a statement lists several measurements or several images.
func manyValues(s *keypolicy.Statement) bool {
	return slices.ContainsFunc(s.Conditions, func(c keypolicy.Condition) bool {
		key := strings.ToLower(c.Key)
		return len(c.Values) > 1 && (key == imageKey || strings.HasPrefix(key, attestation))
	})
}

// probeMinting looks at who makes data keys: one who opens, or anyone, must not; a sealer does, for
// named images and tenants.
func (l *linter) probeMinting(j judge, i int, who string) {
	s := &l.Policy.Statements[i]
	a := attempt{who: who, action: "GenerateDataKey"}
	if uses(l.opens, who) || l.neighbour(who) || open(s) {
		l.tryUnpinned(j, a, "mints-keys", i)
		return
	}
	if account := accountOf(who); account != "" && len(l.owners) > 0 && !slices.Contains(l.owners, account) {
		l.tryUnpinned(j, a, "foreign-sealer", i)
	}
	for _, key := range []string{imageKey, tenantKey} {
		v := &l.variables[l.index[key]]
		if l.tryUnpinned(j, a.with(none, limit{l.index[key], v.foreign.or(v.absent())}), "unbound-data-key", i) {
			return
		}
	}
}

// probeWrapping looks at who wraps data keys of their own choice. A role that makes data keys gains
// nothing by it (SPEC 12), as long as it is bound to images and tenants; nobody else needs it.
func (l *linter) probeWrapping(j judge, i int, who string) {
	s := &l.Policy.Statements[i]
	a := attempt{who: who, action: "Encrypt"}
	account := accountOf(who)
	foreign := account != "" && len(l.owners) > 0 && !slices.Contains(l.owners, account)
	if !uses(l.seals, who) || uses(l.opens, who) || l.neighbour(who) || foreign || open(s) {
		l.try(j, a, "mints-ciphertexts", i)
		return
	}
	for _, key := range []string{imageKey, tenantKey} {
		v := &l.variables[l.index[key]]
		if l.try(j, a.with(none, limit{l.index[key], v.foreign.or(v.absent())}), "mints-ciphertexts", i) {
			return
		}
	}
}
