package main

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/cloudflare/circl/hpke"
	"github.com/cloudflare/circl/kem"
)

// SPEC 5 a second time, over github.com/cloudflare/circl and without a line of package result.
const (
	chunkSize  = 16384
	sealedSize = chunkSize + 16
	headSize   = 8 + 1120
)

// A stream is one of the two of SPEC 5.
type stream struct{ magic, label string }

var (
	results    = stream{"AHRES1\r\n", "anchorhold/v1 result"}
	crosswalks = stream{"AHXWK1\r\n", "anchorhold/v1 crosswalk"}
)

var suite = hpke.NewSuite(hpke.KEM_XWING, hpke.KDF_HKDF_SHA256, hpke.AEAD_AES256GCM)

func (s stream) info(binding []byte) []byte { return append([]byte(s.label), binding...) }

func chunkAAD(k int, last bool) []byte {
	aad := binary.BigEndian.AppendUint64([]byte("anchorhold/v1 result chunk"), uint64(k))
	if last {
		return append(aad, 1)
	}
	return append(aad, 0)
}

// unseal opens a whole stream and returns the bytes of its segments by type. The binding is header
// digest, nonce and policy digest.
func (s stream) unseal(sealed []byte, key kem.PrivateKey, binding []byte) (map[byte][]byte, error) {
	if len(sealed) < headSize+sealedSize || (len(sealed)-headSize)%sealedSize != 0 || string(sealed[:8]) != s.magic {
		return nil, errors.New("not a whole sealed stream")
	}
	receiver, err := suite.NewReceiver(key, s.info(binding))
	if err != nil {
		return nil, err
	}
	opener, err := receiver.Setup(sealed[8:headSize])
	if err != nil {
		return nil, err
	}
	segments := make(map[byte][]byte)
	rest := sealed[headSize:]
	for k := 0; len(rest) > 0; k++ {
		chunk, err := opener.Open(rest[:sealedSize], chunkAAD(k, len(rest) == sealedSize))
		if err != nil {
			return nil, fmt.Errorf("chunk %d: %w", k, err)
		}
		rest = rest[sealedSize:]
		if err := split(chunk, segments); err != nil {
			return nil, fmt.Errorf("chunk %d: %w", k, err)
		}
	}
	return segments, nil
}

// split appends the segments of a chunk.
func split(chunk []byte, segments map[byte][]byte) error {
	for len(chunk) > 0 && chunk[0] != 0 {
		if len(chunk) < 3 {
			return errors.New("segment cut short")
		}
		n := 3 + int(binary.BigEndian.Uint16(chunk[1:]))
		if n == 3 || n > len(chunk) {
			return errors.New("segment runs past its chunk")
		}
		segments[chunk[0]] = append(segments[chunk[0]], chunk[3:n]...)
		chunk = chunk[n:]
	}
	for _, b := range chunk {
		if b != 0 {
			return errors.New("padding is not zero")
		}
	}
	return nil
}

// seal seals segments, each at most a chunk's size less its head, one chunk for each.
func (s stream) seal(public kem.PublicKey, binding []byte, segments ...[]byte) ([]byte, error) {
	sender, err := suite.NewSender(public, s.info(binding))
	if err != nil {
		return nil, err
	}
	encapsulated, sealer, err := sender.Setup(rand.Reader)
	if err != nil {
		return nil, err
	}
	sealed := append([]byte(s.magic), encapsulated...)
	for k, segment := range segments {
		chunk := make([]byte, chunkSize)
		copy(chunk, segment)
		c, err := sealer.Seal(chunk, chunkAAD(k, k == len(segments)-1))
		if err != nil {
			return nil, err
		}
		sealed = append(sealed, c...)
	}
	return sealed, nil
}

func segment(kind byte, content []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(content))), content...)
}

// keyFile reads a PEM key file of SPEC 5.2.
func keyFile(path, kind string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("no %s", kind)
	}
	return block.Bytes, nil
}
