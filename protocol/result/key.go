package result

import (
	"bytes"
	"crypto/hpke"
	"encoding/pem"
	"errors"
	"fmt"
)

const (
	// PublicKeySize is the size of a public key, SPEC 4.
	PublicKeySize = 1216

	seedSize = 32
)

// Labels of the key files, SPEC 5.2.
const (
	privateLabel = " PRIVATE KEY"
	publicLabel  = " PUBLIC KEY"
)

var errKey = errors.New("malformed key file")

// PrivateKey opens sealed streams.
type PrivateKey struct {
	key hpke.PrivateKey
}

// String keeps the key out of every %v and %+v.
func (PrivateKey) String() string { return "private key" }

// GoString keeps the key out of %#v.
func (PrivateKey) GoString() string { return "private key" }

// GenerateKey returns a new private key.
func GenerateKey() (*PrivateKey, error) {
	k, err := kem().GenerateKey()
	if err != nil {
		return nil, err
	}
	return &PrivateKey{key: k}, nil
}

// PublicKey returns the encoded public key, of PublicKeySize bytes.
func (k *PrivateKey) PublicKey() []byte { return k.key.PublicKey().Bytes() }

// MarshalPEM returns the content of the private key file for stream s. Its file must have mode
// 0600.
func (k *PrivateKey) MarshalPEM(s Stream) ([]byte, error) {
	seed, err := k.key.Bytes()
	if err != nil {
		return nil, err
	}
	return encodePEM(s, privateLabel, seed)
}

// MarshalPublicKey returns the content of the public key file for stream s.
func MarshalPublicKey(s Stream, publicKey []byte) ([]byte, error) {
	if err := CheckPublicKey(publicKey); err != nil {
		return nil, err
	}
	return encodePEM(s, publicLabel, publicKey)
}

// ParsePrivateKey reads a private key file of stream s. A key of the other stream is refused: the
// roles that hold them differ.
func ParsePrivateKey(file []byte, s Stream) (*PrivateKey, error) {
	seed, err := decodePEM(file, s, privateLabel)
	if err != nil {
		return nil, err
	}
	if len(seed) != seedSize {
		return nil, fmt.Errorf("%w: private key has %d bytes, want %d", errKey, len(seed), seedSize)
	}
	k, err := kem().NewPrivateKey(seed)
	if err != nil {
		return nil, fmt.Errorf("%w: private key is invalid", errKey)
	}
	return &PrivateKey{key: k}, nil
}

// ParsePublicKey reads a public key file of stream s.
func ParsePublicKey(file []byte, s Stream) ([]byte, error) {
	b, err := decodePEM(file, s, publicLabel)
	if err != nil {
		return nil, err
	}
	if err := CheckPublicKey(b); err != nil {
		return nil, err
	}
	return b, nil
}

// CheckPublicKey returns an error unless b is an encoded public key.
func CheckPublicKey(b []byte) error {
	if len(b) != PublicKeySize {
		return fmt.Errorf("malformed public key: has %d bytes, want %d", len(b), PublicKeySize)
	}
	if _, err := kem().NewPublicKey(b); err != nil {
		return fmt.Errorf("malformed public key: %w", err)
	}
	return nil
}

func pemType(s Stream, label string) (string, error) {
	switch s {
	case Result:
		return "ANCHORHOLD REPLY" + label, nil
	case Crosswalk:
		return "ANCHORHOLD CROSSWALK" + label, nil
	default:
		return "", fmt.Errorf("stream %d is unknown", s)
	}
}

func encodePEM(s Stream, label string, b []byte) ([]byte, error) {
	t, err := pemType(s, label)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: t, Bytes: b}), nil
}

// decodePEM wants exactly one block in the form that encodePEM writes. Leniency would let a file
// hold a second key that another reader takes for the first.
func decodePEM(file []byte, s Stream, label string) ([]byte, error) {
	t, err := pemType(s, label)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(file)
	if block == nil {
		return nil, fmt.Errorf("%w: no pem block", errKey)
	}
	if block.Type != t {
		return nil, fmt.Errorf("%w: block is not %q", errKey, t)
	}
	again := pem.EncodeToMemory(&pem.Block{Type: t, Bytes: block.Bytes})
	// Editors and Windows change line ends; everything else is refused.
	plain := bytes.ReplaceAll(bytes.TrimSpace(file), []byte("\r\n"), []byte("\n"))
	if !bytes.Equal(bytes.TrimSpace(again), plain) {
		return nil, fmt.Errorf("%w: more than one plain block", errKey)
	}
	return block.Bytes, nil
}
