package deid

import (
	"regexp"
	"strings"
)

// Compile reads a rule file. Its error names every fault, with line numbers.
func Compile(rules []byte) (*Engine, error) {
	sections, f := parseLines(rules)
	base, sections := resolve(sections, &f)
	c := &compiler{
		faults: f,
		engine: &Engine{kinds: map[string]int{}, resources: map[string]*resource{}},
		sets:   map[string]map[string]bool{},
		types:  map[string]*node{},
		common: &node{method: group},

		defines: map[string]definition{},
	}
	c.engine.systems.exact = map[string]address{}
	c.engine.profiles.exact = map[string]address{}
	c.engine.profiles.tail = slash // systems have one segment, or sid/us-ssn would be one
	// What is referred to comes first: sets, then lists and the names of types.
	for _, sets := range []bool{true, false} {
		for _, s := range sections {
			if c.adding = s.added; (s.words[0] == "set") == sets && c.extendable(s) {
				c.declare(s)
			}
		}
	}
	for _, s := range sections {
		if c.adding = s.added; !s.added || s.words[0] == "resource" {
			c.define(s)
		}
	}
	c.adding = false
	for _, p := range c.typedNodes {
		p[0].children, p[0].extensions = p[1].children, p[1].extensions
		p[0].late, p[0].shared = p[1].late, true
	}
	for _, e := range c.extended {
		// The engine writes it: a second one would be for readers to choose from.
		if e.children["url"] != nil && e.children["url"].method != drop {
			c.add(e.line, "url cannot have a rule in an extension")
		}
	}
	c.share(sections)
	c.complete()
	c.options()
	c.mandatory()
	if len(c.engine.resources) == 0 && len(c.faults) == 0 {
		c.faults.add(1, "no resource section: nothing would be allowed")
	}
	if err := c.faults.err(); err != nil {
		return nil, err
	}
	c.engine.extends, c.engine.foreign = base, base != "" && !isPreset(base, rules)
	c.number()
	return c.engine, nil
}

type compiler struct {
	faults
	engine *Engine
	sets   map[string]map[string]bool
	types  map[string]*node
	common *node   // what holds in every resource
	needed []*line // of the section mandatory
	adding bool    // what is read belongs to an extension of the rules
	// asked are the codes of questions, personal or harmless, and the last line where each stands.
	asked map[string]int
	// defines are the words that a rule file makes, for rules of one line.
	defines map[string]definition
	// extended are the extensions, once their members are known.
	extended []numbered
	// typedNodes are pairs of a node and the type whose members it gets.
	typedNodes [][2]*node
}

// numbered is a node and the line of its rule.
type numbered struct {
	line int
	*node
}

// declare reads the sections that others refer to.
func (c *compiler) declare(s *line) {
	kind, args := s.words[0], s.words[1:]
	switch {
	case kind == "set" && len(args) == 1:
		if c.sets[args[0]] != nil {
			c.add(s.number, "set %q is declared twice", args[0])
		}
		c.sets[args[0]] = c.list(s)
	case kind == "targets" && len(args) == 0:
		for _, l := range s.children {
			for _, w := range l.words {
				c.target(l, w)
			}
		}
	case kind == "systems" && len(args) == 0:
		c.addresses(s, &c.engine.systems, true)
	case kind == "personal" && len(args) == 0:
		if c.engine.personal != nil && !c.adding {
			c.add(s.number, "%q stands twice", s.words[0])
		}
		for code := range c.list(s) {
			put(&c.engine.personal, code, true)
		}
		c.questioned(s)
	case kind == "identifiers" && len(args) == 0:
		c.once(&line{number: s.number, words: s.words}, c.engine.issuers != nil)
		c.engine.issuers = c.list(s)
		c.oneByOne(s)
	case kind == "option" && len(args) == 1 && options[args[0]]:
		c.once(s, c.engine.options[args[0]])
		put(&c.engine.options, args[0], true)
	case kind == "mandatory" && len(args) == 0:
		if c.needed != nil {
			c.add(s.number, "%q stands twice", s.words[0])
		}
		c.needed = s.children
	case kind == "harmless" && len(args) == 0:
		c.harmless(s)
	case kind == "profiles" && len(args) == 0:
		c.addresses(s, &c.engine.profiles, false)
	case kind == "type" && len(args) == 1:
		if c.types[args[0]] != nil {
			c.add(s.number, "type %q is declared twice", args[0])
		}
		if !upper(args[0]) {
			c.add(s.number, "name of type %q does not begin with a capital letter", args[0])
		}
		c.types[args[0]] = &node{method: group}
	case kind == "resource" && len(args) == 1:
	case kind == "define" && len(args) > 1:
		c.short(s, args[0], args[1:])
	case kind == "requires" && len(args) == 1 && requirements[args[0]]:
		c.once(s, c.engine.requires != "")
		c.engine.requires = args[0]
	case kind == "surrogates" && len(args) == 1 && args[0] == "keyed":
		c.once(s, c.engine.keyed)
		c.engine.keyed = true
	case kind == "patients" && len(args) > 0:
		c.once(s, c.engine.patients != nil)
		c.engine.patients = args
	default:
		c.add(s.number, "unknown section %q", strings.Join(s.words, " "))
	}
}

// requirements are what a rule file can say that its output takes, beyond the file itself.
var requirements = map[string]bool{"expert-determination": true, "data-use-agreement": true}

func (c *compiler) once(s *line, before bool) {
	if before {
		c.add(s.number, "%q stands twice", s.words[0])
	}
	if len(s.children) > 0 {
		c.add(s.children[0].number, "indented too deep")
	}
}

// complete wants of a rule file with keyed surrogates or shifted dates what belongs to them.
func (c *compiler) complete() {
	if c.engine.keyed && c.engine.requires == "" {
		c.faults.add(1, "keyed surrogates are derived from identifiers, which is not Safe Harbor: say what that requires")
	}
	if c.engine.shifts && c.engine.patients == nil {
		c.faults.add(1, "shift has nobody whose dates they are: patients names the elements that say it")
	}
	for _, name := range c.engine.patients {
		holder, below, among := strings.Cut(name, ".")
		if !only([]byte(holder+below), letter) || upper(name) || holder == "" || among && below == "" {
			c.faults.add(1, "%q is not the name of an element that refers to a patient", name)
		}
	}
}

func upper(w string) bool { return w[0] >= 'A' && w[0] <= 'Z' }

// list returns the words below a line.
func (c *compiler) list(s *line) map[string]bool {
	set := map[string]bool{}
	for _, l := range s.children {
		if len(l.children) > 0 {
			c.add(l.children[0].number, "indented too deep")
		}
		for _, w := range l.words {
			c.word(l, set, w)
		}
	}
	if len(set) == 0 {
		c.add(s.number, "empty list")
	}
	return set
}

// word adds a word that may stand in the output as it is.
func (c *compiler) word(l *line, set map[string]bool, w string) {
	if set[w] {
		c.add(l.number, "%q stands twice in the list", w)
	}
	if !plain(w) {
		c.add(l.number, "%q is not plain ASCII", w)
	}
	if strings.Contains(w, ",") {
		c.add(l.number, "%q holds a comma: words are parted by spaces", w)
	}
	set[w] = true
}

// plain reports whether w needs no escape in JSON.
func plain(w string) bool {
	for _, b := range []byte(w) {
		if b <= ' ' || b >= 0x7f || b == '"' || b == '\\' {
			return false
		}
	}
	return true
}

func (c *compiler) target(l *line, w string) {
	if !only([]byte(w), letter) || !upper(w) {
		c.add(l.number, "%q is not the name of a resource", w)
	}
	if _, ok := c.engine.kinds[w]; ok {
		c.add(l.number, "%q stands twice in the list", w)
		return
	}
	c.engine.kinds[w] = len(c.engine.types)
	c.engine.types = append(c.engine.types, w)
}

// addresses reads a list of addresses; one that ends in * is a prefix.
func (c *compiler) addresses(s *line, into *addresses, shapes bool) {
	for _, l := range s.children {
		a := address{text: l.words[0]}
		if !plain(a.text) || strings.Contains(strings.TrimSuffix(a.text, "*"), "*") || len(a.text) < 8 || isWide(a.text) {
			c.add(l.number, "%q is not an address or a prefix of some length", a.text)
			continue
		}
		if shapes {
			a.shape = c.shape(l)
		} else if len(l.words) != 1 {
			c.add(l.number, "more than an address")
		}
		if a.shape.kind != "words" && len(l.children) > 0 {
			c.add(l.children[0].number, "indented too deep")
		}
		c.narrow(l, &a, into, shapes)
		if t, ok := strings.CutSuffix(a.text, "*"); ok {
			a.text, a.prefix = t, true
			into.prefixes = append(into.prefixes, a)
			continue
		}
		if _, ok := into.exact[a.text]; ok {
			c.add(l.number, "%q stands twice in the list", a.text)
		}
		into.exact[a.text] = a
	}
}

// isWide reports whether a prefix would allow other hosts than one, or the
// addresses of others: http://* or http://hl7.org*.
func isWide(a string) bool {
	p, ok := strings.CutSuffix(a, "*")
	if !ok || strings.HasPrefix(p, "urn:") {
		return false
	}
	_, rest, ok := strings.Cut(p, "://")
	return !ok || !strings.HasSuffix(rest, "/") || len(rest) < 2
}

// shape reads what stands behind a system.
func (c *compiler) shape(l *line) shape {
	w := l.words[1:]
	switch {
	case len(w) == 1 && bareShapes[w[0]]:
		return shape{kind: w[0]}
	case len(w) == 1 && w[0] == "words":
		return shape{kind: w[0], words: c.list(l)}
	case len(w) == 2 && (w[0] == "ucum" || w[0] == "one-of" || w[0] == "oid") && len(w[1]) > 1 && w[1][0] == '@':
		if set := c.sets[w[1][1:]]; set != nil {
			return shape{kind: w[0], words: set}
		}
		c.add(l.number, "unknown set %q", w[1])
		return shape{}
	case len(w) == 2 && w[0] == "match":
		r, err := regexp.Compile("^(?:" + w[1] + ")$")
		if err == nil {
			return shape{kind: w[0], match: r}
		}
	case len(w) == 3 && w[0] == "digits":
		lo, ok1 := small(w[1])
		hi, ok2 := small(w[2])
		if ok1 && ok2 && 1 <= lo && lo <= hi && hi <= maxCode {
			return shape{kind: w[0], min: lo, max: hi}
		}
	}
	c.add(l.number, "shape %q is not code, loinc, snomed, ndc, none, words, ucum [@SET], one-of @SET, oid @SET, digits MIN MAX or match REGEXP", strings.Join(w, " "))
	return shape{}
}

// bareShapes are the shapes that take no argument, or need none.
var bareShapes = map[string]bool{"code": true, "loinc": true, "snomed": true, "ndc": true, "none": true, "ucum": true}

func small(w string) (int, bool) {
	if len(w) == 0 || len(w) > 9 || !only([]byte(w), digit) {
		return 0, false
	}
	return number([]byte(w)), true
}

// define reads types and resources.
func (c *compiler) define(s *line) {
	if len(s.words) != 2 {
		return
	}
	name := s.words[1]
	switch s.words[0] {
	case "type":
		c.members(c.types[name], s)
	case "resource":
		if name == "*" {
			c.members(c.common, s)
			return
		}
		i, ok := c.engine.kinds[name]
		if !ok {
			c.add(s.number, "resource %q is not among the targets", name)
			return
		}
		if r := c.engine.resources[name]; r != nil {
			if s.added {
				c.members(&r.node, s)
			} else {
				c.add(s.number, "resource %q is declared twice", name)
			}
			return
		}
		if s.added {
			c.add(s.number, "resource %q is not one of the preset", name)
			return
		}
		r := &resource{node: node{method: group, head: []byte(`{"resourceType":"` + name + `"`)}, index: i}
		c.members(&r.node, s)
		c.engine.resources[name] = r
	}
}

// share gives every resource the rules of `resource *`.
func (c *compiler) share(sections []*line) {
	for _, s := range sections {
		if s.words[0] != "resource" || len(s.words) != 2 || s.added {
			continue
		}
		r := c.engine.resources[s.words[1]]
		if r == nil {
			continue
		}
		c.shareLate(r, s)
		for name, n := range c.common.children {
			if r.children[name] != nil {
				c.add(s.number, "element %q has a rule in resource * too", name)
			}
			put(&r.children, name, n)
		}
		for url, n := range c.common.extensions {
			if r.extensions[url] != nil {
				c.add(s.number, "extension %q has a rule in resource * too", url)
			}
			put(&r.extensions, url, n)
		}
	}
}

func (c *compiler) shareLate(r *resource, s *line) {
	own, common := &r.late, &c.common.late
	if own.padded != nil && common.padded != nil {
		c.add(s.number, "zip3-padded stands twice in one object")
	}
	if common.padded != nil {
		own.padded = common.padded
	}
	if common.claim != nil {
		own.claim = common.claim // two would be two rules for meta
	}
	own.computed = append(own.computed, common.computed...)
}

func put[V any](m *map[string]V, k string, n V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[k] = n
}
