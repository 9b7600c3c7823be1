package deid

import (
	"bytes"
	"time"
)

// moment is a FHIR date, dateTime or instant, taken apart.
type moment struct {
	year, month, day int    // month and day are 0 where the text has none
	clock            []byte // hh:mm:ss, perhaps with a fraction; empty for a date
	zone             []byte
}

// parseMoment reads a date by the grammar of FHIR R4, strictly: what it
// accepts may be written again as it is.
func parseMoment(b []byte) (m moment, ok bool) {
	y, _, ok := year(b)
	if !ok {
		return m, false
	}
	m.year = y
	rest := b[4:]
	for _, part := range []*int{&m.month, &m.day} {
		if len(rest) < 3 || rest[0] != '-' {
			break
		}
		*part, rest = number(rest[1:3]), rest[3:]
		if *part == 0 {
			return m, false
		}
	}
	if m.month > 12 || m.day > 0 && m.day > daysIn(m.year, m.month) {
		return m, false
	}
	if len(rest) == 0 {
		return m, true
	}
	m.clock = rest[1:] // year has seen the T
	if i := bytes.IndexAny(m.clock, "Z+-"); i >= 0 {
		m.clock, m.zone = m.clock[:i], m.clock[i:]
	}
	return m, isClock(m.clock) && isZone(m.zone)
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month+1), 0, 0, 0, 0, 0, time.UTC).Day()
}

// isClock reports whether b is hh:mm:ss with at most nine digits of a fraction.
func isClock(b []byte) bool {
	// 60: a leap second
	if len(b) < 8 || b[2] != ':' || b[5] != ':' || !upTo(b[:2], 23) || !upTo(b[3:5], 59) || !upTo(b[6:8], 60) {
		return false
	}
	f := b[8:]
	return len(f) == 0 || len(f) > 1 && len(f) <= 10 && f[0] == '.' && only(f[1:], digit)
}

// upTo reports whether b is a row of digits that means no more than most.
func upTo(b []byte, most int) bool { return only(b, digit) && number(b) <= most }

// isZone reports whether b is Z or an offset of at most 14 hours.
func isZone(b []byte) bool {
	if string(b) == "Z" {
		return true
	}
	return len(b) == 6 && b[3] == ':' && upTo(b[1:3], 14) && upTo(b[4:], 59)
}

// date keeps of a date what the method lets stay.
func (t *transformer) date(n *node, s []byte) bool {
	out := len(t.out)
	if t.dated(n, s) && (n.since == nil || t.follows(n.since, s, out)) {
		return true
	}
	t.out = t.out[:out]
	return n.instead != "" && t.instead(n)
}

func (t *transformer) dated(n *node, s []byte) bool {
	switch n.method {
	case yearOf:
		if y, digits, ok := year(s); ok && t.recent(y) {
			return t.quote(digits)
		}
	case dayOf:
		if _, ok := parseMoment(s); ok {
			return t.quote(s)
		}
	case shifted:
		// Not moved is not an option: a record of nobody's has no dates.
		if m, ok := parseMoment(s); ok && t.offset.known && t.recent(m.year) {
			return t.moved(m)
		}
	}
	return false
}

// follows reports whether the end of a period, which was written at out, is not before the start.
// Dates of unequal precision, and of unequal zones, can change their order by what is taken from
// them. A period that was not in order stays as it is.
func (t *transformer) follows(start *node, s []byte, out int) bool {
	object := t.scanner
	object.i = t.holder
	f, ok := object.find(start.name())
	if !ok || f.b[f.i] != '"' {
		return true
	}
	end := len(t.out)
	from := f.str()
	ok = !t.dated(start, from) || inOrder(t.out[end+1:len(t.out)-1], t.out[out+1:end-1]) || inverted(from, s)
	t.out = t.out[:end]
	return ok
}

// inOrder reports whether the moment a is not after b. Of two that are equal as far as both go,
// FHIR cannot say so, unless both have a time of day.
func inOrder(a, b []byte) bool {
	a, b = bytes.TrimSuffix(a, []byte{'Z'}), bytes.TrimSuffix(b, []byte{'Z'})
	k := min(len(a), len(b))
	if c := bytes.Compare(a[:k], b[:k]); c != 0 {
		return c < 0
	}
	return len(a) == len(b) || len(a) < len(b) && k >= len("2006-01-02T15:04:05")
}

// inverted reports whether a period from a to b has its end before its start.
func inverted(a, b []byte) bool {
	from, err := time.Parse(time.RFC3339, string(a))
	to, err2 := time.Parse(time.RFC3339, string(b))
	if err == nil && err2 == nil {
		return from.After(to)
	}
	k := min(len(a), len(b), len(time.DateOnly))
	return bytes.Compare(a[:k], b[:k]) > 0
}

// recent reports whether a year may stay. One that lies so far back that it
// tells an age over the cap goes, whatever the date is of: whoever was there is
// that old. So does one after the reference date: with a birth year that was
// just young enough it would tell an age that the reference date has hidden.
func (t *transformer) recent(y int) bool {
	ago := t.year - y
	return 0 <= ago && ago <= ageCap
}

// instead writes that something has been, in the place of when: that somebody
// has died must not go with the year of it.
func (t *transformer) instead(n *node) bool {
	if !bytes.HasSuffix(t.out, n.head) {
		return false // in an array
	}
	object := t.scanner
	object.i = t.holder
	if _, taken := object.find(n.instead); taken {
		return false
	}
	t.out = append(t.out[:len(t.out)-len(n.head)], '"')
	t.out = append(t.out, n.instead...)
	t.out = append(t.out, `":true`...)
	return true
}
