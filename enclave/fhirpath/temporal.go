package fhirpath

import (
	"fmt"
	"strings"
	"time"
)

// A Temporal is a Date, a DateTime or a Time, as precise as it was written.
type Temporal struct {
	kind   *Type
	prec   precision
	fields [6]int // year, month, day, hour, minute, second
	nano   int
	digits int  // of the fraction of a second, as written
	zoned  bool // has an offset
	offset int  // minutes east of UTC
}

// precision is the index of the last field that a Temporal has.
type precision int

const (
	year precision = iota
	month
	day
	hour
	minute
	second
)

// maxTemporal is the bytes of a date that are read: a fraction may end in zeros without end.
const maxTemporal = 256

// parseTemporal reads the text of a literal without its @, or of a primitive.
// It's false for a day that the calendar does not have.
func parseTemporal(kind *Type, s string) (Temporal, bool) {
	t := Temporal{kind: kind, prec: -1}
	if len(s) > maxTemporal {
		return t, false
	}
	date, clock, found := strings.Cut(s, "T")
	switch {
	case kind == timeType:
		if found && date != "" {
			return t, false
		}
		if !found {
			clock = s
		}
		t.fields = [6]int{1, 1, 1}
		return t, t.parseClock(clock) && !t.zoned
	case kind == dateType && found:
		return t, false
	}
	if !t.parseDate(date) {
		return t, false
	}
	if clock == "" {
		return t, true
	}
	return t, t.prec == day && t.parseClock(clock)
}

// number reads exactly n digits.
func number(s *string, n int) (int, bool) {
	if len(*s) < n {
		return 0, false
	}
	v := 0
	for _, c := range []byte((*s)[:n]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int(c-'0')
	}
	*s = (*s)[n:]
	return v, true
}

// field reads a separator, unless it is the first field, and two digits (four
// of a year).
func (t *Temporal) field(s *string, p precision, separator string, low, high int) bool {
	rest, ok := strings.CutPrefix(*s, separator)
	if !ok {
		return false
	}
	n := 2
	if p == year {
		n = 4
	}
	v, ok := number(&rest, n)
	if !ok || v < low || v > high {
		return false
	}
	*s, t.fields[p], t.prec = rest, v, p
	return true
}

func (t *Temporal) parseDate(s string) bool {
	t.fields = [6]int{0, 1, 1}
	if !t.field(&s, year, "", 1, 9999) {
		return false
	}
	if s == "" {
		return true
	}
	if !t.field(&s, month, "-", 1, 12) {
		return false
	}
	if s == "" {
		return true
	}
	return t.field(&s, day, "-", 1, daysIn(t.fields[year], t.fields[month])) && s == ""
}

func daysIn(y, m int) int { return time.Date(y, time.Month(m)+1, 0, 0, 0, 0, 0, time.UTC).Day() }

func (t *Temporal) parseClock(s string) bool {
	if !t.field(&s, hour, "", 0, 23) {
		return false
	}
	if strings.HasPrefix(s, ":") {
		if !t.field(&s, minute, ":", 0, 59) {
			return false
		}
		// FHIR allows the leap second.
		if strings.HasPrefix(s, ":") && (!t.field(&s, second, ":", 0, 60) || !t.parseFraction(&s)) {
			return false
		}
	}
	return t.parseZone(s)
}

// parseFraction reads up to 9 digits; more are read when they are zeros,
// because what is cut off could decide a comparison.
func (t *Temporal) parseFraction(s *string) bool {
	rest, ok := strings.CutPrefix(*s, ".")
	if !ok {
		return true
	}
	end := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
	digits := rest[:end]
	if end == 0 || end > 9 && strings.Trim(digits[9:], "0") != "" {
		return false
	}
	t.digits = min(end, 9)
	padded := (digits + "000000000")[:9]
	t.nano, _ = number(&padded, 9)
	*s = rest[end:]
	return true
}

func (t *Temporal) parseZone(s string) bool {
	switch {
	case s == "":
		return true
	case s == "Z":
		t.zoned = true
		return true
	case s[0] != '+' && s[0] != '-':
		return false
	}
	rest := s[1:]
	h, ok := number(&rest, 2)
	if !ok || h > 14 || !strings.HasPrefix(rest, ":") {
		return false
	}
	rest = rest[1:]
	m, ok := number(&rest, 2)
	if !ok || m > 59 || rest != "" {
		return false
	}
	t.zoned, t.offset = true, h*60+m
	if s[0] == '-' {
		t.offset = -t.offset
	}
	return true
}

// String prints the value as FHIR does, a Time without T.
func (t Temporal) String() string {
	var b strings.Builder
	if t.kind != timeType {
		fmt.Fprintf(&b, "%04d", t.fields[year])
		for p := month; p <= min(t.prec, day); p++ {
			fmt.Fprintf(&b, "-%02d", t.fields[p])
		}
		if t.prec >= hour {
			b.WriteByte('T')
		}
	}
	for p := hour; p <= t.prec; p++ {
		if p > hour {
			b.WriteByte(':')
		}
		fmt.Fprintf(&b, "%02d", t.fields[p])
	}
	if t.digits > 0 {
		b.WriteString("." + fmt.Sprintf("%09d", t.nano)[:t.digits])
	}
	if !t.zoned {
		return b.String()
	}
	if t.offset == 0 {
		return b.String() + "Z"
	}
	sign, o := '+', t.offset
	if o < 0 {
		sign, o = '-', -o
	}
	fmt.Fprintf(&b, "%c%02d:%02d", sign, o/60, o%60)
	return b.String()
}

// literal prints the value as an expression has it.
func (t Temporal) literal() string {
	switch {
	case t.kind == timeType:
		return "@T" + t.String()
	case t.kind == dateTimeType && t.prec <= day:
		return "@" + t.String() + "T"
	}
	return "@" + t.String()
}

// instant places t on the line of time, as if it were in UTC.
func (t Temporal) instant() time.Time {
	f := t.fields
	return time.Date(f[year], time.Month(f[month]), f[day], f[hour], f[minute], f[second], t.nano, time.UTC)
}

// at is t with the fields of another moment.
func (t Temporal) at(m time.Time) Temporal {
	t.fields = [6]int{m.Year(), int(m.Month()), m.Day(), m.Hour(), m.Minute(), m.Second()}
	t.nano = m.Nanosecond()
	return t
}

// utc moves t to offset zero.
func (t Temporal) utc() Temporal {
	if t.offset == 0 {
		return t
	}
	t = t.at(t.instant().Add(-time.Duration(t.offset) * time.Minute))
	t.offset = 0
	return t
}

// order compares two values of the same kind, or a Date and a DateTime. It
// isn't known when one ends where the other goes on, or when one has an
// offset and the other hasn't (FHIRPath 6.1.1, 6.2). With exact all is first
// moved to UTC, and offsets matter where hours are compared.
func (t Temporal) order(other Temporal, exact bool) (cmp int, known bool) {
	both := t.prec >= hour && other.prec >= hour
	if both && t.zoned != other.zoned && !exact {
		return 0, false
	}
	if exact || both && t.offset != other.offset {
		t, other = t.utc(), other.utc()
	}
	for p := year; p <= min(t.prec, other.prec); p++ {
		if p == hour && t.zoned != other.zoned {
			return 0, false
		}
		if t.fields[p] != other.fields[p] {
			return sign(t.fields[p] - other.fields[p]), true
		}
	}
	if t.prec != other.prec {
		return 0, false
	}
	return sign(t.nano - other.nano), true
}

func sign(i int) int {
	switch {
	case i < 0:
		return -1
	case i > 0:
		return 1
	}
	return 0
}

// comparable reports whether an order between the kinds makes sense.
func (t Temporal) comparable(other Temporal) bool {
	return (t.kind == timeType) == (other.kind == timeType)
}
