package envelope

import (
	"errors"
	"io"
)

// Header is a message header, unauthenticated until Open.
type Header struct {
	Suite       uint16
	MessageID   [32]byte
	Context     map[string]string
	Keys        []EncryptedKey
	FrameLength uint32
	raw         []byte
}

// ReadHeader reads a header.
func ReadHeader(r io.Reader, lim Limits) (*Header, error) {
	return nil, errors.New("envelope: unfinished")
}

// Raw returns the bytes of header body and authentication tag.
func (h *Header) Raw() []byte { return h.raw }

// Open checks the header.
func (h *Header) Open(dataKey []byte, r io.Reader) (*Reader, error) {
	return nil, errors.New("envelope: unfinished")
}

// Derive derives a key.
func (h *Header) Derive(dataKey []byte, label string) [32]byte { return [32]byte{} }

// Reader reads the plaintext.
type Reader struct{}

func (r *Reader) Read(p []byte) (int, error) { return 0, errors.New("envelope: unfinished") }

// Params are what NewWriter needs.
type Params struct {
	Context     map[string]string
	Keys        []EncryptedKey
	DataKey     []byte
	FrameLength uint32
}

// Writer writes a message.
type Writer struct{}

// NewWriter starts a message.
func NewWriter(w io.Writer, p Params) (*Writer, error) { return nil, errors.New("envelope: unfinished") }

func (w *Writer) Write(p []byte) (int, error) { return 0, errors.New("envelope: unfinished") }

// Close ends the message.
func (w *Writer) Close() error { return errors.New("envelope: unfinished") }

