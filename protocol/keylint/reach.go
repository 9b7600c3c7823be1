package keylint

import (
	"maps"
	"slices"
	"strings"

	"anchorhold/protocol/keypolicy"
)

// A document is what kind of attestation document a request shows.
type document int

const (
	none document = iota
	enclave
	tpm
)

// withRecipient are the operations that take an attestation document (KMS Developer Guide,
// "Condition keys for AWS Nitro Enclaves"), but for GenerateRandom, which no key has a part in.
var withRecipient = []string{"Decrypt", "GenerateDataKey", "GenerateDataKeyPair", "DeriveSharedSecret"}

// An attempt is one kind of request: who calls what, with which document, and which values will do
// for some variables. Values for all others are searched for.
type attempt struct {
	who      string
	action   string
	document document
	limits   []limit
}

// judge is a policy whose only permission is the one under suspicion, with all denials, or a grant.
type judge struct {
	*linter
	policy  *keypolicy.Policy
	suspect int // statement of policy that allows; -1: none does
	// of each statement of policy: its index in the linter's limits; -1: it has no condition
	limits []int
	grants []keypolicy.Grant
}

// keyARNs are the ARNs that the key may have: its own when it is known, else one for each way of
// fitting what statements name: the worst case.
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
	slices.SortFunc(globs, compareGlobs)
	globs = slices.CompactFunc(globs, func(a, b glob) bool { return compareGlobs(a, b) == 0 })
	var arns []string
	for _, partition := range l.partitions {
		form := slices.Concat(literal("arn:"+partition+":kms:", false), wildARN("?*:"), several(12, digits), wild(":key/?*"))
		values, sure := witnesses(globs, form)
		l.resourcesUnsure = l.resourcesUnsure || !sure
		arns = append(arns, values...)
	}
	return arns
}

// resourceGlobs are the ways in which a pattern of Resource may fit an ARN. A * in a pattern of
// fewer than six parts may match colons, which of a * at its end is certain.
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
	j := judge{linter: l, policy: &keypolicy.Policy{Version: l.Policy.Version}, suspect: -1}
	for i := range l.Policy.Statements {
		s := &l.Policy.Statements[i]
		if i == statement {
			j.suspect = len(j.policy.Statements)
		}
		if s.Deny || i == statement {
			j.policy.Statements = append(j.policy.Statements, *s)
			j.limits = append(j.limits, i)
		}
	}
	return j
}

// undenied keeps one statement that allows, and no denial.
func (l *linter) undenied(statement int) judge {
	return judge{
		linter: l, policy: &keypolicy.Policy{Version: l.Policy.Version, Statements: l.Policy.Statements[statement : statement+1]},
		limits: []int{statement},
	}
}

// everything keeps all denials and adds a statement that allows everything.
func (l *linter) everything() judge {
	j := l.only(-1)
	j.suspect = len(j.policy.Statements)
	j.policy.Statements = append(j.policy.Statements, anyone())
	j.limits = append(j.limits, -1)
	return j
}

// reach looks for a request of that kind that is allowed. sure is false when it gave up before it
// had tried everything.
func (j judge) reach(a attempt) (found, sure bool) {
	by, sure := j.sender(a)
	return by != nil, sure
}

// sender is reach that returns who may send the request, nil when none was found.
func (j judge) sender(a attempt) (by *caller, sure bool) {
	if a.document != none && !slices.Contains(withRecipient, a.action) {
		return nil, true
	}
	domains, possible := j.domains(a)
	if !possible {
		return nil, true
	}
	callers, sure := j.callers(a.who)
	sure = sure && !j.resourcesUnsure
	for _, c := range callers {
		for _, resource := range j.arns {
			found, certain := j.search(c, resource, a, domains)
			if found {
				return c, true
			}
			sure = sure && certain
		}
	}
	return nil, sure
}

// domains are the values of each variable under an attempt; possible is false when a variable has
// none.
func (l *linter) domains(a attempt) (domains []mask, possible bool) {
	domains = slices.Clone(l.shown[a.document])
	for _, limit := range a.limits {
		domains[limit.variable] = domains[limit.variable].and(limit.values)
	}
	return domains, !slices.ContainsFunc(domains, mask.empty)
}

// findDocuments notes by kind of document which values its registers may have.
func (l *linter) findDocuments() {
	l.shown = map[document][]mask{}
	for _, d := range []document{none, enclave, tpm} {
		for i := range l.variables {
			v := &l.variables[i]
			all := every(len(v.values))
			switch {
			case v.family == free:
			case v.family == enclaveImage && d == enclave:
				all = all.without(v.absent())
			case v.family == enclaveKey && d == enclave, v.family == tpmKey && d == tpm:
			default:
				all = v.absent()
			}
			l.shown[d] = append(l.shown[d], all)
		}
	}
}

// search looks for values with which one caller's request about one ARN is allowed.
func (j judge) search(c *caller, resource string, a attempt, domains []mask) (found, sure bool) {
	if j.work += len(j.policy.Statements); j.work > maxWork {
		return false, false
	}
	p, sure := problem{most: maxSteps}, true
	domains = slices.Clone(domains)
	for i := range j.policy.Statements {
		s := &j.policy.Statements[i]
		if !j.concerns(s, c, "kms:"+a.action, resource) {
			if i == j.suspect {
				return false, true
			}
			continue
		}
		limits := j.conditionsOn(i, c)
		sure = sure && !slices.ContainsFunc(limits, func(l limit) bool { return !j.variables[l.variable].sure })
		if i == j.suspect {
			for _, limit := range limits {
				domains[limit.variable] = domains[limit.variable].and(limit.values)
			}
			continue
		}
		clause := make([]limit, len(limits))
		for n, limit := range limits {
			clause[n].variable, clause[n].values = limit.variable, every(len(j.variables[limit.variable].values)).without(limit.values)
		}
		p.clauses = append(p.clauses, clause)
	}
	if j.suspect < 0 && !j.granted(domains, a.action) || slices.ContainsFunc(domains, mask.empty) {
		return false, sure
	}
	values := p.solve(domains)
	j.work += p.steps * len(p.clauses)
	if values == nil {
		return false, sure && p.steps <= p.most
	}
	// The evaluator has the last word: where the two differ, the search is not to be trusted.
	allowed := keypolicy.Authorize(j.policy, j.grants, j.request(c, resource, a, values)).Allowed
	return allowed, allowed
}

// request is one with the first of the values.
func (j judge) request(c *caller, resource string, a attempt, values []mask) keypolicy.Request {
	r := keypolicy.Request{
		Principal: c.principal, UniqueID: c.id, Account: accountOf(c.principal), Action: "kms:" + a.action, Resource: resource, Context: map[string][]string{},
	}
	for i, m := range values {
		if value := j.variables[i].values[m.first()]; value != nil {
			for _, key := range j.variables[i].keys {
				r.Context[key] = value
			}
		}
	}
	maps.Copy(r.Context, c.identity)
	return r
}

// concerns reports whether a statement is about a request at all, whatever its conditions say, save
// those on who calls.
func (j judge) concerns(s *keypolicy.Statement, c *caller, action, resource string) bool {
	bare := *s
	bare.Conditions = nil
	for _, condition := range s.Conditions {
		if _, known := c.identity[strings.ToLower(condition.Key)]; known {
			bare.Conditions = append(bare.Conditions, condition)
		}
	}
	p := &keypolicy.Policy{Statements: []keypolicy.Statement{bare}}
	return p.Evaluate(keypolicy.Request{
		Principal: c.principal, UniqueID: c.id, Account: accountOf(c.principal), Action: action, Resource: resource, Context: c.identity,
	}).Statement == 0
}

// conditionsOn are a statement's conditions but for those on who calls.
func (j judge) conditionsOn(i int, c *caller) []limit {
	if j.limits[i] < 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(j.linter.limits[j.limits[i]]), func(l limit) bool {
		_, known := c.identity[j.variables[l.variable].keys[0]]
		return known
	})
}

// granted narrows the domains to the encryption context that the grants under suspicion want, and
// reports whether any of them allows the operation.
func (j judge) granted(domains []mask, action string) bool {
	for _, g := range j.grants {
		if !slices.ContainsFunc(g.Operations, func(o string) bool { return strings.EqualFold(o, action) }) {
			continue
		}
		r := keypolicy.Request{Principal: g.Who(), Action: "kms:" + action, Context: map[string][]string{}}
		if g.SourceARN != "" {
			r.Context[sourceKey] = []string{g.SourceARN}
			n := j.index[sourceKey]
			domains[n] = domains[n].and(j.variables[n].where(func(have []string) bool { return len(have) == 1 && have[0] == g.SourceARN }))
		}
		if g.Allows(r) {
			return true // no encryption context, or none that counts for the operation
		}
		for _, constraint := range []map[string]string{g.Equals, g.Subset} {
			for name, value := range constraint {
				n := j.index[strings.ToLower(contextKey+name)]
				domains[n] = domains[n].and(j.variables[n].where(func(have []string) bool { return len(have) == 1 && have[0] == value }))
			}
		}
		for n := range j.variables {
			name, ok := strings.CutPrefix(j.variables[n].keys[0], contextKey)
			if _, named := lowered(g.Equals)[name]; ok && g.Equals != nil && !named {
				domains[n] = domains[n].and(j.variables[n].absent())
			}
		}
		return true
	}
	return false
}

func lowered(context map[string]string) map[string]string {
	out := map[string]string{}
	for name, value := range context {
		out[strings.ToLower(name)] = value
	}
	return out
}
