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

	// bytes that OpenSSL reads at once: it takes what follows them for another line
	maxLine     = 254
	maxDataLine = 64 // of a block that begins with an empty line
)

var byteOrderMark = []byte("\xef\xbb\xbf")

// ParseCertificate returns the first certificate of a PEM file, and what follows it. AWS's library
// has OpenSSL read it, so the same is read here: a byte order mark and text before the first block
// are skipped, and so are blocks of other kinds; the label may be CERTIFICATE or X509 CERTIFICATE;
// of a chain only the first certificate counts. Where OpenSSL stops with an error, no later block
// is taken, or one image would have two signers. Error: BadCert.
func ParseCertificate(text []byte) (cert *x509.Certificate, rest []byte, err error) {
	rest = text
	for {
		label, body, after, err := cutBlock(rest)
		if err != nil {
			return nil, nil, err
		}
		rest = after
		if !isCertificate(label) {
			continue
		}
		cert, err := x509.ParseCertificate(body)
		if err != nil {
			return nil, nil, fault(BadCert, "%v", err)
		}
		return cert, rest, nil
	}
}

func isCertificate(label string) bool { return label == "CERTIFICATE" || label == "X509 CERTIFICATE" }

// cutBlock returns label and bytes of the first PEM block in text, and what follows the block.
func cutBlock(text []byte) (label string, body, rest []byte, err error) {
	if label, text, err = cutBegin(text); err != nil {
		return "", nil, nil, err
	}
	digits, end, rest, err := cutData(label, text)
	if err != nil {
		return "", nil, nil, err
	}
	if name, found := cutMarkers(end, pemEnd); !found || name != label {
		return "", nil, nil, fault(BadCert, "PEM block %q ends with %q", label, end)
	}
	body, err = base64.StdEncoding.Strict().AppendDecode(nil, digits)
	if err != nil {
		return "", nil, nil, fault(BadCert, "PEM block %q: %v", label, err)
	}
	if len(body) == 0 { // OpenSSL stops here
		return "", nil, nil, fault(BadCert, "PEM block %q is empty", label)
	}
	return label, body, rest, nil
}

// cutBegin returns the label of the first line that begins a block, and what follows the line.
func cutBegin(text []byte) (label string, rest []byte, err error) {
	for first := true; len(text) > 0; first = false {
		var line []byte
		line, text = cutLine(text)
		if first {
			line = bytes.TrimPrefix(line, byteOrderMark)
		}
		if label, found := cutMarkers(line, pemBegin); found {
			return label, text, nil
		}
		// OpenSSL trims such bytes where C's char is signed, as on x86_64, and not on aarch64.
		signed := bytes.TrimRightFunc(line, func(r rune) bool { return r <= ' ' || r > 0x7f })
		if _, found := cutMarkers(signed, pemBegin); found {
			return "", nil, fault(BadCert, "PEM marker %q is followed by bytes that are not ASCII", signed)
		}
	}
	return "", nil, fault(BadCert, "no PEM certificate")
}

// cutData returns the base64 of a block, the line that ends it, and what follows that.
func cutData(label string, text []byte) (digits, end, rest []byte, err error) {
	header, short := false, false
	for first := true; ; first = false {
		if len(text) == 0 {
			return nil, nil, nil, fault(BadCert, "PEM block %q has no end", label)
		}
		var line []byte
		line, text = cutLine(text)
		switch {
		case bytes.HasPrefix(line, []byte(pemEnd)):
			return digits, line, text, nil
		case len(line) == 0 && first:
			// OpenSSL takes what precedes an empty line for headers: here there are none
			header = true
		case len(line) == 0 || bytes.IndexByte(line, ':') >= 0:
			return nil, nil, nil, fault(BadCert, "PEM block %q has headers or an empty line", label)
		case header && (short || len(line) > maxDataLine):
			return nil, nil, nil, fault(BadCert, "PEM block %q begins with an empty line, and a line but the last has not %d characters", label, maxDataLine)
		default:
			short = len(line) < maxDataLine
			digits = append(digits, line...)
		}
	}
}

// cutLine returns the first line without the white space and control characters at its end. A
// longer line is cut where OpenSSL cuts it, or a marker in the middle of a line would be one to
// OpenSSL alone.
func cutLine(text []byte) (line, rest []byte) {
	n := min(len(text), maxLine)
	if end := bytes.IndexByte(text[:n], '\n'); end >= 0 {
		n = end + 1
	}
	line, rest = text[:n], text[n:]
	for len(line) > 0 && line[len(line)-1] <= ' ' {
		line = line[:len(line)-1]
	}
	return line, rest
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
