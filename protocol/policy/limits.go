package policy

// Limits bounds the work of one enclave (SPEC 8). Each is at least 1 and at most what limitTable
// says; a source that leaves one out gets the default.
type Limits struct {
	JobBytes    uint64 `cbor:"job_bytes"`    // bytes of a job file
	RecordBytes uint64 `cbor:"record_bytes"` // bytes of one record
	Records     uint64 `cbor:"records"`      // records in a job
	// distinct identifiers in a job, which are held in memory
	Identifiers   uint64 `cbor:"identifiers"`
	Nesting       uint64 `cbor:"nesting"`        // JSON depth
	FrameLength   uint64 `cbor:"frame_length"`   // largest frame length of an envelope
	EncryptedKeys uint64 `cbor:"encrypted_keys"` // encrypted data keys in an envelope
	// anchorhold:not-after lies at most so many days ahead
	NotAfterDays   uint64 `cbor:"not_after_days"`
	Replays        uint64 `cbor:"replays"`         // decryptions of one message id by one boot
	ConcurrentJobs uint64 `cbor:"concurrent_jobs"` // jobs at once in one enclave
	JobSeconds     uint64 `cbor:"job_seconds"`     // time for one job
}

// limit describes one field of Limits. The maximum is a guard against typing errors: beyond it an
// enclave could not keep what the policy promises, or buffers of one job could take all its memory.
type limit struct {
	name         string // in the YAML source
	value        func(*Limits) *uint64
	initial, max uint64
}

const (
	kiB = 1 << 10
	miB = 1 << 20
	giB = 1 << 30
)

// limitTable holds defaults and maxima (SPEC 8).
var limitTable = []limit{
	{"job-bytes", func(l *Limits) *uint64 { return &l.JobBytes }, 16 * giB, 1024 * giB},
	{"record-bytes", func(l *Limits) *uint64 { return &l.RecordBytes }, 8 * miB, 256 * miB},
	{"records", func(l *Limits) *uint64 { return &l.Records }, 100_000_000, 10_000_000_000},
	{"identifiers", func(l *Limits) *uint64 { return &l.Identifiers }, 20_000_000, 1_000_000_000},
	{"nesting", func(l *Limits) *uint64 { return &l.Nesting }, 64, 512},
	{"frame-length", func(l *Limits) *uint64 { return &l.FrameLength }, 4 * miB, 64 * miB},
	{"encrypted-keys", func(l *Limits) *uint64 { return &l.EncryptedKeys }, 8, 64},
	{"not-after-days", func(l *Limits) *uint64 { return &l.NotAfterDays }, 31, 366},
	{"replays", func(l *Limits) *uint64 { return &l.Replays }, 3, 1000},
	{"concurrent-jobs", func(l *Limits) *uint64 { return &l.ConcurrentJobs }, 4, 64},
	{"job-seconds", func(l *Limits) *uint64 { return &l.JobSeconds }, 3600, 86_400},
}

// DefaultLimits returns the limits of a source that sets none.
func DefaultLimits() Limits {
	var l Limits
	for _, e := range limitTable {
		*e.value(&l) = e.initial
	}
	return l
}

// ByName returns where each limit stands, by its name in the source.
func (l *Limits) ByName() map[string]*uint64 {
	m := make(map[string]*uint64, len(limitTable))
	for _, e := range limitTable {
		m[e.name] = e.value(l)
	}
	return m
}
