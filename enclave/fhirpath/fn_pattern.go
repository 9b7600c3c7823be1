package fhirpath

import "regexp"

// patternFunctions are those with regular expressions.
func patternFunctions() []function {
	b := given(booleanType)
	return []function{
		{name: "matches", min: 1, max: 1, takes: textOnly, gives: b, eval: onText(matches)},
		{name: "matchesFull", min: 1, max: 1, takes: textOnly, gives: b, eval: onText(matches)},
		{name: "replaceMatches", min: 2, max: 2, takes: textOnly, gives: given(stringType), eval: onText(replaceMatches)},
	}
}

// pattern is the first argument. One that isn't a literal is compiled here.
func (c *call) pattern() (*regexp.Regexp, error) {
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
	return compilePattern(s, c.e.name == "matchesFull")
}

func matches(c *call, s string) ([]Item, error) {
	p, err := c.pattern()
	if err != nil || p == nil {
		return nil, err
	}
	return truthOf(p.MatchString(s)).items(), c.ev.spend(c.e, len(s))
}

// group is a reference in a substitution: $1, ${1}, ${name}, $name.
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
	if first, _, _ := c.textArg(0); first == "" {
		return []Item{String(s)}, nil
	}
	// $1x is group 1 and an x, where Go would look for a group named 1x.
	to = group.ReplaceAllString(to, "$${$1}")
	// The places of all matches are held at once.
	if err := c.ev.spend(c.e, len(s)*(1+p.NumSubexp())); err != nil {
		return nil, err
	}
	var b []byte
	end := 0
	for _, m := range p.FindAllStringSubmatchIndex(s, -1) {
		if err := c.ev.spend(c.e, 1+len(m)+len(to)/64); err != nil {
			return nil, err
		}
		b = append(b, s[end:m[0]]...)
		b = p.ExpandString(b, to, s, m)
		if end = m[1]; len(b) > maxText {
			return nil, ErrBudget
		}
	}
	return joined(string(b), s[end:])
}
