package fhirpath

import "anchorhold/enclave/steps"

// An evaluator is one evaluation of one expression.
type evaluator struct {
	context *Node
	env     Env
	budget  *steps.Budget
	room    int // bytes of text that may still be computed
}

// A scope is what $this, $index and $total are at a place of the expression.
type scope struct {
	this  []Item
	index int // meaningful in the arguments of where() and its like
	total []Item
}

// spend counts work before it is done.
func (ev *evaluator) spend(e *expr, steps int) error {
	if !ev.budget.Spend(steps) {
		return ev.fail(e, ErrBudget)
	}
	return nil
}

func (ev *evaluator) fail(e *expr, reason error) error {
	name := e.name
	if e.op == opLiteral {
		name = "literal" // unreachable
	}
	return &EvalError{Name: name, Offset: e.pos, Reason: reason}
}

func (ev *evaluator) eval(e *expr, sc scope) ([]Item, error) {
	if err := ev.spend(e, 1); err != nil {
		return nil, err
	}
	out, err := ev.evalOp(e, sc)
	if err != nil {
		return nil, err
	}
	return out, ev.result(e, out)
}

func (ev *evaluator) evalOp(e *expr, sc scope) ([]Item, error) {
	in := sc.this
	if e.focus != nil {
		var err error
		if in, err = ev.eval(e.focus, sc); err != nil {
			return nil, err
		}
	}
	switch e.op {
	case opLiteral:
		return []Item{e.literal}, nil
	case opVariable:
		return e.variable(sc), nil
	case opConstant:
		return ev.constant(e), nil
	case opMember:
		return ev.member(e, in)
	case opCall:
		c := call{ev: ev, e: e, in: in, sc: sc}
		out, err := e.function.eval(&c)
		if err != nil {
			return nil, ev.named(e, err)
		}
		return out, ev.spend(e, len(out))
	case opIndex:
		return ev.index(e, in, sc)
	case opUnary:
		return ev.unary(e, sc)
	case opBinary:
		return ev.binary(e, sc)
	case opType:
		return ev.typeOperator(e, sc)
	default: // opEmpty
		return nil, nil
	}
}

// named gives an error the place where it arose, unless it has one.
func (ev *evaluator) named(e *expr, err error) error {
	if _, ok := err.(*EvalError); ok {
		return err
	}
	return ev.fail(e, err)
}

func (e *expr) variable(sc scope) []Item {
	switch e.name {
	case "$index":
		return []Item{Integer(sc.index)}
	case "$total":
		return sc.total
	default:
		return sc.this
	}
}

// constants with a fixed value; FHIR and FHIRPath name them.
var constants = map[string]String{
	"ucum":  ucumSystem,
	"sct":   "http://snomed.info/sct",
	"loinc": "http://loinc.org",
}

// constant is one of those that resolve knows.
func (ev *evaluator) constant(e *expr) []Item {
	switch e.name {
	case "context":
		return []Item{ev.context}
	case "resource":
		return []Item{ev.context.Resource()}
	case "rootResource":
		n := ev.context.Resource()
		for n.member == "contained" && n.parent != nil {
			n = n.parent.Resource()
		}
		return []Item{n}
	}
	return []Item{e.literal}
}

// member follows a name, or keeps the items of a type at the start of a path.
func (ev *evaluator) member(e *expr, in []Item) ([]Item, error) {
	if err := ev.spend(e, len(in)); err != nil {
		return nil, err
	}
	var out []Item
	for _, i := range in {
		switch v := i.(type) {
		case *Node:
			// Members that R4 does not define can be many.
			if err := ev.spend(e, len(v.fields)/8); err != nil {
				return nil, err
			}
			switch {
			case e.types != nil:
				if v.typ != nil && (v.typ.is(e.types[0]) && !e.exact || e.exact && e.very(v.typ)) {
					out = append(out, v)
				}
			case e.name == "value" && v.typ != nil && v.typ.primitive() && !e.exact:
				s, err := value(v)
				if err != nil {
					return nil, ev.fail(e, err)
				}
				if s != nil {
					out = append(out, s)
				}
			default:
				out = v.named(e.name, out)
			}
		case TypeInfo:
			switch e.name {
			case "name":
				out = append(out, String(v.Name))
			case "namespace":
				out = append(out, String(v.Namespace))
			}
		}
	}
	return out, ev.spend(e, len(out))
}

func (ev *evaluator) index(e *expr, in []Item, sc scope) ([]Item, error) {
	arg, err := ev.eval(e.args[0], sc)
	if err != nil {
		return nil, err
	}
	i, ok, err := integer(arg)
	switch {
	case err != nil:
		return nil, ev.named(e, err)
	case !ok || i < 0 || i >= len(in):
		return nil, nil
	}
	return in[i : i+1 : i+1], nil
}

// single returns the value of the only item, nil when there's none.
func single(in []Item) (Item, error) {
	switch len(in) {
	case 0:
		return nil, nil
	case 1:
		return value(in[0])
	}
	return nil, errSingle
}

// integer returns the only item as a number; ok is false when there's none.
func integer(in []Item) (n int, ok bool, err error) {
	i, err := single(in)
	if i == nil {
		return 0, false, err
	}
	v, ok := i.(Integer)
	if !ok {
		return 0, false, errInteger
	}
	return int(v), true, nil
}

// text returns the only item as a string; ok is false when there's none.
func text(in []Item) (s string, ok bool, err error) {
	i, err := single(in)
	if i == nil {
		return "", false, err
	}
	v, ok := i.(String)
	if !ok {
		return "", false, errString
	}
	return string(v), true, nil
}

// truth is a Boolean that may be unknown: an empty collection.
type truth int8

const (
	no truth = iota - 1
	unknown
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// items is the collection that stands for a truth.
func (t truth) items() []Item {
	if t == unknown {
		return nil
	}
	return []Item{Boolean(t == yes)}
}

// boolean is the singleton evaluation of FHIRPath (4.5): one item that is no
// Boolean counts as true.
func boolean(in []Item) (truth, error) {
	i, err := single(in)
	switch v := i.(type) {
	case nil:
		return unknown, err
	case Boolean:
		return truthOf(bool(v)), nil
	}
	return yes, nil
}

// strictly is boolean without that.
func strictly(in []Item) (truth, error) {
	i, err := single(in)
	switch v := i.(type) {
	case nil:
		return unknown, err
	case Boolean:
		return truthOf(bool(v)), nil
	}
	return unknown, errBoolean
}
