// Package steps counts the work that one record takes, so that no shape of input costs more than
// its size allows.
//
// The main call is [Budget.Spend]. A budget is a number of steps: the same record takes the same
// steps on every machine, so that a verdict does not depend on how fast one is. From time to time
// Spend also looks whether the job has ended, which is how a deadline reaches into a record. What a
// step is, and how many a record has, is for the engine to say.
package steps

import "errors"

// Why a budget gives no more steps. They hold nothing of a record.
var (
	ErrSpent = errors.New("record takes more steps than its size allows")
	ErrEnded = errors.New("job has ended")
)

// interval is how many steps lie between two looks at the end of the job: far below a millisecond
// of work.
const interval = 1 << 12

// A Budget is the steps that are left for the record at hand. It belongs to one goroutine. The zero
// Budget has none.
type Budget struct {
	left  int // until the next look at done
	rest  int // after that
	total int
	done  <-chan struct{} // closed when the job ends; nil: it never does
	err   error
}

// New returns a budget without steps for a job that ends when done is closed.
func New(done <-chan struct{}) *Budget { return &Budget{done: done} }

// Start gives the budget n steps for the next record, whatever was left.
func (b *Budget) Start(n int) { *b = Budget{rest: n, total: n, done: b.done} }

// Spend counts n steps before the work is done. It returns false when they are not there or the job
// has ended, from then on always: see Err.
func (b *Budget) Spend(n int) bool {
	if b.left -= n; b.left >= 0 {
		return true
	}
	return b.refill()
}

func (b *Budget) refill() bool {
	if b.err == nil {
		b.rest += b.left // which is negative
		select {
		case <-b.done:
			b.err = ErrEnded
		default:
			if b.rest < 0 {
				b.err = ErrSpent
			}
		}
	}
	if b.err != nil {
		b.left = -1
		return false
	}
	b.left = min(interval, b.rest)
	b.rest -= b.left
	return true
}

// Err returns ErrSpent or ErrEnded once Spend has returned false, and nil before.
func (b *Budget) Err() error { return b.err }

// Used returns how many steps were taken since Start. Of a budget that is spent it is a number
// above that of Start.
func (b *Budget) Used() int {
	if b.err != nil {
		return b.total - b.rest
	}
	return b.total - b.rest - b.left
}
