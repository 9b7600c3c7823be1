package anonymizer

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"

	"anchorhold/enclave/fhirpath"
)

// plain is the value of a primitive as upstream reads it, which is the text that it hashes and
// encrypts: true and false begin with a capital letter there, and numbers have no exponent.
func plain(n *fhirpath.Node) string {
	text, _ := n.Text()
	switch n.Kind() {
	case 't':
		return "True"
	case 'f':
		return "False"
	case '0':
		if v, ok := parseNumber(text); ok {
			return v.String()
		}
	}
	return text
}

// oldest is the greatest age that Safe Harbor lets stand.
const oldest = 89

// redact takes a value away, or what is more of it than the parameters allow.
func (r *record) redact(n *fhirpath.Node) (ops, error) {
	if !n.HasValue() {
		return 0, nil
	}
	s := &r.worker.engine.settings
	switch t := typeName(n); {
	case t == "date" || t == "dateTime" || t == "instant":
		return redacted, r.redactDate(n)
	case t == "decimal" && n.Parent() != nil && typeName(n.Parent()) == "Age":
		if s.partialAges {
			age, err := strconv.Atoi(plain(n))
			if err != nil {
				return 0, errAge // as upstream, which reads whole numbers only
			}
			if age <= oldest {
				return redacted, nil
			}
		}
		n.ClearValue()
		return redacted, nil
	case strings.EqualFold(n.Name(), "postalCode") && s.partialZips:
		text, _ := n.Text()
		n.SetValue('"', s.zip(text))
		return abstracted, nil
	}
	n.ClearValue()
	return redacted, nil
}

// zip keeps the first three characters of a postal code, and of a restricted one none of its
// digits.
func (s *settings) zip(code string) string {
	for _, p := range s.restrictedZips {
		if strings.HasPrefix(code, p) {
			return zeros(code)
		}
	}
	runes := []rune(code)
	if len(runes) < 3 {
		return code // as upstream
	}
	return string(runes[:3]) + zeros(string(runes[3:]))
}

// zeros puts 0 for every digit.
func zeros(s string) string {
	return strings.Map(func(r rune) rune {
		if isDigit(r) {
			return '0'
		}
		return r
	}, s)
}

// cryptoHash puts the HMAC-SHA-256 of a value in its place, in hex. Of a reference only the id is
// hashed, so that it still fits.
func (r *record) cryptoHash(n *fhirpath.Node) ops {
	if !n.HasValue() {
		return 0
	}
	text := plain(n)
	if p := n.Parent(); p != nil && typeName(p) == "Reference" && n.Name() == "reference" {
		text = transformID(text, r.hmac)
	} else {
		text = r.hmac(text)
	}
	n.SetValue('"', text)
	return hashed
}

func (r *record) hmac(s string) string {
	if s == "" {
		return s // as upstream: the reference # alone
	}
	w := r.worker
	w.hash.Reset()
	w.scratch = append(w.scratch[:0], s...)
	w.hash.Write(w.scratch)
	w.scratch = w.hash.Sum(w.scratch[:0])
	sum := len(w.scratch)
	w.scratch = hex.AppendEncode(w.scratch, w.scratch)
	return string(w.scratch[sum:])
}

// encrypt puts AES-CBC of a value in its place: IV and text in base64. The IV is derived; see
// record.secret.
func (r *record) encrypt(n *fhirpath.Node) ops {
	if !n.HasValue() {
		return 0
	}
	text := []byte(plain(n))
	pad := aes.BlockSize - len(text)%aes.BlockSize
	b := append([]byte(nil), r.secret(&r.worker.ivKey, n)[:aes.BlockSize]...)
	b = append(b, text...)
	for range pad {
		b = append(b, byte(pad)) // PKCS #7
	}
	cipher.NewCBCEncrypter(r.worker.block, b[:aes.BlockSize]).CryptBlocks(b[aes.BlockSize:], b[aes.BlockSize:])
	n.SetValue('"', base64.StdEncoding.EncodeToString(b))
	return encrypted
}
