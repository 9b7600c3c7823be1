package verify

import (
	"crypto/x509"
	"encoding/binary"
	"sync"
	"time"

	"anchorhold/protocol/attest"
	"anchorhold/protocol/digest"
)

// maxChains bounds the cache. Enclaves of one host differ only in the last two certificates, and
// each leaf lives 3 hours.
const maxChains = 256

// Verifier verifies many documents to the same roots. An enclave signs hundreds of documents under
// one leaf, so it keeps the chains that it found good; the moment is judged again for each
// document. Safe for concurrent use.
type Verifier struct {
	roots *x509.CertPool

	mu     sync.Mutex
	chains map[digest.Digest]*chain // guarded by mu; at most maxChains
}

// NewVerifier returns a verifier for the pinned roots, which the caller must not change afterwards.
func NewVerifier(roots *x509.CertPool) *Verifier {
	return &Verifier{roots: roots, chains: make(map[digest.Digest]*chain)}
}

// Document is the function Document with the verifier's roots.
func (v *Verifier) Document(b []byte, now time.Time) (*Attested, error) {
	return verifyLive(b, now, v.chain)
}

// Archived is the function Archived with the verifier's roots.
func (v *Verifier) Archived(b []byte) (*Attested, error) {
	return verify(b, time.Time{}, v.chain)
}

func (v *Verifier) chain(d *attest.Document) (*chain, error) {
	id := chainID(d)
	v.mu.Lock()
	c := v.chains[id]
	v.mu.Unlock()
	if c != nil {
		return c, nil
	}
	c, err := buildChain(d, v.roots)
	if err != nil {
		return nil, err // not kept: strangers could fill the cache
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for old := range v.chains {
		if len(v.chains) < maxChains {
			break
		}
		delete(v.chains, old)
	}
	v.chains[id] = c
	return c, nil
}

// chainID hashes all certificates with their lengths, or two splits of the same bytes would share
// an entry.
func chainID(d *attest.Document) digest.Digest {
	var parts [][]byte
	for _, c := range append(d.CABundle[:len(d.CABundle):len(d.CABundle)], d.Certificate) {
		parts = append(parts, binary.BigEndian.AppendUint64(nil, uint64(len(c))), c)
	}
	return digest.Sum(parts...)
}
