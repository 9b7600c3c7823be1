package keylint

import (
	"maps"
	"slices"
	"strings"

	"anchorhold/protocol/keypolicy"
)

const (
	// maxTries bounds the search for one request. The largest policy of anchorhold key-policy needs some tens.
	maxTries = 4000

	attestation = "kms:recipientattestation:"
	imageKey    = "kms:encryptioncontext:anchorhold:image"
	tenantKey   = "kms:encryptioncontext:anchorhold:tenant"
	callerKey   = "aws:principalarn"

	fresh = "adversary" // a value that no policy names
)

// An attempt is one kind of request: who calls what, with which values fixed. Values for all other condition keys are searched for.
type attempt struct {
	principal string
	action    string
	fixed     map[string][]string // lower-case key → values; none: absent
	forbidden map[string]bool     // values that the search may not choose for imageKey
}

// judge is a policy whose only permission is the one under suspicion, beside all denials, or a grant.
type judge struct {
	policy    *keypolicy.Policy
	grants    []keypolicy.Grant
	resources []string // ARNs that the key may have
}

// anyKey stands for a key whose ARN is not known: no policy names it.
const anyKey = "arn:aws:kms:us-east-1:" + strangerAccount + ":key/00000000-0000-0000-0000-000000000000"

// keyARNs are the ARNs that the key may have: its own when it is known. Else it may be any that the statement names, or one that no denial
// does: the worst case.
func (l *linter) keyARNs(statement int) []string {
	if l.Metadata != nil && l.Metadata.ARN != "" {
		return []string{l.Metadata.ARN}
	}
	list := []string{anyKey}
	if statement >= 0 {
		for _, r := range l.Policy.Statements[statement].Resources {
			if r != "*" {
				list = append(list, candidates("ArnLike", r)[0])
			}
		}
	}
	return list
}

// only keeps all denials of the policy and one statement that allows; -1 keeps none.
func (l *linter) only(statement int) judge {
	p := &keypolicy.Policy{Version: l.Policy.Version}
	for i, s := range l.Policy.Statements {
		if s.Deny || i == statement {
			p.Statements = append(p.Statements, s)
		}
	}
	return judge{policy: p, resources: l.keyARNs(statement)}
}

// reach looks for a request of that kind that is allowed. sure is false when it gave up before it had tried everything.
func (j judge) reach(a attempt) (found, sure bool) {
	r := keypolicy.Request{Principal: a.principal, Action: "kms:" + a.action, Context: map[string][]string{}}
	r.Account = accountOf(a.principal)
	maps.Copy(r.Context, identity(a.principal))
	maps.Copy(r.Context, a.fixed)
	free := j.freeKeys(a, r.Context)
	tries := 0
	for _, r.Resource = range j.resources {
		if j.search(&r, free, &tries) {
			return true, true
		}
	}
	return false, tries < maxTries
}

// A choice is a condition key and the values that are worth trying; the empty one is absence.
type choice struct {
	key    string
	values []string
}

func (j judge) search(r *keypolicy.Request, free []choice, tries *int) bool {
	if *tries++; *tries >= maxTries {
		return false
	}
	if len(free) == 0 {
		return keypolicy.Authorize(j.policy, j.grants, *r).Allowed
	}
	for _, v := range free[0].values {
		delete(r.Context, free[0].key)
		if v != "" {
			r.Context[free[0].key] = []string{v}
		}
		if j.search(r, free[1:], tries) {
			return true
		}
	}
	delete(r.Context, free[0].key)
	return false
}

// freeKeys are the condition keys that the adversary may choose, with the values that could make a difference: those that conditions name,
// one that none names, and none.
func (j judge) freeKeys(a attempt, fixed map[string][]string) []choice {
	named := map[string]map[string]bool{}
	note := func(key, value string) {
		if named[key] == nil {
			named[key] = map[string]bool{"": true, fresh: true}
		}
		if key != imageKey || !a.forbidden[value] {
			named[key][value] = true
		}
	}
	for i := range j.policy.Statements {
		for _, c := range j.policy.Statements[i].Conditions {
			key := strings.ToLower(c.Key)
			if _, known := fixed[key]; known || strings.HasPrefix(key, attestation) {
				continue
			}
			for _, v := range c.Values {
				for _, candidate := range candidates(c.Operator.Name, v) {
					note(key, candidate)
				}
			}
		}
	}
	for _, g := range j.grants {
		for _, constraint := range []map[string]string{g.Equals, g.Subset} {
			for name, value := range constraint {
				note("kms:encryptioncontext:"+strings.ToLower(name), value)
			}
		}
	}
	var free []choice
	for _, key := range slices.Sorted(maps.Keys(named)) {
		if _, known := fixed[key]; !known {
			free = append(free, choice{key, slices.Sorted(maps.Keys(named[key]))})
		}
	}
	return free
}

// candidates are values that meet, or just fail, one policy value.
func candidates(operator, value string) []string {
	switch {
	case strings.HasPrefix(operator, "Bool"), operator == "Null":
		return []string{"true", "false"}
	case strings.HasPrefix(operator, "Numeric"):
		return []string{value, "-999999999", "999999999"}
	case strings.HasPrefix(operator, "Date"):
		return []string{value, "1971-01-01T00:00:00Z", "9000-01-01T00:00:00Z"}
	case strings.Contains(operator, "IpAddress"):
		address, _, _ := strings.Cut(value, "/")
		return []string{address, "240.0.0.1"}
	case strings.Contains(operator, "Like"), strings.HasPrefix(operator, "Arn"):
		return []string{strings.NewReplacer("*", "x", "?", "x").Replace(value)}
	default:
		return []string{value}
	}
}

// identity are the condition keys that follow from who calls.
func identity(principal string) map[string][]string {
	if !strings.HasPrefix(principal, "arn:") {
		return map[string][]string{callerKey: nil}
	}
	account := []string{accountOf(principal)}
	return map[string][]string{
		callerKey: {keypolicy.RoleARN(principal)}, "aws:principalaccount": account, "kms:calleraccount": account,
	}
}

func accountOf(arn string) string {
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 {
		return parts[4]
	}
	return ""
}
