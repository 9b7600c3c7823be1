package stream

// Sink takes what a worker says beside the bytes of its output. It belongs to
// the worker's goroutine.
type Sink struct {
	hasher  *hasher
	patches []patch
	behind  *originals // of the patches; nil when no crosswalk is wanted
	tally   *tally
}

// patch says where a surrogate belongs in an output, and whose it is. The
// number is not known before all earlier blocks have been finished.
type patch struct {
	at int // complemented where the surrogate stands already, for the crosswalk
	id identity
}

// place returns where in the output the surrogate stands, and whether it is there already.
func (p *patch) place() (at int, there bool) { return max(p.at, ^p.at), p.at < 0 }

// move takes the place back by n bytes.
func (p *patch) move(n int) {
	if p.at < 0 {
		n = -n
	}
	p.at -= n
}

// Mark is a state of a Sink to which Rollback returns.
type Mark struct{ patches, applied int }

// Mark returns the present state.
func (s *Sink) Mark() Mark { return Mark{len(s.patches), len(s.tally.applied)} }

// Rollback takes back what was said since m because its output goes: the caller takes that back to
// the same point. What was kept since m counts as removed.
func (s *Sink) Rollback(m Mark) {
	s.unpatch(m.patches)
	for i := m.applied; i < len(s.tally.applied); i++ {
		s.tally.applied[i] |= removed
	}
}

// Undo is Rollback of what was only tried: it counts for nothing.
func (s *Sink) Undo(m Mark) {
	s.unpatch(m.patches)
	s.tally.applied = s.tally.applied[:m.applied]
}

func (s *Sink) unpatch(n int) {
	s.patches = s.patches[:n]
	if s.behind != nil {
		s.behind.cut(n)
	}
}

// Surrogate appends the place of the surrogate of (scope, id) to dst, the slice that the worker was
// given with what it has appended. All places of one identifier in a job are filled with the same
// SurrogateLen letters.
func (s *Sink) Surrogate(dst []byte, k Kind, scope, id []byte) []byte {
	s.patches = append(s.patches, patch{len(dst), s.hasher.of(k, scope, id)})
	if s.behind != nil {
		s.behind.add(k, scope, id)
	}
	return append(dst, blank...)
}

// Keyed appends a surrogate that the rules make by a key of their own, where Surrogate would append
// the place of one. It is told for the crosswalk.
func (s *Sink) Keyed(dst []byte, k Kind, scope, id []byte, surrogate [SurrogateLen / 2]byte) []byte {
	if s.behind != nil {
		s.patches = append(s.patches, patch{^len(dst), s.hasher.of(k, scope, id)})
		s.behind.add(k, scope, id)
	}
	return Spell(dst, surrogate)
}

const blank = "________________________________" // SurrogateLen

// Applied counts a value that a rule, by its place in the engine's list, was applied to, and
// whether anything of it stays.
func (s *Sink) Applied(rule int, kept bool) {
	a := uint32(rule) << 1
	if !kept {
		a |= removed
	}
	s.tally.applied = append(s.tally.applied, a)
}

// Unknown counts a member that is dropped because no rule names it, below the place of a rule.
func (s *Sink) Unknown(rule int, name []byte) { s.tally.unknown(rule, name) }
