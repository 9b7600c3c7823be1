package stream

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"strings"

	"anchorhold/protocol/code"
)

// A surrogate replaces an identifier. Its value is the order in which the
// identifier first appears in the job, enciphered: it is not computed from the
// identifier (45 CFR 164.514(c)(1)), it is unique, and two jobs cannot be
// joined by it. The identifier itself is only remembered as a keyed hash.

const (
	// alphabet spells surrogates: consonants make no word or name, and
	// letters make no ZIP, date, phone or record number.
	alphabet = "bcdfghjklmnpqrst"

	// SurrogateLen is the length of a surrogate.
	SurrogateLen = 2 * aes.BlockSize

	indexLabel = "anchorhold/v1 surrogate index"
	textLabel  = "anchorhold/v1 surrogate text"
)

// A Kind keeps identifiers of different kinds apart.
type Kind byte

// The kinds, and what their scope and id are.
const (
	ID         Kind = 1 // resource type, id
	Identifier Kind = 2 // system, value
	Contained  Kind = 3 // type and id of the container, id of a contained resource
	// nothing, a urn:uuid: or urn:oid: by which entries of a Bundle are referred to
	URN Kind = 4
)

type identity [16]byte

// hasher computes identities. It belongs to one goroutine.
type hasher struct {
	key [32]byte
	buf []byte
}

func derive(key *[32]byte, label string) (k [32]byte) {
	h := hmac.New(sha256.New, key[:])
	h.Write([]byte(label))
	h.Sum(k[:0])
	return k
}

func newHasher(key *[32]byte) *hasher { return &hasher{key: derive(key, indexLabel)} }

// of returns the identity of (scope, id). The key stands first and lengths
// separate the rest, so nobody who lacks the key can make two of them collide.
func (h *hasher) of(k Kind, scope, id []byte) (out identity) {
	// Sized first: a buffer that append outgrows would keep the key.
	h.grow(len(h.key) + 1 + 4 + len(scope) + len(id))
	b := append(h.buf[:0], h.key[:]...)
	b = append(b, byte(k))
	b = binary.BigEndian.AppendUint32(b, uint32(len(scope)))
	b = append(b, scope...)
	b = append(b, id...)
	sum := sha256.Sum256(b)
	copy(out[:], sum[:])
	if cap(b) > 64<<10 {
		h.grow(0)
	}
	return out
}

// grow makes a buffer of n bytes where the old one, which it zeroes, has no room, and drops it for
// n = 0.
func (h *hasher) grow(n int) {
	if n > 0 && n <= cap(h.buf) {
		return
	}
	clear(h.buf[:cap(h.buf)])
	h.buf = make([]byte, 0, 2*n)
}

// forget zeroes the key and what was hashed last.
func (h *hasher) forget() {
	clear(h.key[:])
	h.grow(0)
}

// table numbers identities in order of first appearance. It belongs to the
// goroutine that finishes blocks in the order of the input.
type table struct {
	numbers map[identity]uint32
	known   [][aes.BlockSize]byte // surrogates of an earlier job, which have the first numbers
	next    uint32                // what is enciphered for the next new one
	taken   map[uint32]bool       // what would give one that is known
	limit   int64
	block   cipher.Block
	buf     [aes.BlockSize]byte
}

func newTable(key *[32]byte, limit int64) *table {
	k := derive(key, textLabel)
	defer clear(k[:])
	b, err := aes.NewCipher(k[:])
	if err != nil {
		panic("stream: " + err.Error()) // unreachable: the key has 32 bytes
	}
	return &table{numbers: make(map[identity]uint32), taken: map[uint32]bool{}, limit: min(limit, math.MaxUint32/2), block: b}
}

// write puts the surrogate of id into dst, which has SurrogateLen bytes, and reports whether it is
// the first time in this job and any before it.
func (t *table) write(dst []byte, id identity) (fresh bool, err error) {
	n, ok := t.numbers[id]
	if !ok {
		if int64(len(t.numbers)) >= t.limit {
			return false, code.New(code.TooManyIdentifiers, nil)
		}
		for t.taken[t.next] {
			t.next++
		}
		n = uint32(len(t.known)) + t.next
		t.next++
		t.numbers[id] = n
	}
	if int(n) < len(t.known) {
		t.buf = t.known[n]
	} else {
		clear(t.buf[:])
		binary.BigEndian.PutUint64(t.buf[8:], uint64(n)-uint64(len(t.known)))
		t.block.Encrypt(t.buf[:], t.buf[:])
	}
	Spell(dst[:0], t.buf)
	return !ok, nil
}

// note takes the surrogate that id has already and reports whether it is the first time. An earlier
// crosswalk that says otherwise is one of another key: both would be in the new one.
func (t *table) note(surrogate []byte, id identity) (fresh bool, err error) {
	n, ok := t.numbers[id]
	switch {
	case ok && int(n) < len(t.known) && string(Spell(nil, t.known[n])) != string(surrogate):
		return false, code.New(code.CrosswalkMismatch, nil)
	case ok:
		return false, nil
	case int64(len(t.numbers)) >= t.limit:
		return false, code.New(code.TooManyIdentifiers, nil)
	}
	t.numbers[id] = math.MaxUint32 // no number: that it is there is all that counts
	return true, nil
}

// unspell returns what a surrogate spells.
func unspell(s string) (raw [aes.BlockSize]byte, ok bool) {
	if len(s) != SurrogateLen {
		return raw, false
	}
	for i := range s {
		n := strings.IndexByte(alphabet, s[i])
		if n < 0 {
			return raw, false
		}
		raw[i/2] = raw[i/2]<<4 | byte(n)
	}
	return raw, true
}

// Spell appends 128 bits as a surrogate.
func Spell(dst []byte, b [aes.BlockSize]byte) []byte {
	for _, x := range b {
		dst = append(dst, alphabet[x>>4], alphabet[x&15])
	}
	return dst
}
