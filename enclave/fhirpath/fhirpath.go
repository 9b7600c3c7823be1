package fhirpath

import (
	"strings"
	"time"

	"anchorhold/enclave/steps"
)

// Options say in what surroundings an expression will be evaluated.
type Options struct {
	// Type is the type that the expression starts from: Patient. Empty means
	// any: then names are checked only where the expression tells the type.
	Type string

	// UnknownElements lets names pass that FHIR R4 doesn't define; they select
	// nothing. Without it they are an error, for a misspelt rule protects nothing.
	UnknownElements bool

	// Clock allows now(), today() and timeOfDay(), which read Env.Now.
	Clock bool

	// Exact evaluates as the .NET library does for which rules of Microsoft's
	// anonymizer are written: is, as and ofType() ask for the very type, as keeps
	// what is of it of a collection, dates are compared in UTC, and regular
	// expressions are those of .NET or, where RE2 can't match the same, refused.
	// Unlike there, a union leaves out no element because another has an equal value:
	// a rule for such a union would change the first of them alone.
	Exact bool

	// Functions are more functions, by name.
	Functions map[string]CustomFunc
}

// A CustomFunc is a function of the caller. Its arguments are string literals.
type CustomFunc struct {
	MinArgs, MaxArgs int
	// Call returns nodes for the nodes it is called on. It must not change
	// either, and asks spend before it looks at so many nodes.
	Call func(in []*Node, args []string, spend func(nodes int) error) ([]*Node, error)
}

// Limits of an evaluation, when Env does not say otherwise.
const (
	DefaultSteps = 1 << 22 // operations, items and comparisons: 1 s or so
	maxItems     = 1 << 20 // of one collection
	maxText      = 1 << 20 // bytes of a string that is computed
	maxTexts     = 1 << 24 // bytes of all of them
)

// Env is what an evaluation may know besides the resource.
type Env struct {
	Now      time.Time // for now() and its like; see Options.Clock
	MaxSteps int       // 0 means DefaultSteps
	// Budget is what several evaluations share, in place of MaxSteps. It also ends them with their
	// job.
	Budget *steps.Budget
}

// An Expression is ready to be evaluated, by many goroutines at a time.
type Expression struct {
	root     *expr
	gives    static
	warnings []Warning
}

// Compile parses and checks an expression. Its errors are *CompileError.
func Compile(source string, o Options) (*Expression, error) {
	e, err := parse(source)
	if err != nil {
		return nil, err
	}
	x := &Expression{root: e}
	r := resolver{options: o, warnings: &x.warnings}
	this := anything
	if o.Type != "" {
		t := r4().types[o.Type]
		if t == nil {
			return nil, failure(0, Semantic, "type of the context is not of FHIR R4")
		}
		this = static{types: []*Type{t}}
	}
	if x.gives, err = r.resolve(e, this); err != nil {
		return nil, err
	}
	return x, nil
}

// Types returns the types that results can be of, as far as the expression
// tells; known is false when it doesn't tell.
func (x *Expression) Types() (types []*Type, known bool) {
	for _, t := range x.gives.types {
		if t.abstract() {
			return nil, false
		}
	}
	return x.gives.types, !x.gives.open
}

// String prints the expression in one form; it compiles to the same again.
func (x *Expression) String() string {
	var b strings.Builder
	x.root.write(&b)
	return b.String()
}

// Evaluate returns what the expression selects or computes from a node and the
// nodes below it. Nodes of the result are those of the resource themselves.
// Its errors are *EvalError; with one there's no result.
func (x *Expression) Evaluate(context *Node, env Env) ([]Item, error) {
	ev := evaluator{context: context, env: env, budget: env.Budget, room: maxTexts}
	if ev.budget == nil {
		most := env.MaxSteps
		if most == 0 {
			most = DefaultSteps
		}
		ev.budget = steps.New(nil)
		ev.budget.Start(most)
	}
	return ev.eval(x.root, scope{this: []Item{context}})
}

// Nodes is Evaluate for an expression that selects elements. A computed value,
// which has no place in the resource, is an error: a rule for it would change
// nothing.
func (x *Expression) Nodes(context *Node, env Env) ([]*Node, error) {
	items, err := x.Evaluate(context, env)
	if err != nil {
		return nil, err
	}
	nodes := make([]*Node, len(items))
	for i, item := range items {
		n, ok := item.(*Node)
		if !ok {
			return nil, &EvalError{Name: "expression", Reason: errElement}
		}
		nodes[i] = n
	}
	return nodes, nil
}
