package devkms

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"strconv"
	"time"

	"anchorhold/protocol/attest"
	"anchorhold/protocol/verify"
)

const (
	// maxDocument is the limit of RecipientInfo.AttestationDocument (KMS API reference).
	maxDocument = 262144
	// maxDocumentAge is our choice: AWS publishes no number.
	maxDocumentAge = 5 * time.Minute
	// maxDocumentSkew allows for an enclave's clock ahead of ours.
	maxDocumentSkew = time.Minute

	recipientAlgorithm = "RSAES_OAEP_SHA_256"
	conditionPrefix    = "kms:RecipientAttestation:"
)

type recipientInfo struct {
	AttestationDocument    []byte
	KeyEncryptionAlgorithm string
}

// A recipient is a genuine, fresh attestation document and the key it carries. Nil means that the
// request had none.
type recipient struct {
	document attest.Document
	key      *rsa.PublicKey
}

// verifyRecipient proves the document before anything of it is used: a forged one must not reach
// the policy.
func (s *Server) verifyRecipient(c *call, info *recipientInfo) (*recipient, error) {
	if info == nil {
		return nil, nil
	}
	if n := len(info.AttestationDocument); n == 0 || n > maxDocument {
		return nil, validation("AttestationDocument must have 1 to 262144 bytes")
	}
	if info.KeyEncryptionAlgorithm != recipientAlgorithm {
		return nil, validation("KeyEncryptionAlgorithm must be " + recipientAlgorithm)
	}
	verified, err := verify.Document(info.AttestationDocument, s.roots, c.time)
	if err != nil {
		return nil, validation("the attestation document is not valid")
	}
	document := verified.Document()
	if age := c.time.Sub(document.Timestamp); age > maxDocumentAge || age < -maxDocumentSkew {
		return nil, validation("the attestation document is too old or from the future")
	}
	key, err := recipientKey(document.PublicKey)
	if err != nil {
		return nil, err
	}
	c.event.recipient(document)
	return &recipient{document: document, key: key}, nil
}

func recipientKey(der []byte) (*rsa.PublicKey, error) {
	parsed, err := x509.ParsePKIXPublicKey(der)
	key, ok := parsed.(*rsa.PublicKey)
	if err != nil || !ok {
		return nil, validation("the attestation document has no RSA public key")
	}
	if n := key.N.BitLen(); n != 2048 && n != 3072 && n != 4096 {
		return nil, validation("the public key in the attestation document must have 2048, 3072 or 4096 bits")
	}
	// The answer names its recipient by the hash of these bytes, so there may be only one encoding.
	if again, err := x509.MarshalPKIXPublicKey(key); err != nil || !bytes.Equal(again, der) {
		return nil, validation("the public key in the attestation document is not DER")
	}
	return key, nil
}

// conditions adds the keys that policies test. Without a document there are none: a negated
// operator then holds, as in KMS.
func (r *recipient) conditions(context map[string][]string) {
	if r == nil {
		return
	}
	for i, pcr := range r.document.PCRs {
		context[conditionPrefix+"PCR"+strconv.Itoa(i)] = []string{hex.EncodeToString(pcr)}
	}
	if pcr0, ok := r.document.PCRs[0]; ok {
		context[conditionPrefix+"ImageSha384"] = []string{hex.EncodeToString(pcr0)}
	}
}

// answer puts plaintext into the answer: in clear, or to the recipient only.
func (s *Server) answer(a Answer, r *recipient, plaintext []byte) (Answer, error) {
	if r == nil {
		a["Plaintext"] = plaintext
		return a, nil
	}
	form := s.form
	if form == Alternate {
		form = Primitive
		if s.answers.Add(1)%2 == 0 {
			form = Constructed
		}
	}
	sealed, err := Envelop(r.key, plaintext, form)
	if err != nil {
		return nil, err
	}
	a["CiphertextForRecipient"] = sealed
	return a, nil
}
