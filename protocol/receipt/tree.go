package receipt

import "anchorhold/protocol/digest"

// MaxBatch is the largest number of leaves in a batch (SPEC 2.2).
const MaxBatch = 256

// LeafHash returns H(0x00 ‖ leaf).
func LeafHash(leaf []byte) digest.Digest { return digest.Digest{} }

// Root returns the tree head over leaf hashes.
func Root(leaves []digest.Digest) digest.Digest { return digest.Digest{} }

// Path returns the inclusion path of leaf i.
func Path(leaves []digest.Digest, i int) []digest.Digest { return nil }

// VerifyPath checks an inclusion path, its exact length and the index.
func VerifyPath(leaf digest.Digest, index, size uint64, path []digest.Digest, root digest.Digest) error {
	return ErrMalformed
}

// Head returns H(0x02 ‖ user_data): the previous of the next batch.
func Head(userData []byte) digest.Digest { return digest.Digest{} }
