// Package batchlog checks the log of signed receipt batches that a parent shows (GET /v1/log):
// Parse reads its pages, Log.Verify holds every batch to its document and every boot to one
// history.
//
// The parent writes the log and may leave out its end: what passes here proves order and the
// absence of gaps and forks among the batches shown, not that the last ones were shown. Whose
// images signed them: see appraise.
package batchlog

import (
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"

	"anchorhold/protocol/audit"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/receipt"
	"anchorhold/protocol/verify"
)

const (
	maxDocument = 0x3000 // NSM response limit, nsm-api
	// MaxBatches bounds all pages together: at 12 KiB a document they still fit in a reviewer's
	// memory.
	MaxBatches = 100_000
)

// Refusals besides those of attest and receipt.
var (
	ErrMalformed = errors.New("malformed log")
	// ErrClaim says that the parent's words beside a document are not those that the document
	// signs.
	ErrClaim = errors.New("the log says of a batch what its document does not")
	// ErrOther says that the log of a receipt's boot is signed by another enclave: any image may
	// claim any boot.
	ErrOther = errors.New("the log is not of the enclave that signs the receipt")
	// ErrMissing says that the log shows no batch with the receipt in it.
	ErrMissing = errors.New("the log does not hold the receipt's batch")
)

// Batch is one entry of the log, UNVERIFIED.
type Batch struct {
	Boot     [16]byte
	Number   uint64
	Document []byte
	Leaves   []digest.Digest // leaf hashes, 1 to receipt.MaxBatch
}

// page is what the parent answers. Members that are not named here are for finding things and are
// ignored.
type page struct {
	Batches []struct {
		Boot     string   `json:"boot"`
		Number   uint64   `json:"number"`
		Document []byte   `json:"document"`
		Leaves   []string `json:"leaves"`
	} `json:"batches"`
}

// Parse reads one page. Its content is UNVERIFIED. Error: ErrMalformed.
func Parse(b []byte) ([]Batch, error) {
	var p page
	// Refuses names that stand twice and text that is not UTF-8: two readers must not see two logs.
	if err := json.Unmarshal(b, &p); err != nil || p.Batches == nil {
		return nil, fmt.Errorf("%w: expected the JSON that a parent answers to GET /v1/log", ErrMalformed)
	}
	batches := make([]Batch, len(p.Batches))
	for i, e := range p.Batches {
		out := &batches[i]
		if boot, err := hex.DecodeString(e.Boot); err != nil || len(boot) != len(out.Boot) {
			return nil, fmt.Errorf("%w: entry %d: boot is not 16 bytes in hex", ErrMalformed, i)
		} else {
			copy(out.Boot[:], boot)
		}
		if len(e.Document) == 0 || len(e.Document) > maxDocument {
			return nil, fmt.Errorf("%w: entry %d: document is missing or too long", ErrMalformed, i)
		}
		if len(e.Leaves) == 0 || len(e.Leaves) > receipt.MaxBatch {
			return nil, fmt.Errorf("%w: entry %d: got %d leaves, want 1 to %d", ErrMalformed, i, len(e.Leaves), receipt.MaxBatch)
		}
		for _, text := range e.Leaves {
			leaf, err := digest.Parse(text)
			if err != nil {
				return nil, fmt.Errorf("%w: entry %d: a leaf is not a SHA-384 in hex", ErrMalformed, i)
			}
			out.Leaves = append(out.Leaves, leaf)
		}
		out.Number, out.Document = e.Number, e.Document
	}
	return batches, nil
}

// Log is a verified log. Only Verify makes one.
type Log struct {
	Chains    []Chain // one for each boot, in order of their first batch
	Batches   int
	documents map[[16]byte][]*verify.Attested // by boot
}

// Chain is the history of one boot as shown.
type Chain struct {
	audit.Chain
	Attested *verify.Attested // the document of its last batch
	Unknown  int              // number of documents with fields that attest does not know
}

// Verify checks each document at its own time, the leaves under it, and the chain of each boot:
// consecutive numbers, no gap between those shown, no fork. Batches of several boots may be mixed;
// each boot's must stand in order. The error names the entry, and is one of this package, of
// attest, or of receipt.
func Verify(batches []Batch, roots *x509.CertPool) (*Log, error) {
	if len(batches) == 0 {
		return nil, fmt.Errorf("%w: it holds no batch", ErrMalformed)
	}
	if len(batches) > MaxBatches {
		return nil, fmt.Errorf("%w: more than %d batches", ErrMalformed, MaxBatches)
	}
	log := &Log{Batches: len(batches), documents: make(map[[16]byte][]*verify.Attested)}
	var boots [][16]byte
	verifier := verify.NewVerifier(roots) // hundreds of documents have one chain
	for i, b := range batches {
		v, err := verifier.Archived(b.Document)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		u, err := audit.VerifyBatch(v, b.Leaves)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		if u.Boot != b.Boot || u.Batch.Number != b.Number {
			return nil, fmt.Errorf("entry %d: %w: it is batch %d of boot %x", i, ErrClaim, u.Batch.Number, u.Boot)
		}
		if log.documents[u.Boot] == nil {
			boots = append(boots, u.Boot)
		}
		log.documents[u.Boot] = append(log.documents[u.Boot], v)
	}
	for _, boot := range boots {
		shown := log.documents[boot]
		chain, err := audit.VerifyChain(shown...)
		if err != nil {
			return nil, fmt.Errorf("boot %x: %w", boot, err)
		}
		c := Chain{Chain: *chain, Attested: shown[len(shown)-1]}
		for _, v := range shown {
			if d := v.Document(); d.Ignored > 0 {
				c.Unknown++
			}
		}
		log.Chains = append(log.Chains, c)
	}
	return log, nil
}

// Holds checks that the log shows the batch that signs a verified receipt, and is of the same
// enclave. Errors: ErrMissing, ErrOther, or audit.ErrFork when log and receipt are of two histories
// of one boot.
func (l *Log) Holds(v *audit.Verified) error {
	shown := l.documents[v.UserData.Boot]
	if err := audit.CheckFork(append(slices.Clip(shown), v.Attested)...); err != nil {
		return err
	}
	number := v.UserData.Batch.Number
	for _, chain := range l.Chains {
		// A chain has no gaps, and no second batch of a number: being in its range is being in it.
		if chain.Boot == v.UserData.Boot && chain.First <= number && number <= chain.Last {
			return sameEnclave(chain.Attested, v.Attested)
		}
	}
	return fmt.Errorf("%w: batch %d of boot %x", ErrMissing, number, v.UserData.Boot)
}

// sameEnclave compares what the hypervisor says of itself, not what the program made it sign. A
// chain is of one enclave, so one document stands for it.
func sameEnclave(a, b *verify.Attested) error {
	x, y := a.Document(), b.Document()
	same := x.ModuleID == y.ModuleID
	for i := range 3 {
		p, ok := x.PCR(i)
		q, too := y.PCR(i)
		same = same && ok && too && p == q
	}
	if !same {
		return ErrOther
	}
	return nil
}
