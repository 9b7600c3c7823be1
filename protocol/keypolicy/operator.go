package keypolicy

import (
	"errors"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// An Operator is a condition operator with its prefix and suffix taken apart. Source: IAM User Guide, "Condition operators" and
// "Set operators for multivalued context keys".
type Operator struct {
	Name     string // such as StringEquals; the negated operators keep their own names
	Set      string // "", ForAllValues or ForAnyValue
	IfExists bool
}

func (o Operator) String() string {
	s := o.Name
	if o.Set != "" {
		s = o.Set + ":" + s
	}
	if o.IfExists {
		s += "IfExists"
	}
	return s
}

// A comparison tells whether one value of the request meets one value of the policy; negated says that the operator wants none to.
type comparison struct {
	meets   func(policy, request string) bool
	negated bool
	valid   func(policy string) bool // nil: any text
}

var comparisons = map[string]comparison{
	"StringEquals":              {meets: equal},
	"StringNotEquals":           {meets: equal, negated: true},
	"StringEqualsIgnoreCase":    {meets: strings.EqualFold},
	"StringNotEqualsIgnoreCase": {meets: strings.EqualFold, negated: true},
	"StringLike":                {meets: like},
	"StringNotLike":             {meets: like, negated: true},
	"ArnEquals":                 {meets: likeARN, valid: isARNPattern}, // documented to behave as ArnLike
	"ArnLike":                   {meets: likeARN, valid: isARNPattern},
	"ArnNotEquals":              {meets: likeARN, negated: true, valid: isARNPattern},
	"ArnNotLike":                {meets: likeARN, negated: true, valid: isARNPattern},
	"Bool":                      {meets: strings.EqualFold, valid: isBool},
	"IpAddress":                 {meets: inRange, valid: isRange},
	"NotIpAddress":              {meets: inRange, negated: true, valid: isRange},
	"NumericEquals":             numeric(false, func(c int) bool { return c == 0 }),
	"NumericNotEquals":          numeric(true, func(c int) bool { return c == 0 }),
	"NumericLessThan":           numeric(false, func(c int) bool { return c < 0 }),
	"NumericLessThanEquals":     numeric(false, func(c int) bool { return c <= 0 }),
	"NumericGreaterThan":        numeric(false, func(c int) bool { return c > 0 }),
	"NumericGreaterThanEquals":  numeric(false, func(c int) bool { return c >= 0 }),
	"DateEquals":                date(false, func(c int) bool { return c == 0 }),
	"DateNotEquals":             date(true, func(c int) bool { return c == 0 }),
	"DateLessThan":              date(false, func(c int) bool { return c < 0 }),
	"DateLessThanEquals":        date(false, func(c int) bool { return c <= 0 }),
	"DateGreaterThan":           date(false, func(c int) bool { return c > 0 }),
	"DateGreaterThanEquals":     date(false, func(c int) bool { return c >= 0 }),
}

// nullOperator tests presence and compares nothing.
const nullOperator = "Null"

func parseOperator(s string) (Operator, error) {
	var o Operator
	name := s
	if set, rest, ok := strings.Cut(s, ":"); ok {
		if set != "ForAllValues" && set != "ForAnyValue" {
			return Operator{}, errors.New("unknown set operator")
		}
		o.Set, name = set, rest
	}
	name, o.IfExists = strings.CutSuffix(name, "IfExists")
	o.Name = name
	if name == nullOperator {
		if o.Set != "" || o.IfExists {
			return Operator{}, errors.New("operator Null takes no set operator and no IfExists")
		}
		return o, nil
	}
	if name == "BinaryEquals" {
		return Operator{}, errors.New("operator BinaryEquals is not supported: no condition key of KMS is binary")
	}
	if _, ok := comparisons[name]; !ok {
		return Operator{}, errors.New("unknown condition operator")
	}
	return o, nil
}

// check refuses a policy value that its operator can't read: it would never match, and a Deny would then never act.
func (o Operator) check(value string) error {
	if o.Name == nullOperator {
		if !isBool(value) {
			return errors.New("value must be true or false")
		}
		return nil
	}
	if valid := comparisons[o.Name].valid; valid != nil && !valid(value) {
		return errors.New("malformed value")
	}
	return nil
}

func equal(a, b string) bool { return a == b }

func isBool(s string) bool { return strings.EqualFold(s, "true") || strings.EqualFold(s, "false") }

func isARNPattern(s string) bool { return len(strings.SplitN(s, ":", 6)) == 6 }

// inRange tells whether an address lies in a CIDR range. A range without prefix length is one address (IAM User Guide, "IP address condition
// operators"). What is no address lies in no range.
func inRange(policy, request string) bool {
	r, ok := AddressRange(policy)
	a, err := netip.ParseAddr(request)
	return ok && err == nil && r.Contains(a.Unmap().WithZone(""))
}

func isRange(s string) bool { _, ok := AddressRange(s); return ok }

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
	return comparison{
		negated: negated,
		valid:   func(s string) bool { _, ok := Number(s); return ok },
		meets: func(policy, request string) bool {
			p, ok := Number(policy)
			r, ok2 := Number(request)
			return ok && ok2 && want(r.Cmp(p))
		},
	}
}

// Number reads what numeric operators compare: a plain decimal. Exponents are refused: big.Rat would build 1e999999999 in full.
func Number(s string) (*big.Rat, bool) {
	if len(s) > 40 || strings.Trim(s, "0123456789.-") != "" {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

func date(negated bool, want func(int) bool) comparison {
	return comparison{
		negated: negated,
		valid:   func(s string) bool { _, ok := Instant(s); return ok },
		meets: func(policy, request string) bool {
			p, ok := Instant(policy)
			r, ok2 := Instant(request)
			return ok && ok2 && want(r.Compare(p))
		},
	}
}

// Instant reads what date operators compare, in the forms that IAM documents: W3C profile of ISO 8601, or seconds since 1970.
func Instant(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return time.Unix(n, 0), err == nil
}
