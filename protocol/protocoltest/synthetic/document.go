package synthetic

import "fmt"

// document writes a note about a visit. Its text is in base64, where no search for a name finds it.
func (g *generator) document(p *patient, v visit) {
	kind := pick(g.random, noteTypes)
	day := v.when.Format("January 2, 2006")
	text := fmt.Sprintf("%s\n\n# Chief complaint\n%s, a %d year-old living at home in care of %s, phone %s, was seen on %s by %s.\n\n"+
		"# Identification\nMRN %s, SSN %s, born %s, mail %s\n\n# Plan\nReturn to %s in two weeks.\n",
		v.when.Format("2006-01-02"), p.name.full(), p.age(v.when.Year()), g.plant(pick(g.random, givens)), p.phone, day, p.doctor.name.full(),
		p.mrn, p.ssn, p.birth.Format("01/02/2006"), p.email, p.place.name)
	g.write(typeDocumentReference, g.start(typeDocumentReference, g.uuid(), "us-core-documentreference").with(
		"text", narrative(kind.display+" of "+p.name.full()+", "+day),
		"masterIdentifier", obj("system", "urn:ietf:rfc:3986", "value", g.plant("urn:uuid:"+g.uuid())),
		"identifier", list{obj("system", ours, "value", g.plant("DOC"+g.digits(9)))},
		"status", "current",
		"type", concept(loinc, kind),
		"category", list{coded("http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category", "clinical-note", "Clinical Note")},
		"subject", p.ref(),
		"date", g.instant(v.when),
		"author", list{p.doctor.search()},
		"custodian", p.place.organizationSearch(),
		"description", "Note on "+p.name.full()+" by "+p.doctor.name.full(),
		"content", list{
			obj("attachment", obj("contentType", "text/plain; charset=utf-8", "data", g.planted64(text), "title", p.name.full(),
				"creation", g.dateTime(v.when)),
				"format", obj("system", "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode", "code", "urn:ihe:iti:xds:2017:mimeTypeSufficient")),
			obj("attachment", obj("contentType", "application/pdf", "url", g.plant("https://files.example.org/"+p.mrn+"/"+v.id+".pdf"))),
		},
		"context", obj(
			"encounter", list{v.ref()},
			"period", obj("start", g.dateTime(v.when), "end", g.dateTime(v.when)),
			"sourcePatientInfo", p.logical()),
	))
}

func coded(system, code, display string) object {
	return obj("coding", list{coding(system, term{code, display})})
}
