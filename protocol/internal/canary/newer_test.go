package canary_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hf/nsm/request"

	"anchorhold/protocol/attest"
	"anchorhold/protocol/internal/canary"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/protocoltest/testca"
	"anchorhold/protocol/verify"
)

// Documents of a newer module, tagged or not, are forged as well as today's: only the signature, or
// the root, is wrong.
func TestForgedDocumentOfANewerModule(t *testing.T) {
	ca := testca.New(time.Now)
	nsm := softnsm.New(softnsm.Config{CA: ca, Image: measure.DevImage([]byte("program"), []byte("policy")), Newer: true})
	res, err := nsm.Send(&request.Attestation{UserData: []byte("receipts")})
	if err != nil || res.Attestation == nil {
		t.Fatalf("attestation: %v", err)
	}
	for name, document := range map[string][]byte{"untagged": res.Attestation.Document, "tagged": append([]byte{0xd2}, res.Attestation.Document...)} {
		if _, err := verify.Document(document, ca.Roots(), time.Now()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		forged, err := canary.ExchangeKey(document, []byte("a public key"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d, err := attest.Parse(forged); err != nil || string(d.PublicKey) != "a public key" {
			t.Errorf("%s: the forged document does not hold the public key: %v", name, err)
		}
		if _, err := verify.Document(forged, ca.Roots(), time.Now()); !errors.Is(err, verify.ErrSignature) {
			t.Errorf("%s, key exchanged: got %v, want %v", name, err, verify.ErrSignature)
		}
		resigned, err := canary.SignAnew(document, time.Now())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := verify.Document(resigned, ca.Roots(), time.Now()); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s, signed anew: got %v, want %v", name, err, verify.ErrUntrusted)
		}
	}
}
