package fleet

import (
	"time"

	"anchorhold/parent/internal/spool"
	"anchorhold/protocol/digest"
)

// item is a job that waits.
type item struct {
	id        string
	tenant    string
	image     digest.Digest
	accepted  time.Time
	notBefore time.Time // set after an attempt that should not be repeated at once
	deaths    int       // enclaves that died while it ran; from the first on it runs alone
}

func itemOf(j spool.Job) *item {
	return &item{id: j.ID, tenant: j.Tenant, image: j.Image, accepted: j.Accepted, deaths: j.Deaths}
}

// alone reports whether the job must have an enclave to itself.
func (it *item) alone() bool { return it.deaths > 0 }

// queue is one line for each tenant, served in turn: a tenant with a thousand jobs delays another's
// by one. It is not safe for concurrent use.
type queue struct {
	lines map[string][]*item
	turn  []string // tenants with a line; the first is next
	alone int      // items that must run alone
}

// push adds an item to the end of its tenant's line; one that must run alone goes to the front: it
// has waited once already, and the enclave that is kept free for it should not be kept free for
// long.
func (q *queue) push(it *item) {
	if q.lines == nil {
		q.lines = map[string][]*item{}
	}
	line := q.lines[it.tenant]
	if len(line) == 0 {
		q.turn = append(q.turn, it.tenant)
	}
	if it.alone() {
		q.alone++
		q.lines[it.tenant] = append([]*item{it}, line...)
		return
	}
	q.lines[it.tenant] = append(line, it)
}

// pop removes and returns the first item that take accepts, tenants in turn and each tenant's items
// in order, or nil. The tenant served goes to the end; those passed over keep their place, for they
// have got nothing.
func (q *queue) pop(take func(*item) bool) *item {
	for t, tenant := range q.turn {
		line := q.lines[tenant]
		for i, it := range line {
			if !take(it) {
				continue
			}
			// Copied: a line that shared its array with the one before would overwrite it.
			rest := append(append([]*item(nil), line[:i]...), line[i+1:]...)
			q.turn = append(append([]string(nil), q.turn[:t]...), q.turn[t+1:]...)
			if len(rest) == 0 {
				delete(q.lines, tenant)
			} else {
				q.lines[tenant] = rest
				q.turn = append(q.turn, tenant)
			}
			if it.alone() {
				q.alone--
			}
			return it
		}
	}
	return nil
}

func (q *queue) len() int {
	n := 0
	for _, line := range q.lines {
		n += len(line)
	}
	return n
}
