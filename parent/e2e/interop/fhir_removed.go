package main

// removed is what a validator may say about an output of the presets whose input was valid:
// required elements that they take away, and invariants that cannot hold without what is gone. It
// says so of the examples of FHIR R4; each entry must be needed there.
var removed = []string{
	// Of a Bundle: its timestamp is an instant, and a message's header is of a type that is
	// rejected.
	"Constraint bdl-10 not met: A document must have a date Bundle",
	"Constraint bdl-12 not met: A message must have a MessageHeader as the first resource Bundle",
}
