package spool

import "sync"

// maxRecent bounds the ended jobs that recent holds; those that have not ended are bounded by
// Options.MaxQueued.
const maxRecent = 1024

// recent holds the records of jobs on their way and of those that ended last, as the database has
// them: a job's record is asked for nine times on its way, and decoding it each time is most of
// what that costs. Only the goroutine that commits writes it, so that it follows the order of the
// transactions.
type recent struct {
	mu    sync.Mutex
	jobs  map[string]Job // guarded by mu
	ended []string       // guarded by mu: oldest first
}

func (r *recent) get(id string) (Job, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j, ok := r.jobs[id]
	return j, ok
}

// set notes a record that is durable.
func (r *recent) set(j Job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.jobs[j.ID] = j
	if !j.Ended() {
		return
	}
	if r.ended = append(r.ended, j.ID); len(r.ended) > maxRecent {
		delete(r.jobs, r.ended[0])
		r.ended = r.ended[1:]
	}
}

// forget has the database asked again: whether a transaction that failed has happened, only it can
// tell.
func (r *recent) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.jobs, id)
}
