package synthetic

import (
	"fmt"
	"time"
)

// Numbers of records of each patient.
const (
	encountersEach  = 8
	conditionsEach  = 6
	proceduresEach  = 5
	medicationsEach = 5
	vaccinesEach    = 4
)

// visit is an encounter that other records refer to.
type visit struct {
	id   string
	when time.Time
}

func (v visit) ref() object { return obj("reference", "Encounter/"+v.id) }

func (g *generator) clinical(p *patient) {
	visits := make([]visit, encountersEach)
	for i := range visits {
		visits[i] = g.encounter(p)
	}
	found := make([]string, conditionsEach)
	for i := range found {
		found[i] = g.condition(p, pick(g.random, visits))
	}
	for range proceduresEach {
		g.procedure(p, pick(g.random, visits), pick(g.random, found))
	}
	for range medicationsEach {
		g.medicationRequest(p, pick(g.random, visits), pick(g.random, found))
	}
	for range vaccinesEach {
		g.immunization(p, pick(g.random, visits))
	}
	g.allergy(p)
	g.device(p)
	for _, v := range visits {
		g.document(p, v)
	}
}

func (g *generator) encounter(p *patient) visit {
	v := visit{id: g.uuid(), when: g.event(p)}
	kind := pick(g.random, visitTerms)
	period := func() object {
		return obj("start", g.dateTime(v.when), "end", g.dateTime(v.when.Add(time.Duration(g.between(10, 400))*time.Minute)))
	}
	g.write(typeEncounter, g.start(typeEncounter, v.id, "us-core-encounter").with(
		"identifier", list{obj("use", "official", "system", ours, "value", g.plant("VN"+g.digits(10)))},
		"status", "finished",
		"class", obj("system", hl7+"v3-ActCode", "code", pick(g.random, []string{"AMB", "EMER", "IMP"})),
		"type", list{concept(snomed, kind)},
		"subject", p.ref(),
		"participant", list{obj(
			"type", list{concept(hl7+"v3-ParticipationType", term{"PPRF", "primary performer"})},
			"period", period(), "individual", pick(g.random, []object{p.doctor.search(), p.doctor.direct()}))},
		"period", period(),
		"length", obj("value", g.between(10, 400), "unit", "min", "system", "http://unitsofmeasure.org", "code", "min"),
		"reasonCode", list{conceptText(snomed, pick(g.random, conditions), p.name.full()+" feels worse since "+g.date(v.when))},
		"location", list{obj("location", p.place.locationSearch())},
		"serviceProvider", p.place.organizationSearch(),
	))
	return v
}

func (g *generator) condition(p *patient, v visit) string {
	id, code := g.uuid(), pick(g.random, conditions)
	kin := g.person("Mr.", "Ms.")
	o := g.start(typeCondition, id, "us-core-condition-encounter-diagnosis").with(
		"contained", list{obj("resourceType", "RelatedPerson", "id", "r1", "patient", p.ref(), "name", list{kin.humanName("usual")},
			"telecom", list{contact("phone", g.phone(), "home")})},
		"clinicalStatus", status("condition-clinical", pick(g.random, []string{"active", "resolved"})),
		"verificationStatus", status("condition-ver-status", "confirmed"),
		"category", list{concept(hl7+"condition-category", term{"encounter-diagnosis", "Encounter Diagnosis"})},
		"code", conceptText(snomed, code, code.display+", says "+p.name.full()),
		"subject", p.ref(),
		"encounter", v.ref(),
	)
	if age := p.age(v.when.Year()); g.chance(40) {
		o = o.with("onsetAge", obj("value", age, "unit", "a", "system", "http://unitsofmeasure.org", "code", "a"))
	} else {
		o = o.with("onsetDateTime", g.dateTime(v.when))
	}
	g.write(typeCondition, o.with(
		"recordedDate", g.dateTime(v.when),
		"recorder", p.doctor.search(),
		"asserter", obj("reference", "#r1", "display", kin.full()),
		"note", g.note(p.doctor, fmt.Sprintf("%s (%d years, MRN %s) told by %s", p.name.full(), p.age(v.when.Year()), p.mrn, kin.full())),
	))
	return id
}

func (g *generator) procedure(p *patient, v visit, condition string) {
	g.write(typeProcedure, g.start(typeProcedure, g.uuid(), "us-core-procedure").with(
		"identifier", list{obj("system", ours, "value", g.plant("PX"+g.digits(9)))},
		"status", "completed",
		"code", concept(snomed, pick(g.random, procedures)),
		"subject", p.ref(),
		"encounter", v.ref(),
		"performedPeriod", obj("start", g.dateTime(v.when), "end", g.dateTime(v.when.Add(40*time.Minute))),
		"recorder", p.doctor.logical(),
		"performer", list{obj("actor", p.doctor.search(), "onBehalfOf", p.place.organizationSearch())},
		"location", p.place.locationSearch(),
		"reasonReference", list{obj("reference", "Condition/"+condition, "display", "what troubles "+p.name.full())},
		"note", g.note(p.doctor, "call "+p.phone+" with the result"),
	))
}

func (g *generator) medicationRequest(p *patient, v visit, condition string) {
	g.write(typeMedicationRequest, g.start(typeMedicationRequest, g.uuid(), "us-core-medicationrequest").with(
		"identifier", list{obj("system", "https://pharmacy.example.org", "value", g.plant("RX"+g.digits(9)))},
		"status", pick(g.random, []string{"active", "stopped", "completed"}),
		"intent", "order",
		"category", list{concept(hl7+"medicationrequest-category", term{"community", "Community"})},
		"medicationCodeableConcept", concept(rxnorm, pick(g.random, drugs)),
		"subject", p.ref(),
		"encounter", v.ref(),
		"authoredOn", g.dateTime(v.when),
		"requester", p.doctor.search(),
		"reasonReference", list{obj("reference", "Condition/"+condition)},
		"dosageInstruction", list{obj(
			"sequence", 1,
			"text", "one each morning, "+p.name.full(),
			"patientInstruction", "questions: "+p.email,
			"timing", obj("repeat", obj("boundsPeriod", obj("start", g.dateTime(v.when)), "frequency", 1, "period", number("1.0"), "periodUnit", "d")),
			"asNeededBoolean", false,
			"doseAndRate", list{obj(
				"type", concept(hl7+"dose-rate-type", term{"ordered", "Ordered"}),
				"doseQuantity", obj("value", number("1.0"), "unit", "tablet", "system", "http://unitsofmeasure.org", "code", "{tbl}"))})},
		"dispenseRequest", obj("validityPeriod", obj("start", g.dateTime(v.when)), "numberOfRepeatsAllowed", g.intn(4),
			"performer", p.place.organizationSearch()),
	))
}

func (g *generator) immunization(p *patient, v visit) {
	g.write(typeImmunization, g.start(typeImmunization, g.uuid(), "us-core-immunization").with(
		"status", "completed",
		"vaccineCode", concept(cvx, pick(g.random, vaccines)),
		"patient", p.ref(),
		"encounter", v.ref(),
		"occurrenceDateTime", g.dateTime(v.when),
		"recorded", g.dateTime(v.when),
		"primarySource", true,
		"location", p.place.locationSearch(),
		"lotNumber", g.plant("LOT"+g.digits(8)),
		"expirationDate", g.date(v.when.AddDate(0, 3, 0)),
		"performer", list{obj("actor", p.doctor.direct())},
		"doseQuantity", obj("value", number("0.5"), "unit", "mL", "system", "http://unitsofmeasure.org", "code", "mL"),
	))
}

func (g *generator) allergy(p *patient) {
	when := g.event(p)
	g.write(typeAllergyIntolerance, g.start(typeAllergyIntolerance, g.uuid(), "us-core-allergyintolerance").with(
		"clinicalStatus", status("allergyintolerance-clinical", "active"),
		"verificationStatus", status("allergyintolerance-verification", "confirmed"),
		"type", "allergy", "category", list{"medication"}, "criticality", pick(g.random, []string{"low", "high"}),
		"code", concept(rxnorm, pick(g.random, allergens)),
		"patient", p.logical(),
		"onsetString", "as a child in "+pick(g.random, cities),
		"recordedDate", g.dateTime(when),
		"recorder", p.doctor.search(),
		"asserter", p.ref(),
		"lastOccurrence", g.dateTime(when),
		"reaction", list{obj("manifestation", list{concept(snomed, term{"271807003", "Eruption of skin (disorder)"})},
			"description", p.name.full()+" broke out on "+g.date(when), "severity", "mild")},
	))
}

func (g *generator) device(p *patient) {
	made := g.event(p)
	item, lot, serial := g.digits(14), g.digits(12), g.digits(10)
	day := made.Format("060102")
	g.write(typeDevice, g.start(typeDevice, g.uuid(), "us-core-implantable-device").with(
		"identifier", list{obj("system", "https://devices.example.org", "value", g.plant("DV"+g.digits(9)))},
		"udiCarrier", list{obj("deviceIdentifier", g.plant(item),
			"carrierHRF", g.plant("(01)"+item+"(11)"+day+"(17)"+day+"(10)"+lot+"(21)"+serial))},
		"status", "active",
		"distinctIdentifier", item,
		"manufactureDate", g.dateTime(made), "expirationDate", g.dateTime(made.AddDate(0, 9, 0)),
		"lotNumber", g.plant(lot), "serialNumber", g.plant(serial),
		"type", concept(snomed, pick(g.random, devices)),
		"patient", p.ref(),
		"contact", list{contact("phone", g.phone(), "work")},
		"url", g.plant("https://devices.example.org/"+serial),
		"note", g.note(p.doctor, "handed to "+p.name.full()),
	))
}
