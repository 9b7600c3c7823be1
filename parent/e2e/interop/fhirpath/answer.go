package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"time"

	"anchorhold/enclave/fhirpath"
)

// An answer is what an engine says of an expression: items in a form in which both engines write
// alike, or an error.
type answer struct {
	items []string
	err   string
}

func (a answer) String() string {
	if a.err != "" {
		return "error: " + a.err
	}
	return "[" + strings.Join(a.items, ", ") + "]"
}

// ask evaluates an expression with our engine, as `anchorhold try` does without a configuration of
// Microsoft's.
func ask(r resource, expression string) answer {
	x, err := fhirpath.Compile(expression, fhirpath.Options{Type: r.node.Type().Name()})
	if err != nil {
		return answer{err: err.Error()}
	}
	items, err := x.Evaluate(r.node, fhirpath.Env{})
	if err != nil {
		return answer{err: err.Error()}
	}
	a := answer{}
	for _, i := range items {
		if s := ourItem(r, i); s != "" {
			a.items = append(a.items, s)
		}
	}
	return a
}

func ourItem(r resource, i fhirpath.Item) string {
	switch v := i.(type) {
	case *fhirpath.Node:
		span := v.Value()
		if span.End == 0 {
			return "" // no value: the other engine has no item there
		}
		var value any
		decoder := json.NewDecoder(bytes.NewReader(r.json[span.Start:span.End]))
		decoder.UseNumber()
		if err := decoder.Decode(&value); err != nil {
			return "unreadable: " + err.Error()
		}
		return canonical(value)
	case fhirpath.Boolean:
		return canonical(bool(v))
	case fhirpath.String:
		return canonical(string(v))
	case fhirpath.Integer, fhirpath.Decimal:
		return canonical(json.Number(fmt.Sprint(v)))
	case fhirpath.Temporal:
		return canonical(v.String())
	case fhirpath.TypeInfo:
		return "type " + v.Namespace + "." + v.Name
	case fhirpath.Quantity:
		return quantity(v.String())
	}
	return fmt.Sprint(i)
}

func readAnswers(b []byte, want int) ([]answer, error) {
	var list []answer
	for line := range bytes.Lines(b) {
		var a struct {
			Items []struct {
				Kind  string
				Value any
			}
			Error *string
		}
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.UseNumber()
		if err := decoder.Decode(&a); err != nil {
			return nil, fmt.Errorf("oracle: line %d: %w", len(list)+1, err)
		}
		if a.Error != nil {
			list = append(list, answer{err: *a.Error + " "})
			continue
		}
		out := answer{}
		for _, i := range a.Items {
			out.items = append(out.items, theirItem(i.Kind, i.Value))
		}
		list = append(list, out)
	}
	if len(list) != want {
		return nil, fmt.Errorf("oracle: got %d answers, want %d", len(list), want)
	}
	return list, nil
}

func theirItem(kind string, value any) string {
	text, _ := value.(string)
	switch kind {
	case "quantity":
		return quantity(text)
	case "type":
		return "type " + text
	case "number":
		return canonical(json.Number(text))
	}
	return canonical(value)
}

// canonical writes a value in one form: numbers without needless digits, members in order, moments
// in UTC.
func canonical(v any) string {
	switch v := v.(type) {
	case json.Number:
		r, ok := new(big.Rat).SetString(v.String())
		if !ok {
			return v.String()
		}
		return number(r)
	case string:
		b, _ := json.Marshal(moment(v))
		return string(b)
	case map[string]any:
		out := map[string]json.RawMessage{}
		for k, x := range v {
			out[k] = json.RawMessage(canonical(x))
		}
		b, err := json.Marshal(out)
		if err != nil {
			return fmt.Sprint(v)
		}
		return string(b)
	case []any:
		parts := make([]string, len(v))
		for i, x := range v {
			parts[i] = canonical(x)
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// places is how many digits after the point count: the engines compute quotients to different ones.
const places = 12

// quotientPlaces are enough for quantities in base units, which can be small; those are compared by
// their ratio.
const quotientPlaces = 40

func number(r *big.Rat) string { return digits(r, places) }

func digits(r *big.Rat, places int) string {
	s := r.FloatString(places)
	s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	if s == "-0" {
		s = "0"
	}
	return s
}

var momentForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$`)

// moment writes a date with a time in UTC, without the Z: whether a result of arithmetic has an
// offset is not compared, for the other engine gives every one the machine's, written -00:00.
func moment(s string) string {
	s = strings.TrimSuffix(s, "-00:00")
	if strings.HasSuffix(s, "T") && len(s) < len("2006-01-02T00") {
		s = strings.TrimSuffix(s, "T")
	}
	m := momentForm.FindStringSubmatch(s)
	if m == nil {
		return trimFraction(s)
	}
	layout, out := "2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999"
	if m[1] == "" {
		layout, out = "2006-01-02T15:04Z07:00", "2006-01-02T15:04"
	}
	t, err := time.Parse(layout, s)
	if err != nil {
		return s
	}
	return t.UTC().Format(out)
}

var fractionForm = regexp.MustCompile(`^((?:\d{4}-\d\d-\d\dT)?\d\d:\d\d:\d\d(?:\.\d*[1-9])?)\.?0+$`)

// trimFraction takes the zeros off the end of a fraction of a second.
func trimFraction(s string) string { return fractionForm.ReplaceAllString(s, "$1") }

var quantityForm = regexp.MustCompile(`^(-?[0-9.]+(?:e[+-]?\d+)?) (.*)$`)

// quantity writes a number and a unit.
func quantity(s string) string {
	m := quantityForm.FindStringSubmatch(s)
	if m == nil {
		return s
	}
	r, ok := new(big.Rat).SetString(m[1])
	if !ok {
		return s
	}
	unit := m[2]
	if !strings.HasPrefix(unit, "'") {
		unit = strings.TrimSuffix(unit, "s") // years is year
	}
	return "quantity " + digits(r, quotientPlaces) + " " + unit
}

// What compare says of two answers.
type difference int

const (
	same difference = iota
	bothRefuse
	differ
)

func compare(ours, theirs answer) difference {
	switch {
	case ours.err != "" && theirs.err != "":
		return bothRefuse
	case ours.err != "" || theirs.err != "" || len(ours.items) != len(theirs.items):
		return differ
	}
	for i := range ours.items {
		if ours.items[i] != theirs.items[i] && !sameQuantity(ours.items[i], theirs.items[i]) {
			return differ
		}
	}
	return same
}

// sameQuantity reports whether two quantities are the same in different units: the unit of a
// product can be written in many ways.
func sameQuantity(a, b string) bool {
	x, ok := strings.CutPrefix(a, "quantity ")
	y, ok2 := strings.CutPrefix(b, "quantity ")
	if !ok || !ok2 || len(x) > 200 || len(y) > 200 {
		return false
	}
	ratio, err := fhirpath.Compile("(("+literal(x)+") / ("+literal(y)+") - 1 '1').abs() < 0.000001 '1'", fhirpath.Options{})
	if err != nil {
		return false
	}
	items, err := ratio.Evaluate(nil, fhirpath.Env{})
	return err == nil && len(items) == 1 && items[0] == fhirpath.Boolean(true)
}

// literal puts parentheses around a negative number, whose sign is an operator.
func literal(quantity string) string {
	number, unit, _ := strings.Cut(quantity, " ")
	if len(number) > 60 {
		number = number[:60]
	}
	return number + " " + unit
}
