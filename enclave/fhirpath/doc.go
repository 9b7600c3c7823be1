// Package fhirpath evaluates FHIRPath over resources of FHIR R4 in JSON.
//
// Compile checks an expression against the generated table of R4 elements
// (r4_gen.txt), Read makes a tree of nodes from the bytes of a resource, and
// Evaluate returns nodes of that tree, each with its place in the bytes, and
// computed values. De-identification rules name what they change in this way.
//
// It follows FHIRPath N1 (2.0.0), the R4 page of FHIR on it and, where N1 is
// silent or was corrected, FHIRPath 3.0; README.md lists every such place and
// every deviation. Functions lists what is supported; anything else is a
// CompileError that names it and its place. In particular there's no resolve(),
// memberOf(), conformsTo() or subsumes(), which would need more than the
// resource, and no Long numbers. now(), today() and timeOfDay() read a time that
// the caller gives, or don't compile. Regular expressions are those of RE2.
//
// Units are converted where UCUM says a factor (ucum.go), and others compare
// only with themselves. A FHIR Quantity is one of FHIRPath if it has a code of
// UCUM and no comparator; its units of time count as calendar durations, too. A
// question that can't be answered is an error, never a guess. Quantities of
// different kinds compare as empty, as FHIRPath wants it: a condition then does
// not hold, and Warnings names each comparison to which that can happen.
//
// What an element is called decides what it is: a choice is written value, not
// valueQuantity, and a name that R4 doesn't have is an error, because a
// misspelt rule protects nothing.
//
// Evaluation is deterministic, reads nothing but its arguments, and is bounded
// in steps, items and text. Errors hold no content of a resource.
//
// The table of R4 is made by generate_r4.go, which needs npm packages and so is
// no part of go generate; its first lines have the commands. It takes in what two
// copies of HL7's definitions agree on, and nothing of a vendor or a later version.
//
// The package does not validate: cardinality, required elements and value sets
// are not checked, and an element of the wrong JSON type is an error only where
// something is computed from it, or when Read can't place it.
package fhirpath
