package envelope

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"unicode/utf8"
)

const (
	version1      = 0x01 // known to be refused by its own name: it does not commit to the key
	version       = 0x02
	contentFramed = 0x02
	tagSize       = 16 // AES-GCM tag
	idSize        = 32 // message id
	commitSize    = 32 // commitment to the data key
	fixedSize     = 1 + 2 + idSize + 2

	// maxKeyBytes bounds all key fields together (SPEC 3.2). A context cannot be longer: its length
	// has 16 bits.
	maxKeyBytes = 64 << 10

	// reservedPrefix begins the context keys that only an SDK itself may write.
	reservedPrefix = "aws-crypto-"
	// publicKeyEntry is the context key under which suite 0x0578 stores its verification key.
	publicKeyEntry = reservedPrefix + "public-key"
)

// Header is a message header. Every field of it is what the sender claims until Open has succeeded;
// the owner of a job cannot be told from its forger by it.
type Header struct {
	Suite       uint16
	MessageID   [idSize]byte
	Context     map[string]string
	Keys        []EncryptedKey
	FrameLength uint32 // plaintext bytes of every frame but the last

	commitment [commitSize]byte
	tag        [tagSize]byte
	raw        []byte // header body and tag, as read
}

// Raw returns header body and authentication tag as they were read. The caller must not change
// them.
func (h *Header) Raw() []byte { return h.raw }

// body returns the header body: what the tag authenticates.
func (h *Header) body() []byte { return h.raw[:len(h.raw)-tagSize] }

// ReadHeader reads header body and authentication tag from r and not one byte more. What it returns
// is not authenticated. Errors: ErrTruncated, ErrSuite, ErrMalformed, ErrTooManyKeys,
// ErrFrameLength, or what r returned.
func ReadHeader(r io.Reader, lim Limits) (*Header, error) {
	in := &fieldReader{r: r}
	h := &Header{}
	// The first byte by itself: a file that is something else must not be called truncated, nor a
	// message of an old suite.
	if v := in.take(1); in.err == nil && v[0] != version && v[0] != version1 {
		return nil, fmt.Errorf("%w: no message of the AWS Encryption SDK", ErrMalformed)
	}
	in.take(fixedSize - 1)
	if in.err != nil {
		return nil, in.err
	}
	fixed := in.raw
	h.Suite = binary.BigEndian.Uint16(fixed[1:])
	if fixed[0] != version || h.Suite != SuiteCommit && h.Suite != SuiteCommitSig {
		return nil, ErrSuite
	}
	copy(h.MessageID[:], fixed[3:])
	context := in.take(int(binary.BigEndian.Uint16(fixed[3+idSize:])))
	if in.err != nil {
		return nil, in.err
	}
	var err error
	if h.Context, err = parseContextBytes(context); err != nil {
		return nil, err
	}
	if h.Keys, err = readKeys(in, lim.MaxKeys); err != nil {
		return nil, err
	}
	if err := h.readTail(in, lim.MaxFrameLength); err != nil {
		return nil, err
	}
	if err := h.checkVerificationKey(); err != nil {
		return nil, err
	}
	h.raw = in.raw
	return h, nil
}

// readTail reads what follows the keys: content type, frame length, commitment and tag.
func (h *Header) readTail(in *fieldReader, maxFrame uint32) error {
	b := in.take(1 + 4)
	if in.err != nil {
		return in.err
	}
	if b[0] != contentFramed {
		return fmt.Errorf("%w: body is not framed", ErrMalformed)
	}
	h.FrameLength = binary.BigEndian.Uint32(b[1:])
	if h.FrameLength == 0 {
		return fmt.Errorf("%w: frame length is zero", ErrMalformed)
	}
	if h.FrameLength > maxFrame {
		return fmt.Errorf("%w: it is %d, want at most %d", ErrFrameLength, h.FrameLength, maxFrame)
	}
	copy(h.commitment[:], in.take(commitSize))
	copy(h.tag[:], in.take(tagSize))
	return in.err
}

// checkVerificationKey refuses a signed message without a usable key, and an unsigned one that
// carries a key: no SDK writes that, and a reader that went by the entry instead of the suite would
// take the message for signed.
func (h *Header) checkVerificationKey() error {
	entry, ok := h.Context[publicKeyEntry]
	if h.Suite == SuiteCommit {
		if ok {
			return fmt.Errorf("%w: verification key in an unsigned message", ErrMalformed)
		}
		return nil
	}
	_, err := parseVerificationKey(entry)
	return err
}

func readKeys(in *fieldReader, maxKeys int) ([]EncryptedKey, error) {
	n := int(in.takeUint16())
	if in.err != nil {
		return nil, in.err
	}
	if n == 0 {
		return nil, fmt.Errorf("%w: no encrypted data key", ErrMalformed)
	}
	if n > maxKeys {
		return nil, fmt.Errorf("%w: %d, want at most %d", ErrTooManyKeys, n, maxKeys)
	}
	keys := make([]EncryptedKey, n)
	left := maxKeyBytes
	for i := range keys {
		var field [3][]byte
		for j := range field {
			size := int(in.takeUint16())
			if left -= 2 + size; left < 0 {
				return nil, fmt.Errorf("%w: encrypted data keys exceed %d bytes", ErrMalformed, maxKeyBytes)
			}
			field[j] = append([]byte{}, in.take(size)...)
			if in.err != nil {
				return nil, in.err
			}
		}
		if !utf8.Valid(field[0]) {
			return nil, fmt.Errorf("%w: key provider is not UTF-8", ErrMalformed)
		}
		keys[i] = EncryptedKey{Provider: string(field[0]), Info: string(field[1]), Ciphertext: field[2]}
	}
	return keys, nil
}

// parseContextBytes reads the serialized encryption context. Keys must be sorted and unique: two
// readers that keep the first and the last of a pair would authenticate the same bytes and act on
// different tenants.
func parseContextBytes(b []byte) (map[string]string, error) {
	context := make(map[string]string)
	if len(b) == 0 {
		return context, nil
	}
	if len(b) < 2 {
		return nil, fmt.Errorf("%w: encryption context is cut off", ErrMalformed)
	}
	n, b := int(binary.BigEndian.Uint16(b)), b[2:]
	if n == 0 {
		return nil, fmt.Errorf("%w: encryption context counts no entries", ErrMalformed)
	}
	last := ""
	for i := range n {
		var key, value string
		var ok bool
		if key, b, ok = cutString(b); ok {
			value, b, ok = cutString(b)
		}
		if !ok {
			return nil, fmt.Errorf("%w: encryption context is cut off or not UTF-8", ErrMalformed)
		}
		if i > 0 && key <= last {
			return nil, fmt.Errorf("%w: encryption context is not sorted or has a duplicate key", ErrMalformed)
		}
		context[key], last = value, key
	}
	if len(b) != 0 {
		return nil, fmt.Errorf("%w: bytes behind the encryption context", ErrMalformed)
	}
	return context, nil
}

// cutString takes a 16-bit length and as many bytes of UTF-8 off b.
func cutString(b []byte) (s string, rest []byte, ok bool) {
	if len(b) < 2 {
		return "", nil, false
	}
	n, b := int(binary.BigEndian.Uint16(b)), b[2:]
	if len(b) < n || !utf8.Valid(b[:n]) {
		return "", nil, false
	}
	return string(b[:n]), b[n:], true
}

// appendBody appends the header body. The fields must fit: see checkParams, and ReadHeader for a
// header that was read.
func (h *Header) appendBody(b []byte) []byte {
	b = append(b, version)
	b = binary.BigEndian.AppendUint16(b, h.Suite)
	b = append(b, h.MessageID[:]...)
	context := appendContext(nil, h.Context)
	b = binary.BigEndian.AppendUint16(b, uint16(len(context)))
	b = append(b, context...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(h.Keys)))
	for _, k := range h.Keys {
		b = appendString(b, k.Provider)
		b = appendString(b, k.Info)
		b = appendString(b, string(k.Ciphertext))
	}
	b = append(b, contentFramed)
	b = binary.BigEndian.AppendUint32(b, h.FrameLength)
	return append(b, h.commitment[:]...)
}

func appendContext(b []byte, context map[string]string) []byte {
	if len(context) == 0 {
		return b
	}
	keys := make([]string, 0, len(context))
	for k := range context {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	b = binary.BigEndian.AppendUint16(b, uint16(len(keys)))
	for _, k := range keys {
		b = appendString(b, k)
		b = appendString(b, context[k])
	}
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// reserved reports whether only an SDK itself may write this context key.
func reserved(key string) bool { return strings.HasPrefix(key, reservedPrefix) }

// fieldReader reads exact fields, keeps what it read, and remembers the first error.
type fieldReader struct {
	r   io.Reader
	raw []byte
	err error
}

// take returns the next n bytes, valid until the next call, or nil after an error.
func (f *fieldReader) take(n int) []byte {
	if f.err != nil {
		return nil
	}
	start := len(f.raw)
	f.raw = append(f.raw, make([]byte, n)...)
	if _, err := io.ReadFull(f.r, f.raw[start:]); err != nil {
		f.err = readError(err)
		return nil
	}
	return f.raw[start:]
}

func (f *fieldReader) takeUint16() uint16 {
	b := f.take(2)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint16(b)
}

// readError makes every early end ErrTruncated and keeps other errors of the source, such as a
// deadline.
func readError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrTruncated
	}
	return fmt.Errorf("reading message: %w", err)
}
