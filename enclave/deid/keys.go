package deid

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"

	"anchorhold/enclave/deid/stream"
	"anchorhold/protocol/code"
)

// Names of values in a parameters message, SPEC 3.4.
const (
	// PseudonymKey makes keyed surrogates, the same ones in every job with it.
	PseudonymKey = "pseudonym-key"
	// ShiftKey makes the offsets of dates, the same ones in every job with it.
	ShiftKey = "date-shift-key"
)

// minKey is the length of the shortest key that is taken, in bytes: a shorter
// one is a password, and surrogates of known ids would try it.
const minKey = 32

// Keys returns the names of the values that a job's parameters must hold, sorted.
func (e *Engine) Keys() []string {
	var names []string
	if e.shifts {
		names = append(names, ShiftKey)
	}
	if e.keyed {
		names = append(names, PseudonymKey)
	}
	return names
}

// checkKeys returns a coded error when a job lacks a key, has a short one, or
// has one key for two purposes.
func (e *Engine) checkKeys(values map[string][]byte) error {
	seen := map[string]bool{}
	for _, name := range e.Keys() {
		v, ok := values[name]
		if !ok {
			return code.New(code.ParametersMissing, fmt.Errorf("no value %s in the parameters", name))
		}
		if len(v) < minKey {
			return code.New(code.ParametersMalformed, fmt.Errorf("%s has %d bytes, want at least %d", name, len(v), minKey))
		}
		if seen[string(v)] {
			return code.New(code.ParametersMalformed, fmt.Errorf("%s is another key too", name))
		}
		seen[string(v)] = true
	}
	return nil
}

const keyedLabel = "anchorhold/v1 keyed surrogate"

// keyed makes surrogates that stay the same from job to job:
// HMAC-SHA256(HMAC-SHA256(pseudonym-key, label), kind ‖ length of scope ‖ scope
// ‖ id), the first 128 bits. It belongs to one goroutine.
type keyed struct{ mac hash.Hash }

func newKeyed(key []byte) *keyed {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(keyedLabel))
	k := h.Sum(nil)
	defer clear(k)
	return &keyed{hmac.New(sha256.New, k)}
}

func (k *keyed) of(kind stream.Kind, scope, id []byte) (out [16]byte) {
	var head [5]byte
	head[0] = byte(kind)
	binary.BigEndian.PutUint32(head[1:], uint32(len(scope)))
	k.mac.Reset()
	k.mac.Write(head[:])
	k.mac.Write(scope)
	k.mac.Write(id)
	var sum [sha256.Size]byte
	copy(out[:], k.mac.Sum(sum[:0]))
	return out
}
