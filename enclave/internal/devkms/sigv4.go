package devkms

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Signature Version 4, the verifier's side. Source: IAM User Guide, "Create a signed AWS API
// request".
const (
	sigAlgorithm = "AWS4-HMAC-SHA256"
	sigService   = "kms"
	sigTime      = "20060102T150405Z"
	// maxSkew is how far a request's time may lie from ours: KMS names five minutes in its
	// "Signature expired" answer.
	maxSkew = 5 * time.Minute
)

// A signature is a parsed Authorization header.
type signature struct {
	accessKeyID, date, region, service string
	headers                            []string
	mac                                []byte
}

func incomplete(message string) *Error {
	return &Error{Type: "IncompleteSignatureException", Message: message}
}

func badSignature(message string) *Error {
	return &Error{Type: "InvalidSignatureException", Message: message}
}

// parseSignature reads the one Authorization header.
func parseSignature(h http.Header) (*signature, error) {
	values := h.Values("Authorization")
	if len(values) == 0 {
		return nil, &Error{Type: "MissingAuthenticationTokenException", Message: "Missing Authentication Token"}
	}
	rest, ok := strings.CutPrefix(values[0], sigAlgorithm+" ")
	if !ok || len(values) != 1 {
		return nil, incomplete("the Authorization header must be one " + sigAlgorithm)
	}
	var sig signature
	seen := make(map[string]bool)
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if seen[name] || !sig.set(name, value) {
			return nil, incomplete("malformed Authorization header")
		}
		seen[name] = true
	}
	if len(seen) != 3 {
		return nil, incomplete("the Authorization header needs Credential, SignedHeaders and Signature")
	}
	return &sig, nil
}

func (s *signature) set(name, value string) bool {
	switch name {
	case "Credential":
		p := strings.Split(value, "/")
		if len(p) != 5 || p[4] != "aws4_request" {
			return false
		}
		s.accessKeyID, s.date, s.region, s.service = p[0], p[1], p[2], p[3]
	case "SignedHeaders":
		s.headers = strings.Split(value, ";")
		// Sorted without repeats, or two header lists could give one canonical request.
		return slices.IsSorted(s.headers) && len(slices.Compact(slices.Clone(s.headers))) == len(s.headers) &&
			value == strings.ToLower(value)
	case "Signature":
		mac, err := hex.DecodeString(value)
		s.mac = mac
		return err == nil && len(mac) == sha256.Size
	default:
		return false
	}
	return true
}

// authenticate returns the user who signed the request for a service. The whole body is given.
func (s *Server) authenticate(r *http.Request, body []byte, service string) (*User, error) {
	sig, err := parseSignature(r.Header)
	if err != nil {
		return nil, err
	}
	user, ok := s.users.find(sig.accessKeyID)
	if !ok || !user.tokenMatches(r.Header.Get("X-Amz-Security-Token")) {
		return nil, &Error{Type: "UnrecognizedClientException", Message: "The security token included in the request is invalid."}
	}
	when, err := s.checkScope(sig, r.Header, service)
	if err != nil {
		return nil, err
	}
	if err := sig.checkHeaders(r.Header, service); err != nil {
		return nil, err
	}
	canonical, err := sig.canonicalRequest(r, body)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(sig.compute(user.SecretAccessKey, when, canonical), sig.mac) {
		return nil, badSignature("The request signature we calculated does not match the signature you provided.")
	}
	return user, nil
}

// checkScope binds the signature to this service, Region and time: a request signed for another
// can't be replayed here.
func (s *Server) checkScope(sig *signature, h http.Header, service string) (string, error) {
	when := h.Get("X-Amz-Date")
	t, err := time.Parse(sigTime, when)
	if err != nil {
		return "", incomplete("x-amz-date is missing or malformed")
	}
	if sig.date != when[:8] || sig.region != s.users.Region || sig.service != service {
		return "", badSignature("Credential should be scoped to this date, region and service.")
	}
	if age := s.now().Sub(t); age > maxSkew || age < -maxSkew {
		return "", badSignature("Signature expired: " + when + " is too far from " + s.now().UTC().Format(sigTime))
	}
	return when, nil
}

// checkHeaders demands a signature over everything that decides: the host, the time, and each
// x-amz- header, among them the operation and the session token. An unsigned one could be swapped
// by whoever relays the request.
func (s *signature) checkHeaders(h http.Header, service string) error {
	required := []string{"host", "x-amz-date"}
	if service == sigService {
		required = append(required, "x-amz-target")
	}
	for name := range h {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") {
			required = append(required, lower)
		}
	}
	for _, name := range required {
		if !slices.Contains(s.headers, name) {
			return incomplete("an x-amz- header or the host is not signed")
		}
	}
	return nil
}

// canonicalRequest covers POST on / without a query: no other request reaches it.
func (s *signature) canonicalRequest(r *http.Request, body []byte) (string, error) {
	hash := sha256.Sum256(body)
	bodyHash := hex.EncodeToString(hash[:])
	if declared := r.Header.Get("X-Amz-Content-Sha256"); declared != "" && declared != bodyHash {
		return "", badSignature("x-amz-content-sha256 does not match the body.")
	}
	var b strings.Builder
	b.WriteString("POST\n/\n\n")
	for _, name := range s.headers {
		value, ok := headerValue(r, name)
		if !ok {
			return "", incomplete("a signed header is missing")
		}
		b.WriteString(name + ":" + value + "\n")
	}
	b.WriteString("\n" + strings.Join(s.headers, ";") + "\n" + bodyHash)
	return b.String(), nil
}

// headerValue gives a header as it is signed: trimmed, inner runs of spaces as one, repeats joined
// by commas. net/http keeps Host and Content-Length apart from the others.
func headerValue(r *http.Request, name string) (string, bool) {
	switch name {
	case "host":
		return r.Host, r.Host != ""
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10), r.ContentLength >= 0
	}
	values := r.Header.Values(name)
	folded := make([]string, len(values))
	for i, v := range values {
		folded[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(folded, ","), len(values) > 0
}

// compute derives the signing key and signs the string to sign.
func (s *signature) compute(secret, when, canonical string) []byte {
	hash := sha256.Sum256([]byte(canonical))
	scope := s.date + "/" + s.region + "/" + s.service + "/aws4_request"
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.date, s.region, s.service, "aws4_request"} {
		key = hmacSHA256(key, part)
	}
	return hmacSHA256(key, sigAlgorithm+"\n"+when+"\n"+scope+"\n"+hex.EncodeToString(hash[:]))
}

func hmacSHA256(key []byte, data string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(data))
	return h.Sum(nil)
}
