package image

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"anchorhold/protocol/digest"
)

const (
	maxSignature  = 1 << 18   // bytes of the signature section
	maxSignatures = 23        // in the section; AWS's library writes one
	maxCert       = 1<<16 - 1 // bytes of the certificate's PEM: what a head of 16 bits can say
	maxCOSE       = 1 << 10   // bytes of the COSE_Sign1; ES512 has 252

	certificateKey = "signing_certificate"
	signatureKey   = "signature"
)

// signatureSection is the content of the section: CBOR [{"signing_certificate": PEM, "signature":
// COSE_Sign1}, …], both as arrays of integers, because nitro-cli's serialiser writes bytes so. Only
// the first signature counts: AWS's library reads no other.
type signatureSection []pcrSignature

type pcrSignature struct {
	pem  []byte
	cose []byte
}

const (
	majorUint  = 0
	majorText  = 3
	majorArray = 4
	majorMap   = 5
)

// appendHead writes a CBOR head in its shortest form.
func appendHead(b []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n < 1<<8:
		return append(b, major|24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}

func appendText(b []byte, s string) []byte {
	return append(appendHead(b, majorText, uint64(len(s))), s...)
}

// appendInts writes bytes as an array of integers.
func appendInts(b, data []byte) []byte {
	b = appendHead(b, majorArray, uint64(len(data)))
	for _, c := range data {
		b = appendHead(b, majorUint, uint64(c))
	}
	return b
}

func (s signatureSection) encode() []byte {
	b := appendHead(nil, majorArray, uint64(len(s)))
	for _, p := range s {
		b = appendHead(b, majorMap, 2)
		b = appendInts(appendText(b, certificateKey), p.pem)
		b = appendInts(appendText(b, signatureKey), p.cose)
	}
	return b
}

// parseSignatureSection accepts exactly what encode writes of at least one signature.
func parseSignatureSection(b []byte) (signatureSection, error) {
	if len(b) > maxSignature {
		return nil, fault(BadSection, "%d bytes, the limit is %d", len(b), maxSignature)
	}
	n, rest, ok := cutHead(b, majorArray)
	if !ok || n < 1 || n > maxSignatures {
		return nil, fault(BadSection, "it does not begin with an array of 1 to %d signatures", maxSignatures)
	}
	s := make(signatureSection, n)
	for k := range s {
		var err error
		if s[k], rest, err = cutSignature(rest); err != nil {
			return nil, fault(BadSection, "signature %d of %d: %v", k, n, err)
		}
	}
	if len(rest) != 0 {
		return nil, fault(BadSection, "%d bytes after the last signature", len(rest))
	}
	return s, nil
}

func cutSignature(b []byte) (p pcrSignature, rest []byte, err error) {
	rest, found := bytes.CutPrefix(b, appendText([]byte{majorMap<<5 | 2}, certificateKey))
	if !found {
		return p, nil, fmt.Errorf("want a map of two that begins with %s", certificateKey)
	}
	var ok bool
	if p.pem, rest, ok = cutInts(rest, maxCert); !ok {
		return p, nil, fmt.Errorf("%s is not an array of at most %d bytes", certificateKey, maxCert)
	}
	if rest, found = bytes.CutPrefix(rest, appendText(nil, signatureKey)); !found {
		return p, nil, fmt.Errorf("%s is missing", signatureKey)
	}
	if p.cose, rest, ok = cutInts(rest, maxCOSE); !ok {
		return p, nil, fmt.Errorf("%s is not an array of at most %d bytes", signatureKey, maxCOSE)
	}
	return p, rest, nil
}

// cutHead reads a head in its shortest form, of at most 16 bits.
func cutHead(b []byte, major byte) (n int, rest []byte, ok bool) {
	if len(b) < 1 || b[0]>>5 != major {
		return 0, nil, false
	}
	switch info := b[0] & 31; {
	case info < 24:
		return int(info), b[1:], true
	case info == 24 && len(b) >= 2 && b[1] >= 24:
		return int(b[1]), b[2:], true
	case info == 25 && len(b) >= 3 && b[1] > 0:
		return int(binary.BigEndian.Uint16(b[1:])), b[3:], true
	}
	return 0, nil, false
}

// cutInts reads an array of integers under 256. It grows with what is there, not with what is
// declared.
func cutInts(b []byte, limit int) (data, rest []byte, ok bool) {
	n, rest, ok := cutHead(b, majorArray)
	if !ok || n > limit || n > len(rest) {
		return nil, nil, false
	}
	data = make([]byte, 0, n)
	for range n {
		var v int
		if v, rest, ok = cutHead(rest, majorUint); !ok || v > 0xff {
			return nil, nil, false
		}
		data = append(data, byte(v))
	}
	return data, rest, true
}

// coseParts returns the protected header and payload of COSE_Sign1 as nitro-cli signs them for a
// PCR0: the payload is CBOR {"register_index": 0, "register_value": [48 integers]}.
func coseParts(a *algorithm, pcr0 digest.Digest) (protected, payload []byte) {
	payload = appendText(appendHead(nil, majorMap, 2), "register_index")
	payload = appendHead(payload, majorUint, 0)
	payload = appendInts(appendText(payload, "register_value"), pcr0[:])
	return a.protected, payload
}
