package stream

import (
	"cmp"
	"slices"
	"unicode/utf8"
)

// Rule is one line of the table that shows which rule stands for which
// identifier of 45 CFR 164.514(b)(2)(i).
type Rule struct {
	Path    string // of the element, in FHIR's way: Patient.birthDate, Address.postalCode
	Method  string
	Letters string // A to R, none for a rule that is there for other reasons
}

const (
	// maxUnknown is how many members without a rule the report names (SPEC 5.1). Their names come
	// from records, so a record could fill the report, and the memory, with them.
	maxUnknown = 2_000
	// maxName is how many bytes of such a name it shows.
	maxName = 64

	// maxApplied is how much of applied a worker keeps from block to block.
	maxApplied = 1 << 14

	removed = 1 // lowest bit of what was applied: nothing of the value stays
)

// tally counts what becomes of the elements of one block at a time. It belongs to a worker's
// goroutine. What it counts depends on the block alone, whatever the worker has met before.
type tally struct {
	rules int
	known int // members that there were before the record at hand
	// of it: twice the place of a rule, or of a member behind the rules, and removed
	applied []uint32
	slots   map[member]uint32
	members []member // by slot
	counts  []int64  // by slot, of this block
	first   []uint32 // slots in the order in which the block first has them
	omitted int64    // members of the block that have no slot
}

// member is one that has no rule: the rule of its holder, and its name.
type member struct {
	rule int
	name string
}

func newTally(rules int) *tally { return &tally{rules: rules, slots: map[member]uint32{}} }

// clip shortens a name to what the report shows.
func clip(name []byte) []byte {
	if len(name) <= maxName {
		return name
	}
	name = name[:maxName]
	for len(name) > 0 && !utf8.RuneStart(name[len(name)-1]) {
		name = name[:len(name)-1]
	}
	return name[:max(len(name)-1, 0)]
}

func (t *tally) unknown(rule int, name []byte) {
	name = clip(name)
	slot, ok := t.slots[member{rule, string(name)}]
	if !ok {
		slot = uint32(len(t.members))
		if len(t.members) >= 4*maxUnknown {
			t.applied = append(t.applied, nowhere)
			return
		}
		m := member{rule, string(name)}
		t.slots[m] = slot
		t.members = append(t.members, m)
		t.counts = append(t.counts, 0)
	}
	t.applied = append(t.applied, uint32(t.rules+int(slot))<<1|removed)
}

// nowhere stands for a member that the tally has no room for. By then the block has more than the
// report can name.
const nowhere = ^uint32(0)

// begin starts a block, with room for all that a block may add, so that what it counts does not
// depend on the blocks before.
func (t *tally) begin() {
	if len(t.members) > 2*maxUnknown {
		t.forget(0)
	}
	t.start()
}

// start begins a record.
func (t *tally) start() { t.known, t.applied = len(t.members), t.applied[:0] }

// reject forgets the record at hand, with the names that only it had.
func (t *tally) reject() { t.forget(t.known) }

func (t *tally) forget(from int) {
	for _, m := range t.members[from:] {
		delete(t.slots, m)
	}
	t.members, t.counts = t.members[:from], t.counts[:from]
}

// accept adds the record at hand to the counts of its block, two for each rule: of values, and of
// those that left nothing.
func (t *tally) accept(rules []int64) {
	for _, a := range t.applied {
		if int(a) < len(rules) {
			rules[a&^removed]++
			rules[a|removed] += int64(a & removed)
			continue
		}
		slot := int(a>>1) - t.rules
		if a == nowhere || t.counts[slot] == 0 && len(t.first) == maxUnknown {
			t.omitted++
			continue
		}
		if t.counts[slot] == 0 {
			t.first = append(t.first, uint32(slot))
		}
		t.counts[slot]++
	}
}

// unknowns counts the members without a rule.
type unknowns struct {
	members []member // in the order of the input
	counts  []int64
	omitted int64 // beyond those that are named
}

// end returns what the block had no rules for, in u, and starts over.
func (t *tally) end(u *unknowns) {
	u.members, u.counts, u.omitted = u.members[:0], u.counts[:0], t.omitted
	for _, slot := range t.first {
		u.members = append(u.members, t.members[slot])
		u.counts = append(u.counts, t.counts[slot])
		t.counts[slot] = 0
	}
	t.first, t.omitted = t.first[:0], 0
	if cap(t.applied) > maxApplied {
		t.applied = nil // of one record with many values: it must not stay with every worker
	}
}

// dropped is the sum over a job's blocks.
type dropped struct {
	counts  map[member]int64
	omitted int64
}

func (d *dropped) add(u *unknowns) {
	d.omitted += u.omitted
	for i, m := range u.members {
		if _, ok := d.counts[m]; !ok && len(d.counts) == maxUnknown {
			d.omitted += u.counts[i]
			continue
		}
		d.counts[m] += u.counts[i]
	}
}

// list returns the sum for the report, sorted by path, or the order of records would show.
func (d *dropped) list(rules []Rule) []Dropped {
	list := make([]Dropped, 0, len(d.counts))
	for m, n := range d.counts {
		list = append(list, Dropped{rules[m.rule].Path + "." + m.name, n})
	}
	// By count too: a name with a dot in it can make two members of different holders one path, and
	// a map has no order.
	slices.SortFunc(list, func(a, b Dropped) int { return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Count, b.Count)) })
	return list
}
