package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/veraison/go-cose"

	"anchorhold/protocol/attest"
)

// An opinion is what a document says, read and verified without a line of package attest: COSE by
// veraison/go-cose, the chain by crypto/x509. AWS's attestation process is the only source of both.
type opinion struct {
	ModuleID    string         `cbor:"module_id"`
	Digest      string         `cbor:"digest"`
	Timestamp   uint64         `cbor:"timestamp"`
	PCRs        map[int][]byte `cbor:"pcrs"`
	Certificate []byte         `cbor:"certificate"`
	CABundle    [][]byte       `cbor:"cabundle"`
	PublicKey   []byte         `cbor:"public_key"`
	UserData    []byte         `cbor:"user_data"`
	Nonce       []byte         `cbor:"nonce"`
}

// strict refuses a second value for a key: readers that disagree about which one counts read two
// documents.
var strict = func() cbor.DecMode {
	mode, err := cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF}.DecMode()
	if err != nil {
		panic(err) // unreachable: constant options
	}
	return mode
}()

// form verifies a document, with the chain judged at the document's own time.
func form(document []byte, roots *x509.CertPool) (*opinion, error) {
	var message cose.UntaggedSign1Message
	if err := message.UnmarshalCBOR(document); err != nil {
		return nil, fmt.Errorf("go-cose: %w", err)
	}
	algorithm, err := message.Headers.Protected.Algorithm()
	if err != nil || algorithm != cose.AlgorithmES384 {
		return nil, fmt.Errorf("algorithm %v is not ES384", algorithm)
	}
	var o opinion
	if err := strict.Unmarshal(message.Payload, &o); err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	if o.Digest != "SHA384" {
		return nil, errors.New("digest is not SHA384")
	}
	leaf, err := o.chain(roots)
	if err != nil {
		return nil, err
	}
	key, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P384() || leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return nil, errors.New("the leaf is no P-384 key for signatures")
	}
	verifier, err := cose.NewVerifier(cose.AlgorithmES384, key)
	if err != nil {
		return nil, err
	}
	if err := message.Verify(nil, verifier); err != nil {
		return nil, fmt.Errorf("go-cose: %w", err)
	}
	return &o, nil
}

// chain verifies the leaf at the document's time and returns it. The bundle is root first; only the
// roots given are trusted.
func (o *opinion) chain(roots *x509.CertPool) (*x509.Certificate, error) {
	leaf, err := x509.ParseCertificate(o.Certificate)
	if err != nil {
		return nil, err
	}
	intermediates := x509.NewCertPool()
	for _, der := range o.CABundle {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		intermediates.AddCert(c)
	}
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, CurrentTime: o.time(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return leaf, err
}

func (o *opinion) time() time.Time { return time.UnixMilli(int64(o.Timestamp)) }

// agrees compares with what package attest has verified.
func (o *opinion) agrees(d attest.Document) error {
	if o.ModuleID != d.ModuleID || !o.time().Equal(d.Timestamp) {
		return errors.New("module id or time differ")
	}
	if len(o.PCRs) != len(d.PCRs) {
		return fmt.Errorf("%d PCRs, attest has %d", len(o.PCRs), len(d.PCRs))
	}
	for i, pcr := range o.PCRs {
		if !bytes.Equal(pcr, d.PCRs[i]) {
			return fmt.Errorf("pcr%d differs", i)
		}
	}
	if !bytes.Equal(o.Certificate, d.Certificate) || len(o.CABundle) != len(d.CABundle) {
		return errors.New("the chain differs")
	}
	for i, der := range o.CABundle {
		if !bytes.Equal(der, d.CABundle[i]) {
			return fmt.Errorf("certificate %d of the chain differs", i)
		}
	}
	for _, field := range []struct {
		name string
		want []byte
		got  []byte
	}{{"public_key", o.PublicKey, d.PublicKey}, {"user_data", o.UserData, d.UserData}, {"nonce", o.Nonce, d.Nonce}} {
		// Absent and empty are two things: an empty nonce is one that somebody asked for.
		if !bytes.Equal(field.got, field.want) || (field.got == nil) != (field.want == nil) {
			return fmt.Errorf("%s differs", field.name)
		}
	}
	return nil
}
