package anonymizer

import (
	"regexp"
	"strconv"
	"time"
	"unicode"

	"anchorhold/enclave/fhirpath"
)

var (
	dateForm = regexp.MustCompile(`^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?)?(Z|[+-]\d\d:\d\d)?)?)?)?$`)
	// timeForm is a time that upstream keeps the form of; another is dropped when the date is shifted.
	timeForm = regexp.MustCompile(`^(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?$`)
	zoneForm = regexp.MustCompile(`^(?:Z|[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00))$`)
)

// date is a date of FHIR taken apart.
type date struct {
	year, month, day int // 0 where the value has none
	time, zone       string
}

// parseDate reads the value of a date, dateTime or instant. What the calendar lacks is no date.
func parseDate(n *fhirpath.Node) (date, error) {
	text, _ := n.Text()
	m := dateForm.FindStringSubmatch(text)
	if m == nil || m[1] == "0000" || typeName(n) == "date" && len(text) > len("2006-01-02") {
		return date{}, errDate
	}
	var d date
	d.year, _ = strconv.Atoi(m[1])
	d.month, _ = strconv.Atoi(m[2])
	d.day, _ = strconv.Atoi(m[3])
	d.time, d.zone = m[4], m[5]
	if m[2] != "" && (d.month < 1 || d.month > 12) {
		return date{}, errDate
	}
	if t := time.Date(d.year, time.Month(d.month), d.day, 0, 0, 0, 0, time.UTC); m[3] != "" && (t.Day() != d.day || d.day == 0) {
		return date{}, errDate
	}
	return d, nil
}

// tooOld reports whether somebody born then is over 89 on the reference date. What the date lacks counts as the first.
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

// dateShift moves a date by the days of its scope and sets the time to zero. A date that has no day, or tells an age over 89, is
// redacted.
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
	if timeForm.MatchString(d.time) && zoneForm.MatchString(d.zone) {
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
	key := r.worker.shift
	if !r.worker.scoped {
		if id := child(r.root, "id"); id != nil {
			key = plain(id) + key // as earlier rules left it
		}
	}
	o := 0
	for _, b := range []byte(key) {
		o = (o*131 + int(b)) % 101
	}
	return o - 50
}

// isDigit is any decimal digit, as \d of upstream's regular expressions.
func isDigit(r rune) bool { return unicode.IsDigit(r) }
