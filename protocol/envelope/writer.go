package envelope

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"unicode/utf8"
)

// Params is what a new message is made of.
type Params struct {
	// must be what KMS encrypted the data key under; no key of the SDK's own
	Context     map[string]string
	Keys        []EncryptedKey // DataKey, encrypted; at least one
	DataKey     []byte         // 32 bytes; not kept
	FrameLength uint32         // plaintext bytes of a frame; DefaultFrameLength when zero
}

// DefaultFrameLength is what Params uses when none is given: large enough that per-frame work does
// not show.
const DefaultFrameLength = 256 << 10

// Writer writes one message of suite 0x0478. It is for one goroutine.
type Writer struct {
	w    io.Writer
	gcm  cipher.AEAD
	size int    // frame length
	buf  []byte // a frame: room for the longer head, plaintext, room for the tag
	n    int    // plaintext bytes in buf
	next uint32
	aad  []byte
	err  error // first error, or errClosed
}

var (
	errClosed  = errors.New("message is closed")
	errTooLong = errors.New("message has too many frames")
)

// NewWriter writes the header of a new message, with a random message id, and returns the writer of
// its plaintext. The caller must Close it: a message without final frame is refused as truncated.
func NewWriter(w io.Writer, p Params) (*Writer, error) {
	h := &Header{Suite: SuiteCommit, Context: p.Context, Keys: p.Keys, FrameLength: p.FrameLength}
	if h.FrameLength == 0 {
		h.FrameLength = DefaultFrameLength
	}
	if err := checkParams(p); err != nil {
		return nil, err
	}
	rand.Read(h.MessageID[:]) // never fails: crypto/rand ends the program instead
	gcm, commitment, err := h.derive(p.DataKey)
	if err != nil {
		return nil, err
	}
	h.commitment = commitment
	body := h.appendBody(nil)
	var iv [ivSize]byte
	if _, err := w.Write(gcm.Seal(body, iv[:], nil, body)); err != nil {
		return nil, err
	}
	return &Writer{
		w:    w,
		gcm:  gcm,
		size: int(h.FrameLength),
		buf:  make([]byte, finalHead+int(h.FrameLength)+tagSize),
		next: 1,
		aad:  append([]byte{}, h.MessageID[:]...),
	}, nil
}

// checkParams refuses what the format cannot carry or ReadHeader would not accept.
func checkParams(p Params) error {
	if len(p.DataKey) != dataKeySize {
		return fmt.Errorf("data key has %d bytes, want %d", len(p.DataKey), dataKeySize)
	}
	if p.FrameLength > math.MaxInt32 {
		return fmt.Errorf("frame length is %d, want at most %d", p.FrameLength, math.MaxInt32)
	}
	if len(p.Keys) == 0 || len(p.Keys) > math.MaxUint16 {
		return fmt.Errorf("%d encrypted data keys, want 1 to %d", len(p.Keys), math.MaxUint16)
	}
	keys := 0
	for _, k := range p.Keys {
		keys += 6 + len(k.Provider) + len(k.Info) + len(k.Ciphertext)
		if !utf8.ValidString(k.Provider) {
			return errors.New("key provider is not UTF-8")
		}
	}
	context := 2
	for k, v := range p.Context {
		context += 4 + len(k) + len(v)
		if reserved(k) {
			return fmt.Errorf("context key %q is reserved for SDKs", k)
		}
		if !utf8.ValidString(k) || !utf8.ValidString(v) {
			return errors.New("encryption context is not UTF-8")
		}
	}
	if keys > maxKeyBytes || context > math.MaxUint16 {
		return fmt.Errorf("encryption context or encrypted data keys exceed 64 KiB")
	}
	for _, k := range p.Keys {
		if max(len(k.Provider), len(k.Info), len(k.Ciphertext)) > math.MaxUint16 {
			return errors.New("encrypted data key exceeds 64 KiB")
		}
	}
	return nil
}

// Write adds plaintext. Full frames are written at once, a rest waits for more or for Close.
func (e *Writer) Write(p []byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	done := 0
	for done < len(p) {
		// A full frame is written only when more follows, because the last one has a different
		// form.
		if e.n == e.size {
			if e.err = e.regularFrame(); e.err != nil {
				return done, e.err
			}
		}
		n := copy(e.buf[finalHead+e.n:finalHead+e.size], p[done:])
		e.n += n
		done += n
	}
	return done, nil
}

// Close writes the final frame. The message is complete only when it returned nil.
func (e *Writer) Close() error {
	if e.err != nil {
		return e.err
	}
	b := e.buf
	binary.BigEndian.PutUint32(b, finalMarker)
	binary.BigEndian.PutUint32(b[finalHead-4:], uint32(e.n))
	err := e.seal(0, 4, finalLabel)
	if e.err = err; err == nil {
		e.err = errClosed
	}
	return err
}

func (e *Writer) regularFrame() error {
	if e.next == finalMarker {
		return errTooLong
	}
	if err := e.seal(finalHead-regularHead, finalHead-regularHead, regularLabel); err != nil {
		return err
	}
	e.next++
	e.n = 0
	return nil
}

// seal encrypts the buffered plaintext in place and writes the frame, which begins at start and has
// its sequence number at seq.
func (e *Writer) seal(start, seq int, label string) error {
	head := e.buf[seq : seq+regularHead]
	clear(head)
	binary.BigEndian.PutUint32(head, e.next)
	iv := head[4:]
	binary.BigEndian.PutUint32(iv[ivSize-4:], e.next)
	e.aad = appendFrameAAD(e.aad[:idSize], label, e.next, e.n)
	plain := e.buf[finalHead : finalHead+e.n]
	e.gcm.Seal(plain[:0], iv, plain, e.aad)
	_, err := e.w.Write(e.buf[start : finalHead+e.n+tagSize])
	return err
}
