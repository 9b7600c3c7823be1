package attest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"testing"
	"time"

	"github.com/hf/nsm/request"

	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/cputime"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/protocoltest/testca"
	"anchorhold/protocol/verify"
)

// BenchmarkVerifyMade verifies a document of the software NSM, whose chain is as long as AWS's,
// beside what cannot be saved: one verification of an ES384 signature. BenchmarkVerify does the
// same with AWS's own documents where there are vectors.
func BenchmarkVerifyMade(b *testing.B) {
	now := time.Now()
	ca := testca.NewSeeded("attest benchmark", func() time.Time { return now })
	module := softnsm.New(softnsm.Config{CA: ca, Image: measure.DevImage([]byte("program"), []byte("policy")), Now: func() time.Time { return now }})
	answer, err := module.Send(&request.Attestation{UserData: []byte("user data")})
	if err != nil || answer.Attestation == nil {
		b.Fatalf("attestation: %v, %v", answer.Error, err)
	}
	doc := answer.Attestation.Document
	b.Run("whole chain", func(b *testing.B) {
		report := cputime.PerOp(b)
		for b.Loop() {
			if _, err := verify.Document(doc, ca.Roots(), now); err != nil {
				b.Fatal(err)
			}
		}
		report()
	})
	b.Run("chain cached", func(b *testing.B) {
		v := verify.NewVerifier(ca.Roots())
		report := cputime.PerOp(b)
		for b.Loop() {
			if _, err := v.Document(doc, now); err != nil {
				b.Fatal(err)
			}
		}
		report()
	})
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	sum := sha512.Sum384(doc)
	signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		b.Fatal(err)
	}
	b.Run("one P-384 verification", func(b *testing.B) {
		report := cputime.PerOp(b)
		for b.Loop() {
			if !ecdsa.VerifyASN1(&key.PublicKey, sum[:], signature) {
				b.Fatal("signature does not verify")
			}
		}
		report()
	})
}
