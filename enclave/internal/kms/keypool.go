package kms

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"runtime"
	"sync"
)

// A recipient key is made anew for each Decrypt: two answers under one key could be swapped. Making
// one takes 0.1 s, so the next one waits ready. One and not more: an enclave that has just started
// has better uses for its processors.
const rsaBits = 2048 // the only size seen from KMS in practice

// keyPool makes single-use RSA keys in the background.
type keyPool struct {
	ready  chan *rsa.PrivateKey
	slots  chan struct{} // full while as many keys are being made as there are processors
	done   chan struct{}
	worker sync.WaitGroup
}

func newKeyPool() *keyPool {
	p := &keyPool{
		ready: make(chan *rsa.PrivateKey), slots: make(chan struct{}, runtime.GOMAXPROCS(0)), done: make(chan struct{}),
	}
	p.worker.Go(p.fill)
	return p
}

func (p *keyPool) fill() {
	for {
		select {
		case <-p.done: // not later than one key from now
			return
		case p.slots <- struct{}{}:
		}
		k, err := rsa.GenerateKey(rand.Reader, rsaBits)
		<-p.slots
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
		k, err = p.wait(ctx)
	}
	if err != nil {
		return nil, nil, err
	}
	if publicKey, err = x509.MarshalPKIXPublicKey(&k.PublicKey); err != nil {
		clearRSA(k)
		return nil, nil, err
	}
	return k, publicKey, nil
}

// wait returns the next key that becomes ready, or makes one itself where a processor is free for
// it: two in the making on one processor would both take twice the time.
func (p *keyPool) wait(ctx context.Context) (*rsa.PrivateKey, error) {
	select {
	case k := <-p.ready:
		return k, nil
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
		return rsa.GenerateKey(rand.Reader, rsaBits)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// close ends the worker, waits for it, and leaves no key: the worker clears the one in its hand.
func (p *keyPool) close() {
	close(p.done)
	p.worker.Wait()
}

// clearRSA overwrites the private numbers that Go lets us reach. crypto/rsa keeps a second copy of
// them, in a form for its own use, which stays until the collector reuses the memory.
func clearRSA(k *rsa.PrivateKey) {
	numbers := append([]*big.Int{k.D, k.Precomputed.Dp, k.Precomputed.Dq, k.Precomputed.Qinv}, k.Primes...)
	for _, n := range numbers {
		if n != nil {
			clear(n.Bits())
		}
	}
	k.D, k.Primes, k.Precomputed = nil, nil, rsa.PrecomputedValues{}
}
