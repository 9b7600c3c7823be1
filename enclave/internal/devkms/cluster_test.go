package devkms_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"sync"
)

// A cluster is a custom key store in the hands of the adversary, who keeps what passes and can stop
// it.
type cluster struct {
	mu   sync.Mutex
	keys map[string]cipher.AEAD // guarded by mu
	// guarded by mu; what KMS sent and got back, in the clear as far as the store sees it
	seen    [][]byte
	stopped bool // guarded by mu
}

func newCluster() *cluster { return &cluster{keys: map[string]cipher.AEAD{}} }

func (c *cluster) key(name string) cipher.AEAD {
	if c.keys[name] == nil {
		material := make([]byte, 32)
		rand.Read(material)
		block, err := aes.NewCipher(material)
		if err != nil {
			panic(err)
		}
		if c.keys[name], err = cipher.NewGCMWithRandomNonce(block); err != nil {
			panic(err)
		}
	}
	return c.keys[name]
}

func (c *cluster) Encrypt(name string, plaintext, authenticated []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return nil, errors.New("stopped")
	}
	c.seen = append(c.seen, bytes.Clone(plaintext))
	return c.key(name).Seal(nil, nil, plaintext, authenticated), nil
}

func (c *cluster) Decrypt(name string, ciphertext, authenticated []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return nil, errors.New("stopped")
	}
	plaintext, err := c.key(name).Open(nil, nil, ciphertext, authenticated)
	c.seen = append(c.seen, bytes.Clone(plaintext))
	return plaintext, err
}

// saw tells whether the store ever had these bytes before it.
func (c *cluster) saw(secret []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.seen {
		if bytes.Contains(b, secret) {
			return true
		}
	}
	return false
}

func (c *cluster) stop(stopped bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = stopped
}
