package anonymizer

import (
	"errors"
	"fmt"

	"anchorhold/enclave/fhirpath"
)

// Failures of a rule on a record. They hold nothing of either.
var (
	errNumber    = errors.New("value is no number of at most 28 digits")
	errAge       = errors.New("age is not a whole number of years")
	errRange     = errors.New("shifted date is out of the calendar")
	errReplace   = errors.New("replacement does not fit the element")
	errCase      = errors.New("case does not give a single value")
	errCaseType  = errors.New("case gives a value of another JSON type than the element's")
	errComplex   = errors.New("generalize is for primitive elements: upstream's tool stops here, whatever processingErrors says")
	errExtension = errors.New("generalize does not apply to an element with an extension: upstream's tool stops here, whatever processingErrors says")
	errLabel     = errors.New("meta cannot take a security label")
)

// errMalformed is a record that is not FHIR R4. Each of the others says more of it.
var (
	errMalformed = errors.New("record is not FHIR R4")
	errUnknown   = malformed("FHIR R4 has no such element here")
	errRepeated  = malformed("element does not repeat in FHIR R4")
	errBoolean   = malformed("value is not true or false")
	errInteger   = malformed("value is not an integer of 32 bits")
	errDecimal   = malformed("value is not a number")
	errDate      = malformed("value is not a date")
	errZone      = malformed("value is not a date: it has a time zone and no time")
	errCalendar  = malformed("value is not a date: the calendar has no such day")
	errClock     = malformed("value is not a date: it has a time, and the element is a date alone")
)

// malformedError is a kind of errMalformed.
type malformedError string

func malformed(reason string) error { return malformedError(reason) }

func (e malformedError) Error() string { return string(e) }

func (e malformedError) Is(target error) bool { return target == errMalformed }

// placeError is a failure on an element, whose place is content of the record: only a person at a
// desk is shown it.
type placeError struct {
	node *fhirpath.Node
	err  error
}

func (e *placeError) Error() string { return e.err.Error() }

func (e *placeError) Unwrap() error { return e.err }

// ruleError says which rule has failed. The reason holds nothing of the record.
type ruleError struct {
	rule *rule
	err  error
}

func (e *ruleError) Error() string {
	return fmt.Sprintf("rule %d (%s): %v", e.rule.number, e.rule.path, e.err)
}

func (e *ruleError) Unwrap() error { return e.err }

// A caseError is a case that fails on a value: the one failure that processingErrors can have
// skipped, upstream as here.
type caseError struct{ err error }

func (e *caseError) Error() string { return e.err.Error() }

func (e *caseError) Unwrap() error { return e.err }

func isCase(err error) bool {
	_, ok := errors.AsType[*caseError](err)
	return ok
}
