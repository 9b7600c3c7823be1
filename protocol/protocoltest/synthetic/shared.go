package synthetic

import "fmt"

// provider is a practitioner and where to reach one.
type provider struct {
	id, npi string
	name    person
}

// place is an organization with its one location.
type place struct{ organization, location, name, orgValue, locValue string }

// search refers to a provider as exports do that keep no ids of other systems.
func (p provider) search() object {
	return obj("reference", "Practitioner?identifier="+npi+"|"+p.npi, "display", p.name.full())
}

// logical refers to a provider by identifier alone.
func (p provider) logical() object {
	return obj("identifier", obj("system", npi, "value", p.npi), "display", p.name.full())
}

func (p provider) direct() object {
	return obj("reference", "Practitioner/"+p.id, "type", typePractitioner, "display", p.name.full())
}

func (p place) locationSearch() object {
	return obj("reference", "Location?identifier="+ours+"|"+p.locValue, "display", p.name)
}

func (p place) organizationSearch() object {
	return obj("reference", "Organization?identifier="+ours+"|"+p.orgValue, "display", p.name)
}

// shared writes what patients refer to.
func (g *generator) shared() {
	for i := range 6 {
		g.place(fmt.Sprintf("%s Community Hospital %d", pick(g.random, cities), i+1))
	}
	for range 12 {
		g.provider()
	}
}

func (g *generator) place(name string) {
	p := place{organization: g.uuid(), location: g.uuid(), name: name, orgValue: g.uuid(), locValue: g.uuid()}
	g.places = append(g.places, p)
	kind := obj("coding", list{obj("system", hl7+"organization-type", "code", "prov", "display", "Healthcare Provider")})
	g.write(typeOrganization, g.start(typeOrganization, p.organization, "us-core-organization").with(
		"identifier", list{obj("system", ours, "value", g.plant(p.orgValue))},
		"active", true, "type", list{kind}, "name", p.name,
		"telecom", list{contact("phone", g.phone(), "work")},
		"address", list{g.address()},
		"contact", list{obj("name", g.person("Ms.", "Mr.").humanName("official"), "telecom", list{contact("fax", g.phone(), "work")})},
	))
	g.write(typeLocation, g.start(typeLocation, p.location, "us-core-location").with(
		"identifier", list{obj("system", ours, "value", g.plant(p.locValue))},
		"status", "active", "name", p.name,
		"telecom", list{contact("phone", g.phone(), "work")},
		"address", g.address(),
		"position", obj("longitude", g.decimal(-121, -71), "latitude", g.decimal(31, 47)),
		"managingOrganization", p.organizationSearch(),
	))
}

func (g *generator) provider() {
	p := provider{id: g.uuid(), npi: "9999" + g.digits(6), name: g.person("Dr.")}
	g.providers = append(g.providers, p)
	work := pick(g.random, g.places)
	g.write(typePractitioner, g.start(typePractitioner, p.id, "us-core-practitioner").with(
		"text", narrative(p.name.full()+", NPI "+p.npi),
		"identifier", list{
			obj("system", npi, "value", g.plant(p.npi)),
			g.identifier("MD", "Medical License number", "https://licences.example.org", "ML-"+g.digits(8)),
		},
		"active", true,
		"name", list{p.name.humanName("official")},
		"telecom", list{contact("email", g.email(p.name), "work"), contact("phone", g.phone(), "work")},
		"address", list{g.address()},
		"gender", pick(g.random, []string{"female", "male"}),
		"birthDate", g.date(g.moment(1950, 1990)),
	))
	specialty := concept("http://nucc.org/provider-taxonomy", term{"208D00000X", "General Practice Physician"})
	g.write(typePractitionerRole, g.start(typePractitionerRole, g.uuid(), "us-core-practitionerrole").with(
		"active", true,
		"period", obj("start", g.dateTime(g.moment(2000, 2019))),
		"practitioner", p.logical(),
		"organization", obj("identifier", obj("system", ours, "value", work.orgValue), "display", work.name),
		"code", list{specialty}, "specialty", list{specialty},
		"location", list{obj("reference", "Location/"+work.location, "display", work.name)},
		"telecom", list{contact("email", g.email(p.name), "work")},
	))
}
