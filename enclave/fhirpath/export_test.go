package fhirpath

import "strings"

// Print parses an expression and prints it, without looking up its names.
func Print(source string) (string, error) {
	e, err := parse(source)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	e.write(&b)
	return b.String(), nil
}

// CheckModel reports what is inconsistent in the generated table.
func CheckModel(report func(format string, args ...any)) (types, elements int) {
	for name, t := range r4().types {
		if t.base == nil && name != "Element" && name != "Resource" {
			report("%s has no base", name)
		}
		if i := strings.LastIndexByte(name, '.'); i > 0 && r4().types[name[:i]] == nil {
			report("%s has no parent", name)
		}
		for path, e := range t.elements {
			elements++
			if path != e.name || len(e.types) == 0 || e.choice != (len(e.types) > 1) {
				report("%s.%s: %d types, choice %t", name, path, len(e.types), e.choice)
			}
		}
		for member, m := range t.members {
			if !m.element.choice && member != m.element.name || t.elements[m.element.name] != m.element {
				report("%s.%s: member of another element", name, member)
			}
		}
		if t.primitive() && len(t.elements) != 2 {
			report("%s: primitive with %d elements", name, len(t.elements))
		}
	}
	return len(r4().types), elements
}
