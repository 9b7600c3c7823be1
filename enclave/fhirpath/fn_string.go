package fhirpath

import (
	"strings"
	"unicode/utf8"
)

var textOnly = []*Type{stringType}

// stringFunctions are those of FHIRPath 5.6 without regular expressions.
func stringFunctions() []function {
	b, s, i := given(booleanType), given(stringType), given(integerType)
	return []function{
		{name: "indexOf", min: 1, max: 1, takes: textOnly, gives: i, eval: onText(indexOf)},
		{name: "lastIndexOf", min: 1, max: 1, takes: textOnly, gives: i, eval: onText(lastIndexOf)},
		{name: "substring", min: 1, max: 2, takes: textOnly, gives: s, eval: onText(substring)},
		{name: "startsWith", min: 1, max: 1, takes: textOnly, gives: b, eval: onText(tested(strings.HasPrefix))},
		{name: "endsWith", min: 1, max: 1, takes: textOnly, gives: b, eval: onText(tested(strings.HasSuffix))},
		{name: "contains", min: 1, max: 1, takes: textOnly, gives: b, eval: onText(tested(strings.Contains))},
		{name: "upper", takes: textOnly, gives: s, eval: onText(changed(strings.ToUpper))},
		{name: "lower", takes: textOnly, gives: s, eval: onText(changed(strings.ToLower))},
		{name: "trim", takes: textOnly, gives: s, eval: onText(changed(strings.TrimSpace))},
		{name: "replace", min: 2, max: 2, takes: textOnly, gives: s, eval: onText(replace)},
		{name: "length", takes: textOnly, gives: i, eval: onText(func(_ *call, s string) ([]Item, error) {
			return []Item{Integer(utf8.RuneCountInString(s))}, nil
		})},
		{name: "toChars", takes: textOnly, gives: s, eval: onText(func(c *call, s string) ([]Item, error) { return c.texts(s, "") })},
		{name: "split", min: 1, max: 1, takes: textOnly, gives: s, eval: onText(func(c *call, s string) ([]Item, error) {
			separator, ok, err := c.textArg(0)
			if err != nil || !ok {
				return nil, err
			}
			return c.texts(s, separator)
		})},
		{name: "join", max: 1, takes: textOnly, gives: s, eval: join},
	}
}

// onText makes a function on the only item of the input, a string.
func onText(f func(c *call, s string) ([]Item, error)) func(*call) ([]Item, error) {
	return func(c *call) ([]Item, error) {
		s, ok, err := text(c.in)
		if err != nil || !ok {
			return nil, err
		}
		if err := c.ev.spend(c.e, len(s)/64); err != nil {
			return nil, err
		}
		return f(c, s)
	}
}

func tested(test func(s, part string) bool) func(*call, string) ([]Item, error) {
	return func(c *call, s string) ([]Item, error) {
		part, ok, err := c.textArg(0)
		if err != nil || !ok {
			return nil, err
		}
		return truthOf(test(s, part)).items(), nil
	}
}

func changed(change func(string) string) func(*call, string) ([]Item, error) {
	return func(_ *call, s string) ([]Item, error) { return joined(change(s)) }
}

// indexOf counts characters, not bytes.
func indexOf(c *call, s string) ([]Item, error) { return c.place(s, strings.Index) }

func lastIndexOf(c *call, s string) ([]Item, error) { return c.place(s, strings.LastIndex) }

func (c *call) place(s string, find func(s, part string) int) ([]Item, error) {
	part, ok, err := c.textArg(0)
	if err != nil || !ok {
		return nil, err
	}
	i := find(s, part)
	if i > 0 {
		i = utf8.RuneCountInString(s[:i])
	}
	return []Item{Integer(i)}, nil
}

// substring is empty when it would start outside of the string.
func substring(c *call, s string) ([]Item, error) {
	start, ok, err := c.intArg(0)
	if err != nil || !ok {
		return nil, err
	}
	runes := []rune(s)
	if start < 0 || start >= len(runes) {
		return nil, nil
	}
	runes = runes[start:]
	length, ok, err := c.intArg(1)
	if err != nil {
		return nil, err
	}
	if ok {
		runes = runes[:min(max(length, 0), len(runes))]
	}
	return []Item{String(runes)}, nil
}

// replace computes the length first: the result may be far longer than both.
func replace(c *call, s string) ([]Item, error) {
	from, ok, err := c.textArg(0)
	if err != nil || !ok {
		return nil, err
	}
	to, ok, err := c.textArg(1)
	if err != nil || !ok {
		return nil, err
	}
	if len(s)+strings.Count(s, from)*(len(to)-len(from)) > maxText {
		return nil, ErrBudget
	}
	return []Item{String(strings.ReplaceAll(s, from, to))}, nil
}

// texts takes a string apart at a separator. The parts are counted first: they take more memory
// than the string.
func (c *call) texts(s, separator string) ([]Item, error) {
	n := strings.Count(s, separator) + 1
	if n > maxItems {
		return nil, ErrBudget
	}
	if err := c.ev.spend(c.e, n); err != nil {
		return nil, err
	}
	parts := strings.Split(s, separator)
	out := make([]Item, len(parts))
	for i, p := range parts {
		out[i] = String(p)
	}
	return out, nil
}

func join(c *call) ([]Item, error) {
	separator, _, err := c.textArg(0)
	if err != nil || len(c.in) == 0 {
		return nil, err
	}
	var parts []string
	for _, i := range c.in {
		if err := c.ev.weigh(c.e, i); err != nil {
			return nil, err
		}
		s, ok, err := text([]Item{i})
		if err != nil {
			return nil, err
		}
		if ok && len(parts) > 0 {
			parts = append(parts, separator)
		}
		if ok {
			parts = append(parts, s)
		}
	}
	return joined(parts...)
}
