package fhirpath

import (
	"slices"
	"strings"
)

// static is what is known of the items of an expression before it's evaluated.
type static struct {
	types []*Type // none: always empty
	open  bool    // may be of any other type too

	// unordered: FHIRPath leaves the order of children() open (5.8), so that
	// what takes items by their place would be another rule elsewhere.
	unordered bool
}

var anything = static{open: true}

func of(types ...*Type) static { return static{types: types} }

func (s *static) add(other static) {
	s.open = s.open || other.open
	s.unordered = s.unordered || other.unordered
	for _, t := range other.types {
		if !slices.Contains(s.types, t) {
			s.types = append(s.types, t)
		}
	}
}

// value is the type that items of type t have for operators and functions.
func (t *Type) value() *Type {
	switch {
	case t.system != nil:
		return t.system
	case t.Is("Quantity"):
		return quantityType
	}
	return t
}

// may reports whether an item can have one of the values, or none at all.
func (s static) may(values []*Type) bool {
	if s.open || len(s.types) == 0 {
		return true
	}
	for _, t := range s.types {
		if t.abstract() || slices.Contains(values, t.value()) {
			return true
		}
	}
	return false
}

// resolver checks a tree and fills in what its names mean.
type resolver struct {
	options Options
	total   bool // inside aggregate()
	index   bool // inside the arguments of a function that counts items

	warnings *[]Warning
}

func (r *resolver) resolve(e *expr, this static) (static, error) {
	e.exact = r.options.Exact
	in := this
	if e.focus != nil {
		var err error
		if in, err = r.resolve(e.focus, this); err != nil {
			return in, err
		}
	}
	switch e.op {
	case opLiteral:
		return of(e.literal.Type()), nil
	case opVariable:
		return r.variable(e, this)
	case opConstant:
		return r.constant(e)
	case opMember:
		return r.member(e, in)
	case opCall:
		return r.call(e, in, this)
	case opIndex:
		index, err := r.resolve(e.args[0], this)
		switch {
		case err != nil:
		case !index.may([]*Type{integerType}):
			err = failure(e.pos, Semantic, "index is not an Integer")
		case in.unordered:
			err = failure(e.pos, Semantic, "index into items that have no order")
		}
		return in, err
	case opUnary:
		operand, err := r.resolve(e.args[0], this)
		if err == nil && !operand.may([]*Type{integerType, decimalType, quantityType}) {
			err = failure(e.pos, Semantic, "operand of %s is not a number", e.name)
		}
		if d, ok := e.args[0].literal.(Decimal); ok && d.scale == 0 && err == nil {
			return of(integerType), nil // see lowest
		}
		return operand, err
	case opBinary:
		return r.binary(e, this)
	case opType:
		operand, err := r.resolve(e.args[0], this)
		if err != nil {
			return operand, err
		}
		return r.typed(e, operand, e.space, string(e.literal.(String)))
	default: // opEmpty
		return static{}, nil
	}
}

func (r *resolver) variable(e *expr, this static) (static, error) {
	switch {
	case e.name == "$index" && !r.index:
		return anything, failure(e.pos, Semantic, "$index outside of the arguments of a function")
	case e.name == "$index":
		return of(integerType), nil
	case e.name == "$total" && !r.total:
		return anything, failure(e.pos, Semantic, "$total outside of aggregate()")
	case e.name == "$total":
		return anything, nil
	}
	return this, nil
}

func (r *resolver) constant(e *expr) (static, error) {
	switch e.name {
	case "context", "resource", "rootResource":
		return anything, nil
	}
	if c, ok := constants[e.name]; ok {
		e.literal = c
	} else if id, ok := strings.CutPrefix(e.name, "vs-"); ok {
		e.literal = String("http://hl7.org/fhir/ValueSet/" + id)
	} else if id, ok := strings.CutPrefix(e.name, "ext-"); ok {
		e.literal = String("http://hl7.org/fhir/StructureDefinition/" + id)
	} else {
		return anything, failure(e.pos, Unsupported, "constant %%%s is not supported", name(e.name))
	}
	return of(stringType), nil
}

// member finds an element, or the type that a path starts with.
func (r *resolver) member(e *expr, in static) (static, error) {
	out, found := in.element(e.name)
	if found {
		return out, nil
	}
	if t := r4().types[e.name]; t != nil && e.name[0] >= 'A' && e.name[0] <= 'Z' {
		switch {
		case r.options.Exact:
			return r.veryType(e, in, t)
		case e.focus == nil:
			return r.start(e, in, t)
		}
	}
	if r.options.UnknownElements {
		return anything, nil
	}
	if in.open || len(in.types) == 0 {
		return out, failure(e.pos, Semantic, "FHIR R4 has no element named %s", name(e.name))
	}
	hint := ""
	for _, t := range in.types {
		if m, ok := t.members[e.name]; ok && m.element.choice {
			hint = ": a choice is written " + m.element.name
		}
	}
	return out, failure(e.pos, Semantic, "%s has no element named %s%s", in.types[0].name, name(e.name), hint)
}

// element is what a name selects; found is false when it can't select anything.
func (s static) element(name string) (out static, found bool) {
	out.unordered = s.unordered
	for _, t := range s.types {
		el := t.elements[name]
		switch {
		case el != nil:
			found = true
			out.add(of(el.types...))
		case name == "value" && t.primitive():
			found = true
			out.add(of(t.system))
		case t == typeInfoType && (name == "name" || name == "namespace"):
			found = true
			out.add(of(stringType))
		case t.abstract():
			s.open = true
		}
	}
	if s.open && r4().names[name] {
		out.open, found = true, true
	}
	if len(s.types) == 0 && !s.open { // the path is empty before it comes to the name
		found = r4().names[name]
	}
	return out, found
}

// start is a path that begins with the name of a type: Patient.name. It keeps
// the items of that type.
func (r *resolver) start(e *expr, in static, t *Type) (static, error) {
	e.types = []*Type{t}
	if in.open {
		return of(t), nil
	}
	var out static
	for _, u := range in.types {
		switch {
		case u.is(t):
			out.add(of(u))
		case t.is(u):
			out.add(of(t))
		}
	}
	if len(out.types) == 0 && len(in.types) > 0 {
		return out, failure(e.pos, Semantic, "path starts with %s where %s is", t.name, in.types[0].name)
	}
	return out, nil
}

// typed resolves the type of is, as and ofType, which are asked of in.
func (r *resolver) typed(e *expr, in static, space, typeName string) (static, error) {
	if space != "" && space != fhirSpace && space != systemSpace {
		return anything, failure(e.pos, Semantic, "unknown name space %s", name(space))
	}
	e.types = lookup(space, typeName)
	if e.types == nil {
		return anything, failure(e.pos, Semantic, "unknown type %s", name(typeName))
	}
	if e.name == "is" {
		return of(booleanType), nil
	}
	out := of(slices.Clone(e.types)...)
	out.unordered = in.unordered
	for _, t := range e.types {
		if t.space != systemSpace {
			continue
		}
		out.open = out.open || in.open // elements with such a value are kept, too
		for _, u := range in.types {
			if u.abstract() {
				out.open = true
			} else if u.value() == t {
				out.add(of(u))
			}
		}
	}
	return out, nil
}

func (r *resolver) binary(e *expr, this static) (static, error) {
	a, err := r.resolve(e.args[0], this)
	if err != nil {
		return a, err
	}
	b, err := r.resolve(e.args[1], this)
	if err != nil {
		return b, err
	}
	e.operator = operators[e.name]
	switch e.name {
	case "|":
		a.types = slices.Clone(a.types)
		a.add(b)
		return a, nil
	case "&":
		return of(stringType), nil
	case "div":
		return of(integerType), nil
	case "+", "-", "*", "/", "mod":
		return anything, nil
	case "<", ">", "<=", ">=":
		if !ordered(a, b) {
			return a, failure(e.pos, Semantic, "operands of %s have no order", e.name)
		}
		r.warnOfUnits(e, a, b)
	case "=", "!=":
		r.warnOfUnits(e, a, b)
	}
	return of(booleanType), nil
}

// orders are the groups of types within which there's an order.
var orders = [][]*Type{
	{integerType, decimalType, quantityType},
	{stringType},
	{dateType, dateTimeType},
	{timeType},
}

func ordered(a, b static) bool {
	for _, group := range orders {
		if a.may(group) && b.may(group) {
			return true
		}
	}
	return false
}
