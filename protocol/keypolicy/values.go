package keypolicy

import (
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// inRange says whether an address lies in a CIDR range. A range without prefix length is one
// address (IAM User Guide, "IP address condition operators"). What is no address lies in no range.
// Whether an IPv4 address that is written as an IPv6 one (::ffff:192.0.2.1) lies in a range of IPv4
// addresses is not documented, nor what a zone means.
func inRange(policy, request string) truth {
	r, ok := AddressRange(policy)
	a, err := netip.ParseAddr(request)
	if !ok || err != nil {
		return no
	}
	bare := a.WithZone("")
	met := agree(truthOf(r.Contains(bare)), truthOf(unmap(r).Contains(bare.Unmap())))
	if a.Zone() != "" {
		return min(met, perhaps)
	}
	return met
}

// unmap returns the range of IPv4 addresses that a range of mapped ones means.
func unmap(r netip.Prefix) netip.Prefix {
	const mapped = 96 // bits before the IPv4 address
	if !r.Addr().Is4In6() || r.Bits() < mapped {
		return r
	}
	return netip.PrefixFrom(r.Addr().Unmap(), r.Bits()-mapped)
}

func isRange(s string) bool { _, ok := AddressRange(s); return ok }

func isAddress(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Zone() == ""
}

// AddressRange reads what address operators compare: an address, or a range of them.
func AddressRange(s string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), a.Zone() == ""
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err == nil
}

// numeric compares request to policy value; a request value that is no number meets nothing.
func numeric(negated bool, want func(int) bool) comparison {
	isNumber := func(s string) bool { _, ok := Number(s); return ok }
	return comparison{
		negated: negated, valid: isNumber, reads: isNumber,
		meets: func(policy, request string) truth {
			p, ok := Number(policy)
			r, ok2 := Number(request)
			return truthOf(ok && ok2 && want(r.Cmp(p)))
		},
	}
}

// Number reads what numeric operators compare: a plain decimal. Exponents are refused: big.Rat
// would build 1e999999999 in full.
func Number(s string) (*big.Rat, bool) {
	if len(s) > 40 || strings.Trim(s, "0123456789.-") != "" {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

func date(negated bool, want func(int) bool) comparison {
	isDate := func(s string) bool { _, ok := Instant(s); return ok }
	return comparison{
		negated: negated, valid: isDate, reads: isDate,
		meets: func(policy, request string) truth {
			var readings []truth
			for _, p := range instants(policy) {
				for _, r := range instants(request) {
					readings = append(readings, truthOf(want(r.Compare(p))))
				}
			}
			if readings == nil {
				return no
			}
			return agree(readings...)
		},
	}
}

// Instant reads what date operators compare, in the forms that IAM documents: the W3C profile of
// ISO 8601, or seconds since 1970. Four digits are seconds here; see instants.
func Instant(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", time.DateOnly, "2006-01"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return time.Unix(n, 0), err == nil
}

// instants are the readings of a date: four digits may be seconds or, as W3C has it, a year.
func instants(s string) []time.Time {
	t, ok := Instant(s)
	if !ok {
		return nil
	}
	if year, err := time.Parse("2006", s); err == nil {
		return []time.Time{t, year}
	}
	return []time.Time{t}
}
