package anonymizer

import (
	"crypto/hmac"
	"crypto/sha256"

	"anchorhold/enclave/deid/stream"
	"anchorhold/enclave/fhirpath"
)

// record is one record at work.
type record struct {
	worker *worker
	sink   *stream.Sink
	root   *fhirpath.Node
	bytes  []byte
	room   int    // bytes that rules may still add
	digest []byte // of bytes, once it's asked for
	told   *trace // nil but for a person at a desk
	shift  struct {
		known bool
		id    string
		days  int
	}
}

// What a rule has done to an element, in its Mark.
const (
	visited uint8 = 1 << iota // a rule has processed it
	gone                      // a replacement has taken it away
)

func (r *record) env() fhirpath.Env { return fhirpath.Env{Budget: r.worker.steps} }

// resource runs the rules on n, then on the resources below it, and labels it. It returns what was
// done to all of them.
func (r *record) resource(n *fhirpath.Node) (ops, error) {
	done, err := r.rules(n)
	if err != nil {
		return 0, err
	}
	below, err := r.below(n)
	if err != nil {
		return 0, err
	}
	done |= below
	if done != 0 && n.Name() != "contained" {
		err = r.worker.label(n, done)
	}
	return done, err
}

// below finds the resources below n.
func (r *record) below(n *fhirpath.Node) (ops, error) {
	var done ops
	for c := range n.All() {
		next := r.below
		if c.IsResource() {
			next = r.resource
		}
		o, err := next(c)
		if err != nil {
			return 0, err
		}
		done |= o
	}
	return done, nil
}

// rules runs the rules that are for a resource of the type of n.
func (r *record) rules(n *fhirpath.Node) (ops, error) {
	var done ops
	index := r.worker.index(n)
	for _, u := range r.worker.rulesFor(n.Type()) {
		if err := r.spend(1); err != nil {
			return 0, err
		}
		nodes, err := r.match(u, n, index)
		if err != nil {
			return 0, &ruleError{u, &placeError{n, err}}
		}
		for _, m := range nodes {
			o, err := r.process(m, u)
			if err != nil {
				return 0, &ruleError{u, err}
			}
			done |= o
		}
	}
	return done, nil
}

// match returns the elements that a rule is for.
func (r *record) match(u *rule, n *fhirpath.Node, x index) ([]*fhirpath.Node, error) {
	switch {
	case u.whole:
		return []*fhirpath.Node{n}, nil
	case u.lookup == "":
		return u.expression.Nodes(n, r.env())
	case u.expression == nil:
		return x[u.place], nil
	}
	var out []*fhirpath.Node
	for _, found := range x[u.place] {
		if u.member != "" {
			if err := r.spend(1); err != nil {
				return nil, err
			}
			for c := range found.All() {
				if c.Name() == u.member {
					out = append(out, c)
				}
			}
			continue
		}
		nodes, err := u.expression.Nodes(found, r.env())
		if err != nil {
			return nil, err
		}
		out = append(out, nodes...)
	}
	return out, nil
}

// process does what the rule says to an element and all below it that no rule has processed,
// without resources below.
func (r *record) process(n *fhirpath.Node, u *rule) (ops, error) {
	if err := r.spend(1); err != nil {
		return 0, err
	}
	if n.Mark&visited != 0 {
		return 0, nil
	}
	had := n.HasValue()
	done, err := r.apply(n, u)
	if err != nil {
		return 0, &placeError{n, err}
	}
	r.mark(n, u.number)
	if (had || done != 0) && n.Mark&gone == 0 {
		r.sink.Applied(u.number-1, n.HasValue() || !had)
	}
	for c := range n.All() {
		if c.IsResource() {
			continue
		}
		o, err := r.process(c, u)
		if err != nil {
			return 0, err
		}
		done |= o
	}
	return done, nil
}

func (r *record) apply(n *fhirpath.Node, u *rule) (ops, error) {
	switch u.method {
	case redact:
		return r.redact(n)
	case dateShift:
		return r.dateShift(n)
	case cryptoHash:
		return r.cryptoHash(n), nil
	case encrypt:
		return r.encrypt(n), nil
	case substitute:
		return r.substitute(n, u)
	case perturb:
		return r.perturb(n, u)
	case generalize:
		return r.generalize(n, u)
	}
	return 0, nil // keep
}

// visitBelow takes all elements below n for processed by the rule of a number.
func (r *record) visitBelow(n *fhirpath.Node, number int) {
	for c := range n.All() {
		r.worker.steps.Spend(1)
		r.mark(c, number)
		r.visitBelow(c, number)
	}
}

// secret makes 32 bytes for an element of the record. They depend on the whole record, so that
// equal values in two records get others, and not on its line, so that the order of lines changes
// nothing.
func (r *record) secret(key *[32]byte, n *fhirpath.Node) []byte {
	if r.digest == nil {
		d := sha256.Sum256(r.bytes)
		r.digest = d[:]
	}
	h := hmac.New(sha256.New, key[:])
	h.Write(r.digest)
	h.Write([]byte(n.Pointer()))
	return h.Sum(nil)
}

func count(n *fhirpath.Node) int {
	total := 1
	for c := range n.All() {
		total += count(c)
	}
	return total
}
