package deid

import "anchorhold/enclave/deid/stream"

// A method says what becomes of an element.
type method uint8

const (
	drop       method = iota
	group             // an object whose members have rules of their own
	boolean           // true or false
	integer           // a whole number from 0 to a limit
	decimal           // a number, its text unchanged
	oneOf             // a string of a set
	yearOf            // a date or dateTime, of which the year stays
	yearOr            // the same; when no year may stay, another element says true
	zip3              // a US ZIP code, of which three digits stay
	surrogate         // an id, replaced
	identifier        // an Identifier, system and value replaced
	reference         // a Reference, its targets replaced
	coding            // a Coding of a listed terminology
	quantity          // a Quantity with a listed unit
	age               // an Age; over 89 years in one bucket
	ageLow            // lower bound of a range of ages
	ageHigh           // upper bound of a range of ages
	canonical         // a canonical address that is listed
	mediaType         // a media type of a set, without its parameters
	contained         // contained resources, by the rules of their types
)

// methods are the words for them in a rule file, with their arguments.
var methods = map[string]struct {
	method
	args arguments
}{
	"drop":       {drop, none},
	"group":      {group, none},
	"boolean":    {boolean, none},
	"integer":    {integer, limit},
	"decimal":    {decimal, none},
	"one-of":     {oneOf, words},
	"year":       {yearOf, none},
	"year-or":    {yearOr, element},
	"zip3":       {zip3, words},
	"surrogate":  {surrogate, none},
	"identifier": {identifier, none},
	"reference":  {reference, none},
	"coding":     {coding, none},
	"quantity":   {quantity, words},
	"age":        {age, none},
	"age-low":    {ageLow, none},
	"age-high":   {ageHigh, none},
	"canonical":  {canonical, none},
	"media-type": {mediaType, words},
	"contained":  {contained, none},
}

// arguments says what follows a method's word.
type arguments uint8

const (
	none    arguments = iota
	limit             // a number of at most nine digits
	element           // the name of an element
	words             // words, or the name of a set after @
)

// node is the rule for one element. Nodes are immutable once compiled.
type node struct {
	method method
	row    int // in the table of rules
	// modifier marks an element that changes what its holder says: when it
	// cannot be kept the holder goes too.
	modifier bool
	// head is the element's name as it is written: `"name":`.
	head []byte
	// letters name the identifiers of 164.514(b)(2)(i) that the rule is there for.
	letters    string
	limit      int
	instead    string // the element of yearOr
	set        map[string]bool
	children   map[string]*node
	extensions map[string]*node
}

// resource is the rule for one resource type.
type resource struct {
	node
	index int // in the list of types
}

// address is a listed system or profile; a prefix allows a plain tail.
type address struct {
	text   string
	prefix bool
	shape  shape
}

// addresses is a list of them, exact ones by their text.
type addresses struct {
	tail     class // what the tail of a prefix may hold beside letters, digits, - and .
	exact    map[string]address
	prefixes []address
}

// lookup returns the entry that b is or begins with.
func (a *addresses) lookup(b []byte) (address, bool) {
	if e, ok := a.exact[string(b)]; ok {
		return e, true
	}
	for _, p := range a.prefixes {
		if len(b) > len(p.text) && string(b[:len(p.text)]) == p.text && addressTail(b[len(p.text):], a.tail) {
			return p, true
		}
	}
	return address{}, false
}

// Engine is a compiled rule file. It is immutable and may be shared.
type Engine struct {
	// types are the names of resources that a reference may have and that
	// the report may count; kinds gives their places.
	types     []string
	kinds     map[string]int
	resources map[string]*resource
	systems   addresses
	profiles  addresses
	rules     []stream.Rule
}
