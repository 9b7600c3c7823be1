package main

// removed is what a validator may say about an output of the presets whose input was valid:
// required elements that they take away, and invariants that cannot hold without what is gone. It
// says so of the examples of FHIR R4; each entry must be needed there.
var removed = []string{
	// Dates that cannot be a year, or are of nobody whose dates could be shifted.
	"Claim.created",
	"Immunization.occurrence[x]",
	"MeasureReport.period",
	"MedicationRequest.contained.recorded",
	"PaymentNotice.created",
	"Provenance.recorded",
	"Slot.end",
	"Slot.start",
	"Task.contained.recorded",
	// Free text and addresses.
	"Claim.contained.class.value",
	"ClaimResponse.processNote.text",
	"Composition.title",
	"Coverage.class.value",
	"CoverageEligibilityResponse.contained.class.value",
	"MeasureReport.measure",
	// Targets that no surrogate can stand for: no reference, but a display, say.
	"CoverageEligibilityResponse.request",
	"Procedure.subject",
	"ServiceRequest.subject",
	// Codes of systems that are not listed, most of them example.org, and codes without a system.
	"CarePlan.contained.description",
	"Claim.diagnosis.diagnosis[x]",
	"Claim.item.detail.productOrService",
	"Claim.item.productOrService",
	"Claim.priority",
	"Claim.procedure.procedure[x]",
	"Claim.supportingInfo.category",
	"ClaimResponse.addItem.adjudication.category",
	"ClaimResponse.addItem.productOrService",
	"ClaimResponse.item.adjudication.category",
	"ClaimResponse.item.detail.adjudication.category",
	"ClaimResponse.total.category",
	"CoverageEligibilityResponse.insurance.item.benefit.type",
	"DiagnosticReport.code",
	"ExplanationOfBenefit.procedure.procedure[x]",
	"ExplanationOfBenefit.total.category",
	"Flag.code",
	"Goal.description",
	"Group.characteristic.code",
	"Group.characteristic.value[x]",
	"Immunization.vaccineCode",
	"ImmunizationRecommendation.recommendation",
	"List.contained.condition.code",
	"MedicationDispense.medication[x]",
	"MedicationRequest.contained.ingredient.item[x]",
	"MedicationRequest.medication[x]",
	"MedicationStatement.medication[x]",
	"Observation.code",
	"Observation.component.code",
	"RequestGroup.contained.medication[x]",
	"Substance.code",
	"Task.input.type",
	"Task.output.type",
	// Of a Bundle: its timestamp is an instant, and a message's header is of a type that is
	// rejected.
	"Constraint bdl-10 not met: A document must have a date Bundle",
	"Constraint bdl-12 not met: A message must have a MessageHeader as the first resource Bundle",
	// Invariants about such elements.
	"Constraint app-1 not met: Either the type or actor on the participant SHALL be specified Appointment.participant",
	"Constraint app-3 not met: Only proposed or cancelled appointments can be missing start/end dates Appointment",
	"Constraint mrp-2 not met: Stratifiers SHALL be either a single criteria or a set of criteria components MeasureReport",
	"Constraint pat-1 not met: SHALL at least contain a contact's details or a reference to an organization Patient.contact",
}
