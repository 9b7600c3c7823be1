package devkms

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"sync"
	"time"
)

// Limits of importing (API reference, GetParametersForImport and ImportKeyMaterial).
const (
	importTime   = 24 * time.Hour
	maxImports   = 64 // ours: parameters that wait, the oldest go
	wrappingBits = 2048
)

// imports are the import tokens that were given out, and the one wrapping key that serves them all.
type imports struct {
	wrapping func() (*rsa.PrivateKey, error)

	mu     sync.Mutex
	tokens []importToken // guarded by mu; oldest first
}

type importToken struct {
	token []byte
	place string // of the key
	until time.Time
}

func newImports() *imports {
	return &imports{wrapping: sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, wrappingBits) })}
}

func (i *imports) give(place string, until time.Time) []byte {
	token := make([]byte, 32)
	rand.Read(token)
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.tokens) == maxImports {
		i.tokens = i.tokens[1:]
	}
	i.tokens = append(i.tokens, importToken{token, place, until})
	return token
}

// check wants a token of this key that has not expired.
func (i *imports) check(token []byte, place string, now time.Time) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, t := range i.tokens {
		if !bytes.Equal(t.token, token) || t.place != place {
			continue
		}
		if !now.Before(t.until) {
			return &Error{Type: "ExpiredImportTokenException", Message: "the import token has expired"}
		}
		return nil
	}
	return &Error{Type: "InvalidImportTokenException", Message: "the import token is not one of this key"}
}

type importParametersInput struct{ KeyId, WrappingAlgorithm, WrappingKeySpec string }

// getParametersForImport gives a public key to wrap key material with. KMS keeps it to the key's
// own account, as it does both others.
func (s *Server) getParametersForImport(c *call) (Answer, error) {
	in, err := parse[importParametersInput](c)
	if err != nil {
		return nil, err
	}
	if in.WrappingAlgorithm != "RSAES_OAEP_SHA_256" || in.WrappingKeySpec != "RSA_2048" {
		return nil, unsupported("only RSAES_OAEP_SHA_256 with RSA_2048 exists here")
	}
	t, err := s.importTarget(c, in.KeyId)
	if err != nil {
		return nil, err
	}
	wrapping, err := s.imports.wrapping()
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(&wrapping.PublicKey)
	if err != nil {
		return nil, err
	}
	until := c.time.Add(importTime)
	return Answer{
		"KeyId": s.keyARN(t.key), "PublicKey": public, "ImportToken": s.imports.give(t.key.place(), until), "ParametersValidTo": float64(until.Unix()),
	}, nil
}

func (s *Server) importTarget(c *call, id string) (*target, error) {
	t, err := s.ownTarget(c, id, "", use{})
	if err != nil {
		return nil, err
	}
	if t.key.origin() != originImported {
		return nil, unsupported("the key's origin is not EXTERNAL")
	}
	return t, nil
}

type importInput struct {
	KeyId, ExpirationModel            string
	EncryptedKeyMaterial, ImportToken []byte
}

// importKeyMaterial takes material that whoever imports it knows. A key takes the same again, and
// no other.
func (s *Server) importKeyMaterial(c *call) (Answer, error) {
	in, err := parse[importInput](c)
	if err != nil {
		return nil, err
	}
	if in.ExpirationModel != "KEY_MATERIAL_DOES_NOT_EXPIRE" {
		return nil, unsupported("imported key material does not expire here")
	}
	t, err := s.importTarget(c, in.KeyId)
	if err != nil {
		return nil, err
	}
	if err := s.imports.check(in.ImportToken, t.key.place(), c.time); err != nil {
		return nil, err
	}
	wrapping, err := s.imports.wrapping()
	if err != nil {
		return nil, err
	}
	material, err := rsa.DecryptOAEP(sha256.New(), nil, wrapping, in.EncryptedKeyMaterial, nil)
	if err != nil || len(material) != 32 {
		return nil, &Error{Type: "InvalidCiphertextException"}
	}
	// Of the id, or equal material under two keys would show.
	sum := sha256.Sum256(append([]byte(t.key.ID), material...))
	id := hex.EncodeToString(sum[:])
	if t.key.Imported != "" && t.key.Imported != id {
		return nil, &Error{Type: "IncorrectKeyMaterialException", Message: "the key was made with other material"}
	}
	err = s.changeKey(t.key, func(k *key) { k.Material, k.MaterialID, k.Imported = material, id, id })
	return Answer{"KeyId": s.keyARN(t.key), "KeyMaterialId": id}, err
}

// deleteImportedKeyMaterial makes the key useless until the same material is imported again.
func (s *Server) deleteImportedKeyMaterial(c *call) (Answer, error) {
	in, err := parse[keyInput](c)
	if err != nil {
		return nil, err
	}
	t, err := s.importTarget(c, in.KeyId)
	if err != nil {
		return nil, err
	}
	return Answer{"KeyId": s.keyARN(t.key)}, s.changeKey(t.key, func(k *key) { k.Material = nil })
}
