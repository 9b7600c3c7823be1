package synthetic

import (
	"fmt"
	"strings"
	"time"
)

// random is splitmix64: a few lines, the same numbers with every Go release.
type random struct{ state uint64 }

func newRandom(seed, stream uint64) *random {
	r := &random{state: seed ^ stream*0xD1342543DE82EF95}
	r.next()
	return r
}

func (r *random) next() uint64 {
	r.state += 0x9E3779B97F4A7C15
	z := r.state
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// intn returns a number from 0 to n-1.
func (r *random) intn(n int) int { return int(r.next() % uint64(n)) }

// between returns a number from lo to hi.
func (r *random) between(lo, hi int) int { return lo + r.intn(hi-lo+1) }

func (r *random) chance(percent int) bool { return r.intn(100) < percent }

func pick[T any](r *random, list []T) T { return list[r.intn(len(list))] }

func (r *random) digits(n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte(byte('0' + r.intn(10)))
	}
	return b.String()
}

// uuid returns a resource id with the form of a random UUID.
func (r *random) uuid() string {
	a, b := r.next(), r.next()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xFFFF, a&0xFFF, 0x8000|b>>48&0x3FFF, b&0xFFFFFFFFFFFF)
}

// moment returns a time in a year from lo to hi, to the second.
func (r *random) moment(lo, hi int) time.Time {
	start := time.Date(r.between(lo, hi), 1, 1, 0, 0, 0, 0, time.UTC)
	return start.Add(time.Duration(r.intn(365*24*3600)) * time.Second)
}

var zones = []*time.Location{time.UTC, time.FixedZone("", -5*3600), time.FixedZone("", -4*3600)}

// date writes a day and plants it.
func (g *generator) date(t time.Time) string { return g.plant(t.Format("2006-01-02")) }

// dateTime writes a time in one of the forms that exports use and plants its day. Only the local
// day counts: what is written.
func (g *generator) dateTime(t time.Time) string {
	t = t.In(pick(g.random, zones))
	g.date(t)
	switch g.intn(4) {
	case 0:
		return t.Format("2006-01-02T15:04:05.000Z07:00")
	case 1:
		return t.Format("2006-01-02")
	default:
		return t.Format("2006-01-02T15:04:05Z07:00")
	}
}

// instant writes a time with its zone, as meta.lastUpdated wants it.
func (g *generator) instant(t time.Time) string {
	g.date(t)
	return t.Format("2006-01-02T15:04:05.000Z07:00")
}
