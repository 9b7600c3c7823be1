package fhirpath

import (
	_ "embed"
	"strings"
	"sync"
)

// A Type is a type of FHIR R4 or of FHIRPath itself. There is one Type of each
// name: pointers compare.
type Type struct {
	space, name string
	base        *Type
	system      *Type               // FHIRPath type of a primitive's value
	elements    map[string]*element // by FHIRPath name, inherited ones too
	members     map[string]*member  // by name in JSON
	resource    bool                // it is a Resource
}

// An element is one name in a path: "value" for value[x].
type element struct {
	name   string
	types  []*Type
	many   bool
	choice bool
}

// A member is how an element appears in JSON: valueQuantity is value as Quantity.
type member struct {
	name    string
	element *element
	typ     *Type
}

const fhirSpace, systemSpace = "FHIR", "System"

// String is the qualified name: FHIR.Patient, System.String.
func (t *Type) String() string { return t.space + "." + t.name }

// Name is the name without its space: Patient, Patient.contact, boolean.
func (t *Type) Name() string { return t.name }

// Is reports whether t is of the type named, or specializes it.
func (t *Type) Is(name string) bool {
	for ; t != nil; t = t.base {
		if t.name == name {
			return true
		}
	}
	return false
}

func (t *Type) is(other *Type) bool {
	for ; t != nil; t = t.base {
		if t == other {
			return true
		}
	}
	return false
}

// abstract types are those of which the type of a value says little: what it
// has besides must be looked up when it is at hand.
func (t *Type) abstract() bool {
	switch t.name {
	case "Resource", "DomainResource", "Element", "BackboneElement":
		return t.space == fhirSpace
	}
	return false
}

// primitive types have a value beside id and extension.
func (t *Type) primitive() bool { return t.system != nil }

//go:embed r4_gen.txt
var definitions string

// model is the generated table.
type model struct {
	types map[string]*Type
	names map[string]bool // every element name of any type
}

// r4 is parsed once: the table is ours, so a fault in it is a panic, which
// the test of the table would show.
var r4 = sync.OnceValue(func() *model { return readModel(definitions) })

var systemTypes = map[string]*Type{}

func system(name string) *Type {
	t := &Type{space: systemSpace, name: name}
	systemTypes[name] = t
	return t
}

var (
	booleanType  = system("Boolean")
	stringType   = system("String")
	integerType  = system("Integer")
	decimalType  = system("Decimal")
	dateType     = system("Date")
	dateTimeType = system("DateTime")
	timeType     = system("Time")
	quantityType = system("Quantity")
	typeInfoType = system("TypeInfo")
)

func readModel(text string) *model {
	m := &model{types: map[string]*Type{}, names: map[string]bool{}}
	var lines [][]string
	var anything []string
	for line := range strings.Lines(text) {
		switch words := strings.Fields(line); words[0] {
		case "#":
		case "any":
			anything = strings.Split(words[1], "|")
		default:
			lines = append(lines, words)
			m.types[words[0]] = &Type{space: fhirSpace, name: words[0]}
		}
	}
	own := map[*Type][]*element{}
	for _, words := range lines {
		t := m.types[words[0]]
		if words[1] != "-" {
			t.base = m.known(words[1])
		}
		for _, w := range words[2:] {
			if value, ok := strings.CutPrefix(w, "="); ok {
				t.system = systemTypes[value]
				continue
			}
			own[t] = append(own[t], m.element(w, anything))
		}
	}
	for _, words := range lines {
		m.types[words[0]].flatten(own)
	}
	return m
}

func (m *model) known(name string) *Type {
	t := m.types[name]
	if t == nil {
		panic("fhirpath: undefined type in r4_gen.txt: " + name)
	}
	return t
}

// element reads name:Type, name*:Type or name[x]:A|B.
func (m *model) element(word string, anything []string) *element {
	name, types, _ := strings.Cut(word, ":")
	e := &element{}
	name, e.many = strings.CutSuffix(name, "*")
	e.name, e.choice = strings.CutSuffix(name, "[x]")
	m.names[e.name] = true
	names := strings.Split(types, "|")
	if types == "any" {
		names = anything
	}
	for _, n := range names {
		e.types = append(e.types, m.known(n))
	}
	return e
}

// flatten fills the maps of t with its own and all inherited elements.
func (t *Type) flatten(own map[*Type][]*element) {
	t.elements, t.members = map[string]*element{}, map[string]*member{}
	for b := t; b != nil; b = b.base {
		t.resource = t.resource || b.name == "Resource"
		if t.system == nil {
			t.system = b.system
		}
		for _, e := range own[b] {
			t.elements[e.name] = e
			if !e.choice {
				t.members[e.name] = &member{e.name, e, e.types[0]}
				continue
			}
			for _, c := range e.types {
				name := e.name + strings.ToUpper(c.name[:1]) + c.name[1:]
				t.members[name] = &member{name, e, c}
			}
		}
	}
}

// lookup returns the types that a name in an expression may mean. FHIR comes
// first, as the specification has it; Quantity is of both.
func lookup(space, name string) []*Type {
	var found []*Type
	if t := r4().types[name]; t != nil && space != systemSpace {
		found = append(found, t)
	}
	if t := systemTypes[name]; t != nil && t != typeInfoType && space != fhirSpace {
		found = append(found, t)
	}
	return found
}
