package boot

import (
	"context"
	"errors"
	"fmt"

	"anchorhold/enclave/internal/nsm"
	"anchorhold/protocol/event"
)

// entropySize is how much of the NSM's randomness goes into the kernel's pool: two answers or more,
// so that answers that repeat show.
const entropySize = 512

// window is the length of a run that must not occur twice in entropySize random bytes: once in 2^47
// starts it does.
const window = 8

// leastDistinct byte values are in entropySize random bytes. 221 are to be expected; counters and
// text have far fewer.
const leastDistinct = 160

var errEntropy = errors.New("nsm's randomness is constant or repeats")

// seed mixes the NSM's randomness into the kernel's pool, from which crypto/rand reads, and returns
// it.
func seed(ctx context.Context, n *nsm.Client) ([]byte, error) {
	entropy, err := n.Random(ctx, entropySize)
	if err != nil {
		return nil, event.Fault(event.NSMFailed, fmt.Errorf("nsm gives no randomness: %w", err))
	}
	if err := checkEntropy(entropy); err != nil {
		return nil, event.Fault(event.EntropyFailed, err)
	}
	if err := mixEntropy(entropy); err != nil {
		return nil, event.Fault(event.EntropyFailed, fmt.Errorf("mix the nsm's randomness: %w", err))
	}
	return entropy, nil
}

// checkEntropy finds a module that is broken, not one that lies: no test can tell good randomness
// from what somebody can compute.
func checkEntropy(b []byte) error {
	var distinct [256]bool
	count := 0
	for _, c := range b {
		if !distinct[c] {
			distinct[c] = true
			count++
		}
	}
	if count < leastDistinct {
		return errEntropy
	}
	seen := make(map[[window]byte]bool, len(b))
	for i := 0; i+window <= len(b); i++ {
		w := [window]byte(b[i:])
		if seen[w] {
			return errEntropy
		}
		seen[w] = true
	}
	return nil
}
