package ownerkey

import (
	"fmt"
	"strings"

	"anchorhold/protocol/keypolicy"
)

// Explain says in words what each statement of a policy does, one line each, permissions first.
func Explain(p *keypolicy.Policy) []string {
	var allowed, denied []string
	for _, s := range p.Statements {
		if s.Deny {
			denied = append(denied, sentence(&s))
		} else {
			allowed = append(allowed, sentence(&s))
		}
	}
	return append(allowed, denied...)
}

func sentence(s *keypolicy.Statement) string {
	verb := "may"
	if s.Deny {
		verb = "may not"
	}
	text := fmt.Sprintf("%s %s %s", who(s), verb, what(s.Actions, s.NotAction))
	if s.Deny && !s.NotPrincipal && len(s.Principals) == 1 && s.Principals[0].Any {
		text = "nobody may " + what(s.Actions, s.NotAction)
	}
	var when []string
	for _, c := range s.Conditions {
		when = append(when, clause(c))
	}
	if len(when) > 0 {
		text += ", when " + strings.Join(when, " and ")
	}
	if s.NotResource || len(s.Resources) != 1 || s.Resources[0] != "*" {
		text += ", on " + what(s.Resources, s.NotResource)
	}
	if s.Sid != "" {
		return s.Sid + ": " + text
	}
	return text
}

func who(s *keypolicy.Statement) string {
	var names []string
	for _, p := range s.Principals {
		switch {
		case p.Any:
			names = append(names, "everyone in every AWS account")
		case p.Account != "":
			names = append(names, "whoever IAM of account "+p.Account+" lets")
		case p.UniqueID != "":
			names = append(names, "a deleted user or role ("+p.UniqueID+")")
		default:
			names = append(names, p.String())
		}
	}
	if s.NotPrincipal {
		return "everyone but " + strings.Join(names, ", ")
	}
	return strings.Join(names, ", ")
}

func what(list []string, not bool) string {
	if not {
		return "everything but " + strings.Join(list, ", ")
	}
	return strings.Join(list, ", ")
}

// relations say how an operator relates a request's value to the policy's; those that are not here
// are named as they are.
var relations = map[string]string{
	"StringEquals": "is", "StringEqualsIgnoreCase": "is", "StringLike": "is like", "ArnEquals": "is", "ArnLike": "is like", "Bool": "is", "IpAddress": "is in",
	"StringNotEquals": "is not", "StringNotEqualsIgnoreCase": "is not", "StringNotLike": "is not like", "ArnNotEquals": "is not", "ArnNotLike": "is not like",
	"NotIpAddress": "is not in",
}

func clause(c keypolicy.Condition) string {
	name := keyName(c.Key)
	if c.Operator.Name == "Null" {
		if strings.EqualFold(c.Values[0], "true") {
			return name + " is absent"
		}
		return name + " is there"
	}
	relation, known := relations[c.Operator.Name]
	if !known {
		relation = c.Operator.Name
	}
	values := make([]string, len(c.Values))
	for i, v := range c.Values {
		values[i] = shorten(v)
	}
	text := name + " " + relation + " " + strings.Join(values, " or ")
	if c.Operator.Set != "" {
		text = c.Operator.Set + " " + text
	}
	if c.Operator.HoldsAbsent() {
		text += " (or is absent)"
	}
	return text
}

// keyName puts the condition keys that matter here in words.
func keyName(key string) string {
	lower := strings.ToLower(key)
	for _, k := range []struct{ prefix, words string }{{contextKey, "context "}, {pcrKey, "attested PCR"}} {
		if strings.HasPrefix(lower, strings.ToLower(k.prefix)) {
			return k.words + key[len(k.prefix):]
		}
	}
	if lower == strings.ToLower(callerKey) {
		return "the caller"
	}
	return key
}

// shorten keeps the beginning of a measurement, which is what a person compares first.
func shorten(v string) string {
	if len(v) == 96 && strings.Trim(strings.ToLower(v), "0123456789abcdef") == "" {
		return v[:12] + "…"
	}
	return v
}
