package fhirpath

import (
	"cmp"
	"slices"
	"sync"
)

// A function is one function of FHIRPath.
type function struct {
	name     string
	min, max int // arguments

	// scoped: arguments are evaluated by the function, with $this an item of
	// the input. Else they are evaluated where the function is called.
	scoped bool

	// ordered: what comes out depends on the order of the input.
	ordered bool

	// takes are the values that the input may be of; nil: any.
	takes []*Type

	// gives is the static type of the result; nil: any.
	gives func(in static, args []static) static

	eval func(c *call) ([]Item, error)

	custom *CustomFunc
}

// A Function is a line of the list of supported functions.
type Function struct {
	Name             string
	MinArgs, MaxArgs int
}

// Functions returns what Compile supports, by name.
func Functions() []Function {
	var list []Function
	for _, f := range library() {
		list = append(list, Function{f.name, f.min, f.max})
	}
	slices.SortFunc(list, func(a, b Function) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// library is filled on first use: functions evaluate, and so refer to what
// refers to them.
var library = sync.OnceValue(func() map[string]*function {
	m := map[string]*function{}
	for _, list := range [][]function{
		existenceFunctions(), subsetFunctions(), filterFunctions(), combiningFunctions(), conversionFunctions(),
		stringFunctions(), patternFunctions(), codingFunctions(), mathFunctions(), boundaryFunctions(), treeFunctions(), typeFunctions(), clockFunctions(),
	} {
		for i := range list {
			m[list[i].name] = &list[i]
		}
	}
	return m
})

// Static results.
func same(in static, _ []static) static         { return in }
func firstArgument(_ static, a []static) static { return a[0] }
func given(t *Type) func(static, []static) static {
	return func(static, []static) static { return of(t) }
}

func both(in static, args []static) static {
	in.types = slices.Clone(in.types)
	in.add(args[0])
	return in
}

// call resolves a function and its arguments.
func (r *resolver) call(e *expr, in, this static) (static, error) {
	f := library()[e.name]
	if c, ok := r.options.Functions[e.name]; ok {
		f = &function{name: e.name, min: c.MinArgs, max: c.MaxArgs, eval: callCustom, custom: &c}
	}
	if f == nil {
		return in, failure(e.pos, Unsupported, "function %s is not supported", name(e.name))
	}
	if f.name == "sort" && len(e.args) > f.max {
		return in, failure(e.pos, Unsupported, "function sort is supported with one key only")
	}
	if len(e.args) < f.min || len(e.args) > f.max {
		return in, failure(e.pos, Semantic, "function %s takes %d to %d arguments, not %d", f.name, f.min, f.max, len(e.args))
	}
	if f.takes != nil && !in.may(f.takes) {
		return in, failure(e.pos, Semantic, "function %s is not for %s", f.name, in.types[0].name)
	}
	if f.ordered && in.unordered {
		return in, failure(e.pos, Semantic, "function %s is for items that have an order", f.name)
	}
	e.function = f
	if err := r.special(e); err != nil {
		return in, err
	}
	if f.name == "is" || f.name == "as" || f.name == "ofType" {
		return r.typeArgument(e, in)
	}
	inner := *r
	scope := this
	if f.scoped {
		scope = in
		inner.index = r.index || f.name != "iif" // which counts no items
	}
	if f.name == "aggregate" {
		inner.total = true
	}
	if f.name == "repeat" {
		scope = anything // the input, and then what comes out
	}
	args := make([]static, len(e.args))
	for i, a := range e.args {
		var err error
		if f.name == "sort" && a.op == opUnary && a.name == "-" {
			a = a.args[0] // descending, not a negative
		}
		if args[i], err = inner.resolve(a, scope); err != nil {
			return in, err
		}
	}
	if f.gives == nil {
		return anything, nil
	}
	return f.gives(in, args), nil
}

// special checks what a few functions ask of their literals.
func (r *resolver) special(e *expr) error {
	switch e.name {
	case "now", "today", "timeOfDay":
		if !r.options.Clock {
			return failure(e.pos, Unsupported, "function %s needs a clock, and there is none", e.name)
		}
	case "matches", "matchesFull", "replaceMatches":
		if s, ok := e.args[0].literal.(String); ok && e.args[0].op == opLiteral {
			p, err := compilePattern(string(s), e.name == "matchesFull", r.options.Exact)
			if err != nil {
				return failure(e.args[0].pos, Unsupported, "regular expression of %s is not supported", e.name)
			}
			e.pattern = p
			if to, ok := e.args[len(e.args)-1].literal.(String); ok && len(e.args) == 2 && e.args[1].op == opLiteral {
				if _, err := p.replacement(string(to)); err != nil {
					return failure(e.args[1].pos, Unsupported, "replacement of %s is not supported", e.name)
				}
			}
		}
	}
	if e.function.custom == nil {
		return nil
	}
	for _, a := range e.args {
		if _, ok := a.literal.(String); !ok || a.op != opLiteral {
			return failure(a.pos, Unsupported, "argument of %s is not a string in quotes", name(e.name))
		}
	}
	return nil
}

// typeArgument reads an argument like FHIR.Patient, which looks like a path.
func (r *resolver) typeArgument(e *expr, in static) (static, error) {
	a := e.args[0]
	space, path := "", a.op == opMember
	if f := a.focus; path && f != nil {
		space, path = f.name, f.op == opMember && f.focus == nil
	}
	if !path {
		return anything, failure(e.args[0].pos, Semantic, "argument of %s is not a type", e.name)
	}
	return r.typed(e, in, space, a.name)
}

// A call is a function at work.
type call struct {
	ev *evaluator
	e  *expr
	in []Item
	sc scope
}

// arg evaluates an argument where the function is called. Of an argument that
// isn't there nothing comes.
func (c *call) arg(i int) ([]Item, error) {
	if i >= len(c.e.args) {
		return nil, nil
	}
	return c.ev.eval(c.e.args[i], c.sc)
}

func (c *call) has(i int) bool { return i < len(c.e.args) }

// with evaluates an argument with $this an item, and $index its place.
func (c *call) with(i int, item Item, index int) ([]Item, error) {
	return c.ev.eval(c.e.args[i], scope{this: []Item{item}, index: index, total: c.sc.total})
}

// textArg and intArg are arguments that must be a single value; ok is false
// for an empty one, which makes most functions empty.
func (c *call) textArg(i int) (string, bool, error) {
	a, err := c.arg(i)
	if err != nil {
		return "", false, err
	}
	return text(a)
}

func (c *call) intArg(i int) (int, bool, error) {
	a, err := c.arg(i)
	if err != nil {
		return 0, false, err
	}
	return integer(a)
}

func callCustom(c *call) ([]Item, error) {
	nodes := make([]*Node, 0, len(c.in))
	for _, i := range c.in {
		n, ok := i.(*Node)
		if !ok {
			return nil, errOperands
		}
		nodes = append(nodes, n)
	}
	args := make([]string, len(c.e.args))
	for i, a := range c.e.args {
		args[i] = string(a.literal.(String))
	}
	out, err := c.e.function.custom.Call(nodes, args, func(n int) error { return c.ev.spend(c.e, n) })
	return items(out), err
}

// Refused are functions that FHIRPath or FHIR has and Compile refuses, with the
// reason.
func Refused() map[string]string {
	const more = "needs more than the resource"
	return map[string]string{
		"resolve": more, "memberOf": more, "conformsTo": more, "subsumes": more, "subsumedBy": more, "elementDefinition": more, "slice": more, "checkModifiers": more,
		"htmlChecks":     "checks text, selects nothing",
		"toLong":         "there are no Long numbers",
		"convertsToLong": "there are no Long numbers",
		"defineVariable": "trial use, not in FHIRPath 2.0",
		"coalesce":       "trial use, not in FHIRPath 2.0",
		"now":            "reads a clock",
		"today":          "reads a clock",
		"timeOfDay":      "reads a clock",
	}
}
