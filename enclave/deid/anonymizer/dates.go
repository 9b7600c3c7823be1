package anonymizer

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"anchorhold/enclave/fhirpath"
)

// date is a date of FHIR taken apart.
type date struct {
	year, month, day int // 0 where the value has none
	hasMonth, hasDay bool
	time, zone       string
}

// parseDate reads the value of a date, dateTime or instant. What the calendar lacks is no date.
func parseDate(n *fhirpath.Node) (date, error) {
	text, _ := n.Text()
	d, ok := cutDate(text)
	switch {
	case !ok && zoneAlone(text):
		return date{}, errZone
	case !ok || d.year == 0:
		return date{}, errDate
	case typeName(n) == "date" && len(text) > len("2006-01-02"):
		return date{}, errClock
	case d.hasMonth && (d.month < 1 || d.month > 12):
		return date{}, errCalendar
	}
	if t := time.Date(d.year, time.Month(d.month), d.day, 0, 0, 0, 0, time.UTC); d.hasDay && (t.Day() != d.day || d.day == 0) {
		return date{}, errCalendar
	}
	return d, nil
}

// zoneAlone reports whether a zone follows the day of a date, or a part of it, without a time
// between.
func zoneAlone(s string) bool {
	for _, n := range []int{len("2006"), len("2006-01"), len("2006-01-02")} {
		if len(s) > n && strings.ContainsRune("Z+-", rune(s[n])) && isZone(s[n:]) {
			if _, ok := cutDate(s[:n]); ok {
				return true
			}
		}
	}
	return false
}

// cutDate takes YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDT, a time and a zone apart. Of the time only
// the form is read here: hh, hh:mm or hh:mm:ss with a fraction or none; without a time there may be
// a zone alone.
func cutDate(s string) (date, bool) {
	var d date
	var ok bool
	if d.year, s, ok = number4(s); !ok || s == "" {
		return d, ok
	}
	if d.month, s, ok = pair(s, '-'); !ok || s == "" {
		d.hasMonth = ok
		return d, ok
	}
	d.hasMonth = true
	if d.day, s, ok = pair(s, '-'); !ok || s == "" {
		d.hasDay = ok
		return d, ok
	}
	d.hasDay = true
	if s[0] != 'T' {
		return d, false
	}
	s = s[1:]
	end := strings.IndexAny(s, "Z+-")
	if end < 0 {
		end = len(s)
	}
	d.time, d.zone = s[:end], s[end:]
	return d, isTime(d.time) && isZone(d.zone)
}

// isTime reports whether s has the form of a time, of which the end may be absent, or all.
func isTime(s string) bool {
	s, fraction, dot := strings.Cut(s, ".")
	if dot && (len(s) != len("00:00:00") || fraction == "" || strings.Trim(fraction, digits) != "") {
		return false
	}
	return s == "" || (len(s) == 2 || len(s) == 5 || len(s) == 8) && likeTime(s)
}

// isZone reports whether s is absent, Z or a sign and hh:mm.
func isZone(s string) bool {
	return s == "" || s == "Z" || s[0] != 'Z' && len(s) == len("+00:00") && likeTime(s[1:])
}

const digits = "0123456789"

// likeTime reports whether s is pairs of digits with colons between them.
func likeTime(s string) bool {
	for i := range len(s) {
		if colon := i%3 == 2; colon != (s[i] == ':') || !colon && (s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return true
}

// keepsTime reports whether upstream keeps the form of the time of a date that it shifts; another
// it drops.
func (d date) keepsTime() bool {
	if len(d.time) < len("00:00:00") || d.time[:2] > "23" || d.time[3:5] > "59" || d.time[6:8] > "60" {
		return false
	}
	if d.zone == "Z" || d.zone == "" {
		return d.zone != ""
	}
	return d.zone[1:3] <= "13" && d.zone[4:] <= "59" || d.zone[1:] == "14:00"
}

// number4 reads four digits from the front of s.
func number4(s string) (n int, rest string, ok bool) {
	if len(s) < 4 || strings.Trim(s[:4], digits) != "" {
		return 0, "", false
	}
	n, err := strconv.Atoi(s[:4])
	return n, s[4:], err == nil
}

// pair reads a sign and two digits from the front of s.
func pair(s string, sign byte) (n int, rest string, ok bool) {
	if len(s) < 3 || s[0] != sign || s[1] < '0' || s[1] > '9' || s[2] < '0' || s[2] > '9' {
		return 0, "", false
	}
	return int(s[1]-'0')*10 + int(s[2]-'0'), s[3:], true
}

// tooOld reports whether somebody born then is over 89 on the reference date. What the date lacks
// counts as the first.
func (d date) tooOld(on time.Time) bool {
	month, day := time.Month(max(d.month, 1)), max(d.day, 1)
	age := on.Year() - d.year
	if on.Month() < month || on.Month() == month && on.Day() < day {
		age--
	}
	return age > oldest
}

// redactDate leaves the year, if the parameters allow that and it tells no age over 89.
func (r *record) redactDate(n *fhirpath.Node) error {
	d, err := parseDate(n)
	if err != nil {
		return err
	}
	text, _ := n.Text()
	if r.worker.engine.settings.partialDates && !d.tooOld(r.worker.day) {
		n.SetValue('"', text[:4])
		return nil
	}
	n.ClearValue()
	return nil
}

// dateShift moves a date by the days of its scope and sets the time to zero. A date that has no
// day, or tells an age over 89, is redacted.
func (r *record) dateShift(n *fhirpath.Node) (ops, error) {
	switch typeName(n) {
	case "date", "dateTime", "instant":
	default:
		return 0, nil
	}
	if !n.HasValue() {
		return 0, nil
	}
	d, err := parseDate(n)
	if err != nil {
		return 0, err
	}
	if d.day == 0 || d.tooOld(r.worker.day) {
		return redacted, r.redactDate(n)
	}
	shifted := time.Date(d.year, time.Month(d.month), d.day+r.offset(), 0, 0, 0, 0, time.UTC)
	if shifted.Year() < 1 || shifted.Year() > 9999 {
		return 0, errRange
	}
	text := shifted.Format(time.DateOnly)
	if d.keepsTime() {
		text += "T" + zeros(d.time) + d.zone
	}
	n.SetValue('"', text)
	return perturbed, nil
}

// offset is upstream's number of days, from -50 to 50. It is weak: see the package comment.
func (r *record) offset() int {
	if o := r.worker.engine.settings.fixedOffset; o != nil {
		return *o
	}
	text := ""
	if !r.worker.scoped {
		if id := r.root.Child("id"); id != nil {
			text = plain(id) // as earlier rules left it
		}
	}
	// The id may be long, and the dates many: it is read once.
	if s := &r.shift; !s.known || s.id != text {
		r.worker.steps.Spend(len(text) / 64)
		s.known, s.id, s.days = true, text, offsetOf(text, r.worker.shift)
	}
	return r.shift.days
}

func offsetOf(texts ...string) int {
	o := 0
	for _, s := range texts {
		for i := range len(s) {
			o = (o*131 + int(s[i])) % 101
		}
	}
	return o - 50
}

// isDigit is any decimal digit, as \d of upstream's regular expressions.
func isDigit(r rune) bool { return unicode.IsDigit(r) }
