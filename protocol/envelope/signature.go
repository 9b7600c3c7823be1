package envelope

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"fmt"
)

const (
	coordinateSize = 48 // of a P-384 point
	// DER: a sequence of two integers with a sign byte each
	maxSignature = 2*(coordinateSize+3) + 2
)

// parseVerificationKey reads the context entry of suite 0x0578: base64 of a compressed P-384 point.
func parseVerificationKey(entry string) (*ecdsa.PublicKey, error) {
	b, err := base64.StdEncoding.DecodeString(entry)
	// One key has one spelling: decoders skip line ends, even strict ones. The curve code checks
	// the length.
	if err != nil || base64.StdEncoding.EncodeToString(b) != entry {
		return nil, fmt.Errorf("%w: verification key is missing or not base64", ErrMalformed)
	}
	x, y := elliptic.UnmarshalCompressed(elliptic.P384(), b)
	if x == nil {
		return nil, fmt.Errorf("%w: verification key is not a point of P-384", ErrMalformed)
	}
	point := make([]byte, 1+2*coordinateSize)
	point[0] = 0x04 // uncompressed
	x.FillBytes(point[1 : 1+coordinateSize])
	y.FillBytes(point[1+coordinateSize:])
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P384(), point)
	if err != nil {
		return nil, fmt.Errorf("%w: verification key is not a point of P-384", ErrMalformed)
	}
	return key, nil
}
