package image

import (
	"bytes"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"

	"anchorhold/protocol/digest"
)

const (
	maxSignature = 1 << 18 // bytes of the signature section
	maxCert      = 1 << 16 // bytes of the certificate's PEM
	maxCOSE      = 1 << 10 // bytes of the COSE_Sign1; ES384 has 216

	certificateKey = "signing_certificate"
	signatureKey   = "signature"
)

// signatureSection is the content of the section: CBOR [{"signing_certificate": PEM, "signature": COSE_Sign1}], both as arrays of
// integers, because nitro-cli's serialiser writes bytes so. A second signature would be read by nobody and is refused.
type signatureSection struct {
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
	b := appendHead(nil, majorArray, 1)
	b = appendHead(b, majorMap, 2)
	b = appendInts(appendText(b, certificateKey), s.pem)
	return appendInts(appendText(b, signatureKey), s.cose)
}

// parseSignatureSection accepts exactly what encode writes.
func parseSignatureSection(b []byte) (signatureSection, error) {
	if len(b) > maxSignature {
		return signatureSection{}, fault(BadSection, "%d bytes, the limit is %d", len(b), maxSignature)
	}
	var s signatureSection
	var ok bool
	rest, found := bytes.CutPrefix(b, appendText([]byte{majorArray<<5 | 1, majorMap<<5 | 2}, certificateKey))
	if !found {
		return signatureSection{}, fault(BadSection, "it does not begin with one map and %s", certificateKey)
	}
	if s.pem, rest, ok = cutInts(rest, maxCert); !ok {
		return signatureSection{}, fault(BadSection, "%s is not an array of at most %d bytes", certificateKey, maxCert)
	}
	if rest, found = bytes.CutPrefix(rest, appendText(nil, signatureKey)); !found {
		return signatureSection{}, fault(BadSection, "%s is missing", signatureKey)
	}
	if s.cose, rest, ok = cutInts(rest, maxCOSE); !ok {
		return signatureSection{}, fault(BadSection, "%s is not an array of at most %d bytes", signatureKey, maxCOSE)
	}
	if len(rest) != 0 {
		return signatureSection{}, fault(BadSection, "%d bytes behind the map", len(rest))
	}
	return s, nil
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

// cutInts reads an array of integers under 256. It grows with what is there, not with what is declared.
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

// parseCertificate reads PEM with one certificate. A second block would be another certificate to another reader.
func parseCertificate(b []byte) (*x509.Certificate, error) {
	block, rest := pem.Decode(b)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fault(BadCert, "no PEM certificate")
	}
	if next, _ := pem.Decode(rest); next != nil {
		return nil, fault(BadCert, "more than one PEM block")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fault(BadCert, "%v", err)
	}
	return cert, nil
}

// coseParts returns the protected header and payload of COSE_Sign1 as nitro-cli signs them for a PCR0: the payload is CBOR
// {"register_index": 0, "register_value": [48 integers]}.
func coseParts(pcr0 digest.Digest) (protected, payload []byte) {
	protected = []byte{0xa1, 0x01, 0x38, 0x22} // {1: -35}, ES384
	payload = appendText(appendHead(nil, majorMap, 2), "register_index")
	payload = appendHead(payload, majorUint, 0)
	payload = appendInts(appendText(payload, "register_value"), pcr0[:])
	return protected, payload
}
