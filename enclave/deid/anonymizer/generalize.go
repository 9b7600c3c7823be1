package anonymizer

import (
	"errors"
	"fmt"

	"anchorhold/enclave/fhirpath"
)

// generalCase is one case of generalize.
type generalCase struct{ when, then *fhirpath.Expression }

func (c *compiler) generalize(f ruleFaults, r *rule, v *value) {
	r.others = redact
	if o := v.get("otherValues"); o != nil && c.oneOf(o, f.label+": otherValues", "redact", "keep") == "keep" {
		r.others = keep
	}
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
	return x
}

// quoted is a piece of a configuration in a message.
func quoted(s string) string { return fmt.Sprintf("%.80q", s) }

// A caseError is a case that fails on a value: the one failure that processingErrors can have skipped, upstream as here.
type caseError struct{ err error }

func (e *caseError) Error() string { return e.err.Error() }

func (e *caseError) Unwrap() error { return e.err }

func isCase(err error) bool {
	_, ok := errors.AsType[*caseError](err)
	return ok
}

// generalize gives a primitive the value of the first case whose condition is true, or empty, as upstream has it.
func (r *record) generalize(n *fhirpath.Node, u *rule) (ops, error) {
	if !n.Type().Primitive() {
		return 0, errNotApplicable
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

// assign gives n the single value of a result, none for an empty one.
func assign(n *fhirpath.Node, result []fhirpath.Item) error {
	if len(result) == 0 {
		n.ClearValue()
		return nil
	}
	if len(result) > 1 {
		return errCase
	}
	switch v := result[0].(type) {
	case *fhirpath.Node:
		text, ok := v.Text()
		if !ok {
			n.ClearValue()
			return nil
		}
		n.SetValue(v.Kind(), text)
	case fhirpath.Boolean:
		if v {
			n.SetValue('t', "true")
		} else {
			n.SetValue('f', "false")
		}
	case fhirpath.Integer, fhirpath.Decimal:
		n.SetValue('0', fmt.Sprint(v))
	case fhirpath.String, fhirpath.Temporal:
		n.SetValue('"', fmt.Sprint(v))
	default:
		return errCase // a quantity or a type is no value of a primitive
	}
	return nil
}
