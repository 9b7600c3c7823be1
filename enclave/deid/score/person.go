package score

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// planted is a value that identifies somebody.
type planted struct {
	value  string
	action Action
	// stays is the part of the value that may stay, where it is all of an element, and kind what
	// that part is good for.
	stays, kind string
}

// person makes the values of one person. Every call of plant gives a new value, so that a value
// found in an output names the place it came from.
type person struct {
	*rand.Rand
	number int
	drawn  *int // values drawn so far, over all persons
	birth  time.Time
	old    bool // over 89 on ReferenceDate
}

// referenceYear is the year of ReferenceDate.
const referenceYear = 2026

func newPerson(seed uint64, number int, drawn *int) *person {
	p := &person{Rand: rand.New(rand.NewPCG(seed, uint64(number))), number: number, drawn: drawn}
	// A fifth of the people are over 89.
	age := 1 + p.IntN(88)
	if p.old = number%5 == 4; p.old {
		age = 91 + p.IntN(14)
	}
	p.birth = time.Date(referenceYear-age, time.Month(1+p.IntN(12)), 1+p.IntN(28), 0, 0, 0, 0, time.UTC)
	return p
}

// id is the id of one of the person's records.
func (p *person) id(name string) string { return fmt.Sprintf("%s-%06d-bench", name, p.number) }

// next numbers a value.
func (p *person) next() int {
	*p.drawn++
	return *p.drawn
}

// word is a new word that no clinical term contains.
func (p *person) word() string {
	const consonants, vowels = "bdfgjklmnprtvz", "aeiou"
	n := p.next()
	var b strings.Builder
	for range 4 {
		b.WriteByte(consonants[n%len(consonants)])
		n /= len(consonants)
		b.WriteByte(vowels[n%len(vowels)])
		n /= len(vowels)
	}
	w := b.String()
	return strings.ToUpper(w[:1]) + w[1:]
}

// digits is a new string of n digits, n at least 9. It begins with 9, so that it is no date and no
// small number.
func (p *person) digits(n int) string { return fmt.Sprintf("9%07d%0*d", p.next(), n-8, p.IntN(10)) }

// date is a day of the past ten years.
func (p *person) date() time.Time {
	return time.Date(referenceYear-10+p.IntN(10), time.Month(1+p.IntN(12)), 2+p.IntN(26), p.IntN(24), p.IntN(60), p.IntN(60), 0, time.UTC)
}

// whole is an identifier of which nothing may stay.
func whole(value string) planted { return planted{value: value, action: Remove} }

// plant draws a value by the second half of a placeholder's name.
func (p *person) plant(what string) (planted, bool) {
	if make, ok := kinds[what]; ok {
		return make(p), true
	}
	return planted{}, false
}

// kinds are the values that a template can plant.
var kinds = map[string]func(*person) planted{
	"family":   func(p *person) planted { return whole(p.word() + "quist") },
	"given":    func(p *person) planted { return whole(p.word() + "wyn") },
	"name":     func(p *person) planted { return whole(p.word() + "wyn " + p.word() + "quist") },
	"place":    func(p *person) planted { return whole(p.word() + " Hollow Clinic") },
	"street":   func(p *person) planted { return whole(fmt.Sprintf("%d %s Lane", 1+p.IntN(899), p.word())) },
	"city":     func(p *person) planted { return whole(p.word() + "mede") },
	"county":   func(p *person) planted { return whole(p.word() + " County") },
	"zip":      (*person).zip,
	"zipsmall": (*person).smallZip,
	"iso":      func(p *person) planted { return whole(pick(p, "LI-09", "GB-RUT", "MT-64", "US-CA-075", "SI-213")) },
	"lat":      func(p *person) planted { return whole(fmt.Sprintf("42.%07d", p.next())) },
	"lon":      func(p *person) planted { return whole(fmt.Sprintf("-71.%07d", p.next())) },
	"birth":    (*person).birthDate,
	"birthyear": func(p *person) planted {
		return whole(fmt.Sprint(1900 + p.IntN(36)))
	},
	"date":    func(p *person) planted { return dated(p.date().Format(time.DateOnly)) },
	"time":    func(p *person) planted { return dated(p.date().Format("2006-01-02T15:04:05Z")) },
	"offset":  func(p *person) planted { return dated(p.date().Format("2006-01-02T15:04:05.000-05:00")) },
	"instant": func(p *person) planted { return whole(p.date().Format("2006-01-02T15:04:05.000Z")) },
	"month":   func(p *person) planted { return dated(p.date().Format("2006-01")) },
	"us-date": func(p *person) planted { return whole(p.date().Format("01/02/2006")) },
	"hl7date": func(p *person) planted { return whole(p.date().Format("20060102")) },
	"age90":   func(p *person) planted { return whole(fmt.Sprint(91 + p.IntN(18))) },
	"months90": func(p *person) planted {
		return whole(fmt.Sprint(12*(91+p.IntN(18)) + 1 + p.IntN(10)))
	},
	"decades": func(p *person) planted { return whole(fmt.Sprintf("%d.%02d", 9+p.IntN(2), 11+p.IntN(80))) },
	"lat-exp": func(p *person) planted { return whole(fmt.Sprintf("42%04de-4", p.next()%10_000)) },
	"lat2":    func(p *person) planted { return whole(fmt.Sprintf("%d.%02d", 25+p.IntN(23), 11+p.IntN(80))) },
	"local":   func(p *person) planted { return whole(fmt.Sprintf("9%06d", p.next()%1_000_000)) },
	"nine":    func(p *person) planted { return whole(p.digits(9)) },
	"phone":   func(p *person) planted { d := p.digits(10); return whole("(" + d[:3] + ") " + d[3:6] + "-" + d[6:]) },
	"plain":   func(p *person) planted { return whole(p.digits(10)) },
	"tel":     func(p *person) planted { d := p.digits(10); return whole("+1-" + d[:3] + "-" + d[3:6] + "-" + d[6:]) },
	"email":   func(p *person) planted { return whole(strings.ToLower(p.word()) + "@mail.example.org") },
	"ssn":     func(p *person) planted { d := p.digits(9); return whole(d[:3] + "-" + d[3:5] + "-" + d[5:]) },
	"number":  func(p *person) planted { return whole(p.digits(11)) },
	"mixed":   func(p *person) planted { return whole(strings.ToUpper(p.word()) + "-" + p.digits(9)) },
	"plate":   func(p *person) planted { return whole(strings.ToUpper(p.word()[:4]) + " " + p.digits(9)[3:]) },
	"vin":     func(p *person) planted { return whole("1HG" + strings.ToUpper(p.word())[:6] + p.digits(9)[1:]) },
	"udi":     func(p *person) planted { return whole("(01)0" + p.digits(13) + "(21)" + p.digits(10)) },
	"url":     func(p *person) planted { return whole("https://portal.example.org/u/" + strings.ToLower(p.word())) },
	"profile": func(p *person) planted { return whole("https://people.example.org/" + strings.ToLower(p.word())) },
	"ip": func(p *person) planted {
		n := p.next()
		return whole(fmt.Sprintf("10.%d.%d.%d", 100+n>>16, n>>8&255, n&255))
	},
	"ip6": func(p *person) planted { return whole(fmt.Sprintf("2001:db8::%x:77aa", 0x1000+p.next()%0xefff)) },
	"uuid": func(p *person) planted {
		return whole(fmt.Sprintf("%08x-77aa-4bcd-8e0f-%012x", p.next(), p.Int64N(1<<48)))
	},
	"oid":  func(p *person) planted { return whole(fmt.Sprintf("1.2.826.0.1.3680043.8.498.%s", p.digits(20))) },
	"blob": func(p *person) planted { return whole(strings.Repeat("Qk"+p.word(), 4)) },
}

// dated is a date of which the year may stay.
func dated(value string) planted {
	return planted{value: value, action: Year, stays: value[:4], kind: "years"}
}

// birthDate is the person's date of birth: of people over 89 not even the year may stay.
func (p *person) birthDate() planted {
	d := p.birth.Format(time.DateOnly)
	if p.old {
		return whole(d)
	}
	return dated(d)
}

// zip is a ZIP code whose first three digits stand for more than 20,000 people.
func (p *person) zip() planted {
	z := pick(p, "021", "941", "606", "770", "100") + fmt.Sprintf("%02d", 10+p.IntN(80))
	return planted{value: z, action: Zip3, stays: z[:3], kind: "zip3"}
}

// smallZip is a ZIP code of which not even three digits may stay: 45 CFR 164.514(b)(2)(i)(B),
// census of 2020.
func (p *person) smallZip() planted {
	return whole(pick(p, "036", "059", "102", "203", "556", "692", "821", "878", "893") + fmt.Sprintf("%02d", 10+p.IntN(80)))
}

func pick(p *person, list ...string) string { return list[p.IntN(len(list))] }
