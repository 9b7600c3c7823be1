// Package anonymizer runs configurations of Microsoft's FHIR anonymizer (Tools for Health Data
// Anonymization, FHIR R4) as that tool runs them, so that a pipeline can keep the configuration it
// has.
//
// [Compile] reads a configuration and refuses what can't be honoured exactly; the Engine that it
// returns runs in package stream. SPEC 8.1 has the formats. Configurations hold keys and policies
// must not: [Split] takes them apart. README.md says of each published configuration whether it is
// accepted.
//
// As upstream: rules run in their order on the resource as earlier ones left it, an element is
// changed once, a keep on a child survives what later happens to its parent, each resource in a
// Bundle or contained is a scope of its own, and what no rule names stays. That last makes it fit
// for compatibility and unfit for a preset: package deid drops what it doesn't know.
//
// # What is refused, and upstream runs
//
//   - Keys, in a policy; and a configuration with keys that are no strings or whole numbers.
//   - Names that are not known, settings of another method, customSettings and the methods of
//     custom processors. Upstream ignores all but
//     the last, so that a misspelt setting has no effect there.
//   - An empty list of rules, which would let every record leave unchanged; null for span and
//     roundTo, which upstream takes for 0.
//   - What is not JSON as RFC 8259 has it (comments, commas at the end, single quotes), more than 1
//     MiB or 32 levels of it; paths and
//     methods that are no strings; paths of more than 4096 bytes or with control characters;
//     dateShiftScope and processingErrors as
//     numbers; enablePartial… other than true and false, dateShiftFixedOffsetInDays other than
//     whole; spans that are no decimal numbers
//     of at most 28 digits (NaN, Infinity, 1,000).
//   - Expressions that package fhirpath doesn't support: now(), today() and timeOfDay(), because
//     nothing here reads a clock; resolve(),
//     memberOf(), htmlChecks(), toLong(), defineVariable() and any(); nodesByType and nodesByName
//     of what is
//     not a string in quotes; regular expressions that RE2 can't match alike (looking around, back
//     references, classes without a class),
//     and replacements that can match nothing or name what stands around a match. A word boundary
//     in text beyond ASCII fails the record.
//   - generalize whose path selects nothing but complex elements, and a replaceWith that is an
//     array or fits none of the types that the
//     path can select. Upstream takes them and fails on the first record that has such an element,
//     or writes what is not FHIR.
//
// # What comes out different
//
//   - IVs and noise are derived from the job's key, the record and the place in it, not random: a
//     record that occurs twice gets them twice.
//   - Ages are counted to the job's reference date, not to today.
//   - Elements of equal value are all changed, where the FHIRPath library of upstream takes a union
//     of them for the first.
//   - Keys that are missing fail the job; upstream makes some up, and nobody can then link or
//     decrypt.
//   - perturb is exact: spans are decimal and not binary fractions, and proportional noise works
//     for negative values, on which upstream fails.
//   - substitute writes numbers and booleans in the JSON type of the element, upstream as strings.
//     A string that is a date with a time is
//     written as it stands, upstream in the form of the machine's country. A replacement of another
//     type than the element at hand fails the
//     record; upstream writes it under the element's name.
//   - generalize writes the value of a case in the JSON type of the element: 1990 is "1990" in a
//     date. A value that reads as none of that
//     type, as 2.5 for an integer, is a case that fails; upstream writes it as it is, which no
//     reader of FHIR takes.
//   - Where a condition compares a quantity that has no code of UCUM, the job fails: upstream
//     leaves the element as it is. A comparison
//     of quantities of different kinds is empty, as upstream; a warning names each that can be.
//   - Numbers that no rule changes keep their text; upstream writes 1e2 as 100.
//   - A date that is none fails the record where a rule needs it; upstream reads no record with
//     one.
//   - Labels are added to meta whatever stands there; upstream reads meta again for that and fails
//     when lastUpdated is hashed or encrypted.
//   - Rules have steps for a record and bytes that they may add (budget.go), and JSON has levels
//     and values (the policy's limits): a record that takes
//     more is rejected, and the job goes on.
//
// Not different: generalize fails the job at an element with an extension, whatever
// processingErrors says. A warning says how to avoid it.
//
// # What the system around it does not do
//
// A Bundle is one record: it is accepted or rejected whole. Reports and coverage name no identifier
// letters of 45 CFR 164.514(b)(2)(i), because a configuration doesn't say what a rule is there for.
// There is no crosswalk: identifiers are hashed or encrypted. A record that is not FHIR R4 (an
// element that R4 lacks, a value of another JSON type, an entry or element that holds something
// else than it can) is rejected as resource-malformed, and the job goes on unless the policy says
// raise; upstream's tool stops.
//
// Danger: dateShift is upstream's. Its offset is an affine hash of id and key modulo 101, so one
// patient whose shift is known gives away the shifts of all, and offsets lie within 50 days.
// [Engine.Warnings] says so.
package anonymizer
