package receipt

import (
	"fmt"
	"math/bits"
	"time"

	"anchorhold/protocol/canonical"
	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
)

const (
	leafLabel    = "anchorhold/v1 receipt"
	failureLabel = "anchorhold/v1 failure"

	maxLeaf     = 4096 // bytes; a receipt file must fit a control message (SPEC 2)
	maxName     = 64   // SPEC 8
	maxKey      = 2048 // KMS API: key id
	maxRequests = 4    // SPEC 7.1
	maxRequest  = 128
	maxMillis   = 1 << 53
	dayForm     = "2006-01-02"
)

// Leaf is a receipt leaf (SPEC 7.1).
type Leaf struct {
	Sequence        uint64
	Image           digest.Digest // PCR0
	Tenant          string
	Pipeline        string
	Key             string   // ARN
	KMSRequests     []string // 1 to 4
	MessageID       [32]byte
	Nonce           [32]byte
	Header          digest.Digest // header digest of the job file
	Input           digest.Stream // of the message
	Output          digest.Stream // of the whole sealed result
	InputSize       uint64
	OutputSize      uint64
	Policy          digest.Digest
	Reply           [32]byte       // SHA-256 of the reply key
	Parameters      *[32]byte      // nil: the job had none
	Crosswalk       *digest.Stream // of the whole sealed crosswalk; nil: the job had none
	ReferenceDate   string         // YYYY-MM-DD; empty: none
	RecordsIn       uint64         // bucketed
	RecordsOut      uint64         // bucketed
	RecordsRejected uint64         // bucketed
	Started         time.Time      // NSM's clock, whole milliseconds
	Finished        time.Time      // NSM's clock, whole milliseconds
}

// Failure is a failure leaf (SPEC 7.1): a job that failed after its key was released. It never
// passes as a receipt.
type Failure struct {
	Sequence    uint64
	Code        code.Code
	Header      digest.Digest
	KMSRequests []string
	Finished    time.Time
}

type leafWire struct {
	Label           string         `cbor:"label"`
	Sequence        uint64         `cbor:"sequence"`
	Image           digest.Digest  `cbor:"image"`
	Tenant          string         `cbor:"tenant"`
	Pipeline        string         `cbor:"pipeline"`
	Key             string         `cbor:"key"`
	KMSRequests     []string       `cbor:"kms_requests"`
	MessageID       [32]byte       `cbor:"message_id"`
	Nonce           [32]byte       `cbor:"nonce"`
	Header          digest.Digest  `cbor:"header"`
	Input           digest.Stream  `cbor:"input"`
	Output          digest.Stream  `cbor:"output"`
	InputSize       uint64         `cbor:"input_size"`
	OutputSize      uint64         `cbor:"output_size"`
	Policy          digest.Digest  `cbor:"policy"`
	Reply           [32]byte       `cbor:"reply"`
	Parameters      *[32]byte      `cbor:"parameters,omitempty"`
	Crosswalk       *digest.Stream `cbor:"crosswalk,omitempty"`
	ReferenceDate   string         `cbor:"reference_date,omitempty"`
	RecordsIn       uint64         `cbor:"records_in"`
	RecordsOut      uint64         `cbor:"records_out"`
	RecordsRejected uint64         `cbor:"records_rejected"`
	Started         uint64         `cbor:"started"`
	Finished        uint64         `cbor:"finished"`
}

type failureWire struct {
	Label       string        `cbor:"label"`
	Sequence    uint64        `cbor:"sequence"`
	Code        code.Code     `cbor:"code"`
	Header      digest.Digest `cbor:"header"`
	KMSRequests []string      `cbor:"kms_requests"`
	Finished    uint64        `cbor:"finished"`
}

// Encode returns the canonical bytes. Error: ErrMalformed, when ParseLeaf would refuse them; record
// counts must be bucketed.
func (l *Leaf) Encode() ([]byte, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	return encode(leafWire{
		Label: leafLabel, Sequence: l.Sequence, Image: l.Image, Tenant: l.Tenant, Pipeline: l.Pipeline, Key: l.Key,
		KMSRequests: l.KMSRequests, MessageID: l.MessageID, Nonce: l.Nonce, Header: l.Header, Input: l.Input, Output: l.Output,
		InputSize: l.InputSize, OutputSize: l.OutputSize, Policy: l.Policy, Reply: l.Reply, Parameters: l.Parameters,
		Crosswalk: l.Crosswalk, ReferenceDate: l.ReferenceDate, RecordsIn: l.RecordsIn, RecordsOut: l.RecordsOut,
		RecordsRejected: l.RecordsRejected, Started: millis(l.Started), Finished: millis(l.Finished),
	})
}

// Encode returns the canonical bytes. Error: ErrMalformed, when ParseLeaf would refuse them.
func (f *Failure) Encode() ([]byte, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	return encode(failureWire{
		Label: failureLabel, Sequence: f.Sequence, Code: f.Code, Header: f.Header, KMSRequests: f.KMSRequests, Finished: millis(f.Finished),
	})
}

func encode(v any) ([]byte, error) {
	b, err := canonical.Marshal(v)
	if err != nil || len(b) > maxLeaf {
		return nil, malformed("leaf cannot be encoded")
	}
	return b, nil
}

// ParseLeaf reads a leaf: exactly one of the two is not nil when err is nil. Error: ErrMalformed.
func ParseLeaf(b []byte) (*Leaf, *Failure, error) {
	if len(b) > maxLeaf {
		return nil, nil, malformed("leaf is too long")
	}
	var w leafWire
	if err := canonical.Unmarshal(b, &w); err == nil && w.Label == leafLabel {
		l := &Leaf{
			Sequence: w.Sequence, Image: w.Image, Tenant: w.Tenant, Pipeline: w.Pipeline, Key: w.Key, KMSRequests: w.KMSRequests,
			MessageID: w.MessageID, Nonce: w.Nonce, Header: w.Header, Input: w.Input, Output: w.Output, InputSize: w.InputSize,
			OutputSize: w.OutputSize, Policy: w.Policy, Reply: w.Reply, Parameters: w.Parameters, Crosswalk: w.Crosswalk,
			ReferenceDate: w.ReferenceDate, RecordsIn: w.RecordsIn, RecordsOut: w.RecordsOut, RecordsRejected: w.RecordsRejected,
			Started: fromMillis(w.Started), Finished: fromMillis(w.Finished),
		}
		if err := l.check(); err != nil {
			return nil, nil, err
		}
		return l, nil, nil
	}
	var f failureWire
	if err := canonical.Unmarshal(b, &f); err != nil || f.Label != failureLabel {
		return nil, nil, malformed("neither receipt nor failure")
	}
	x := &Failure{Sequence: f.Sequence, Code: f.Code, Header: f.Header, KMSRequests: f.KMSRequests, Finished: fromMillis(f.Finished)}
	if err := x.check(); err != nil {
		return nil, nil, err
	}
	return nil, x, nil
}

func (l *Leaf) check() error {
	switch {
	case !isName(l.Tenant) || !isName(l.Pipeline):
		return malformed("tenant or pipeline is not a name")
	case !isPrintable(l.Key, maxKey):
		return malformed("key is not an ARN")
	case !isBucket(l.RecordsIn) || !isBucket(l.RecordsOut) || !isBucket(l.RecordsRejected):
		// exact counts would tell the parent about the records
		return malformed("record counts are not bucketed")
	case !isTime(l.Started) || !isTime(l.Finished) || l.Finished.Before(l.Started):
		return malformed("started and finished are not times in order")
	}
	if d := l.ReferenceDate; d != "" {
		if t, err := time.Parse(dayForm, d); err != nil || t.Format(dayForm) != d {
			return malformed("reference date is not YYYY-MM-DD")
		}
	}
	return checkRequests(l.KMSRequests)
}

func (f *Failure) check() error {
	if !f.Code.Valid() {
		return malformed("unknown code")
	}
	if !isTime(f.Finished) {
		return malformed("finished is not a time")
	}
	return checkRequests(f.KMSRequests)
}

func checkRequests(ids []string) error {
	if len(ids) < 1 || len(ids) > maxRequests {
		return malformed("there are not 1 to 4 KMS request ids")
	}
	for _, id := range ids {
		if !isPrintable(id, maxRequest) {
			return malformed("KMS request id")
		}
	}
	return nil
}

// Bucket returns the smallest power of two that is not smaller than n, 0 for 0; 2^63 for all that
// is greater.
func Bucket(n uint64) uint64 {
	switch {
	case n == 0:
		return 0
	case n > 1<<63:
		return 1 << 63
	}
	return 1 << bits.Len64(n-1)
}

func isBucket(n uint64) bool { return n&(n-1) == 0 }

// isName wants 1 to 64 of a-z 0-9 . _ - (SPEC 8).
func isName(s string) bool {
	for _, r := range []byte(s) {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-' {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

// isPrintable wants ASCII without spaces and control characters: tools print these on terminals.
func isPrintable(s string, limit int) bool {
	for _, r := range []byte(s) {
		if r <= ' ' || r > '~' {
			return false
		}
	}
	return s != "" && len(s) <= limit
}

func isTime(t time.Time) bool {
	ms := t.UnixMilli()
	return ms > 0 && ms < maxMillis && t.Equal(time.UnixMilli(ms))
}

func millis(t time.Time) uint64 { return uint64(t.UnixMilli()) } // check saw that it is positive

// fromMillis returns the zero time, which check refuses, for what no clock shows.
func fromMillis(n uint64) time.Time {
	if n >= maxMillis {
		return time.Time{}
	}
	return time.UnixMilli(int64(n)).UTC()
}

func malformed(why string) error { return fmt.Errorf("%w: %s", ErrMalformed, why) }
