package keylint

import "slices"

const (
	// maxSteps bounds one search; the largest policy of anchorhold key-policy needs some tens.
	maxSteps = 2000
	// maxWork bounds all searches of one policy together, in statements looked at.
	maxWork = 1_000_000
)

// A mask is a set of values of one variable, by index.
type mask []uint64

func newMask(n int) mask { return make(mask, (n+63)/64) }

// every is all n values.
func every(n int) mask {
	m := newMask(n)
	for i := range n {
		m.add(i)
	}
	return m
}

func (m mask) add(i int)      { m[i/64] |= 1 << (i % 64) }
func (m mask) has(i int) bool { return m[i/64]&(1<<(i%64)) != 0 }

func (m mask) and(o mask) mask {
	out := slices.Clone(m)
	for i := range out {
		out[i] &= o[i]
	}
	return out
}

func (m mask) or(o mask) mask {
	out := slices.Clone(m)
	for i := range out {
		out[i] |= o[i]
	}
	return out
}

func (m mask) without(o mask) mask {
	out := slices.Clone(m)
	for i := range out {
		out[i] &^= o[i]
	}
	return out
}

func (m mask) empty() bool { return !slices.ContainsFunc(m, func(w uint64) bool { return w != 0 }) }

func (m mask) within(o mask) bool { return m.without(o).empty() }

// first is the lowest value, which is there unless the mask is empty.
func (m mask) first() int {
	i := 0
	for !m.has(i) {
		i++
	}
	return i
}

// A limit says which values of a variable will do.
type limit struct {
	variable int
	values   mask
}

// A problem asks for one value of each variable such that each clause has a limit that is kept. A
// denial makes a clause: some condition of it must fail.
type problem struct {
	clauses [][]limit
	steps   int // done so far
	most    int // of them
}

// solve returns for each variable the values of which any will do, or nil: there are none, or, when
// steps has passed most, it gave up.
//
// It keeps what a clause forces, then decides on the clause with the fewest ways to be kept.
func (p *problem) solve(domains []mask) []mask {
	if p.steps++; p.steps > p.most {
		return nil
	}
	domains = slices.Clone(domains)
	next := p.propagate(domains)
	if next == nil {
		return nil
	}
	if len(next) == 0 {
		return domains
	}
	for _, way := range next {
		tried := slices.Clone(domains)
		tried[way.variable] = tried[way.variable].and(way.values)
		if found := p.solve(tried); found != nil {
			return found
		}
		// From here on, the way is closed.
		if domains[way.variable] = domains[way.variable].without(way.values); domains[way.variable].empty() {
			return nil
		}
	}
	return nil
}

// propagate narrows the domains to what clauses force. It returns the ways to keep the clause to
// decide on next: none when all clauses are kept, nil when some clause cannot be.
func (p *problem) propagate(domains []mask) []limit {
	for {
		changed, next := false, []limit{}
		for _, c := range p.clauses {
			var ways []limit
			kept := slices.ContainsFunc(c, func(l limit) bool { return domains[l.variable].within(l.values) })
			if kept {
				continue
			}
			for _, l := range c {
				if !domains[l.variable].and(l.values).empty() {
					ways = append(ways, l)
				}
			}
			switch {
			case len(ways) == 0:
				return nil
			case len(ways) == 1:
				domains[ways[0].variable] = domains[ways[0].variable].and(ways[0].values)
				changed = true
			case len(next) == 0 || len(ways) < len(next):
				next = ways
			}
		}
		if !changed {
			return next
		}
	}
}
