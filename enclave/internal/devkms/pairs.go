package devkms

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
)

type pairInput struct {
	cryptoInput
	KeyPairSpec string
}

// curves are the key pairs that exist here; KMS has RSA and SM2 as well.
var curves = map[string]elliptic.Curve{"ECC_NIST_P256": elliptic.P256(), "ECC_NIST_P384": elliptic.P384(), "ECC_NIST_P521": elliptic.P521()}

func (s *Server) generateDataKeyPair(c *call) (Answer, error) { return s.dataKeyPair(c, true) }

func (s *Server) generateDataKeyPairWithoutPlaintext(c *call) (Answer, error) {
	return s.dataKeyPair(c, false)
}

func (s *Server) dataKeyPair(c *call, reveal bool) (Answer, error) {
	in, err := parse[pairInput](c)
	if err != nil {
		return nil, err
	}
	if err := in.check(s, c); err != nil {
		return nil, err
	}
	curve := curves[in.KeyPairSpec]
	if curve == nil {
		return nil, unsupported("only key pairs on NIST curves exist here")
	}
	if in.Recipient != nil && !reveal {
		return nil, validation("this operation takes no Recipient")
	}
	t, err := s.resolve(c, in.KeyId)
	if err != nil {
		return nil, err
	}
	r, err := s.permit(c, t, &in.cryptoInput)
	if err != nil {
		return nil, err
	}
	if t.key.Store != "" {
		return nil, unsupported("a custom key store makes no data key pairs")
	}
	private, public, err := newPair(curve)
	if err != nil {
		return nil, err
	}
	a := Answer{
		"KeyId": s.keyARN(t.key), "KeyMaterialId": t.key.MaterialID, "KeyPairSpec": in.KeyPairSpec, "PublicKey": public,
		"PrivateKeyCiphertextBlob": t.key.seal(private, in.EncryptionContext),
	}
	switch {
	case !reveal:
		return a, nil
	case r == nil:
		a["PrivateKeyPlaintext"] = private
		return a, nil
	}
	return s.answer(a, r, private)
}

func newPair(curve elliptic.Curve) (private, public []byte, err error) {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if private, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
		return nil, nil, err
	}
	public, err = x509.MarshalPKIXPublicKey(&key.PublicKey)
	return private, public, err
}

type deriveInput struct {
	KeyId, KeyAgreementAlgorithm string
	PublicKey                    []byte
	GrantTokens                  []string
	DryRun                       bool
	Recipient                    *recipientInfo
}

// deriveSharedSecret is ECDH with a key agreement key. It takes no encryption context, so nothing
// but the policy's conditions limits it.
func (s *Server) deriveSharedSecret(c *call) (Answer, error) {
	in, err := parse[deriveInput](c)
	if err != nil {
		return nil, err
	}
	if in.KeyAgreementAlgorithm != "ECDH" {
		return nil, validation("KeyAgreementAlgorithm must be ECDH")
	}
	t, err := s.resolve(c, in.KeyId)
	if err != nil {
		return nil, err
	}
	r, err := s.verifyRecipient(c, in.Recipient)
	if err != nil {
		return nil, err
	}
	if _, err := s.decide(c, t, use{recipient: r, extra: map[string][]string{"kms:KeyAgreementAlgorithm": {"ECDH"}}}); err != nil {
		return nil, err
	}
	if err := t.key.usable(); err != nil {
		return nil, err
	}
	if in.DryRun {
		return nil, dryRunPassed()
	}
	private, err := t.key.agreement()
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKIXPublicKey(in.PublicKey)
	point, ok := parsed.(*ecdsa.PublicKey)
	if err != nil || !ok {
		return nil, validation("PublicKey must be an elliptic curve key in DER")
	}
	peer, err := point.ECDH()
	if err != nil {
		return nil, validation("PublicKey must be a point on the key's curve")
	}
	secret, err := private.ECDH(peer)
	if err != nil {
		return nil, validation("PublicKey must be a point on the key's curve")
	}
	a := Answer{"KeyId": s.keyARN(t.key), "KeyAgreementAlgorithm": "ECDH", "KeyOrigin": t.key.origin()}
	if r == nil {
		a["SharedSecret"] = secret
		return a, nil
	}
	return s.answer(a, r, secret)
}

// agreement is the private key of a key agreement key.
func (k *key) agreement() (*ecdh.PrivateKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(k.Material)
	private, ok := parsed.(*ecdsa.PrivateKey)
	if err != nil || !ok {
		return nil, &Error{Type: "InvalidKeyUsageException", Message: "the key is no key agreement key"}
	}
	return private.ECDH()
}
