package anonymizer

import (
	"errors"

	"anchorhold/enclave/deid/stream"
	"anchorhold/enclave/fhirpath"
	"anchorhold/enclave/steps"
)

// What work on a record may take. All of it is a function of the record and the rules, so that
// every machine comes to the same verdict.
const (
	// Steps of all rules together: walks through all of it for each of some hundred rules, and what
	// a path needs that looks at little again and again. A path that was made to explode ends here.
	startSteps   = 1 << 20
	stepsPerNode = 256

	// Bytes that rules may put in the place of others: a value that is replaced by a long one, or
	// an element by a tree, would otherwise make memory of a record many times.
	startText   = 1 << 20
	textPerNode = 256

	// treeBytesPerByte is what a replacement takes as a tree for each of its bytes.
	treeBytesPerByte = 32
)

func (e *Engine) stepBudget(nodes int) int { return startSteps + stepsPerNode*nodes }

// Memory of a record's tree: measured, with what a path selects of it.
const (
	valueBytes  = 240
	objectBytes = 240 // more, for its list of members
)

var _ stream.TreeWorker = (*worker)(nil)

// TreeBytes returns the most memory that work on a record takes; see stream.TreeWorker.
func (w *worker) TreeBytes(values, objects int) int {
	each := valueBytes
	if w.engine.uses(substitute) || w.engine.uses(generalize) {
		each += textPerNode
	}
	return each*values + objectBytes*objects
}

// place is where a replacement goes: a rule's, in an element of a type.
type place struct {
	rule *rule
	typ  *fhirpath.Type
}

// replacement returns what a rule puts in the place of an element of type t, for one use. It is
// read once: a reader takes memory for more than one element.
func (w *worker) replacement(u *rule, t *fhirpath.Type) (*fhirpath.Node, error) {
	n := w.values[place{u, t}]
	if n == nil {
		var err error
		if n, err = u.replacement(t); err != nil {
			return nil, err
		}
		w.values[place{u, t}] = n
	}
	return n.Copy(), nil
}

// release lets go of the record at hand, and of what an unusual one has taken: it would stay with
// each worker.
func (w *worker) release() {
	w.reader.Forget()
	for i := range w.found {
		clear(w.found[i])
		w.found[i] = w.found[i][:0]
		if cap(w.found[i]) > foundKept {
			w.found[i] = nil
		}
	}
	if cap(w.scratch) > 64<<10 {
		w.scratch = nil
	}
}

// foundKept is how many elements a list of the index keeps room for.
const foundKept = 1 << 12

// spend counts steps before the work is done.
func (r *record) spend(n int) error {
	if !r.worker.steps.Spend(n) {
		return r.worker.steps.Err()
	}
	return nil
}

// grow counts bytes that a rule puts into the record.
func (r *record) grow(n int) error {
	if r.room -= n; r.room < 0 {
		return steps.ErrSpent
	}
	return r.spend(n / 64)
}

// adds returns the bytes that a replacement takes in the place of an element of type t.
func (r *rule) adds(t *fhirpath.Type) int {
	if t.Primitive() {
		return len(r.replace.text)
	}
	return treeBytesPerByte * r.replaceBytes
}

// isCostly reports whether a record takes more than its budgets, or the job has ended within it.
func isCostly(err error) bool {
	return errors.Is(err, steps.ErrSpent) || errors.Is(err, steps.ErrEnded) || errors.Is(err, fhirpath.ErrBudget)
}
