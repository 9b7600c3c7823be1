// Package jobfile reads and writes the header of a job file, SPEC 4. The message follows it to the
// end of the file.
//
// The header is authenticated by nothing in the file: the enclave compares the hashes of its keys
// with the message's encryption context, and the owner compares the header digest in the receipt
// with the digest of what it sent.
package jobfile

//go:generate go run gen_vectors.go gen_reasons.go

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"anchorhold/protocol/canonical"
	"anchorhold/protocol/digest"
)

const (
	magic = "AHJOB1\r\n"
	// KeySize is the size of a reply or crosswalk public key: MLKEM768-X25519, SPEC 4.
	KeySize = 1216
	// MaxHeader is the most bytes of the encoded CBOR, SPEC 4.
	MaxHeader = 2 << 20

	lengthSize = 4
	preamble   = len(magic) + lengthSize
)

// ErrMalformed says that bytes are no header of SPEC 4.
var ErrMalformed = errors.New("malformed job file")

// Header is the header of a job file.
type Header struct {
	Nonce        [32]byte `cbor:"nonce"`                   // fresh for each job file
	ReplyKey     []byte   `cbor:"reply_key"`               // KeySize bytes
	CrosswalkKey []byte   `cbor:"crosswalk_key,omitempty"` // KeySize bytes or nil
	SealedAt     uint64   `cbor:"sealed_at"`               // owner's clock, milliseconds since 1970
	Parameters   []byte   `cbor:"parameters,omitempty"`    // a parameters message, SPEC 3.4, or nil
}

func (h *Header) check() error {
	if len(h.ReplyKey) != KeySize {
		return fmt.Errorf("%w: reply key has %d bytes, want %d", ErrMalformed, len(h.ReplyKey), KeySize)
	}
	if len(h.CrosswalkKey) != 0 && len(h.CrosswalkKey) != KeySize {
		return fmt.Errorf("%w: crosswalk key has %d bytes, want %d", ErrMalformed, len(h.CrosswalkKey), KeySize)
	}
	return nil
}

// Encode returns magic, length and header: the bytes before the message, whose SHA-384 is the
// header digest.
func (h *Header) Encode() ([]byte, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	body, err := canonical.Marshal(h)
	if err != nil {
		return nil, err
	}
	if len(body) > MaxHeader {
		return nil, fmt.Errorf("%w: header has %d bytes, want at most %d", ErrMalformed, len(body), MaxHeader)
	}
	b := append(make([]byte, 0, preamble+len(body)), magic...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	return append(b, body...), nil
}

// ReadHeader reads the header from r, and not one byte of the message behind it, and returns it
// with the header digest. The error is ErrMalformed, also for a file that ends early, or that of r.
func ReadHeader(r io.Reader) (*Header, digest.Digest, error) {
	var pre [preamble]byte
	if _, err := io.ReadFull(r, pre[:]); err != nil {
		return nil, digest.Digest{}, early(err)
	}
	if string(pre[:len(magic)]) != magic {
		return nil, digest.Digest{}, fmt.Errorf("%w: no magic", ErrMalformed)
	}
	n := binary.BigEndian.Uint32(pre[len(magic):])
	if n > MaxHeader {
		return nil, digest.Digest{}, fmt.Errorf("%w: header has %d bytes, want at most %d", ErrMalformed, n, MaxHeader)
	}
	// A buffer that grows with what arrives: twelve bytes must not order 2 MiB.
	var body bytes.Buffer
	if _, err := io.CopyN(&body, r, int64(n)); err != nil {
		return nil, digest.Digest{}, early(err)
	}
	h := new(Header)
	if err := canonical.Unmarshal(body.Bytes(), h); err != nil {
		return nil, digest.Digest{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if err := h.check(); err != nil {
		return nil, digest.Digest{}, err
	}
	return h, digest.Sum(pre[:], body.Bytes()), nil
}

func early(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: header ends early", ErrMalformed)
	}
	return err
}
