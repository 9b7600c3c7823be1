package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
)

const (
	dataKeySize    = 32
	contentKeyInfo = "DERIVEKEY" // behind the suite id; names of the SDK's own derivations
	commitKeyInfo  = "COMMITKEY"
)

// Derive returns derive(label) of SPEC 3.3: a key that only this message and this label have. It
// says nothing about whether the data key is the message's: call it after Open has succeeded.
func (h *Header) Derive(dataKey []byte, label string) [32]byte {
	k, err := hkdf.Key(sha512.New, dataKey, h.MessageID[:], label, 32)
	if err != nil {
		panic("envelope: " + err.Error()) // unreachable: 32 bytes are within HKDF's limit
	}
	defer clear(k)
	return [32]byte(k)
}

// derive returns the cipher for header and frames, and the commitment. The key bytes are zeroed;
// the cipher's key schedule stays in memory until it is collected, because the standard library
// gives no way to clear it.
func (h *Header) derive(dataKey []byte) (cipher.AEAD, [commitSize]byte, error) {
	var none [commitSize]byte
	if len(dataKey) != dataKeySize {
		return nil, none, fmt.Errorf("%w: data key has %d bytes, want %d", ErrAuthentication, len(dataKey), dataKeySize)
	}
	prk, err := hkdf.Extract(sha512.New, dataKey, h.MessageID[:])
	if err != nil {
		return nil, none, err
	}
	defer clear(prk)
	info := string(binary.BigEndian.AppendUint16(nil, h.Suite)) + contentKeyInfo
	key, err := hkdf.Expand(sha512.New, prk, info, dataKeySize)
	if err != nil {
		return nil, none, err
	}
	defer clear(key)
	commit, err := hkdf.Expand(sha512.New, prk, commitKeyInfo, commitSize)
	if err != nil {
		return nil, none, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, none, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, none, err
	}
	return gcm, [commitSize]byte(commit), nil
}
