package receipt

import (
	"errors"
	"math/bits"

	"anchorhold/protocol/digest"
)

// Prefixes of SPEC 7.2: no leaf can pass as a node, nor either as a head.
var (
	leafPrefix = []byte{0x00}
	nodePrefix = []byte{0x01}
	headPrefix = []byte{0x02}
)

// ErrPath says that a path does not lead from the leaf at the index to the root.
var ErrPath = errors.New("inclusion path does not lead to the signed root")

// LeafHash returns H(0x00 ‖ leaf).
func LeafHash(leaf []byte) digest.Digest { return digest.Sum(leafPrefix, leaf) }

// Head returns H(0x02 ‖ user_data), the previous of the next batch.
func Head(userData []byte) digest.Digest { return digest.Sum(headPrefix, userData) }

func node(left, right digest.Digest) digest.Digest {
	return digest.Sum(nodePrefix, left[:], right[:])
}

// Root returns the tree head over leaf hashes, RFC 9162 2.1.1.
func Root(leaves []digest.Digest) digest.Digest {
	switch len(leaves) {
	case 0:
		return digest.Sum()
	case 1:
		return leaves[0]
	}
	k := split(len(leaves))
	return node(Root(leaves[:k]), Root(leaves[k:]))
}

// Path returns the inclusion path of leaf i, RFC 9162 2.1.3.1. It panics when there is no leaf i.
func Path(leaves []digest.Digest, i int) []digest.Digest {
	if i < 0 || i >= len(leaves) {
		panic("receipt: no such leaf")
	}
	if len(leaves) == 1 {
		return []digest.Digest{}
	}
	k := split(len(leaves))
	if i < k {
		return append(Path(leaves[:k], i), Root(leaves[k:]))
	}
	return append(Path(leaves[k:], i-k), Root(leaves[:k]))
}

// split returns the largest power of two smaller than n, which is at least 2.
func split(n int) int { return 1 << (bits.Len(uint(n-1)) - 1) }

// VerifyPath follows RFC 9162 2.1.3.2. The path must have exactly the length that index and size
// give: with a longer or shorter one, a node could be shown as a leaf or a leaf at another index.
// Error: ErrPath.
func VerifyPath(leaf digest.Digest, index, size uint64, path []digest.Digest, root digest.Digest) error {
	if index >= size {
		return ErrPath
	}
	fn, sn, r := index, size-1, leaf
	for _, p := range path {
		if sn == 0 {
			return ErrPath
		}
		if fn&1 == 1 || fn == sn {
			r = node(p, r)
			for fn&1 == 0 && fn != 0 {
				fn, sn = fn>>1, sn>>1
			}
		} else {
			r = node(r, p)
		}
		fn, sn = fn>>1, sn>>1
	}
	if sn != 0 || r != root {
		return ErrPath
	}
	return nil
}
