package audit

import (
	"bytes"
	"errors"
	"fmt"

	"anchorhold/protocol/attest"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/receipt"
	"anchorhold/protocol/verify"
)

// Refusals of the chain of batches.
var (
	ErrChain = errors.New("batches are not consecutive batches of one enclave")
	// ErrFork says that one boot of an enclave signed two histories: two enclaves posed as one, or
	// a program is broken.
	ErrFork = errors.New("one boot signed two histories")
)

// Chain is a run of consecutive batches of one boot.
type Chain struct {
	Boot        [16]byte
	First, Last uint64        // batch numbers
	Leaves      uint64        // sequence number after the last leaf
	Head        digest.Digest // of the last batch
}

// link is one batch with what its document says.
type link struct {
	user *receipt.UserData
	head digest.Digest
	doc  attest.Document
}

func readLinks(docs []*verify.Attested) ([]link, error) {
	links := make([]link, len(docs))
	for i, v := range docs {
		if v == nil {
			return nil, fmt.Errorf("%w: no document", ErrChain)
		}
		u, err := receiptsUserData(v)
		if err != nil {
			return nil, err
		}
		d := v.Document()
		links[i] = link{user: u, head: receipt.Head(d.UserData), doc: d}
	}
	return links, nil
}

// CheckFork compares genuine receipts documents in any order and with gaps, say those of all
// receipts that an owner ever got: within one boot no batch number may have two heads, nor a batch
// another predecessor than the one shown. Errors: ErrPurpose, ErrFork.
func CheckFork(docs ...*verify.Attested) error {
	links, err := readLinks(docs)
	if err != nil {
		return err
	}
	return checkFork(links)
}

func checkFork(links []link) error {
	type place struct {
		boot   [16]byte
		number uint64
	}
	heads := make(map[place]digest.Digest, 2*len(links))
	claim := func(boot [16]byte, number uint64, head digest.Digest) error {
		at := place{boot, number}
		if known, ok := heads[at]; ok && known != head {
			return fmt.Errorf("%w: batch %d", ErrFork, number)
		}
		heads[at] = head
		return nil
	}
	for _, l := range links {
		if err := claim(l.user.Boot, l.user.Batch.Number, l.head); err != nil {
			return err
		}
		if n := l.user.Batch.Number; n > 0 {
			if err := claim(l.user.Boot, n-1, l.user.Batch.Previous); err != nil {
				return err
			}
		}
	}
	return nil
}

// VerifyChain checks that genuine receipts documents are consecutive batches of one boot, in order.
// It does not prove that the last batches were shown. Errors: ErrPurpose, ErrFork, ErrChain.
func VerifyChain(docs ...*verify.Attested) (*Chain, error) {
	links, err := readLinks(docs)
	if err != nil {
		return nil, err
	}
	if len(links) == 0 {
		return nil, fmt.Errorf("%w: none", ErrChain)
	}
	if err := checkFork(links); err != nil {
		return nil, err
	}
	for i := 1; i < len(links); i++ {
		if err := follows(links[i-1], links[i]); err != nil {
			return nil, err
		}
	}
	first, last := links[0].user, links[len(links)-1].user
	return &Chain{
		Boot: first.Boot, First: first.Batch.Number, Last: last.Batch.Number,
		Leaves: last.Batch.First + last.Batch.Size, Head: links[len(links)-1].head,
	}, nil
}

// follows wants b to be the batch right after a. That its previous is a's head, checkFork has seen.
func follows(a, b link) error {
	x, y := a.user.Batch, b.user.Batch
	switch {
	case a.user.Boot != b.user.Boot:
		return fmt.Errorf("%w: another boot", ErrChain)
	case y.Number != x.Number+1:
		return fmt.Errorf("%w: batch %d stands after %d", ErrChain, y.Number, x.Number)
	case y.First != x.First+x.Size:
		return fmt.Errorf("%w: leaves missing before batch %d", ErrChain, y.Number)
	case a.user.Policy != b.user.Policy || a.doc.ModuleID != b.doc.ModuleID:
		return fmt.Errorf("%w: another policy or enclave", ErrChain)
	case b.doc.Timestamp.Before(a.doc.Timestamp):
		return fmt.Errorf("%w: batch %d is older than the one before", ErrChain, y.Number)
	}
	for i := range 3 {
		if !bytes.Equal(a.doc.PCRs[i], b.doc.PCRs[i]) {
			return fmt.Errorf("%w: another image", ErrChain)
		}
	}
	return nil
}

// VerifyBatch checks that leaf hashes, as the log gives them, are all those that a genuine receipts
// document signs. Errors: ErrPurpose, ErrPath.
func VerifyBatch(v *verify.Attested, leaves []digest.Digest) (*receipt.UserData, error) {
	u, err := receiptsUserData(v)
	if err != nil {
		return nil, err
	}
	if uint64(len(leaves)) != u.Batch.Size || receipt.Root(leaves) != u.Batch.Root {
		return nil, receipt.ErrPath
	}
	return u, nil
}
