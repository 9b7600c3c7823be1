// Package keypolicy reads KMS key policies (the IAM policy language as KMS uses it) and decides
// requests by them.
//
// The main calls are [Parse] and [Policy.Evaluate]. The language follows the IAM User Guide ("IAM
// JSON policy elements reference", "Policy evaluation logic") and the KMS Developer Guide ("Key
// policies in AWS KMS", "Condition keys for AWS KMS"). Where AWS looks at more than the key policy,
// the evaluator assumes the worst: a statement that delegates to an account allows every principal
// of that account, because whoever administers that account's IAM can hand the permission out.
// Where AWS does not document what a statement means, an Allow acts and a Deny does not;
// [Statement.Doubts] names such statements.
//
// [Authorize] judges grants as well, which no condition of a key policy limits.
//
// It does not know IAM policies, service control policies or session policies; a policy that it
// cannot judge in full (an unknown element or operator, a policy variable) is refused by Parse,
// which says what it is, instead of being judged in part.
package keypolicy

const (
	// MaxSize is the largest policy document: KMS refuses more than 32 KB (API reference,
	// PutKeyPolicy).
	MaxSize = 32 << 10
	// maxDepth bounds nesting: the deepest legal value (document, statements, statement, condition,
	// operator, values) has 6 levels.
	maxDepth = 8
)

// A Policy is a parsed key policy. The zero Policy denies everything.
type Policy struct {
	Version    string
	ID         string
	Statements []Statement
}

// A Statement is one element of Statement. Exactly one of each pair Principal/NotPrincipal,
// Action/NotAction and Resource/NotResource was given; the booleans say that it was the Not form.
type Statement struct {
	Sid          string
	Deny         bool
	Principals   []Principal
	NotPrincipal bool
	Actions      []string
	NotAction    bool
	Resources    []string
	NotResource  bool
	Conditions   []Condition
}

// A Condition is one operator applied to one key. All conditions of a statement must hold.
type Condition struct {
	Operator Operator
	Key      string
	Values   []string
}

// A Request is what a policy judges.
type Request struct {
	// ARN of user, role or assumed-role session, or a service's host name
	Principal string
	UniqueID  string              // of the user or role (AIDA…, AROA…); empty when not known
	Account   string              // account id of the principal; taken from the ARN when empty
	Action    string              // such as kms:Decrypt
	Resource  string              // key ARN
	Context   map[string][]string // condition keys; a key whose list is nil is absent
}

// A Decision is the outcome and the statement that led to it.
type Decision struct {
	Allowed   bool
	Denied    bool   // by an explicit Deny; false and not Allowed: nothing allowed it
	Delegated bool   // allowed to the principal's account only: it needs IAM's leave there as well
	Statement int    // index in Policy.Statements, -1 when no statement matched
	Sid       string // of that statement
	Grant     string // id of the grant that allowed it; empty: no grant did
	Unclear   bool   // allowed, but by a reading that AWS's documentation does not settle
}
