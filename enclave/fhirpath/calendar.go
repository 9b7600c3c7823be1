package fhirpath

import (
	"math/big"
	"strings"
	"time"
)

// calendarUnit returns the singular of the word for a duration: of a calendar, or of UCUM up to the
// week. A year and a month of UCUM are averages, to which nothing in a calendar corresponds, unless
// FHIR maps them.
func (q Quantity) calendarUnit() string {
	u := ucumDurations[q.unit]
	switch {
	case q.mapped || u != "" && u != "year" && u != "month":
		return u
	}
	return calendarWord(q.unit)
}

// calendarWord is the singular of one of FHIRPath's words for a duration (2.6), or "".
func calendarWord(unit string) string {
	switch s := strings.TrimSuffix(unit, "s"); s {
	case "year", "month", "week", "day", "hour", "minute", "second", "millisecond":
		return s
	}
	return ""
}

// add returns t moved by a duration. The result is absent when it lies outside
// years 1 to 9999; it's an error when q is no duration of a calendar.
func (t Temporal) add(q Quantity) (Item, error) {
	unit := q.calendarUnit()
	// as for years and months: no time has them
	if unit == "" || t.kind == timeType && (unit == "week" || unit == "day") {
		return nil, errDuration
	}
	if unit == "second" || unit == "millisecond" {
		return t.addSeconds(q.value, unit == "millisecond")
	}
	whole := q.value.truncated().unscaled
	if !whole.IsInt64() || whole.BitLen() > 40 {
		return nil, nil
	}
	n := int(whole.Int64())
	switch unit {
	case "week":
		return t.addDays(n * 7)
	case "year":
		return t.addMonths(n * 12)
	case "month":
		return t.addMonths(n)
	case "day":
		return t.addDays(n)
	case "hour":
		return t.addDuration(n, time.Hour)
	default:
		return t.addDuration(n, time.Minute)
	}
}

func (t Temporal) addSeconds(d Decimal, milli bool) (Item, error) {
	if milli {
		d = Decimal{d.truncated().unscaled, 3} // of a millisecond nothing is left
	}
	if t.prec < second {
		whole := d.truncated().unscaled
		if whole.BitLen() > 40 {
			return nil, nil
		}
		return t.addDuration(int(whole.Int64()), time.Second)
	}
	nanos := new(big.Int).Quo(new(big.Int).Mul(d.unscaled, pow10(9)), pow10(d.scale))
	days, rest := new(big.Int).QuoRem(nanos, big.NewInt(int64(24*time.Hour)), new(big.Int))
	if days.BitLen() > 40 {
		return nil, nil
	}
	r, err := t.move(int(days.Int64()), time.Duration(rest.Int64()))
	if m, ok := r.(Temporal); ok && m.nano != 0 {
		for m.digits = max(m.digits, 3); m.nano%int(pow10(9-m.digits).Int64()) != 0; m.digits++ {
		}
		return m, err
	}
	return r, err
}

// addDuration adds n units, cut to the precision that t has.
func (t Temporal) addDuration(n int, unit time.Duration) (Item, error) {
	if perDay := int(24 * time.Hour / unit); t.prec <= day {
		return t.addDays(n / perDay)
	}
	switch t.prec {
	case hour:
		n, unit = n/int(time.Hour/unit), time.Hour
	case minute:
		if unit == time.Second {
			n, unit = n/60, time.Minute
		}
	}
	perDay := int(24 * time.Hour / unit)
	return t.move(n/perDay, time.Duration(n%perDay)*unit)
}

func absolute(n int) int { return max(n, -n) }

// addDays adds days; of a month 30 count as one, of a year 365.
func (t Temporal) addDays(n int) (Item, error) {
	switch {
	case t.prec == year:
		return t.addMonths(n / 365 * 12)
	case t.prec == month:
		return t.addMonths(n / 30)
	case absolute(n) > 9999*366:
		return nil, nil
	}
	return t.checked(t.instant().AddDate(0, 0, n))
}

// addMonths adds months. A day that the month does not have becomes its last.
func (t Temporal) addMonths(n int) (Item, error) {
	if t.kind == timeType {
		return nil, errDuration
	}
	if t.prec == year {
		n = n / 12 * 12
	}
	if absolute(n) > 9999*12 {
		return nil, nil
	}
	months := t.fields[year]*12 + t.fields[month] - 1 + n
	y, m := months/12, months%12+1
	if months < 12 || y > 9999 {
		return nil, nil
	}
	t.fields[year], t.fields[month] = y, m
	t.fields[day] = min(t.fields[day], daysIn(y, m))
	return t, nil
}

// move adds days and what is less than one: a time.Duration holds 292 years only. Of a Time the
// days go round.
func (t Temporal) move(days int, rest time.Duration) (Item, error) {
	switch {
	case t.kind == timeType:
		days = 0
	case absolute(days) > 9999*366:
		return nil, nil
	}
	return t.checked(t.instant().AddDate(0, 0, days).Add(rest))
}

// checked is t at another moment. A Time turns over at midnight.
func (t Temporal) checked(m time.Time) (Item, error) {
	if t.kind == timeType {
		m = time.Date(1, 1, 1, m.Hour(), m.Minute(), m.Second(), m.Nanosecond(), time.UTC)
	}
	if m.Year() < 1 || m.Year() > 9999 {
		return nil, nil
	}
	return t.at(m), nil
}

// temporalAt returns the moment as one of the three kinds, for now() and its like.
func temporalAt(kind *Type, m time.Time) Temporal {
	t := Temporal{kind: kind, prec: second, digits: 3}.at(m.Truncate(time.Millisecond))
	switch kind {
	case dateType:
		t.prec, t.digits, t.nano = day, 0, 0
		t.fields[hour], t.fields[minute], t.fields[second] = 0, 0, 0
	case timeType:
		t.fields[year], t.fields[month], t.fields[day] = 1, 1, 1
	case dateTimeType:
		_, seconds := m.Zone()
		t.zoned, t.offset = true, seconds/60
	}
	return t
}
