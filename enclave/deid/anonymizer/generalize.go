package anonymizer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"anchorhold/enclave/fhirpath"
)

// generalCase is one case of generalize.
type generalCase struct{ when, then *fhirpath.Expression }

func (c *compiler) generalize(f ruleFaults, r *rule, v *value) {
	r.others = redact
	if o := v.get("otherValues"); o != nil && c.oneOf(o, f.label+": otherValues", "redact", "keep") == "keep" {
		r.others = keep
	}
	c.warnOfExtensions(f)
	cases := v.get("cases")
	switch {
	case cases == nil:
		f.add("cases is missing")
	case cases.kind == '"': // upstream reads an object that is written into a string, too
		inner, err := parse([]byte(cases.text))
		if err != nil {
			f.add("cases: %v", err)
			return
		}
		cases = &inner
		fallthrough
	case cases.kind == '{':
		for i := range cases.members {
			m := &cases.members[i]
			r.cases = append(r.cases, generalCase{
				c.caseExpression(f, m.name, m.name),
				c.caseExpression(f, m.name, m.value.scalar()),
			})
		}
		if len(cases.members) == 0 {
			f.add("cases is empty")
		}
	default:
		f.add("cases is %s, want an object", kindName(cases.kind))
	}
}

// scalar is the text that upstream makes of a value where it wants an expression.
func (v *value) scalar() string {
	switch v.kind {
	case '"', '0':
		return v.text
	}
	return "" // no expression
}

func (c *compiler) caseExpression(f ruleFaults, name, source string) *fhirpath.Expression {
	x, err := fhirpath.Compile(source, options("", false))
	if e, ok := errors.AsType[*fhirpath.CompileError](err); ok {
		f.add("case %s: %s", quoted(name), fmt.Sprintf("%s expression %s at byte %d: %s", e.Kind, quoted(source), e.Offset, e.Reason))
	}
	if x != nil {
		c.warnOfUnits(f, "case "+quoted(name), 0, x)
	}
	return x
}

// warnOfExtensions says that generalize ends the job at an element with an extension, unless an
// earlier rule has taken all of them.
func (c *compiler) warnOfExtensions(f ruleFaults) {
	for _, r := range c.engine.rules {
		if r.lookup == "nodesByType" && r.key == "Extension" && r.expression == nil {
			return
		}
	}
	c.warn("%s: generalize fails the job at an element with an extension, whatever processingErrors says, as upstream's tool does: "+
		"a rule for nodesByType('Extension') before it prevents that", f.label)
}

// quoted is a piece of a configuration in a message.
func quoted(s string) string { return fmt.Sprintf("%.80q", s) }

// generalize gives a primitive the value of the first case whose condition is true, or empty, as
// upstream has it.
func (r *record) generalize(n *fhirpath.Node, u *rule) (ops, error) {
	if !n.Type().Primitive() {
		if p := n.Parent(); p != nil && p.Type().Primitive() {
			return 0, errExtension
		}
		return 0, errComplex
	}
	if !n.HasValue() {
		return 0, nil
	}
	for _, c := range u.cases {
		found, err := c.when.Evaluate(n, r.env())
		if err != nil {
			return 0, &caseError{err}
		}
		if len(found) == 1 && isFalse(found[0]) {
			continue
		}
		then, err := c.then.Evaluate(n, r.env())
		if err == nil {
			err = assign(n, then)
		}
		if err != nil {
			return 0, &caseError{err}
		}
		text, _ := n.Text()
		return generalized, r.grow(len(text))
	}
	if u.others == redact {
		n.ClearValue()
	}
	return generalized, nil
}

func isFalse(i fhirpath.Item) bool {
	switch v := i.(type) {
	case fhirpath.Boolean:
		return !bool(v)
	case *fhirpath.Node:
		return v.Kind() == 'f'
	}
	return false
}

// assign gives n the single value of a result, none for an empty one. The value is written in the
// JSON type of the element: upstream writes that of the result, which no reader of FHIR takes.
func assign(n *fhirpath.Node, result []fhirpath.Item) error {
	if len(result) == 0 {
		n.ClearValue()
		return nil
	}
	if len(result) > 1 {
		return errCase
	}
	text := ""
	switch v := result[0].(type) {
	case *fhirpath.Node:
		var ok bool
		if text, ok = v.Text(); !ok {
			n.ClearValue()
			return nil
		}
	case fhirpath.Boolean, fhirpath.Integer, fhirpath.Decimal, fhirpath.String, fhirpath.Temporal:
		text = fmt.Sprint(v)
	default:
		return errCase // a quantity or a type is no value of a primitive
	}
	kind, ok := kindOf(n.Type(), text)
	if !ok {
		return errCaseType
	}
	n.SetValue(kind, text)
	return nil
}

// kindOf returns the JSON type that an element's values have; it's false for a text that isn't one
// of them: a decimal is none for an integer.
func kindOf(t *fhirpath.Type, text string) (jsontext.Kind, bool) {
	switch t.Value() {
	case "Boolean":
		if text == "true" || text == "false" {
			return jsontext.Kind(text[0]), true
		}
		return 0, false
	case "Integer":
		i, err := strconv.ParseInt(text, 10, 32)
		return '0', err == nil && strconv.FormatInt(i, 10) == text
	case "Decimal":
		v := jsontext.Value(text)
		return '0', v.Kind() == '0' && v.IsValid() && strings.TrimSpace(text) == text
	}
	return '"', true
}
