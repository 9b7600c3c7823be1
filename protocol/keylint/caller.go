package keylint

import (
	"slices"
	"strings"

	"anchorhold/protocol/keypolicy"
)

// findStranger picks an account and a name that the policy does not hold: an author who knew them could exempt just these.
func (l *linter) findStranger() {
	var names []string
	for _, s := range l.Policy.Statements {
		names = append(names, s.Resources...)
		for _, p := range s.Principals {
			names = append(names, p.String())
		}
		for _, c := range s.Conditions {
			names = append(names, c.Values...)
		}
	}
	text := strings.Join(names, "\n")
	for l.account = "999999999999"; strings.Contains(text, l.account); {
		l.account = decrement(l.account)
	}
	for l.name = "anybody"; strings.Contains(text, l.name); {
		l.name += "s"
	}
}

// decrement returns the account number before.
func decrement(account string) string {
	digits := []byte(account)
	for i := len(digits) - 1; i >= 0; i-- {
		if digits[i] > '0' {
			digits[i]--
			break
		}
		digits[i] = '9'
	}
	return string(digits)
}

// principals are callers that a statement may let in: those it names, somebody of an account that it names, a stranger when it names everyone;
// and of these whoever is named anywhere in the policy, as denials exempt some.
func (l *linter) principals(s *keypolicy.Statement) []string {
	if s.NotPrincipal {
		return append(l.named(""), l.someone(l.account))
	}
	var list []string
	for _, p := range s.Principals {
		switch {
		case p.Any:
			list = append(append(list, l.someone(l.account)), l.named("")...)
		case p.Account != "":
			list = append(append(list, l.someone(p.Account)), l.named(p.Account)...)
		case p.Federated == "": // an identity provider calls nothing itself
			list = append(list, p.String())
		}
	}
	return list
}

// someone is a role of an account that no policy names.
func (l *linter) someone(account string) string { return "arn:aws:iam::" + account + ":role/" + l.name }

// callers are a principal; of somebody whom nobody names, role, user and root: a denial may name one kind only.
func (l *linter) callers(principal string) []string {
	account, ok := strings.CutSuffix(principal, ":role/"+l.name)
	if !ok {
		return []string{principal}
	}
	return []string{principal, account + ":user/" + l.name, account + ":root"}
}

// named are the callers that principals and conditions of all statements name, of one account or of any.
func (l *linter) named(account string) []string {
	var list []string
	add := func(arn string) {
		if (account == "" || accountOf(arn) == account) && !slices.Contains(list, arn) {
			list = append(list, arn)
		}
	}
	for i := range l.Policy.Statements {
		for _, p := range l.Policy.Statements[i].Principals {
			switch {
			case p.ARN != "":
				add(p.ARN)
			case p.Account != "":
				add(l.someone(p.Account))
			}
		}
		for _, c := range l.Policy.Statements[i].Conditions {
			for _, v := range c.Values {
				switch strings.ToLower(c.Key) {
				case callerKey:
					add(l.concrete(v))
				case "kms:calleraccount", "aws:principalaccount":
					add(l.someone(l.digits(v)))
				}
			}
		}
	}
	return list
}

// concrete is a principal that a pattern of ARNs fits.
func (l *linter) concrete(pattern string) string {
	parts := strings.SplitN(pattern, ":", 6)
	if len(parts) != 6 {
		return strings.NewReplacer("*", l.name, "?", "x").Replace(pattern)
	}
	parts[4] = l.digits(parts[4])
	for i, whole := range map[int]string{0: "arn", 1: "aws", 2: "iam", 3: "", 5: "role/" + l.name} {
		if parts[i] == "*" {
			parts[i] = whole
		}
		parts[i] = strings.NewReplacer("*", l.name, "?", "x").Replace(parts[i])
	}
	return strings.Join(parts, ":")
}

// digits is an account that a pattern of accounts fits.
func (l *linter) digits(pattern string) string {
	if pattern == "*" {
		return l.account
	}
	missing := 12 - len(strings.ReplaceAll(pattern, "*", ""))
	filled := strings.Replace(pattern, "*", strings.Repeat("9", max(missing, 0)), 1)
	return strings.NewReplacer("*", "", "?", "9").Replace(filled)
}

// neighbour tells whether a principal is of an account of which a role opens, attested: the operator's.
func (l *linter) neighbour(who string) bool {
	for opener := range l.attested {
		if account := accountOf(opener); account != "" && account == accountOf(who) {
			return true
		}
	}
	return false
}
