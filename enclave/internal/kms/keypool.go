package kms

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"sync"
)

// A recipient key is made anew for each Decrypt: two answers under one key could be swapped. Making one takes 0.1 s, so a few
// wait ready.
const (
	rsaBits   = 2048 // the only size seen from KMS in practice
	readyKeys = 4
)

// keyPool makes single-use RSA keys in the background.
type keyPool struct {
	ready  chan *rsa.PrivateKey
	done   chan struct{}
	worker sync.WaitGroup
}

func newKeyPool() *keyPool {
	p := &keyPool{ready: make(chan *rsa.PrivateKey, readyKeys), done: make(chan struct{})}
	p.worker.Go(p.fill)
	return p
}

func (p *keyPool) fill() {
	for {
		select {
		case <-p.done: // not later than one key from now
			return
		default:
		}
		k, err := rsa.GenerateKey(rand.Reader, rsaBits)
		if err != nil {
			return // unreachable: crypto/rand does not fail; take makes its own key then
		}
		select {
		case p.ready <- k:
		case <-p.done:
			clearRSA(k)
			return
		}
	}
}

// take returns a key that nobody else gets, and its public half as DER SubjectPublicKeyInfo.
func (p *keyPool) take(ctx context.Context) (k *rsa.PrivateKey, publicKey []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	select {
	case k = <-p.ready:
	default:
		if k, err = rsa.GenerateKey(rand.Reader, rsaBits); err != nil {
			return nil, nil, err
		}
	}
	if publicKey, err = x509.MarshalPKIXPublicKey(&k.PublicKey); err != nil {
		clearRSA(k)
		return nil, nil, err
	}
	return k, publicKey, nil
}

// close ends the worker, waits for it, and clears the keys left.
func (p *keyPool) close() {
	close(p.done)
	p.worker.Wait()
	for {
		select {
		case k := <-p.ready:
			clearRSA(k)
		default:
			return
		}
	}
}

// clearRSA overwrites the private numbers that Go lets us reach. crypto/rsa keeps a second copy of them, in a form for its own use,
// which stays until the collector reuses the memory.
func clearRSA(k *rsa.PrivateKey) {
	numbers := append([]*big.Int{k.D, k.Precomputed.Dp, k.Precomputed.Dq, k.Precomputed.Qinv}, k.Primes...)
	for _, n := range numbers {
		if n != nil {
			clear(n.Bits())
		}
	}
	k.D, k.Primes, k.Precomputed = nil, nil, rsa.PrecomputedValues{}
}
