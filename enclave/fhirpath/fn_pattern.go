package fhirpath

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
)

// patternFunctions are those with regular expressions.
func patternFunctions() []function {
	b := given(booleanType)
	return []function{
		{name: "matches", min: 1, max: 1, takes: textOnly, gives: b, eval: onText(matches)},
		{name: "matchesFull", min: 1, max: 1, takes: textOnly, gives: b, eval: onText(matches)},
		{name: "replaceMatches", min: 2, max: 2, takes: textOnly, gives: given(stringType), eval: onText(replaceMatches)},
	}
}

const (
	maxPattern      = 1 << 10 // bytes of a regular expression
	maxInstructions = 2000    // of its program; \d{5} has 8
)

// A pattern is a regular expression, with the size of its program: a match
// takes at most that much work for each byte.
type pattern struct {
	*regexp.Regexp
	size  int
	exact bool // see Options.Exact
	ascii bool // it is for texts in ASCII only: see dotNet
}

// compilePattern makes a regular expression of RE2, whose work is linear; what
// RE2 lacks (looking around, back references) is refused, never approximated.
// The point matches a line end too (FHIRPath 5.6.9), but not with exact.
func compilePattern(s string, full, exact bool) (*pattern, error) {
	if len(s) > maxPattern {
		return nil, errPattern
	}
	ascii := false
	if exact {
		var ok bool
		if s, ascii, ok = dotNet(s); !ok {
			return nil, errPattern
		}
	}
	if full {
		s = "^(?:" + s + ")$"
	}
	if !exact {
		s = "(?s)" + s
	}
	// The text of their errors quotes the pattern, which may be of a record.
	tree, err := syntax.Parse(s, syntax.Perl)
	if err != nil {
		return nil, errPattern
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil || len(program.Inst) > maxInstructions {
		return nil, errPattern
	}
	p, err := regexp.Compile(s)
	if err != nil {
		return nil, errPattern // unreachable
	}
	return &pattern{p, len(program.Inst), exact, ascii}, nil
}

// steps is what times matches against s may cost.
func (p *pattern) steps(s string, times int) int { return 1 + len(s)*p.size/64*times }

// pattern is the first argument. One that isn't a literal is compiled here.
func (c *call) pattern() (*pattern, error) {
	if c.e.pattern != nil {
		return c.e.pattern, nil
	}
	s, ok, err := c.textArg(0)
	if err != nil || !ok {
		return nil, err
	}
	if err := c.ev.spend(c.e, 100*len(s)); err != nil {
		return nil, err
	}
	return compilePattern(s, c.e.name == "matchesFull", c.e.exact)
}

// fits reports whether RE2 can answer for a text.
func (p *pattern) fits(s string) bool {
	return !p.ascii || strings.IndexFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) < 0
}

// replacement is what the second argument puts in place of matches, as Go writes it.
func (p *pattern) replacement(to string) (string, error) {
	if !p.exact {
		return group.ReplaceAllString(to, "$${$1}"), nil
	}
	to, ok := p.dotNetSubstitution(to)
	if !ok || p.MatchString("") { // Go and .NET differ in which empty matches count
		return "", errPattern
	}
	return to, nil
}

func matches(c *call, s string) ([]Item, error) {
	p, err := c.pattern()
	if err != nil || p == nil {
		return nil, err
	}
	if err := c.ev.spend(c.e, p.steps(s, 1)); err != nil {
		return nil, err
	}
	if !p.fits(s) {
		return nil, errPattern
	}
	return truthOf(p.MatchString(s)).items(), nil
}

// group is a reference in a substitution: $1 or $name. It is written ${1} for
// Go, to which $1x would be a group named 1x.
var group = regexp.MustCompile(`\$(\d+|[A-Za-z_]\w*)`)

// replaceMatches builds the result match by match, so that it can stop: each
// match may become a long substitution. An empty pattern changes nothing.
func replaceMatches(c *call, s string) ([]Item, error) {
	p, err := c.pattern()
	if err != nil || p == nil {
		return nil, err
	}
	to, ok, err := c.textArg(1)
	if err != nil || !ok {
		return nil, err
	}
	if first, _, _ := c.textArg(0); first == "" && !p.exact {
		return []Item{String(s)}, nil
	}
	if !p.fits(s) {
		return nil, errPattern
	}
	if to, err = p.replacement(to); err != nil {
		return nil, err
	}
	places, err := c.places(p, s)
	if err != nil {
		return nil, err
	}
	references := strings.Count(to, "$")
	var b []byte
	end := 0
	for _, m := range places {
		if err := c.ev.spend(c.e, 1+len(to)/64); err != nil {
			return nil, err
		}
		b = append(b, s[end:m[0]]...)
		// A reference is no longer than the match, but there may be many.
		if len(b)+len(to)+references*(m[1]-m[0]) > maxText {
			return nil, ErrBudget
		}
		b = p.ExpandString(b, to, s, m)
		end = m[1]
	}
	return joined(string(b), s[end:])
}

// places finds all matches, few at first: to find each may take work on the
// whole rest of the text, and that must be paid before it is done.
func (c *call) places(p *pattern, s string) ([][]int, error) {
	for most := 16; ; most *= 4 {
		if err := c.ev.spend(c.e, p.steps(s, most)); err != nil {
			return nil, err
		}
		if found := p.FindAllStringSubmatchIndex(s, most); len(found) < most {
			return found, nil
		}
	}
}
