package image

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
)

// Markers of PEM (RFC 7468). A line of them may end in white space.
const (
	pemBegin = "-----BEGIN "
	pemEnd   = "-----END "
	pemDash  = "-----"
)

var (
	byteOrderMark = []byte("\xef\xbb\xbf")
	pemSpace      = "\t\v\f\r "
)

// ParseCertificate returns the first certificate of a PEM file, and what follows it. AWS's library has OpenSSL read it, so the
// same is read here: a byte order mark and text before the first block are skipped, and so are blocks of other kinds; the label
// may be CERTIFICATE or X509 CERTIFICATE; of a chain only the first certificate counts. Where OpenSSL stops with an error, no
// later block is taken, or one image would have two signers. Error: BadCert.
func ParseCertificate(text []byte) (cert *x509.Certificate, rest []byte, err error) {
	rest = bytes.TrimPrefix(text, byteOrderMark)
	for {
		label, body, after, err := cutBlock(rest)
		if err != nil {
			return nil, nil, err
		}
		rest = after
		if label != "CERTIFICATE" && label != "X509 CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(body)
		if err != nil {
			return nil, nil, fault(BadCert, "%v", err)
		}
		return cert, rest, nil
	}
}

// cutBlock returns label and bytes of the first PEM block in text, and what follows the block.
func cutBlock(text []byte) (label string, body, rest []byte, err error) {
	var line []byte
	for {
		if len(text) == 0 {
			return "", nil, nil, fault(BadCert, "no PEM certificate")
		}
		line, text = cutLine(text)
		if name, found := cutMarkers(line, pemBegin); found {
			label = name
			break
		}
	}
	var digits []byte
	for first := true; ; first = false {
		if len(text) == 0 {
			return "", nil, nil, fault(BadCert, "PEM block %q has no end", label)
		}
		line, text = cutLine(text)
		if bytes.HasPrefix(line, []byte(pemEnd)) {
			break
		}
		// OpenSSL takes what precedes an empty line for headers.
		if len(line) == 0 && !first || bytes.IndexByte(line, ':') >= 0 {
			return "", nil, nil, fault(BadCert, "PEM block %q has headers or an empty line", label)
		}
		digits = append(digits, line...)
	}
	if name, found := cutMarkers(line, pemEnd); !found || name != label {
		return "", nil, nil, fault(BadCert, "PEM block %q ends with %q", label, line)
	}
	body, err = base64.StdEncoding.Strict().AppendDecode(nil, digits)
	if err != nil {
		return "", nil, nil, fault(BadCert, "PEM block %q: %v", label, err)
	}
	return label, body, text, nil
}

// cutLine returns the first line without the white space at its end.
func cutLine(text []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(text, []byte("\n"))
	return bytes.TrimRight(line, pemSpace), rest
}

// cutMarkers returns the label between a marker and five dashes.
func cutMarkers(line []byte, marker string) (label string, found bool) {
	inner, found := bytes.CutPrefix(line, []byte(marker))
	if !found {
		return "", false
	}
	inner, found = bytes.CutSuffix(inner, []byte(pemDash))
	return string(inner), found
}
