package keylint

import (
	"slices"
	"strings"
)

// kmsKeys are the condition keys of KMS, without their prefix and in lower case (Service
// Authorization Reference, "Condition keys for AWS Key Management Service"). Encryption context and
// attestation documents have keys of their own.
var kmsKeys = strings.Fields(`
	bypasspolicylockoutsafetycheck calleraccount customermasterkeyspec customermasterkeyusage datakeypairspec encryptionalgorithm
	encryptioncontextkeys expirationmodel grantconstrainttype grantisforawsresource grantoperations granteeprincipal keyagreementalgorithm
	keyorigin keyspec keyusage macalgorithm messagetype multiregion multiregionkeytype primaryregion reencryptonsamekey replicaregion
	requestalias resourcealiases retiringprincipal rotationperiodindays schedulekeydeletionpendingwindowindays signingalgorithm validto
	viaservice wrappingalgorithm wrappingkeyspec
`)

// awsKeys are those that AWS has for all services (IAM User Guide, "AWS global condition context
// keys"). Tags have names of their own.
var awsKeys = strings.Fields(`
	assumedroot calledvia calledviafirst calledvialast chatbotsourcearn currenttime ec2instancesourceprivateipv4 ec2instancesourcevpc epochtime
	federatedprovider multifactorauthage multifactorauthpresent originidentity principalaccount principalarn principalisawsservice
	principalorgid principalorgpaths principalservicename principalservicenameslist principaltype referer requestedregion resourceaccount
	resourceorgid resourceorgpaths securetransport signinsessionarn sourceaccount sourcearn sourceidentity sourceip sourceorgid sourceorgpaths
	sourcevpc sourcevpcarn sourcevpce tagkeys tokenissuetime useragent userid username viaawsservice vpceaccount vpceorgid vpceorgpaths
	vpcsourceip
`)

// manyKeys are the condition keys that may have several values in one request, whatever operators a
// policy compares them with.
var manyKeys = []string{
	contextKeys, grantKey, "kms:resourcealiases", "aws:calledvia", "aws:principalorgpaths", "aws:principalservicenameslist", "aws:resourceorgpaths",
	"aws:sourceorgpaths", "aws:tagkeys", "aws:vpceorgpaths",
}

// knownKey reports whether KMS or AWS has a condition key. Keys with other prefixes pass: identity
// providers bring names of their own.
func knownKey(key string) bool {
	key = strings.ToLower(key)
	if register, ok := strings.CutPrefix(key, attestation); ok {
		return familyOf(register) != noRegister
	}
	if name, ok := strings.CutPrefix(key, "kms:"); ok {
		return slices.Contains(kmsKeys, name) || len(key) > len(contextKey) && strings.HasPrefix(key, contextKey)
	}
	name, ok := strings.CutPrefix(key, "aws:")
	if !ok {
		return true
	}
	kind, tag, tagged := strings.Cut(name, "/")
	return slices.Contains(awsKeys, name) || tagged && tag != "" && slices.Contains([]string{"principaltag", "requesttag", "resourcetag"}, kind)
}
