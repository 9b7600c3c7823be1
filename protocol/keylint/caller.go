package keylint

import (
	"maps"
	"slices"
	"strings"

	"anchorhold/protocol/keypolicy"
)

// A caller is who sends a request, as KMS sees it.
type caller struct {
	principal string // ARN or service
	id        string // unique id, where no ARN is known
	// condition keys that follow from who it is; none for a unique id: the worst case
	identity map[string][]string
}

// findStranger picks an account and a name that the policy does not hold: an author who knew them
// could exempt just these.
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
	l.partitions = []string{"aws"}
	for _, name := range strings.Split(text, "\n") {
		if parts := strings.SplitN(name, ":", 3); len(parts) == 3 && parts[0] == "arn" && strings.HasPrefix(parts[1], "aws-") {
			if !slices.Contains(l.partitions, parts[1]) && !strings.ContainsAny(parts[1], "*?") {
				l.partitions = append(l.partitions, parts[1])
			}
		}
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

// principals are callers that a statement may let in: those it names, somebody of an account that
// it names, a stranger when it names everyone; and of these each that is named anywhere in the
// policy, as denials exempt some.
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

// someone is one of the principals of an account that no policy names.
func (l *linter) someone(account string) string { return "arn:aws:iam::" + account + ":role/" + l.name }

// named are the callers that principals and conditions of all statements name, of one account or of
// any.
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
					if !strings.ContainsAny(v, "*?") && accountOf(v) != "" {
						add(v)
					}
				case "kms:calleraccount", "aws:principalaccount":
					if !strings.ContainsAny(v, "*?") {
						add(l.someone(v))
					}
				}
			}
		}
	}
	return list
}

// callers are the requests' senders that a name means: sessions of a role, a user and the
// sessions that federate it, or, for somebody of an account, one for each way in which statements
// tell principals apart. sure is false when there were too many.
func (l *linter) callers(who string) (list []*caller, sure bool) {
	if known, ok := l.senders[who]; ok {
		return known.list, known.sure
	}
	switch account, stranger := strings.CutSuffix(who, ":role/"+l.name); {
	case isUniqueID(who):
		list, sure = []*caller{{id: who}}, true
	case !strings.HasPrefix(who, "arn:"):
		list, sure = []*caller{{principal: who, identity: map[string][]string{callerKey: nil}}}, true
	case stranger && accountOf(who) == l.account:
		list, sure = l.people(several(12, digits))
	case stranger:
		list, sure = l.people(literal(accountOf(account+":"), false))
	default:
		list, sure = l.sendersOf(who)
	}
	if l.senders == nil {
		l.senders = map[string]senders{}
	}
	l.senders[who] = senders{list, sure}
	return list, sure
}

type senders struct {
	list []*caller
	sure bool
}

// sendersOf are those of one principal that is named.
func (l *linter) sendersOf(who string) (list []*caller, sure bool) {
	prefix, kind, name := splitARN(who)
	switch kind {
	case "role":
		for _, session := range l.sessions(who) {
			list = append(list, callerAs(session, who))
		}
		return list, true
	case "assumed-role":
		role, _, _ := strings.Cut(name, "/")
		// A session does not say the path of its role.
		iam := strings.Replace(prefix, ":sts:", ":iam:", 1) + ":role/"
		arns, sure := l.tellApart(literal(iam+role, false))
		inPaths, sureInPaths := l.tellApart(append(append(literal(iam, false), wild("?*/")...), literal(role, false)...))
		for _, arn := range append(arns, inPaths...) {
			list = append(list, callerAs(who, arn))
		}
		return list, sure && sureInPaths
	case "user":
		federated := strings.Replace(prefix, ":iam:", ":sts:", 1) + ":federated-user/" + lastPart(name)
		return []*caller{callerAs(who, who), callerAs(federated, federated)}, true
	default:
		return []*caller{callerAs(who, who)}, true
	}
}

// sessions are a role's: those that some statement names, and one that none does.
func (l *linter) sessions(role string) []string {
	prefix, _, name := splitARN(role)
	all := strings.Replace(prefix, ":iam:", ":sts:", 1) + ":assumed-role/" + lastPart(name) + "/"
	list := []string{all + l.name}
	for i := range l.Policy.Statements {
		for _, p := range l.Policy.Statements[i].Principals {
			if strings.HasPrefix(p.ARN, all) && !slices.Contains(list, p.ARN) {
				list = append(list, p.ARN)
			}
		}
	}
	return list
}

// people are somebody of an account for each way in which statements tell principals apart by
// aws:PrincipalArn, account or name.
func (l *linter) people(account glob) (list []*caller, sure bool) {
	named := l.named("")
	sure = true
	for _, partition := range l.partitions {
		for _, kind := range []struct{ service, resource string }{{"iam", "role/?*"}, {"iam", "user/?*"}, {"iam", "root"}, {"sts", "federated-user/?*"}} {
			form := append(literal("arn:"+partition+":"+kind.service+"::", false), account...)
			arns, all := l.tellApart(append(append(form, literal(":", false)...), wild(kind.resource)...))
			sure = sure && all
			for _, arn := range arns {
				if slices.Contains(named, arn) {
					continue // it is tried under its own name
				}
				principal := arn
				if kind.resource == "role/?*" {
					principal = l.sessions(arn)[0]
				}
				list = append(list, callerAs(principal, arn))
			}
		}
	}
	return list, sure
}

// tellApart returns ARNs of a form, one for each way in which principals and conditions on who
// calls fit them.
func (l *linter) tellApart(form glob) (arns []string, sure bool) {
	if l.telling == nil {
		l.telling = l.tellingGlobs()
	}
	return witnesses(l.telling, form)
}

func (l *linter) tellingGlobs() []glob {
	globs := []glob{}
	inAccount := func(account glob) {
		globs = append(globs, slices.Concat(wildARN("arn:*:*::"), account, literal(":", false), wild("*")))
	}
	for _, s := range l.Policy.Statements {
		for _, p := range s.Principals {
			switch {
			case p.Account != "":
				inAccount(literal(p.Account, false))
			case p.ARN != "":
				globs = append(globs, literal(p.ARN, false))
			}
		}
		for _, c := range s.Conditions {
			for _, v := range c.Values {
				switch strings.ToLower(c.Key) {
				case callerKey:
					globs = append(globs, globOf(c.Operator.Name, v))
					if strings.HasPrefix(c.Operator.Name, "Arn") {
						globs = append(globs, wild(v))
					}
				case "kms:calleraccount", "aws:principalaccount":
					inAccount(globOf(c.Operator.Name, v))
				}
			}
		}
	}
	slices.SortFunc(globs, compareGlobs)
	return slices.CompactFunc(globs, func(a, b glob) bool { return compareGlobs(a, b) == 0 })
}

// callerAs is a caller whose aws:PrincipalArn is known.
func callerAs(principal, arn string) *caller {
	account := []string{accountOf(principal)}
	return &caller{principal: principal, identity: map[string][]string{callerKey: {arn}, "aws:principalaccount": account, "kms:calleraccount": account}}
}

// sameIdentity reports whether two principals may be one: a role and its sessions, whose names
// their caller picks; users of an account and its federated users, whom any of the users may name.
func sameIdentity(a, b string) bool {
	if a == b {
		return true
	}
	prefixA, kindA, nameA := splitARN(keypolicy.RoleARN(a))
	prefixB, kindB, nameB := splitARN(keypolicy.RoleARN(b))
	if accountOf(a) == "" || strings.Replace(prefixA, ":sts:", ":iam:", 1) != strings.Replace(prefixB, ":sts:", ":iam:", 1) {
		return false
	}
	switch {
	case kindA == "role" && kindB == "role":
		return lastPart(nameA) == lastPart(nameB)
	case kindA == "federated-user":
		return kindB == "user" || kindB == "federated-user"
	case kindB == "federated-user":
		return kindA == "user"
	default:
		return false
	}
}

// uses reports whether a principal, or one that may be the same, is in a set.
func uses(set map[string]bool, who string) bool {
	for known := range maps.Keys(set) {
		if sameIdentity(known, who) {
			return true
		}
	}
	return false
}

// neighbour reports whether a principal is of an account of which a role opens, attested: the
// operator's.
func (l *linter) neighbour(who string) bool {
	for opener := range l.attested {
		if account := accountOf(opener); account != "" && account == accountOf(who) {
			return true
		}
	}
	return false
}

// splitARN takes the ARN of a principal apart: up to the account, kind and name.
func splitARN(arn string) (prefix, kind, name string) {
	i := strings.LastIndexByte(arn, ':')
	if i < 0 {
		return "", "", arn
	}
	kind, name, _ = strings.Cut(arn[i+1:], "/")
	return arn[:i], kind, name
}

func lastPart(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

func isUniqueID(principal string) bool { return !strings.ContainsAny(principal, ":.") }

func accountOf(arn string) string {
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 {
		return parts[4]
	}
	return ""
}
