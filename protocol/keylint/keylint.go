// Package keylint finds what is wrong with the policy, grants and settings of a KMS key that only
// pinned enclave images should use. The main call is [Lint].
//
// It works in two ways. It plays the adversary: for each statement that allows, and each grant, it
// looks for a request that the evaluator of package keypolicy allows and that leads around
// attestation. Condition keys are variables, with a value for each way in which the conditions of
// all statements on that key can be met or not; each denial asks that one of its conditions fails;
// the search is for values that keep to all of that, and the evaluator confirms what it finds. And
// it reads the shape of statements for what does no harm yet and will. Conditions on things that an
// adversary may bring about (addresses, tags, MFA, calling services, time) count as met.
//
// Silence means that the search was complete. Where it gave up, or where a statement names an
// operation that opens the key and no request was found that it allows, there is a finding.
//
// It promises nothing about IAM policies and service control policies, which it does not see, nor
// about who can change the key policy at AWS.
package keylint

//go:generate go run generate.go generate_flaws.go generate_attacks.go generate_hidden.go

import (
	"cmp"
	"slices"

	"anchorhold/protocol/keypolicy"
)

// Severity says how bad a finding is.
type Severity int

// Severities. High and Critical mean that records can be read, or their keys made, by others than
// the pinned image.
const (
	Low Severity = iota + 1
	Medium
	High
	Critical
)

func (s Severity) String() string {
	return [...]string{"", "low", "medium", "high", "critical"}[s]
}

// MarshalText writes the name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A Finding is one flaw.
type Finding struct {
	Rule      string   `json:"rule"`
	Severity  Severity `json:"severity"`
	Statement int      `json:"statement"`     // index; -1 when it is not about one
	Sid       string   `json:"sid,omitempty"` // of that statement
	Grant     string   `json:"grant,omitempty"`
	Who       []string `json:"who,omitempty"` // callers for whom a request was found that does it
	// Operations are the operations, actions or condition keys that it is about, where the
	// statement names others as well.
	Operations []string `json:"operations,omitempty"`
	Says       string   `json:"says"`
	Attack     string   `json:"attack"`
	Fix        string   `json:"fix"`
}

// Metadata is what DescribeKey says of a key.
type Metadata struct {
	ARN         string
	Origin      string
	KeySpec     string
	KeyUsage    string
	KeyState    string
	MultiRegion bool
}

// A Key is what is judged. Without Metadata and Grants, only the policy is.
type Key struct {
	Policy   *keypolicy.Policy
	Grants   []keypolicy.Grant
	Metadata *Metadata // nil: not known
}

// Lint returns the findings, worst first, each once.
func Lint(k *Key) []Finding {
	l := &linter{Key: k, seen: make(map[place]int)}
	l.findStranger()
	l.findVariables()
	l.findDocuments()
	l.arns = l.keyARNs()
	l.findUsers()
	for i := range k.Policy.Statements {
		l.shape(i)
		if !k.Policy.Statements[i].Deny {
			l.probe(i)
			l.dead(i)
		}
	}
	l.probeGrants()
	l.whole()
	l.metadata()
	slices.SortStableFunc(l.findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.Statement, b.Statement), cmp.Compare(a.Rule, b.Rule))
	})
	return l.findings
}

// Worst is the highest severity; 0 without findings.
func Worst(findings []Finding) Severity {
	var worst Severity
	for _, f := range findings {
		worst = max(worst, f.Severity)
	}
	return worst
}

type linter struct {
	*Key
	findings []Finding
	seen     map[place]int   // index in findings
	opens    map[string]bool // principals that may open what is sealed, attested or not
	attested map[string]bool // those of them that some statement lets open with a document only
	seals    map[string]bool // principals that may make data keys
	owners   []string        // accounts of the roles that may change the policy

	account, name string   // of a stranger: no statement has them
	partitions    []string // of AWS, that the policy is about
	arns          []string // that the key may have
	compared      map[string]*compared
	variables     []variable          // PCR0, 1 and 2 first
	index         map[string]int      // in variables, by condition key
	limits        [][]limit           // by statement: what its conditions ask of variables
	shown         map[document][]mask // what variables may have under a kind of document
	senders       map[string]senders
	telling       []glob

	work            int  // searches and their steps so far
	resourcesUnsure bool // the key may have more ARNs than arns
}

// report notes a finding about a statement (or -1) and, when known, who can use it.
func (l *linter) report(name string, statement int, who string) {
	r, rule := rules[name], name
	if w, ok := wordings[name]; ok {
		r, rule = w.rule, w.of
	}
	f := Finding{Rule: rule, Severity: r.severity, Statement: statement, Says: r.says, Attack: r.attack, Fix: r.fix}
	if statement >= 0 {
		f.Sid = l.Policy.Statements[statement].Sid
	}
	l.add(name, f, who)
}

// A place is where a rule, or a wording of it, found something.
type place struct {
	wording, grant string
	statement      int
}

// add notes a finding once, with everyone for whom it holds.
func (l *linter) add(wording string, f Finding, who string) {
	at := place{wording, f.Grant, f.Statement}
	n, known := l.seen[at]
	if !known {
		n = len(l.findings)
		l.seen[at] = n
		l.findings = append(l.findings, f)
	}
	if who != "" && !slices.Contains(l.findings[n].Who, who) {
		l.findings[n].Who = append(l.findings[n].Who, who)
	}
}
