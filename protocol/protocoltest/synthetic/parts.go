package synthetic

import (
	"fmt"
	"strings"
)

// The functions here make FHIR data types. Those that hold an identifier plant it.

func coding(system string, t term) object {
	return obj("system", system, "code", t.code, "display", t.display)
}

// concept makes a CodeableConcept whose text is that of the code.
func concept(system string, t term) object {
	return obj("coding", list{coding(system, t)}, "text", t.display)
}

// conceptText makes a CodeableConcept with a text of its own: people write anything there.
func conceptText(system string, t term, text string) object {
	return obj("coding", list{coding(system, t)}, "text", text)
}

// status makes a CodeableConcept of one HL7 code without display.
func status(system, code string) object {
	return obj("coding", list{obj("system", hl7+system, "code", code)})
}

func extension(url, kind string, value any) object { return obj("url", url, kind, value) }

// identifier makes an identifier of a v2-0203 type.
func (g *generator) identifier(kind, display, system, value string) object {
	return obj("type", obj("coding", list{obj("system", hl7+"v2-0203", "code", kind, "display", display)}, "text", display),
		"system", system, "value", g.plant(value))
}

// person is the name of somebody.
type person struct{ prefix, given, middle, family string }

func (g *generator) person(prefixes ...string) person {
	p := person{prefix: pick(g.random, prefixes), given: pick(g.random, givens), middle: pick(g.random, givens), family: pick(g.random, families)}
	g.plant(p.given)
	g.plant(p.middle)
	g.plant(p.family)
	return p
}

func (p person) full() string { return p.prefix + " " + p.given + " " + p.middle + " " + p.family }

func (p person) humanName(use string) object {
	return obj("use", use, "text", p.full(), "family", p.family, "given", list{p.given, p.middle}, "prefix", list{p.prefix})
}

// handle is a name as it stands in addresses of mail and web.
func (p person) handle() string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, strings.ToLower(p.given+p.family))
}

func (g *generator) phone() string {
	a, b := "5"+g.digits(2), g.digits(4)
	return g.plant(pick(g.random, []string{"555-" + a + "-" + b, "(555) " + a + "-" + b, "+1 555 " + a + " " + b, "1.555." + a + "." + b}))
}

func (g *generator) email(p person) string {
	return g.plant(fmt.Sprintf("%s.%s@mail.example.net", p.handle(), g.digits(4)))
}

func contact(system, value, use string) object {
	return obj("system", system, "value", value, "use", use)
}

// decimal returns a coordinate with the many digits that make it identifying.
func (g *generator) decimal(lo, hi int) number {
	return number(g.plant(fmt.Sprintf("%d.%s", g.between(lo, hi), g.digits(13)+"7")))
}

// address makes a home address with its coordinates.
func (g *generator) address() object {
	area, city := pick(g.random, zips), g.plant(pick(g.random, cities))
	line := g.plant(fmt.Sprintf("%d %s", g.between(100, 9999), pick(g.random, streets)))
	zip := area.zip
	if g.chance(70) {
		zip = g.plant(zip + pick(g.random, []string{"", "-"}) + g.digits(4))
	}
	where := extension(fhir+"geolocation", "extension", list{
		extension("latitude", "valueDecimal", g.decimal(31, 47)),
		extension("longitude", "valueDecimal", g.decimal(-121, -71)),
	})
	return obj("extension", list{where}, "use", "home", "text", line+", "+city+", "+area.state+" "+zip,
		"line", list{line}, "city", city, "district", city+" County", "state", area.state, "postalCode", zip, "country", "US",
		"period", obj("start", g.dateTime(g.moment(1990, 2020))))
}

// narrative makes generated text. Its content is markup, so it must have no characters that markup
// escapes.
func narrative(text string) object {
	return obj("status", "generated", "div", `<div xmlns="http://www.w3.org/1999/xhtml"><p>`+text+`</p></div>`)
}

func (g *generator) meta(profile string) object {
	return obj("lastUpdated", g.instant(g.moment(2021, lastYear)), "source", g.plant("urn:export:"+g.uuid()),
		"profile", list{usCore + profile})
}

// start begins a resource and plants its id.
func (g *generator) start(resourceType, id, profile string) object {
	return obj("resourceType", resourceType, "id", g.plant(id), "meta", g.meta(profile))
}

func (o object) with(pairs ...any) object { return append(o, obj(pairs...)...) }

// note makes an annotation that names people.
func (g *generator) note(author provider, text string) list {
	return list{obj("authorString", author.name.full(), "time", g.dateTime(g.moment(2000, lastYear)), "text", text)}
}
