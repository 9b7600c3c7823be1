package deid

import "anchorhold/enclave/deid/stream"

// A method says what becomes of an element.
type method uint8

const (
	drop       method = iota
	group             // an object whose members have rules of their own
	boolean           // true or false
	mustBe            // true or false: not written, but the holder goes when it is another
	integer           // a whole number from 0 to a limit
	decimal           // a number, its text unchanged
	span              // the same, with its unit of time in another element; over 89 years nothing
	oneOf             // a string of a set
	yearOf            // a date or dateTime, of which the year stays
	dayOf             // a date, dateTime or instant, as it is
	shifted           // the same, moved by the offset of the record's patient
	clock             // a time of day
	place             // the name of a city or town
	state             // a State of the US, as its code
	zip               // a US ZIP code
	zip3              // a US ZIP code, of which three digits stay
	zipPadded         // the same with two zeros behind, or five zeros and why
	linkID            // the id of a question in a questionnaire
	surrogate         // an id, replaced
	identifier        // an Identifier, system and value replaced
	reference         // a Reference, its targets replaced
	coding            // a Coding of a listed terminology
	quantity          // a Quantity with a listed unit
	age               // an Age; over 89 years in one bucket
	ageLow            // lower bound of a range of ages
	ageHigh           // upper bound of a range of ages
	ageFrom           // an extension with the age, computed from a date of birth
	yearFrom          // an extension with the year of an instant
	claim             // the meta element, with one profile of a set and nothing else
	canonical         // a canonical address that is listed
	mediaType         // a media type of a set, without its parameters
	contained         // contained resources, by the rules of their types
	deferred          // the meta element of a resource that gets labels: written at its end
)

// dated reports whether a method is for dates.
func (m method) dated() bool { return m == yearOf || m == dayOf || m == shifted }

// methods are the words for them in a rule file, with their arguments, the
// letters that a rule has if it says none, and whether a file that uses them
// has to say what its output requires, because Safe Harbor has no such method.
var methods = map[string]struct {
	method
	args    arguments
	letters string
	needs   bool
}{
	"drop":        {drop, none, "", false},
	"group":       {group, none, "", false},
	"boolean":     {boolean, none, "", false},
	"must-be":     {mustBe, truth, "", false},
	"integer":     {integer, limit, "", false},
	"decimal":     {decimal, most, "", false},
	"span":        {span, element, "C", false},
	"one-of":      {oneOf, words, "", false},
	"year":        {yearOf, none, "C", false},
	"day":         {dayOf, none, "C", true},
	"shift":       {shifted, none, "C", true},
	"clock":       {clock, none, "C", true},
	"place":       {place, none, "B", true},
	"state":       {state, none, "B", false},
	"zip-code":    {zip, none, "B", true},
	"zip3":        {zip3, words, "B", false},
	"zip3-padded": {zipPadded, words, "B", false},
	"surrogate":   {surrogate, none, "R", false},
	"identifier":  {identifier, none, "R", false},
	"reference":   {reference, none, "R", false},
	"link-id":     {linkID, none, "R", false},
	"coding":      {coding, none, "", false},
	"quantity":    {quantity, words, "", false},
	"age":         {age, none, "C", false},
	"age-low":     {ageLow, none, "C", false},
	"age-high":    {ageHigh, none, "C", false},
	"age-from":    {ageFrom, element, "C", false},
	"year-from":   {yearFrom, element, "C", false},
	"claim":       {claim, words, "", false},
	"canonical":   {canonical, none, "", false},
	"media-type":  {mediaType, words, "", false},
	"contained":   {contained, none, "", false},
}

// arguments says what follows a method's word.
type arguments uint8

const (
	none    arguments = iota
	limit             // a number of at most nine digits
	most              // the same, or nothing
	element           // the name of an element
	truth             // true or false
	words             // words, or the name of a set after @
)

// node is the rule for one element. Nodes are immutable once compiled.
type node struct {
	method method
	row    int // in the table of rules
	// shared marks a node whose members are those of a type, which has its own
	// place in the table.
	shared bool
	// modifier marks an element that changes what its holder says: when it
	// cannot be kept the holder goes too.
	modifier bool
	// fixed marks a number of which FHIR says what it counts: a position, an amount, a price. It
	// answers no question.
	fixed bool
	// answers marks an element value[x]: what stands in it may be the answer to a question.
	answers bool
	// head is the element's name as it is written: `"name":`.
	head []byte
	// letters name the identifiers of 164.514(b)(2)(i) that the rule is there for.
	letters    string
	limit      int
	instead    string // says true where no date may stay
	since      *node  // of the end of a period: its start
	from       string // the date that ageFrom or yearFrom tells of
	profile    string // what claim writes where the record claims none of its set
	late       late
	masks      bool   // where its value goes, the reason why it is absent is written
	mandatory  bool   // a record without it or the reason is not valid
	bit        uint64 // of the element in a presence; 0 for one that is not tracked
	set        map[string]bool
	children   map[string]*node
	extensions map[string]*node
}

// late is what members writes where the record has nothing of the kind: computed
// extensions, and the children whose methods are zipPadded and claim.
type late struct {
	computed      []*node
	padded, claim *node
	labeled       *labeled
	required      []*requirement
	tracked       []*requirement // these, and what they are not required with
}

func (l *late) any() bool {
	return l.computed != nil || l.padded != nil || l.claim != nil || l.labeled != nil
}

// name is the element's name.
func (n *node) name() string { return string(n.head[1 : len(n.head)-2]) }

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
	// codes of questions that numbers answer by an age, a date of birth, a place
	personal map[string]bool
	// harmless are codes of questions, by their system, that no number answers by an age, a year or
	// an identifier.
	harmless map[string]map[string]bool
	issuers  map[string]bool // systems of identifiers that stay
	options  map[string]bool
	// identifierType is the rule for the type of an identifier, where the rules let it stay.
	identifierType *node
	extends        string   // the preset that the rules extend, or none
	foreign        bool     // what they extend is not the preset as it is here
	additions      []string // what they add to it
	systems        addresses
	profiles       addresses
	rules          []stream.Rule
	bundle         *bundleRules
	// requires says what the output takes, beyond the rules; empty for Safe Harbor.
	requires string
	keyed    bool     // surrogates are the same in every job with the same key
	patients []string // elements that say whose record it is, in this order
	shifts   bool     // some rule shifts dates
}

// Requires says what a user of the output must have beside it: nothing,
// "expert-determination" (45 CFR 164.514(b)(1)) or "data-use-agreement" (164.514(e)).
func (e *Engine) Requires() string { return e.requires }
