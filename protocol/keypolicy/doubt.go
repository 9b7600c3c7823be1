package keypolicy

import (
	"fmt"
	"slices"
	"strings"
)

// severalValues are condition keys that may have several values (IAM User Guide, "AWS global
// condition context keys"; Service Authorization Reference, "Condition keys for AWS KMS").
var severalValues = map[string]bool{
	"kms:encryptioncontextkeys": true, "kms:grantoperations": true, "kms:resourcealiases": true, "aws:tagkeys": true,
	"aws:calledvia": true, "aws:principalorgpaths": true, "aws:principalservicenameslist": true, "aws:resourceorgpaths": true,
	"aws:sourceorgpaths": true, "aws:vpceorgpaths": true,
}

// chosen are the beginnings of condition keys whose values callers choose: only these can be "".
var chosen = []string{"kms:encryptioncontext", "aws:principaltag/", "aws:requesttag/", "aws:resourcetag/"}

// typed are condition keys whose values are never malformed, as AWS makes them, by the prefix of
// the operators for their type. Addresses are not among them: a call through an AWS service has its
// name in place of one.
var typed = map[string]string{
	"aws:principalarn": "Arn", "aws:sourcearn": "Arn", "aws:multifactorauthage": "Numeric",
	"kms:rotationperiodindays": "Numeric", "kms:schedulekeydeletionpendingwindowindays": "Numeric",
}

// Doubts says what in a statement AWS's documentation leaves open, one text for each; none if the
// statement means one thing. Evaluate judges such a statement against the owner of the key.
func (s *Statement) Doubts() []string {
	var list []string
	for _, r := range s.Resources {
		if d := resourceDoubt(r); d != "" {
			list = append(list, d)
		}
	}
	for i := range s.Conditions {
		c := &s.Conditions[i]
		if d := c.doubt(); d != "" {
			list = append(list, fmt.Sprintf("%s on %q: %s", c.Operator, c.Key, d))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (c *Condition) doubt() string {
	cmp, compares := comparisons[c.Operator.Name]
	key := strings.ToLower(c.Key)
	switch {
	case !compares: // Null
		return ""
	case c.Operator.Set == "" && severalValues[key]:
		return "the key has several values, and the operator needs ForAllValues or ForAnyValue"
	case cmp.negated && cmp.reads != nil && (typed[key] == "" || !strings.HasPrefix(c.Operator.Name, typed[key])):
		return "a negated operator and a value that is not of its type"
	case strings.HasPrefix(c.Operator.Name, "Date") && slices.ContainsFunc(c.Values, func(v string) bool { return len(instants(v)) > 1 }):
		return "four digits may be a year or seconds since 1970"
	case strings.Contains(c.Operator.Name, "IgnoreCase") && slices.ContainsFunc(c.Values, notASCII):
		return "letters other than ASCII, compared without regard to case"
	case c.Operator.Set != "" && mayBeEmpty(key) && c.holds([]string{""}) == perhaps:
		return "an empty string may count as a value or as none"
	default:
		return ""
	}
}

func notASCII(s string) bool { return strings.ContainsFunc(s, func(r rune) bool { return r > 127 }) }

func mayBeEmpty(key string) bool {
	return slices.ContainsFunc(chosen, func(prefix string) bool { return strings.HasPrefix(key, prefix) })
}
