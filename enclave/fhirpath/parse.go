package fhirpath

import (
	"math"
	"strconv"
	"strings"
)

// Limits of an expression. Rules are written by people: these are far away.
const (
	MaxExpression = 16 << 10 // bytes
	maxDepth      = 100      // of operands, calls and parentheses
)

type op uint8

const (
	opLiteral  op = iota
	opEmpty       // {}
	opVariable    // $this, $index, $total
	opConstant    // %name
	opMember      // focus.name
	opCall        // focus.name(args)
	opIndex       // focus[args]
	opUnary       // + -
	opBinary
	opType // is, as with the name of a type
)

// An expr is a node of the syntax tree. What Parse leaves out, resolve fills in.
type expr struct {
	op      op
	pos     int
	depth   int
	name    string
	literal Item
	focus   *expr // nil: the expression starts here
	args    []*expr
	space   string // of opType: FHIR or System

	function *function // of opCall
	// of opType, of is(), as() and ofType(), and of opMember when it names a type
	types    []*Type
	pattern  *pattern // of a function whose regular expression is a literal
	operator operator // of opBinary
	exact    bool     // see Options.Exact
}

// precedence of operators, from the grammar of FHIRPath N1: higher binds closer.
var precedence = map[string]int{
	"implies": 1, "or": 2, "xor": 2, "and": 3, "in": 4, "contains": 4,
	"=": 5, "~": 5, "!=": 5, "!~": 5, "<": 6, ">": 6, "<=": 6, ">=": 6,
	"|": 7, "is": 8, "as": 8, "+": 9, "-": 9, "&": 9, "*": 10, "/": 10, "div": 10, "mod": 10,
}

type parser struct {
	tokens []token
	depth  int
}

// parse returns the tree of an expression.
func parse(s string) (*expr, error) {
	list, err := tokens(s)
	if err != nil {
		return nil, err
	}
	p := parser{tokens: list}
	e, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	if t := p.tokens[0]; t.kind != endToken {
		return nil, unexpected(t)
	}
	return e, nil
}

func unexpected(t token) error {
	if t.kind == endToken {
		return failure(t.pos, Syntax, "expression ends too early")
	}
	return failure(t.pos, Syntax, "unexpected token")
}

func (p *parser) next() token {
	t := p.tokens[0]
	if t.kind != endToken {
		p.tokens = p.tokens[1:]
	}
	return t
}

func (p *parser) accept(symbol string) bool {
	if p.tokens[0].is(symbol) {
		p.next()
		return true
	}
	return false
}

func (p *parser) expect(symbol string) error {
	if !p.accept(symbol) {
		return unexpected(p.tokens[0])
	}
	return nil
}

// made bounds the depth of the tree, which a.b.c... makes without recursion here.
func made(e *expr) (*expr, error) {
	if e.focus != nil {
		e.depth = e.focus.depth
	}
	for _, a := range e.args {
		e.depth = max(e.depth, a.depth)
	}
	if e.depth++; e.depth > maxDepth {
		return nil, failure(e.pos, Limit, "expression is nested more than %d deep", maxDepth)
	}
	return e, nil
}

// expression reads operators that bind at least as close as min.
func (p *parser) expression(min int) (*expr, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, failure(p.tokens[0].pos, Limit, "expression is nested more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	left, err := p.unary()
	for err == nil {
		t := p.tokens[0]
		level := precedence[t.text]
		if t.kind != symbolToken && t.kind != nameToken || level == 0 || level < min {
			return left, nil
		}
		p.next()
		if t.text == "is" || t.text == "as" {
			left, err = p.typeOf(left, t)
			continue
		}
		var right *expr
		if right, err = p.expression(level + 1); err == nil {
			left, err = made(&expr{op: opBinary, pos: t.pos, name: t.text, args: []*expr{left, right}})
		}
	}
	return nil, err
}

// typeOf reads the type behind is or as. What follows it is of the result: a is boolean.not() is (a
// is boolean).not().
func (p *parser) typeOf(left *expr, t token) (*expr, error) {
	e := &expr{op: opType, pos: t.pos, name: t.text, args: []*expr{left}}
	var err error
	if e.space, e.literal, err = p.typeName(); err != nil {
		return nil, err
	}
	if e, err = made(e); err != nil {
		return nil, err
	}
	return p.suffixes(e)
}

// typeName reads Name or Space.Name. What is called after a point is a function of the result.
func (p *parser) typeName() (space string, name Item, err error) {
	first, err := p.identifier()
	if err != nil || !p.tokens[0].is(".") || len(p.tokens) > 2 && p.tokens[2].is("(") {
		return "", String(first.text), err
	}
	p.next()
	second, err := p.identifier()
	return first.text, String(second.text), err
}

// identifier reads a name; four of the keywords are names too.
func (p *parser) identifier() (token, error) {
	t := p.next()
	switch {
	case t.kind == delimitedToken:
	case t.kind != nameToken:
		return t, unexpected(t)
	case keywords[t.text] && t.text != "is" && t.text != "as" && t.text != "in" && t.text != "contains":
		return t, unexpected(t)
	}
	return t, nil
}

func (p *parser) unary() (*expr, error) {
	t := p.tokens[0]
	if !t.is("-") && !t.is("+") {
		return p.postfix()
	}
	if p.depth++; p.depth > maxDepth {
		return nil, failure(t.pos, Limit, "expression is nested more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	p.next()
	var operand *expr
	var err error
	if t.is("-") && p.lowest() {
		operand, err = made(&expr{op: opLiteral, pos: p.next().pos, literal: decimalOf(-math.MinInt32)})
	} else {
		operand, err = p.unary()
	}
	if err != nil {
		return nil, err
	}
	return made(&expr{op: opUnary, pos: t.pos, name: t.text, args: []*expr{operand}})
}

// lowest reports whether the number at hand is the one that is an Integer only
// with the minus before it; a Decimal without places stands for it.
func (p *parser) lowest() bool {
	if t := p.tokens[0]; t.kind != numberToken || t.text != "2147483648" {
		return false
	}
	after := p.tokens[1]
	return !after.is(".") && !after.is("[") && after.kind != stringToken && calendarWord(after.text) == ""
}

func (p *parser) postfix() (*expr, error) {
	e, err := p.term()
	if err != nil {
		return nil, err
	}
	return p.suffixes(e)
}

// suffixes reads the names, calls and indexes that follow e.
func (p *parser) suffixes(e *expr) (*expr, error) {
	var err error
	for err == nil {
		switch t := p.tokens[0]; {
		case p.accept("."):
			if p.tokens[0].kind == variableToken {
				return nil, failure(t.pos, Unsupported, "variable behind a point")
			}
			e, err = p.invocation(e)
		case p.accept("["):
			var index *expr
			if index, err = p.expression(0); err != nil {
				return nil, err
			}
			if err = p.expect("]"); err != nil {
				return nil, err
			}
			e, err = made(&expr{op: opIndex, pos: t.pos, name: "[]", focus: e, args: []*expr{index}})
		default:
			return e, nil
		}
	}
	return nil, err
}

// invocation reads a name or a call of a function, on the focus.
func (p *parser) invocation(focus *expr) (*expr, error) {
	t, err := p.identifier()
	if err != nil {
		return nil, err
	}
	e := &expr{op: opMember, pos: t.pos, name: t.text, focus: focus}
	if !p.accept("(") {
		return made(e)
	}
	e.op = opCall
	for !p.accept(")") {
		if len(e.args) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		a, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		e.args = append(e.args, a)
	}
	return made(e)
}

func (p *parser) term() (*expr, error) {
	switch t := p.tokens[0]; {
	case p.accept("("):
		e, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		return e, p.expect(")")
	case p.accept("{"):
		if err := p.expect("}"); err != nil {
			return nil, err
		}
		return made(&expr{op: opEmpty, pos: t.pos})
	case p.accept("%"):
		c := p.next()
		if c.kind != nameToken && c.kind != delimitedToken && c.kind != stringToken {
			return nil, unexpected(c)
		}
		return made(&expr{op: opConstant, pos: t.pos, name: c.text})
	case t.kind == variableToken:
		p.next()
		if t.text != "$this" && t.text != "$index" && t.text != "$total" {
			return nil, failure(t.pos, Syntax, "unknown variable")
		}
		return made(&expr{op: opVariable, pos: t.pos, name: t.text})
	case t.kind == numberToken, t.kind == stringToken, t.kind == temporalToken, t.is("true"), t.is("false"):
		p.next()
		return p.literal(t)
	default:
		return p.invocation(nil)
	}
}

func (p *parser) literal(t token) (*expr, error) {
	e := &expr{op: opLiteral, pos: t.pos}
	switch t.kind {
	case nameToken:
		e.literal = Boolean(t.text == "true")
	case stringToken:
		e.literal = String(t.text)
	case temporalToken:
		kind, text := dateType, t.text[1:]
		switch {
		case text[0] == 'T':
			kind, text = timeType, text[1:]
		case strings.Contains(text, "T"):
			kind = dateTimeType
		}
		v, ok := parseTemporal(kind, text)
		if !ok {
			return nil, failure(t.pos, Syntax, "no such date or time")
		}
		e.literal = v
	default:
		v, err := p.number(t)
		if err != nil {
			return nil, err
		}
		e.literal = v
	}
	return made(e)
}

// number reads an Integer, a Decimal or, with a unit behind it, a Quantity.
func (p *parser) number(t token) (Item, error) {
	d, ok := parseDecimal(t.text)
	unit := p.tokens[0]
	switch {
	case !ok:
	case unit.kind == stringToken:
		p.next()
		return Quantity{value: d, unit: unit.text}, nil
	case unit.kind == nameToken && calendarWord(unit.text) != "":
		p.next()
		return Quantity{value: d, unit: unit.text, calendar: true}, nil
	case strings.Contains(t.text, "."):
		return d, nil
	}
	i, err := strconv.ParseInt(t.text, 10, 64)
	if !ok || err != nil || i > math.MaxInt32 {
		return nil, failure(t.pos, Semantic, "number is too large")
	}
	return Integer(i), nil
}
