package keylint

import (
	"slices"

	"anchorhold/protocol/keypolicy"
)

// openingOperations are those by which records, or keys that pass for the owner's, can be had, or
// the policy be changed. A statement that allows one must have a request that it allows, or there
// is a finding: silence would pass what the search does not understand.
var openingOperations = []string{
	"Decrypt", "ReEncryptFrom", "CreateGrant", "GenerateDataKey", "GenerateDataKeyPair", "DeriveSharedSecret", "PutKeyPolicy", "ReplicateKey", "ImportKeyMaterial",
}

// operations are all of KMS that a key policy governs (Service Authorization Reference, "Actions
// defined by AWS Key Management Service").
var operations = append([]string{
	"CancelKeyDeletion", "CreateAlias", "DeleteAlias", "DeleteImportedKeyMaterial", "DescribeKey", "DisableKey", "DisableKeyRotation", "EnableKey",
	"EnableKeyRotation", "Encrypt", "GenerateDataKeyPairWithoutPlaintext", "GenerateDataKeyWithoutPlaintext", "GenerateMac", "GetKeyLastUsage",
	"GetKeyPolicy", "GetKeyRotationStatus", "GetParametersForImport", "GetPublicKey", "ListGrants", "ListKeyPolicies", "ListKeyRotations",
	"ListResourceTags", "ReEncryptTo", "RetireGrant", "RevokeGrant", "RotateKeyOnDemand", "ScheduleKeyDeletion", "Sign", "TagResource", "UntagResource",
	"UpdateAlias", "UpdateKeyDescription", "UpdatePrimaryRegion", "Verify", "VerifyMac",
}, openingOperations...)

// dead looks for what a statement allows and never gives.
func (l *linter) dead(i int) {
	s := &l.Policy.Statements[i]
	if s.Deny {
		return
	}
	l.withoutRecipient(i)
	who := l.principals(s)
	if len(who) == 0 {
		who = []string{l.someone(l.account)} // an identity provider: it calls nothing
	}
	held, open := l.only(i), l.undenied(i)
	for _, o := range openingOperations {
		if !covers(s, o) || l.given(held, i, who, o) {
			continue
		}
		if l.given(open, i, who, o) {
			l.report("idle-allow", i, "")
			l.about("idle-allow", i, o)
		} else {
			l.report("never-applies", i, "")
			l.about("never-applies", i, o)
		}
	}
}

// given reports whether somebody is allowed an operation, by whatever document, or may be, where
// the search gave up.
func (l *linter) given(j judge, i int, principals []string, operation string) bool {
	return slices.ContainsFunc(principals, func(who string) bool {
		return slices.ContainsFunc((attempt{who: who, action: operation}).any(), func(a attempt) bool {
			found, sure := j.reach(a)
			if !found && !sure {
				l.report("too-complex", i, who)
			}
			return found || !sure
		})
	})
}

// covers reports whether a statement names an operation, whatever else it asks for.
func covers(s *keypolicy.Statement, operation string) bool {
	bare := anyone()
	bare.Actions, bare.NotAction = s.Actions, s.NotAction
	p := &keypolicy.Policy{Statements: []keypolicy.Statement{bare}}
	return p.Evaluate(keypolicy.Request{Principal: "x", Action: "kms:" + operation}).Allowed
}

// withoutRecipient looks for actions that take no attestation document in a statement that asks for
// one.
func (l *linter) withoutRecipient(i int) {
	s := &l.Policy.Statements[i]
	if s.NotAction || l.holdsUnattested(i) {
		return
	}
	for _, action := range s.Actions {
		one := keypolicy.Statement{Actions: []string{action}}
		var named []string
		for _, o := range operations {
			if covers(&one, o) {
				named = append(named, o)
			}
		}
		if len(named) > 0 && !slices.ContainsFunc(named, func(o string) bool { return slices.Contains(withRecipient, o) }) {
			l.report("no-recipient", i, "")
			l.about("no-recipient", i, action)
		}
	}
}

// holdsUnattested reports whether a statement's conditions on documents hold without one.
func (l *linter) holdsUnattested(i int) bool {
	return !slices.ContainsFunc(l.limits[i], func(limit limit) bool {
		return l.variables[limit.variable].family != free && !limit.values.has(0)
	})
}

// about adds an operation to a finding.
func (l *linter) about(rule string, statement int, operation string) {
	f := &l.findings[l.seen[place{wording: rule, statement: statement}]]
	if !slices.Contains(f.Operations, operation) {
		f.Operations = append(f.Operations, operation)
	}
}
