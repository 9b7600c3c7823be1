package keypolicy

import (
	"errors"
	"strings"
)

// An Operator is a condition operator with its prefix and suffix taken apart. Source: IAM User
// Guide, "Condition operators" and "Set operators for multivalued context keys".
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

// A comparison compares one value of the request with one value of the policy.
type comparison struct {
	meets   func(policy, request string) truth
	negated bool                      // the operator holds if no value of the policy is met
	valid   func(policy string) bool  // nil: any text
	reads   func(request string) bool // whether a value has the operator's type; nil: any text has
}

var comparisons = map[string]comparison{
	"StringEquals":              {meets: certain(equal)},
	"StringNotEquals":           {meets: certain(equal), negated: true},
	"StringEqualsIgnoreCase":    {meets: equalFold},
	"StringNotEqualsIgnoreCase": {meets: equalFold, negated: true},
	"StringLike":                {meets: certain(like)},
	"StringNotLike":             {meets: certain(like), negated: true},
	// documented to behave as ArnLike
	"ArnEquals":                {meets: certain(likeARN), valid: isARNPattern, reads: isARN},
	"ArnLike":                  {meets: certain(likeARN), valid: isARNPattern, reads: isARN},
	"ArnNotEquals":             {meets: certain(likeARN), negated: true, valid: isARNPattern, reads: isARN},
	"ArnNotLike":               {meets: certain(likeARN), negated: true, valid: isARNPattern, reads: isARN},
	"Bool":                     {meets: equalFold, valid: isBool},
	"IpAddress":                {meets: inRange, valid: isRange, reads: isAddress},
	"NotIpAddress":             {meets: inRange, negated: true, valid: isRange, reads: isAddress},
	"NumericEquals":            numeric(false, func(c int) bool { return c == 0 }),
	"NumericNotEquals":         numeric(true, func(c int) bool { return c == 0 }),
	"NumericLessThan":          numeric(false, func(c int) bool { return c < 0 }),
	"NumericLessThanEquals":    numeric(false, func(c int) bool { return c <= 0 }),
	"NumericGreaterThan":       numeric(false, func(c int) bool { return c > 0 }),
	"NumericGreaterThanEquals": numeric(false, func(c int) bool { return c >= 0 }),
	"DateEquals":               date(false, func(c int) bool { return c == 0 }),
	"DateNotEquals":            date(true, func(c int) bool { return c == 0 }),
	"DateLessThan":             date(false, func(c int) bool { return c < 0 }),
	"DateLessThanEquals":       date(false, func(c int) bool { return c <= 0 }),
	"DateGreaterThan":          date(false, func(c int) bool { return c > 0 }),
	"DateGreaterThanEquals":    date(false, func(c int) bool { return c >= 0 }),
}

// nullOperator tests presence and compares nothing.
const nullOperator = "Null"

// Set operators.
const (
	forAllValues = "ForAllValues"
	forAnyValue  = "ForAnyValue"
)

func parseOperator(s string) (Operator, error) {
	var o Operator
	name := s
	if set, rest, ok := strings.Cut(s, ":"); ok {
		if set != forAllValues && set != forAnyValue {
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

// check refuses a policy value that its operator can't read: it would never match, and a Deny would
// then never act.
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

// certain is a comparison whose outcome is documented for all values.
func certain(meets func(policy, request string) bool) func(policy, request string) truth {
	return func(policy, request string) truth { return truthOf(meets(policy, request)) }
}

func equal(a, b string) bool { return a == b }

func isBool(s string) bool { return strings.EqualFold(s, "true") || strings.EqualFold(s, "false") }

func isARNPattern(s string) bool { return len(strings.SplitN(s, ":", arnParts)) == arnParts }

func isARN(s string) bool { return isARNPattern(s) && strings.HasPrefix(s, "arn:") }

// one says whether a request value is as the operator wants it: equal to some policy value or, if
// the operator is negated, to none. What is no number, date, address or ARN equals none; whether a
// negated operator then holds is not documented.
func (c comparison) one(policy []string, value string) truth {
	if c.negated && c.reads != nil && !c.reads(value) {
		return perhaps
	}
	met := anyOf(policy, func(v string) truth { return c.meets(v, value) })
	if c.negated {
		return met.not()
	}
	return met
}
