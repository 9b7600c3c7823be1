package synthetic

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// lastYear is the last year in which anything happens. Only expiry dates lie later, by months: the
// end of any later year, which is what reference dates are, is never a canary.
const lastYear = 2024

// patient holds what one patient's records share.
type patient struct {
	id, mrn, ssn, phone, email string
	name                       person
	birth                      time.Time
	first, last                int // years in which events happen
	died                       bool
	doctor                     provider
	place                      place
}

func (p *patient) ref() object { return obj("reference", "Patient/"+p.id, "display", p.name.full()) }

// logical refers to the patient by medical record number alone.
func (p *patient) logical() object {
	return obj("type", typePatient, "identifier", obj("system", ours+"/mrn", "value", p.mrn), "display", p.name.full())
}

func (p *patient) age(year int) int { return year - p.birth.Year() }

// event returns a time at which something may have happened to the patient.
func (g *generator) event(p *patient) time.Time { return g.moment(p.first, p.last) }

// patient writes patient number i and all records of the patient. Every fifth is over 89 years old
// at the end, or died at 94: both ages must not show.
func (g *generator) patient(i int) {
	p := &patient{
		id: g.uuid(), mrn: g.plant(fmt.Sprintf("MRN-%s-%d", g.digits(7), i)), ssn: g.plant("9" + g.digits(2) + "-" + g.digits(2) + "-" + g.digits(4)),
		name: g.person("Mr.", "Mrs.", "Ms."), birth: g.moment(1940, 2015), last: lastYear,
		doctor: pick(g.random, g.providers), place: pick(g.random, g.places),
	}
	if i%5 == 1 {
		p.birth = g.moment(1921, 1931)
	}
	p.phone, p.email = g.phone(), g.email(p.name)
	if p.died = i%7 == 1; p.died {
		p.last = min(lastYear-1, p.birth.Year()+94)
	}
	p.first = max(p.birth.Year()+1, p.last-30)
	g.write(typePatient, g.patientResource(p))
	g.clinical(p)
}

func (g *generator) patientResource(p *patient) object {
	o := g.start(typePatient, p.id, "us-core-patient").with(
		"text", narrative(fmt.Sprintf("%s, born %s, SSN %s, MRN %s, call %s", p.name.full(), g.date(p.birth), p.ssn, p.mrn, p.phone)),
		"contained", list{obj("resourceType", "RelatedPerson", "id", "kin", "patient", obj("reference", "#"),
			"name", list{g.person("Mr.", "Ms.").humanName("usual")}, "telecom", list{contact("phone", g.phone(), "home")})},
		"extension", g.patientExtensions(p),
		"identifier", g.patientIdentifiers(p),
		"active", true,
		"name", list{p.name.humanName("official"), obj("use", "maiden", "family", g.plant(pick(g.random, families)), "given", list{p.name.given})},
		"telecom", g.patientTelecom(p),
		"gender", pick(g.random, []string{"female", "male", "other", "unknown"}),
		"birthDate", p.birth.Format("2006-01-02"),
		"_birthDate", obj("extension", list{extension(fhir+"patient-birthTime", "valueDateTime", p.birth.Format("2006-01-02T15:04:05Z07:00"))}),
	)
	if p.died {
		o = o.with("deceasedDateTime", g.dateTime(g.moment(p.last, p.last)))
	}
	married := term{"M", "Married"}
	return o.with(
		"address", list{g.address()},
		"maritalStatus", conceptText(hl7+"v3-MaritalStatus", married, "Married to "+g.plant(pick(g.random, givens))),
		"multipleBirthInteger", when(g.chance(10), 2),
		"photo", list{g.photo(p)},
		"contact", list{g.nextOfKin()},
		"communication", list{obj("language", concept("urn:ietf:bcp:47", term{"en-US", "English (United States)"}), "preferred", true)},
		"generalPractitioner", list{p.doctor.search()},
		"managingOrganization", p.place.organizationSearch(),
	)
}

func (g *generator) patientExtensions(p *patient) list {
	race := term{"2106-3", "White"}
	mother := g.person("Ms.")
	return list{
		extension(usCore+"us-core-race", "extension", list{
			extension("ombCategory", "valueCoding", coding("urn:oid:2.16.840.1.113883.6.238", race)),
			extension("text", "valueString", "White"),
		}),
		extension(usCore+"us-core-birthsex", "valueCode", pick(g.random, []string{"F", "M"})),
		extension(fhir+"patient-mothersMaidenName", "valueString", mother.given+" "+mother.family),
		extension(fhir+"patient-birthPlace", "valueAddress", obj("city", g.plant(pick(g.random, cities)), "state", "KS", "country", "US")),
		extension("https://records.example.org/ext/vehicle", "valueString", g.plant("VIN1"+strings.ToUpper(p.name.family[:1])+"Z"+g.digits(11))),
		extension("https://records.example.org/ext/portal", "extension", list{
			extension("last-address", "valueString", g.plant(fmt.Sprintf("203.0.113.%d:%s", g.between(1, 254), g.digits(5)))),
			extension("last-address-v6", "valueString", g.plant("2001:db8::"+g.digits(4)+":"+g.digits(4))),
			extension("user", "valueString", g.plant(p.name.handle()+g.digits(5))),
		}),
		extension("https://records.example.org/ext/voiceprint", "valueBase64Binary", g.blob(48)),
	}
}

func (g *generator) patientIdentifiers(p *patient) list {
	return list{
		obj("use", "usual", "system", ours, "value", p.id),
		g.identifier("MR", "Medical Record Number", ours+"/mrn", p.mrn),
		g.identifier("SS", "Social Security Number", "http://hl7.org/fhir/sid/us-ssn", p.ssn),
		g.identifier("DL", "Driver's license number", "urn:oid:2.16.840.1.113883.4.3.25", "S"+g.digits(8)),
		g.identifier("PPN", "Passport Number", "https://records.example.org/passport", "X"+g.digits(8)+"X"),
		g.identifier("MB", "Member Number", "https://plan.example.org/members", "HP"+g.digits(9)),
		g.identifier("AN", "Account number", "https://records.example.org/accounts", "ACC-"+g.digits(8)).
			with("assigner", p.place.organizationSearch(), "period", obj("start", g.date(g.event(p)))),
	}
}

func (g *generator) patientTelecom(p *patient) list {
	return list{
		contact("phone", p.phone, "home"), contact("phone", g.phone(), "mobile"), contact("fax", g.phone(), "work"),
		contact("email", p.email, "home"),
		contact("url", g.plant("https://people.example.net/~"+p.name.handle()+g.digits(3)), "home"),
	}
}

func (g *generator) nextOfKin() object {
	kin := g.person("Mr.", "Ms.")
	return obj("relationship", list{status("v2-0131", "N")}, "name", kin.humanName("usual"),
		"telecom", list{contact("phone", g.phone(), "home"), contact("email", g.email(kin), "home")}, "address", g.address())
}

func (g *generator) photo(p *patient) object {
	return obj("contentType", "image/jpeg", "url", g.plant("https://photos.example.net/"+p.mrn+".jpg"), "data", g.blob(96),
		"title", "Photograph of "+p.name.full(), "creation", g.dateTime(g.event(p)))
}

// blob returns bytes in base64 and plants their first part.
func (g *generator) blob(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.next())
	}
	return g.planted64(string(b))
}

// planted64 returns base64 of s and plants a part of it: who only cuts the end of a field leaks it
// still.
func (g *generator) planted64(s string) string {
	const part = 40
	e := base64.StdEncoding.EncodeToString([]byte(s))
	g.plant(e[:min(part, len(e))])
	return e
}
