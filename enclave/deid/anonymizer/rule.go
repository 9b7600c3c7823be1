package anonymizer

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"anchorhold/enclave/fhirpath"
)

// rule is a compiled rule. It is immutable.
type rule struct {
	number int // from 1
	path   string
	method method

	resource string // the type that it is for; "": every
	whole    bool   // it is the resource itself
	// lookup is nodesByType or nodesByName standing alone, with or without one name behind it:
	// elements come from an index that has the resources directly below, and not the resource
	// itself. Any other path is evaluated.
	lookup string
	key    string
	place  int // of what was looked up, in the index
	// the name behind a look-up, if it is that of an element and no literal
	member     string
	expression *fhirpath.Expression // of the path, or from what was looked up; nil for all of that

	noise        noise
	replace      *value
	replaceBytes int // of it as JSON
	cases        []generalCase
	others       method // redact or keep: what becomes of values that no case is for
}

const maxPath = 4096

var (
	startsWithType = regexp.MustCompile(`^[A-Z][A-Za-z]*`)
	lookupForm     = regexp.MustCompile(`^(nodesByType|nodesByName)\((?:'([A-Za-z0-9]+)'|"([A-Za-z0-9]+)")\)(?:\.([A-Za-z0-9]+))?$`)
)

// options are those of every expression in a configuration.
func options(typ string, unknown bool) fhirpath.Options {
	return fhirpath.Options{
		Type: typ, UnknownElements: unknown, Exact: true,
		Functions: map[string]fhirpath.CustomFunc{"nodesByType": scan(typeName), "nodesByName": scan((*fhirpath.Node).Name)},
	}
}

// ruleFaults adds the faults of one rule.
type ruleFaults struct {
	c     *compiler
	label string
}

func (f ruleFaults) add(format string, args ...any) {
	f.c.add("%s: %s", f.label, fmt.Sprintf(format, args...))
}

func (c *compiler) rule(number int, v *value) {
	f := ruleFaults{c, fmt.Sprintf("rule %d", number)}
	if v.kind != '{' {
		f.add("is %s, want an object", kindName(v.kind))
		return
	}
	r := &rule{number: number}
	path, name := v.get("path"), v.get("method")
	if path != nil && path.kind == '"' && path.text != "" && printable(path.text) {
		r.path = path.text
		f.label = fmt.Sprintf("rule %d (%s)", number, r.path)
	}
	switch {
	case path == nil:
		f.add("path is missing")
	case path.kind != '"':
		f.add("path is %s, want a string", kindName(path.kind))
	case r.path == "" || len(r.path) > maxPath:
		f.add("path is empty, longer than %d bytes or not plain text", maxPath)
	default:
		c.path(f, r)
	}
	switch {
	case name == nil:
		f.add("method is missing")
	case name.kind != '"':
		f.add("method is %s, want a string", kindName(name.kind))
	default:
		c.method(f, r, name.text, v)
		c.fitting(f, r)
	}
	c.engine.rules = append(c.engine.rules, r)
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// path compiles the path of a rule. A path begins with the type of the resources it is for, which
// is taken off: what is left starts from a resource wherever it stands.
func (c *compiler) path(f ruleFaults, r *rule) {
	if m := lookupForm.FindStringSubmatch(r.path); m != nil {
		c.lookup(f, r, m)
		return
	}
	source := r.path
	if t := startsWithType.FindString(r.path); t != "" {
		r.resource = t
		source = strings.TrimPrefix(r.path[len(t):], ".")
		r.whole = source == "" && t == r.path
		if typ := fhirpath.TypeNamed(t); typ == nil || !typ.Is("Resource") {
			c.warn("%s: FHIR R4 has no resource named %s: the rule never applies", f.label, t)
		}
	}
	if r.whole {
		return
	}
	typ := r.resource
	switch {
	case typ == "Resource" || typ == "DomainResource":
		typ = ""
	case fhirpath.TypeNamed(typ) == nil:
		typ = ""
	}
	r.expression = c.expression(f, source, len(r.path)-len(source), typ)
}

// lookup compiles a path that is a look-up.
func (c *compiler) lookup(f ruleFaults, r *rule, m []string) {
	r.lookup, r.key = m[1], m[2]+m[3]
	typ := ""
	if r.lookup == "nodesByType" {
		r.place = c.place(c.engine.types, r.key)
		if t := fhirpath.TypeNamed(r.key); t != nil {
			typ = r.key
		} else {
			c.warn("%s: FHIR R4 has no type named %s: the rule never applies", f.label, r.key)
		}
	} else {
		r.place = c.place(c.engine.names, r.key)
	}
	if m[4] != "" {
		r.expression = c.expression(f, m[4], strings.LastIndexByte(r.path, '.')+1, typ)
		if 'a' <= m[4][0] && m[4][0] <= 'z' && m[4] != "true" && m[4] != "false" {
			r.member = m[4] // the expression would select the same, at more cost
		}
	}
}

// place gives a key its place in the index of a resource.
func (c *compiler) place(of map[string]int, key string) int {
	at, ok := of[key]
	if !ok {
		at = len(c.engine.types) + len(c.engine.names)
		of[key] = at
	}
	return at
}

// expression compiles FHIRPath. Names that R4 doesn't have are a warning: Microsoft's own samples
// have some, and they match nothing there either.
func (c *compiler) expression(f ruleFaults, source string, offset int, typ string) *fhirpath.Expression {
	x, err := fhirpath.Compile(source, options(typ, false))
	if err == nil {
		c.warnOfUnits(f, "path", offset, x)
		return x
	}
	var e *fhirpath.CompileError
	if errors.As(err, &e) && e.Kind == fhirpath.Semantic {
		if x, lax := fhirpath.Compile(source, options(typ, true)); lax == nil {
			c.warn("%s: %s: the rule may match nothing", f.label, e.Reason)
			c.warnOfUnits(f, "path", offset, x)
			return x
		}
	}
	if errors.As(err, &e) {
		f.add("path: %s at byte %d: %s", e.Kind, e.Offset+offset, e.Reason)
	} else {
		f.add("path: %v", err) // unreachable
	}
	return nil
}

// warnOfUnits warns of comparisons that are empty for quantities in some units: where a condition
// is empty, the rule leaves the element as it is.
func (c *compiler) warnOfUnits(f ruleFaults, where string, offset int, x *fhirpath.Expression) {
	for _, w := range x.Warnings() {
		c.warn("%s: %s: at byte %d: %s", f.label, where, w.Offset+offset, w.Text)
	}
}

// settingsOf are the keys that rules of a method may have beside path and method.
var settingsOf = map[method][]string{
	substitute: {"replaceWith"},
	perturb:    {"span", "rangeType", "roundTo"},
	generalize: {"cases", "otherValues"},
}

func (c *compiler) method(f ruleFaults, r *rule, name string, v *value) {
	found := false
	for i, known := range methods {
		if strings.EqualFold(name, known) {
			r.method, found = method(i), true
		}
	}
	if !found {
		f.add("method %q is not supported, want one of %s", name, strings.Join(methods[:], ", "))
		return
	}
	known := fields{"path": ignore, "method": ignore}
	for _, s := range settingsOf[r.method] {
		known[s] = ignore
	}
	for _, m := range v.members {
		if _, ok := known[m.name]; !ok {
			f.add("unknown key %q for method %s%s", m.name, r.method, likely(m.name, known))
		}
	}
	switch r.method {
	case substitute:
		c.substitute(f, r, v)
	case perturb:
		c.perturb(f, r, v)
	case generalize:
		c.generalize(f, r, v)
	}
}

func ignore(*value, string) {}

// scan is nodesByType and nodesByName inside a path: the elements it is called on and all below
// that have the name, without resources below and what they hold.
func scan(name func(*fhirpath.Node) string) fhirpath.CustomFunc {
	call := func(in []*fhirpath.Node, args []string, spend func(int) error) ([]*fhirpath.Node, error) {
		var out []*fhirpath.Node
		var walk func(n *fhirpath.Node) error
		walk = func(n *fhirpath.Node) error {
			if err := spend(1); err != nil {
				return err
			}
			if name(n) == args[0] {
				out = append(out, n)
			}
			for c := range n.All() {
				if c.IsResource() {
					continue
				}
				if err := walk(c); err != nil {
					return err
				}
			}
			return nil
		}
		for _, n := range in {
			if err := walk(n); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return fhirpath.CustomFunc{MinArgs: 1, MaxArgs: 1, Call: call}
}

// typeName is what upstream calls the type of an element: its library has one name for all elements
// that are defined in their resource, and another for those that are defined in a type.
func typeName(n *fhirpath.Node) string { return nameOf(n.Type()) }

func nameOf(t *fhirpath.Type) string {
	switch {
	case t == nil:
		return ""
	case !strings.Contains(t.Name(), "."):
		return t.Name()
	case t.Is("BackboneElement"):
		return "BackboneElement"
	}
	return "Element"
}
