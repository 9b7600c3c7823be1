package keypolicy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Versions of the policy language.
const (
	version2012 = "2012-10-17"
	version2008 = "2008-10-17"
)

// Parse reads a policy document of at most [MaxSize] bytes. It refuses what it cannot judge in
// full: unknown or duplicate elements, unknown operators, policy variables, wildcards in
// principals, empty lists. Source: IAM User Guide, "Grammar of the IAM JSON policy language".
func Parse(src []byte) (*Policy, error) {
	root, err := decode(src)
	if err != nil {
		return nil, err
	}
	p := &Policy{Version: version2008} // the documented default when Version is absent
	var statements []node
	for _, m := range root.members {
		switch m.name {
		case "Version":
			if m.value.text != version2012 && m.value.text != version2008 {
				return nil, errors.New("invalid Version")
			}
			p.Version = m.value.text
		case "Id":
			if m.value.kind != jsontext.KindString {
				return nil, errors.New("the Id is not a string")
			}
			p.ID = m.value.text
		case "Statement":
			statements = []node{m.value}
			if m.value.kind == jsontext.KindBeginArray {
				statements = m.value.items
			}
		default:
			return nil, errors.New("unknown policy element")
		}
	}
	if len(statements) == 0 {
		return nil, errors.New("policy has no Statement")
	}
	if err := p.parseStatements(statements); err != nil {
		return nil, err
	}
	if err := p.checkVariables(); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Policy) parseStatements(nodes []node) error {
	sids := make(map[string]bool)
	for i, n := range nodes {
		s, err := parseStatement(n)
		if err != nil {
			return fmt.Errorf("statement %d: %w", i+1, err)
		}
		if s.Sid != "" && sids[s.Sid] {
			return fmt.Errorf("statement %d: duplicate Sid", i+1)
		}
		sids[s.Sid] = true
		p.Statements = append(p.Statements, s)
	}
	return nil
}

func parseStatement(n node) (Statement, error) {
	var s Statement
	if n.kind != jsontext.KindBeginObject {
		return Statement{}, errors.New("not an object")
	}
	var effect bool
	for _, m := range n.members {
		var err error
		switch m.name {
		case "Sid":
			if m.value.kind != jsontext.KindString {
				err = errors.New("not a string")
			}
			s.Sid = m.value.text
		case "Effect":
			effect = true
			s.Deny, err = parseEffect(m.value)
		case "Principal", "NotPrincipal":
			s.NotPrincipal = m.name == "NotPrincipal"
			err = once(s.Principals == nil)
			if err == nil {
				s.Principals, err = parsePrincipals(m.value)
			}
		case "Action", "NotAction":
			s.NotAction = m.name == "NotAction"
			s.Actions, err = parseList(s.Actions, m.value, checkAction)
		case "Resource", "NotResource":
			s.NotResource = m.name == "NotResource"
			s.Resources, err = parseList(s.Resources, m.value, checkResource)
		case "Condition":
			s.Conditions, err = parseConditions(m.value)
		default:
			return Statement{}, errors.New("unknown element")
		}
		if err != nil {
			return Statement{}, fmt.Errorf("%s: %w", m.name, err)
		}
	}
	if !effect || s.Principals == nil || s.Actions == nil || s.Resources == nil {
		return Statement{}, errors.New("a key policy needs Effect, Principal, Action and Resource in each statement")
	}
	return s, nil
}

func parseEffect(n node) (deny bool, err error) {
	switch n.text {
	case "Allow":
		return false, nil
	case "Deny":
		return true, nil
	default:
		return false, errors.New("must be Allow or Deny")
	}
}

// once reports the second of two exclusive elements, such as Action beside NotAction.
func once(first bool) error {
	if !first {
		return errors.New("given in both forms")
	}
	return nil
}

func parseList(have []string, n node, check func(string) error) ([]string, error) {
	if err := once(have == nil); err != nil {
		return nil, err
	}
	list, err := n.strings()
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		if err := check(s); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func checkAction(s string) error {
	if s == "*" {
		return nil
	}
	service, name, ok := strings.Cut(s, ":")
	// A second colon would make a pattern that matches no action: a Deny would look like
	// protection.
	if !ok || service == "" || name == "" || strings.Contains(name, ":") || strings.ContainsFunc(s, notActionRune) {
		return errors.New("must be * or service:action")
	}
	return nil
}

func notActionRune(r rune) bool {
	letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	return !letter && r != ':' && r != '*' && r != '?' && r != '-'
}

func checkResource(s string) error {
	if s != "*" && !strings.HasPrefix(s, "arn:") {
		return errors.New("must be * or an ARN")
	}
	return nil
}

// checkVariables refuses policy variables: their value depends on a request context that only AWS
// has. Before version 2012-10-17 they are text like any other (IAM User Guide, "IAM policy
// elements: Variables and tags").
func (p *Policy) checkVariables() error {
	if p.Version == version2008 {
		return nil
	}
	variable := func(s string) bool { return strings.Contains(s, "${") }
	for i, s := range p.Statements {
		found := slices.ContainsFunc(s.Resources, variable)
		for _, c := range s.Conditions {
			found = found || slices.ContainsFunc(c.Values, variable)
		}
		if found {
			return fmt.Errorf("statement %d: policy variables are not supported", i+1)
		}
	}
	return nil
}

func parseConditions(n node) ([]Condition, error) {
	if n.kind != jsontext.KindBeginObject {
		return nil, errors.New("not an object")
	}
	list := []Condition{}
	for _, m := range n.members {
		op, err := parseOperator(m.name)
		if err != nil {
			return nil, err
		}
		keys, err := parseKeys(op, m.value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", op, err)
		}
		list = append(list, keys...)
	}
	return list, nil
}

func parseKeys(op Operator, n node) ([]Condition, error) {
	if n.kind != jsontext.KindBeginObject || len(n.members) == 0 {
		return nil, errors.New("not an object with condition keys")
	}
	seen := make(map[string]bool)
	var list []Condition
	for _, m := range n.members {
		folded := strings.ToLower(m.name)
		if !strings.Contains(m.name, ":") || seen[folded] {
			// Condition keys are not case sensitive: two spellings of one key would be judged as
			// two.
			return nil, errors.New("malformed or duplicate condition key")
		}
		seen[folded] = true
		values, err := m.value.scalars()
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			if err := op.check(v); err != nil {
				return nil, err
			}
		}
		list = append(list, Condition{Operator: op, Key: m.name, Values: values})
	}
	return list, nil
}
