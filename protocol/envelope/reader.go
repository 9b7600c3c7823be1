package envelope

import (
	"bytes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
)

const (
	finalMarker  = 0xFFFFFFFF // in place of the sequence number
	ivSize       = 12
	regularHead  = 4 + ivSize
	finalHead    = 4 + regularHead + 4
	regularLabel = "AWSKMSEncryptionClient Frame"
	finalLabel   = "AWSKMSEncryptionClient Final Frame"

	// tailRoom lets the buffer hold a final frame together with the footer and one byte that must
	// not follow.
	tailRoom = finalHead + tagSize + 2 + maxSignature + 1
)

// Reader reads the plaintext of a message. It is for one goroutine.
type Reader struct {
	in    *window
	gcm   cipher.AEAD
	size  int // frame length
	next  uint32
	plain []byte // verified and not yet handed out; lies in the buffer of in
	used  int    // bytes of in to drop when plain is empty
	// direct counts bytes that frame has put into the caller's buffer.
	direct int
	err    error // io.EOF once the whole message has verified

	iv [ivSize]byte // of the frame at hand
	// message id, label, sequence number, content length; rewritten for each frame
	aad    []byte
	digest hash.Hash
	key    *ecdsa.PublicKey // nil without footer
}

// Open checks that the data key is the one that the message commits to, then the header's tag, and
// returns the reader of the plaintext. r must stand right behind the header, and what it gives up
// to its end must be this message's body. The error is ErrAuthentication when the key is not the
// message's or the header was changed.
func (h *Header) Open(dataKey []byte, r io.Reader) (*Reader, error) {
	gcm, commitment, err := h.derive(dataKey)
	if err != nil {
		return nil, err
	}
	// First, or one ciphertext could be made that opens to different records under two keys.
	if subtle.ConstantTimeCompare(commitment[:], h.commitment[:]) != 1 {
		return nil, ErrAuthentication
	}
	var iv [ivSize]byte
	if _, err := gcm.Open(nil, iv[:], h.tag[:], h.body()); err != nil {
		return nil, ErrAuthentication
	}
	d := &Reader{
		in:   newWindow(r, max(fullWindow, int(h.FrameLength)+tailRoom)),
		gcm:  gcm,
		size: int(h.FrameLength),
		next: 1,
		aad:  append([]byte{}, h.MessageID[:]...),
	}
	if h.Suite == SuiteCommitSig {
		if d.key, err = parseVerificationKey(h.Context[publicKeyEntry]); err != nil {
			return nil, err
		}
		d.digest = sha512.New384()
		d.digest.Write(h.raw)
	}
	return d, nil
}

// Read reads plaintext of frames that have verified. It returns io.EOF only when the final frame,
// the footer signature of suite 0x0578 and the end of the source have been seen; the final frame's
// plaintext is held back until then. Every other error is final: ErrTruncated, ErrAuthentication,
// ErrMalformed, or what the source returned. What was read before it is genuine but not the whole
// message.
func (d *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(d.plain) == 0 {
		if d.err == nil {
			d.err = d.frame(p)
		}
		if d.direct > 0 {
			n := d.direct
			d.direct = 0
			return n, nil
		}
		if d.err != nil && len(d.plain) == 0 {
			return 0, d.err
		}
	}
	n := copy(p, d.plain)
	d.plain = d.plain[n:]
	return n, nil
}

// frame drops the frame before and verifies the next one. A regular frame that fits goes to p
// without another copy, with its length in direct, every other one to plain. It returns io.EOF for
// the final frame, which may have plaintext.
func (d *Reader) frame(p []byte) error {
	d.in.drop(d.used)
	d.used = 0
	b, err := d.peek(regularHead)
	if err != nil {
		return err
	}
	if binary.BigEndian.Uint32(b) == finalMarker {
		return d.finalFrame()
	}
	if b, err = d.peek(regularHead + d.size + tagSize); err != nil {
		return err
	}
	sealed := b[regularHead:]
	dst := sealed[:0]
	if len(p) >= d.size {
		dst = p[:0:d.size]
	}
	plain, err := d.open(dst, b[:regularHead], sealed, regularLabel, b)
	if err != nil {
		return err
	}
	if len(p) >= d.size {
		d.direct = len(plain)
	} else {
		d.plain = plain
	}
	d.used = len(b)
	d.next++ // does not wrap: the last number is the final marker
	return nil
}

// finalFrame verifies the final frame and everything behind it.
func (d *Reader) finalFrame() error {
	b, err := d.peek(finalHead)
	if err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(b[finalHead-4:])
	if uint64(size) > uint64(d.size) {
		return fmt.Errorf("%w: final frame is longer than the frame length", ErrMalformed)
	}
	end := finalHead + int(size) + tagSize
	if b, err = d.peek(end); err != nil {
		return err
	}
	sealed := b[finalHead:]
	plain, err := d.open(sealed[:0], b[4:4+regularHead], sealed, finalLabel, b)
	if err != nil {
		return err
	}
	total, err := d.footer(end)
	if err != nil {
		return err
	}
	// peek may have moved the buffer's bytes, so the plaintext is taken from where they are now.
	if b, err = d.in.peek(total + 1); !errors.Is(err, io.EOF) {
		if err != nil {
			return readError(err)
		}
		return fmt.Errorf("%w: trailing bytes", ErrMalformed)
	}
	d.plain = b[finalHead : finalHead+len(plain)]
	return io.EOF
}

// footer verifies the signature behind the first end bytes of the buffer and returns where the
// message ends.
func (d *Reader) footer(end int) (int, error) {
	if d.key == nil {
		return end, nil
	}
	b, err := d.peek(end + 2)
	if err != nil {
		return 0, err
	}
	size := int(binary.BigEndian.Uint16(b[end:]))
	if size == 0 || size > maxSignature {
		return 0, fmt.Errorf("%w: signature has %d bytes, want 1 to %d", ErrMalformed, size, maxSignature)
	}
	if b, err = d.peek(end + 2 + size); err != nil {
		return 0, err
	}
	if !ecdsa.VerifyASN1(d.key, d.digest.Sum(nil), b[end+2:]) {
		return 0, ErrAuthentication
	}
	return len(b), nil
}

// open verifies one frame and appends its plaintext to dst, which is p of Read or the ciphertext's
// own place. head is sequence number and IV, sealed ciphertext and tag, whole all bytes of the
// frame.
func (d *Reader) open(dst, head, sealed []byte, label string, whole []byte) ([]byte, error) {
	if seq := binary.BigEndian.Uint32(head); seq != d.next {
		return nil, fmt.Errorf("%w: frame has sequence number %d, want %d", ErrMalformed, seq, d.next)
	}
	binary.BigEndian.PutUint32(d.iv[ivSize-4:], d.next)
	// The IV is implied by the number. Taking the sender's would let two frames share one.
	if !bytes.Equal(d.iv[:], head[4:]) {
		return nil, fmt.Errorf("%w: IV of frame %d is not its sequence number", ErrMalformed, d.next)
	}
	if d.digest != nil {
		d.digest.Write(whole)
	}
	d.aad = appendFrameAAD(d.aad[:idSize], label, d.next, len(sealed)-tagSize)
	// Open verifies before it decrypts, or clears what it decrypted: nothing of a forged frame
	// reaches p.
	plain, err := d.gcm.Open(dst, d.iv[:], sealed, d.aad)
	if err != nil {
		return nil, ErrAuthentication
	}
	return plain, nil
}

func (d *Reader) peek(n int) ([]byte, error) {
	b, err := d.in.peek(n)
	if err != nil {
		return nil, readError(err)
	}
	return b, nil
}

// appendFrameAAD appends what authenticates a frame to the message id.
func appendFrameAAD(id []byte, label string, seq uint32, size int) []byte {
	b := append(id, label...)
	b = binary.BigEndian.AppendUint32(b, seq)
	return binary.BigEndian.AppendUint64(b, uint64(size))
}
