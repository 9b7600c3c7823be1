package stream

// Sink takes what a worker says beside the bytes of its output. It belongs to
// the worker's goroutine.
type Sink struct {
	hasher  *hasher
	patches []patch
}

// patch says where a surrogate belongs in an output, and whose it is. The
// number is not known before all earlier blocks have been finished.
type patch struct {
	at int
	id identity
}

// Mark is a state of a Sink to which Rollback returns.
type Mark int

// Mark returns the present state.
func (s *Sink) Mark() Mark { return Mark(len(s.patches)) }

// Rollback forgets what was said since m. The caller takes its output back to the same point.
func (s *Sink) Rollback(m Mark) { s.patches = s.patches[:m] }

// Surrogate appends the place of the surrogate of (scope, id) to dst, the slice that the worker was given with what it has appended.
// All places of one identifier in a job are filled with the same SurrogateLen letters.
func (s *Sink) Surrogate(dst []byte, k Kind, scope, id []byte) []byte {
	s.patches = append(s.patches, patch{len(dst), s.hasher.of(k, scope, id)})
	return append(dst, blank...)
}

const blank = "________________________________" // SurrogateLen
