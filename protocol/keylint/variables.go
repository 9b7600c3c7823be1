package keylint

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"anchorhold/protocol/keypolicy"
)

const (
	attestation = "kms:recipientattestation:"
	contextKey  = "kms:encryptioncontext:"
	contextKeys = "kms:encryptioncontextkeys"
	imageKey    = contextKey + "anchorhold:image"
	tenantKey   = contextKey + "anchorhold:tenant"
	callerKey   = "aws:principalarn"
	grantKey    = "kms:grantoperations"
	sourceKey   = "aws:sourcearn"
)

// A family says of which document a variable is a register.
type family int

const (
	free         family = iota // of none: the adversary chooses it
	enclaveKey                 // of an enclave's
	tpmKey                     // of a NitroTPM's
	noRegister                 // of no document that exists
	enclaveImage               // PCR0, 1 or 2, which an enclave's document never lacks
)

// A variable is what a request may have for a condition key, or for several that always agree.
// Value 0 is absence.
type variable struct {
	keys    []string
	values  [][]string
	family  family
	sure    bool // there is a value for each way of meeting the conditions
	named   mask // single values that some statement names itself
	foreign mask // single values that none does
}

// where returns the values that f accepts.
func (v *variable) where(f func(value []string) bool) mask {
	m := newMask(len(v.values))
	for i, value := range v.values {
		if f(value) {
			m.add(i)
		}
	}
	return m
}

func (v *variable) absent() mask { return v.where(func(value []string) bool { return value == nil }) }

// variables are those of all condition keys of policy and grants, and those that the probes ask
// for.
func (l *linter) findVariables() {
	l.compare()
	l.index = map[string]int{}
	for _, n := range []int{0, 1, 2} {
		l.addRegister(register(n))
	}
	for _, key := range slices.Sorted(maps.Keys(l.compared)) {
		if _, known := l.index[key]; known {
			continue
		}
		if name, ok := strings.CutPrefix(key, attestation); ok {
			l.addRegister(name)
			continue
		}
		if key+":" == attestation { // no request has that key: documents have one for each register
			l.addVariable(variable{keys: []string{key}, values: [][]string{nil}, family: noRegister, sure: true, named: newMask(1), foreign: newMask(1)})
			continue
		}
		l.addFree(key)
	}
	l.limits = make([][]limit, len(l.Policy.Statements))
	for i := range l.Policy.Statements {
		l.limits[i] = l.compile(&l.Policy.Statements[i])
	}
}

func (l *linter) addVariable(v variable) {
	for _, key := range v.keys {
		l.index[key] = len(l.variables)
	}
	l.variables = append(l.variables, v)
}

// compare notes by condition key what it is compared with.
func (l *linter) compare() {
	l.compared = map[string]*compared{imageKey: {}, tenantKey: {}}
	at := func(key string) *compared {
		key = strings.ToLower(key)
		if l.compared[key] == nil {
			l.compared[key] = &compared{}
		}
		return l.compared[key]
	}
	for _, s := range l.Policy.Statements {
		for _, c := range s.Conditions {
			k := at(c.Key)
			k.conditions = append(k.conditions, c)
		}
	}
	for _, g := range l.Grants {
		if g.SourceARN != "" {
			k := at(sourceKey)
			k.exact = append(k.exact, g.SourceARN)
		}
		for _, constraint := range []map[string]string{g.Equals, g.Subset} {
			for name, value := range constraint {
				k := at(contextKey + name)
				k.exact = append(k.exact, value)
			}
		}
	}
	if k := l.compared[grantKey]; k != nil {
		k.exact = append(append(k.exact, openingGrants...), mintingGrants...)
	}
}

// addFree adds a key that the adversary may choose.
func (l *linter) addFree(key string) {
	c := l.compared[key]
	sets, sure := c.sets(key)
	v := variable{keys: []string{key}, values: sets, sure: sure}
	globs := c.globs()
	v.named = v.where(func(value []string) bool {
		return len(value) == 1 && slices.ContainsFunc(globs, func(g glob) bool { return g.plain() && strings.EqualFold(g.text(), value[0]) })
	})
	v.foreign = v.where(func(value []string) bool { return len(value) == 1 }).without(v.named)
	l.addVariable(v)
}

// register is the name of an enclave's register, as condition keys have it.
func register(n int) string { return "pcr" + strconv.Itoa(n) }

// zero is a register of a debug enclave.
var zero = strings.Repeat("0", 96)

// addRegister adds what a document may show under a name: hex digits of a SHA-384.
func (l *linter) addRegister(name string) {
	v := variable{keys: []string{attestation + name}, family: familyOf(name), sure: true}
	if name == register(0) {
		v.keys = append(v.keys, attestation+"imagesha384") // another name of PCR0
	}
	var globs []glob
	for _, key := range v.keys {
		if c := l.compared[key]; c != nil {
			globs = append(globs, c.globs()...)
		}
	}
	for i, g := range globs {
		globs[i] = lower(g)
	}
	if v.family == noRegister {
		v.values = [][]string{nil}
		v.named, v.foreign = newMask(1), newMask(1)
		l.addVariable(v)
		return
	}
	plain := map[string]bool{zero: true}
	for _, g := range globs {
		if v := g.text(); g.plain() && measurement.MatchString(v) && v == strings.ToLower(v) {
			plain[v] = true
		}
	}
	var values []string
	values, v.sure = registerValues(globs, slices.Sorted(maps.Keys(plain)))
	v.values = [][]string{nil}
	for _, value := range values {
		v.values = append(v.values, []string{value})
	}
	v.named = v.where(func(value []string) bool { return value != nil && plain[value[0]] && value[0] != zero })
	v.foreign = v.where(func(value []string) bool { return value != nil && !plain[value[0]] })
	l.addVariable(v)
}

// familyOf returns the document that has a register.
func familyOf(name string) family {
	number := func(prefix string) bool {
		n, err := strconv.Atoi(strings.TrimPrefix(name, prefix))
		return strings.HasPrefix(name, prefix) && err == nil && n >= 0 && n < 32 && name == prefix+strconv.Itoa(n)
	}
	switch {
	case name == register(0), name == register(1), name == register(2), name == "imagesha384":
		return enclaveImage
	case number("pcr"):
		return enclaveKey
	case number("nitrotpmpcr"):
		return tpmKey
	default:
		return noRegister
	}
}

// lower is a glob for values that have no upper case.
func lower(g glob) glob {
	out := slices.Clone(g)
	for i, s := range out {
		if s.fold {
			out[i] = literal(strings.ToLower(string(s.r)), false)[0]
		}
	}
	return out
}

// registerValues returns those named and one for each way in which others fit the globs.
func registerValues(globs []glob, named []string) (values []string, sure bool) {
	wild := slices.DeleteFunc(slices.Clone(globs), func(g glob) bool { return g.plain() })
	if len(wild) == 0 {
		// what nobody names: sixteen and more names of one digit each are no policy's
		for _, r := range "e123456789abcdf" {
			if other := strings.Repeat(string(r), 96); !slices.Contains(named, other) {
				return append(slices.Clone(named), other), true
			}
		}
		return named, false
	}
	for _, v := range named {
		wild = append(wild, literal(v, false))
	}
	found, sure := witnesses(wild, several(96, hexDigits))
	for _, v := range named {
		if !slices.Contains(found, v) {
			found = append(found, v)
		}
	}
	return found, sure
}

// compile returns for each variable of a statement's conditions the values for which all of them
// hold.
func (l *linter) compile(s *keypolicy.Statement) []limit {
	var list []limit
	for _, c := range s.Conditions {
		n := l.index[strings.ToLower(c.Key)]
		v := &l.variables[n]
		holds := v.where(func(value []string) bool { return conditionHolds(c, s.Deny, value) })
		if i := slices.IndexFunc(list, func(have limit) bool { return have.variable == n }); i >= 0 {
			list[i].values = list[i].values.and(holds)
		} else {
			list = append(list, limit{n, holds})
		}
	}
	return list
}

// conditionHolds reports whether a condition of a statement certainly holds (deny) or may hold
// (allow) for a value: where AWS does not document it, a Deny does not act and an Allow does.
func conditionHolds(c keypolicy.Condition, deny bool, value []string) bool {
	r := keypolicy.Request{Context: map[string][]string{strings.ToLower(c.Key): value}}
	p := &keypolicy.Policy{Statements: []keypolicy.Statement{anyone(c)}}
	if !deny {
		return p.Evaluate(r).Allowed
	}
	p.Statements[0].Deny = true
	p.Statements = append(p.Statements, anyone())
	return !p.Evaluate(r).Allowed
}

// anyone is a statement that allows everything to everyone on some conditions.
func anyone(conditions ...keypolicy.Condition) keypolicy.Statement {
	return keypolicy.Statement{Principals: []keypolicy.Principal{{Any: true}}, Actions: []string{"*"}, Resources: []string{"*"}, Conditions: conditions}
}
