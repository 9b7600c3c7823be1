package receipt_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"anchorhold/protocol/digest"
	"anchorhold/protocol/receipt"
)

// naiveRoot is the definition of RFC 9162 2.1.1, written without the code under test.
func naiveRoot(leaves []string) digest.Digest {
	if len(leaves) == 1 {
		return digest.Sum([]byte{0}, []byte(leaves[0]))
	}
	k := 1
	for k*2 < len(leaves) {
		k *= 2
	}
	l, r := naiveRoot(leaves[:k]), naiveRoot(leaves[k:])
	return digest.Sum([]byte{1}, l[:], r[:])
}

func tree(size int) ([]string, []digest.Digest) {
	var data []string
	var leaves []digest.Digest
	for i := range size {
		data = append(data, fmt.Sprint("leaf ", i))
		leaves = append(leaves, receipt.LeafHash([]byte(data[i])))
	}
	return data, leaves
}

// Every leaf of every batch size has one path, and only it, of one length, for one index.
func TestEveryPath(t *testing.T) {
	for _, size := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 33, 100, 127, 128, 129, 255, 256} {
		data, leaves := tree(size)
		root := receipt.Root(leaves)
		if want := naiveRoot(data); root != want {
			t.Fatalf("root of %d is %s, want %s", size, root, want)
		}
		for i := range size {
			path := receipt.Path(leaves, i)
			verify := func(index, size uint64, path []digest.Digest) error {
				return receipt.VerifyPath(leaves[i], index, size, path, root)
			}
			if err := verify(uint64(i), uint64(size), path); err != nil {
				t.Fatalf("leaf %d of %d: %v", i, size, err)
			}
			bad := []error{
				verify(uint64(size), uint64(size), path),
				verify(uint64(i), 0, path),
				verify(uint64(i), uint64(size), append(slices.Clone(path), digest.Digest{})),
				receipt.VerifyPath(digest.Digest{}, uint64(i), uint64(size), path, root),
				receipt.VerifyPath(leaves[i], uint64(i), uint64(size), path, digest.Digest{}),
			}
			for j := range size {
				if j != i {
					bad = append(bad, verify(uint64(j), uint64(size), path))
				}
			}
			// the path is longer than that of an only leaf, though its hashes lead to the root
			if size > 1 {
				bad = append(bad, verify(0, 1, path))
			}
			for n := range path {
				changed := slices.Clone(path)
				changed[n][0] ^= 1
				bad = append(bad, verify(uint64(i), uint64(size), changed), verify(uint64(i), uint64(size), path[:n]))
			}
			for n, err := range bad {
				if !errors.Is(err, receipt.ErrPath) {
					t.Fatalf("leaf %d of %d, attack %d: got %v", i, size, n, err)
				}
			}
		}
	}
}

// A leaf, a node and a head of the same bytes differ, or one could be shown as another.
func TestPrefixesKeepKindsApart(t *testing.T) {
	a, b := receipt.LeafHash([]byte("a")), receipt.LeafHash([]byte("b"))
	both := append(a[:], b[:]...)
	node := receipt.Root([]digest.Digest{a, b})
	if node == receipt.LeafHash(both) || node == receipt.Head(both) || receipt.LeafHash(both) == receipt.Head(both) || node == digest.Sum(both) {
		t.Error("two kinds share a hash")
	}
	if want := digest.Sum([]byte{2}, []byte("user data")); receipt.Head([]byte("user data")) != want {
		t.Error("head is not H(0x02 ‖ user data)")
	}
}

func TestBucket(t *testing.T) {
	for n, want := range map[uint64]uint64{
		0: 0, 1: 1, 2: 2, 3: 4, 4: 4, 5: 8, 1000: 1024, 1024: 1024, 1025: 2048, 1 << 62: 1 << 62, 1<<62 + 1: 1 << 63, 1<<64 - 1: 1 << 63,
	} {
		if got := receipt.Bucket(n); got != want {
			t.Errorf("bucket of %d is %d, want %d", n, got, want)
		}
	}
}
