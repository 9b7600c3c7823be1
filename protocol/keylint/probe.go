package keylint

import (
	"slices"
	"strings"

	"anchorhold/protocol/keypolicy"
)

// strangerAccount stands for any account that nobody has heard of.
const strangerAccount = "999999999999"

// principals are callers that a statement may let in: those it names, somebody of an account that it names, a stranger when it names everyone;
// and of these whoever is named anywhere in the policy, as denials exempt some.
func (l *linter) principals(s *keypolicy.Statement) []string {
	if s.NotPrincipal {
		return append(l.named(""), someone(strangerAccount))
	}
	var list []string
	for _, p := range s.Principals {
		switch {
		case p.Any:
			list = append(append(list, someone(strangerAccount)), l.named("")...)
		case p.Account != "":
			list = append(append(list, someone(p.Account)), l.named(p.Account)...)
		case p.ARN != "" || p.Service != "":
			list = append(list, p.String())
		}
	}
	return list
}

// someone is a role of an account that no policy names.
func someone(account string) string { return "arn:aws:iam::" + account + ":role/" + fresh }

// named are the callers that principals and conditions of all statements name, of one account or of any.
func (l *linter) named(account string) []string {
	var list []string
	add := func(arn string) {
		if (account == "" || accountOf(arn) == account) && !slices.Contains(list, arn) {
			list = append(list, arn)
		}
	}
	for i := range l.Policy.Statements {
		for _, p := range l.Policy.Statements[i].Principals {
			switch {
			case p.ARN != "":
				add(p.ARN)
			case p.Account != "":
				add(someone(p.Account))
			}
		}
		for _, c := range l.Policy.Statements[i].Conditions {
			for _, v := range c.Values {
				switch strings.ToLower(c.Key) {
				case callerKey:
					add(candidates("ArnLike", v)[0])
				case "kms:calleraccount", "aws:principalaccount":
					add(someone(v))
				}
			}
		}
	}
	return list
}

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
	}
	return found
}

// findUsers notes who may open anything at all, by whatever document, and who may make data keys.
func (l *linter) findUsers() {
	l.opens, l.seals = make(map[string]bool), make(map[string]bool)
	for i := range l.Policy.Statements {
		s := &l.Policy.Statements[i]
		if s.Deny {
			continue
		}
		for _, who := range l.principals(s) {
			for _, d := range append(l.documents(s), document{}) {
				if found, _ := l.only(i).reach(attempt{principal: who, action: "Decrypt", fixed: d.keys()}); found {
					l.opens[who] = true
				}
			}
			if found, _ := l.only(i).reach(attempt{principal: who, action: "GenerateDataKey", fixed: document{}.keys()}); found {
				l.seals[who] = true
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
		for _, o := range forbiddenOperations {
			l.try(j, attempt{principal: who, action: o.action, fixed: document{}.keys()}, o.rule, i)
		}
		if l.opens[who] || l.seals[who] || open(s) {
			l.try(j, attempt{principal: who, action: "PutKeyPolicy", fixed: document{}.keys()}, "users-administer", i)
			for _, action := range []string{"ScheduleKeyDeletion", "DisableKey"} {
				l.try(j, attempt{principal: who, action: action, fixed: document{}.keys()}, "users-delete", i)
			}
		}
		if !strings.HasPrefix(who, "arn:") {
			l.report("service-principal", i, who)
		}
	}
}

// forbiddenOperations are those that nobody needs, whoever it is.
var forbiddenOperations = []struct{ action, rule string }{
	{"ReEncryptFrom", "re-encrypt"},
	{"CreateGrant", "create-grant"},
	{"GenerateDataKeyPair", "data-key-pair"},
	{"GenerateDataKeyPairWithoutPlaintext", "data-key-pair"},
	{"DeriveSharedSecret", "derive-shared-secret"},
	{"ReplicateKey", "replicate"},
	{"UpdatePrimaryRegion", "replicate"},
	{"GetParametersForImport", "import-material"},
	{"ImportKeyMaterial", "import-material"},
	{"Encrypt", "mints-ciphertexts"},
	{"ReEncryptTo", "mints-ciphertexts"},
	{"GenerateDataKeyWithoutPlaintext", "mints-ciphertexts"},
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
		if decrypt(d.with(fresh, fresh, fresh), "unpinned-image") || decrypt(d.with(zero, zero, zero), "debug-image") {
			return
		}
	}
	for _, d := range l.documents(s) {
		if decrypt(d.with(d.pcr0, fresh, d.pcr2), "pcr0-alone") || decrypt(d.with(d.pcr0, d.pcr1, fresh), "pcr0-alone") {
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
		for _, tenant := range [][]string{{fresh}, nil} {
			fixed := d.keys()
			fixed[tenantKey] = tenant
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
	a := attempt{principal: who, action: "GenerateDataKey", fixed: document{}.keys()}
	if l.opens[who] || open(s) {
		l.try(j, a, "mints-keys", i)
		return
	}
	for _, key := range []string{imageKey, tenantKey} {
		fixed := document{}.keys()
		fixed[key] = []string{fresh}
		if a.fixed = fixed; l.try(j, a, "unbound-data-key", i) {
			return
		}
	}
}
