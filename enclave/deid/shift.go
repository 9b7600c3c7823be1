package deid

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"strings"
	"time"
)

// Dates of a patient all move by the same number of days, so that the
// intervals between them stay (45 CFR 164.514(b)(1): an expert has to say that
// this is enough). The number is
//
//	-7 × (1 + HMAC-SHA256(date-shift-key, label ‖ patient id) mod 52)
//
// One to 52 whole weeks back: nothing lands in the future, no date stays as it
// was, and the weekday tells nothing about the number, because it stays. The
// time of day stays too, as the clocks on the wall showed it, but is written
// with the zone Z: an offset such as -04:00 would tell summer from winter.
const (
	shiftLabel = "anchorhold/v1 date shift"
	shiftWeeks = 52
)

// offset is by how many days the dates of the record at hand move.
type offset struct {
	known bool
	days  int
}

// shifter computes offsets. It belongs to one goroutine.
type shifter struct{ mac hash.Hash }

// of returns the offset of a patient. Ids are kept apart by nothing else: all
// records are taken for those of one server.
func (s *shifter) of(patient []byte) int {
	s.mac.Reset()
	s.mac.Write([]byte(shiftLabel))
	s.mac.Write(patient)
	var sum [sha256.Size]byte
	s.mac.Sum(sum[:0])
	// 2^64 mod 52 numbers are likelier than others by 2^-58.
	return -7 * int(1+binary.BigEndian.Uint64(sum[:])%shiftWeeks)
}

// whose finds the patient of the record at hand, and with it the offset of its
// dates. It does not guess: a search, a logical reference, a contained patient,
// two patients, or a group leave the record without one.
//
// A Patient that an entry of a Bundle calls urn:uuid:X is X, for that is how the
// other entries refer to it, one by one, maybe before it has been read. Where X
// is its id, as the writers of such Bundles have it, the same patient has the
// same offset in a Bundle, in NDJSON, and wherever references say Patient/X.
func (t *transformer) whose() {
	t.offset = offset{}
	if t.shifter == nil {
		return
	}
	if string(t.kind) == "Patient" {
		id, ok := urnID(t.full)
		if !ok {
			id, ok = t.findText("id")
		}
		if ok && len(id) > 0 {
			t.offset = offset{true, t.shifter.of(id)}
		}
		return
	}
	for _, name := range t.engine.patients {
		holder, below, among := strings.Cut(name, ".")
		f, ok := t.find(holder)
		if !ok {
			continue
		}
		var id []byte
		if among {
			id, ok = t.onlyPatient(f, below)
		} else {
			id, ok = t.patient(f)
		}
		if ok {
			t.offset = offset{true, t.shifter.of(id)}
		}
		return // the first that is there decides, or the order of others would
	}
}

// onlyPatient returns the id of the one patient among those that an array of objects refers to by
// their member below: the participants of an appointment, the records that a person links. Two
// patients leave the record without one; so does a reference that does not say of what it is, for
// it may be of a second.
func (t *transformer) onlyPatient(f scanner, below string) (id []byte, ok bool) {
	if f.b[f.i] != '[' {
		return nil, false
	}
	for more := f.enter(); more; more = f.more() {
		ref, there := f.find(below)
		if f.skip(); !there || notPatient(t, ref) {
			continue
		}
		one, known := t.patient(ref)
		if !known || ok && !bytes.Equal(one, id) {
			return nil, false
		}
		id, ok = one, true
	}
	return id, ok
}

// notPatient reports whether a Reference says that it is of another type.
func notPatient(t *transformer, ref scanner) bool {
	if kind, said := ref.findText("type"); said && string(kind) != "Patient" && t.isKind(kind) {
		target, _ := ref.findText("reference")
		of, _, literal := t.literal(target)
		return !literal || string(of) != "Patient" // or two readers would see two things
	}
	target, ok := ref.findText("reference")
	if !ok {
		return false
	}
	path, _, search := bytes.Cut(target, []byte("?"))
	if search {
		kind := lastSegment(path)
		return t.isKind(kind) && string(kind) != "Patient"
	}
	kind, _, ok := t.literal(path)
	return ok && string(kind) != "Patient"
}

// patient returns the id that a Reference, or an array of one, gives.
func (t *transformer) patient(f scanner) ([]byte, bool) {
	if f.b[f.i] == '[' {
		if !f.enter() {
			return nil, false
		}
		rest := f
		if rest.skip(); rest.more() {
			return nil, false
		}
	}
	ref, ok := f.findText("reference")
	if !ok {
		return nil, false
	}
	if id, ok := urnID(ref); ok {
		// The urn does not say what it is of, as Type/id does.
		kind, said := f.findText("type")
		return id, !said || string(kind) == "Patient"
	}
	kind, id, ok := t.literal(ref)
	return id, ok && string(kind) == "Patient"
}

// urnID returns the id in the urn:uuid: or urn:oid: of a resource; nothing else
// is in it, or one resource would have several.
func urnID(b []byte) ([]byte, bool) {
	if !isURN(b) {
		return nil, false
	}
	id := b[bytes.IndexByte(b[len("urn:"):], ':')+len("urn:")+1:]
	return id, len(id) > 0 && only(id, digit|letter|dash)
}

// moved appends a date as much earlier as the patient's offset says. A month
// moves as its 15th day does, a year as its 2nd of July: the middle, so that
// what is rounded away is the same on both sides.
func (t *transformer) moved(m moment) bool {
	month, day := m.month, m.day
	switch {
	case month == 0:
		month, day = 7, 2
	case day == 0:
		day = 15
	}
	d := time.Date(m.year, time.Month(month), day+t.offset.days, 0, 0, 0, 0, time.UTC)
	layout := time.DateOnly
	switch {
	case m.month == 0:
		layout = "2006"
	case m.day == 0:
		layout = "2006-01"
	}
	t.out = append(t.out, '"')
	t.out = d.AppendFormat(t.out, layout)
	if len(m.clock) > 0 {
		t.out = append(t.out, 'T')
		t.out = append(t.out, m.clock[:min(len(m.clock), len("15:04:05.000"))]...)
		t.out = append(t.out, 'Z')
	}
	t.out = append(t.out, '"')
	return true
}
