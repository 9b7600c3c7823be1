package keylint

import (
	"maps"
	"slices"
	"strings"

	"anchorhold/protocol/keypolicy"
)

const (
	// maxTries bounds the search for one request. The largest policy of anchorhold key-policy needs some tens.
	maxTries = 1000
	// fewTries is the bound once a search was given up: the policy has its finding, and the next search would fare no better.
	fewTries = 100

	attestation = "kms:recipientattestation:"
	contextKey  = "kms:encryptioncontext:"
	contextKeys = "kms:encryptioncontextkeys"
	imageKey    = contextKey + "anchorhold:image"
	tenantKey   = contextKey + "anchorhold:tenant"
	callerKey   = "aws:principalarn"
)

// An attempt is one kind of request: who calls what, with which values fixed. Values for all other condition keys are searched for.
type attempt struct {
	principal string
	action    string
	fixed     map[string][]string // lower-case key → values; none: absent
	forbidden map[string]bool     // values that the search may not choose for imageKey, in lower case
}

// judge is a policy whose only permission is the one under suspicion, beside all denials, or a grant.
type judge struct {
	*linter
	policy    *keypolicy.Policy
	suspect   *keypolicy.Statement // nil: none allows
	grants    []keypolicy.Grant
	resources []string // ARNs that the key may have
}

// keyForm is what every key ARN fits.
var keyForm = wildARN("arn:aws*:kms:?*:?*:key/?*")

// keyARNs are the ARNs that the key may have: its own when it is known, else one for each way of fitting what statements name: the worst case.
func (l *linter) keyARNs() []string {
	if l.Metadata != nil && l.Metadata.ARN != "" {
		return []string{l.Metadata.ARN}
	}
	var globs []glob
	for _, s := range l.Policy.Statements {
		for _, r := range s.Resources {
			if r != "*" {
				globs = append(globs, resourceGlobs(r)...)
			}
		}
	}
	values, sure := witnesses(globs, keyForm)
	l.unsure = l.unsure || !sure
	return values
}

// resourceGlobs are the ways in which a pattern of Resource may fit an ARN. A * in a pattern of fewer
// than six parts may match colons, which of a * at its end is certain.
func resourceGlobs(pattern string) []glob {
	parts := strings.SplitN(pattern, ":", 4)
	for i := 0; i < len(parts) && i < 3; i++ {
		parts[i] = strings.ToLower(parts[i]) // a key's ARN has no other
	}
	text := strings.Join(parts, ":")
	within := wildARN(text)
	if strings.Count(text, ":") >= 5 {
		return []glob{within}
	}
	within[len(within)-1].part = false
	return []glob{within, wild(text)}
}

// only keeps all denials of the policy and one statement that allows; -1 keeps none.
func (l *linter) only(statement int) judge {
	j := judge{linter: l, policy: &keypolicy.Policy{Version: l.Policy.Version}, resources: l.arns}
	for i := range l.Policy.Statements {
		s := &l.Policy.Statements[i]
		if i == statement {
			j.suspect = s
		}
		if s.Deny || i == statement {
			j.policy.Statements = append(j.policy.Statements, *s)
		}
	}
	return j
}

// reach looks for a request of that kind that is allowed. sure is false when it gave up before it had tried everything.
func (j judge) reach(a attempt) (found, sure bool) {
	tries := 0
	for _, who := range j.callers(a.principal) {
		r := keypolicy.Request{Principal: who, Action: "kms:" + a.action, Context: map[string][]string{}}
		if isUniqueID(who) {
			r.Principal, r.UniqueID = "", who
		}
		r.Account = accountOf(who)
		maps.Copy(r.Context, identity(who))
		maps.Copy(r.Context, a.fixed)
		free := j.free(&a, r.Context)
		for _, r.Resource = range j.resources {
			if j.concerns(r) && j.search(&r, free, &tries) {
				return true, true
			}
		}
	}
	return false, tries < j.limit && !j.unsure
}

// concerns tells whether the suspect is about such a request at all, whatever its conditions say.
func (j judge) concerns(r keypolicy.Request) bool {
	if j.suspect == nil {
		return true
	}
	bare := *j.suspect
	bare.Conditions = nil
	p := &keypolicy.Policy{Statements: []keypolicy.Statement{bare}}
	return p.Evaluate(r).Allowed
}

func (j judge) search(r *keypolicy.Request, free []choice, tries *int) bool {
	if *tries++; *tries >= j.limit {
		return false
	}
	if len(free) == 0 {
		return keypolicy.Authorize(j.policy, j.grants, *r).Allowed
	}
	for _, v := range free[0].values {
		r.Context[free[0].key] = v
		if j.search(r, free[1:], tries) {
			return true
		}
	}
	delete(r.Context, free[0].key)
	return false
}

// findChoices notes, for each condition key of the policy and the grants, what is worth trying.
func (l *linter) findChoices() {
	keys := map[string]*compared{}
	at := func(key string) *compared {
		key = strings.ToLower(key)
		if keys[key] == nil {
			keys[key] = &compared{}
		}
		return keys[key]
	}
	for _, s := range l.Policy.Statements {
		for _, c := range s.Conditions {
			k := at(c.Key)
			k.conditions = append(k.conditions, c)
		}
	}
	for _, g := range l.Grants {
		if g.SourceARN != "" {
			k := at("aws:sourcearn")
			k.exact = append(k.exact, g.SourceARN)
		}
		for _, constraint := range []map[string]string{g.Equals, g.Subset} {
			for name, value := range constraint {
				k := at(contextKey + name)
				k.exact = append(k.exact, value)
			}
		}
	}
	l.compared = keys
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if strings.HasPrefix(key, attestation) {
			continue // what a document shows is not free
		}
		sets, sure := keys[key].sets(key)
		l.unsure = l.unsure || !sure
		l.choices = append(l.choices, choice{key, sets})
	}
}

// free are the condition keys that the adversary may choose, with the values by which the suspect may still allow.
func (j judge) free(a *attempt, fixed map[string][]string) []choice {
	var list []choice
	for _, c := range j.choices {
		if _, known := fixed[c.key]; known {
			continue
		}
		left := choice{key: c.key}
		for _, v := range c.values {
			if c.key == imageKey && len(v) == 1 && a.forbidden[strings.ToLower(v[0])] || !j.admits(c.key, v) {
				continue
			}
			left.values = append(left.values, v)
		}
		list = append(list, left)
	}
	return list
}

// admits tells whether the suspect's conditions on one key hold for these values.
func (j judge) admits(key string, values []string) bool {
	if j.suspect == nil {
		return true
	}
	alone := keypolicy.Statement{Principals: []keypolicy.Principal{{Any: true}}, Actions: []string{"*"}, Resources: []string{"*"}}
	for _, c := range j.suspect.Conditions {
		if strings.ToLower(c.Key) == key {
			alone.Conditions = append(alone.Conditions, c)
		}
	}
	p := &keypolicy.Policy{Statements: []keypolicy.Statement{alone}}
	return p.Evaluate(keypolicy.Request{Context: map[string][]string{key: values}}).Allowed
}

// foreign are values of a key, or of several that stand for one, that no statement names itself: it means none of them.
func (l *linter) foreign(keys ...string) []string {
	id := strings.Join(keys, " ")
	if l.strange[id] == nil {
		var globs []glob
		for _, key := range keys {
			if c := l.compared[key]; c != nil {
				globs = append(globs, c.globs()...)
			}
		}
		l.strange[id] = l.unnamed(globs)
	}
	return l.strange[id]
}

func (l *linter) unnamed(globs []glob) []string {
	named := func(v string) bool {
		return slices.ContainsFunc(globs, func(g glob) bool { return g.plain() && strings.EqualFold(g.text(), v) })
	}
	other := "other"
	for named(other) {
		other += "s"
	}
	if !slices.ContainsFunc(globs, func(g glob) bool { return !g.plain() }) {
		return []string{other}
	}
	values, sure := different(globs)
	l.unsure = l.unsure || !sure
	return append(slices.DeleteFunc(values, named), other)
}

// identity are the condition keys that follow from who calls. Of somebody who is known by a unique id nothing does: the worst case.
func identity(principal string) map[string][]string {
	switch {
	case isUniqueID(principal):
		return nil
	case !strings.HasPrefix(principal, "arn:"):
		return map[string][]string{callerKey: nil}
	}
	account := []string{accountOf(principal)}
	return map[string][]string{
		callerKey: {keypolicy.RoleARN(principal)}, "aws:principalaccount": account, "kms:calleraccount": account,
	}
}

func isUniqueID(principal string) bool { return !strings.ContainsAny(principal, ":.") }

func accountOf(arn string) string {
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 {
		return parts[4]
	}
	return ""
}
