package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"runtime"
	"sync"
	"time"

	"anchorhold/parent/e2e/stage"
	"anchorhold/protocol/appraise"
	"anchorhold/protocol/audit"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/pinsfile"
	"anchorhold/protocol/policy"
	"anchorhold/protocol/receipt"
	"anchorhold/protocol/result"
)

// proof checks afterwards, as the owner would, that each measured job was really done: a fast wrong
// answer counts for nothing.
type proof struct {
	sealer *sealer
	policy []byte
	pins   *appraise.Pins
	roots  *x509.CertPool

	jobs, verified int
}

func pinnedImage(s *stage.Stage) (digest.Digest, error) {
	pins, err := readPins(s)
	if err != nil {
		return digest.Digest{}, err
	}
	return pins.Images[0].PCR0, nil
}

func readPins(s *stage.Stage) (*appraise.Pins, error) {
	b, err := os.ReadFile(s.Path("policy.pins"))
	if err != nil {
		return nil, err
	}
	return pinsfile.Parse(b)
}

func (p *proof) prepare(s *stage.Stage) (err error) {
	if p.pins, err = readPins(s); err != nil {
		return err
	}
	if p.policy, err = os.ReadFile(s.Path("policy.cbor")); err != nil {
		return err
	}
	root, err := os.ReadFile(s.Path("ca", "attestation-root.pem"))
	if err != nil {
		return err
	}
	block, _ := pem.Decode(root)
	if block == nil {
		return errors.New("attestation-root.pem holds no certificate")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	p.roots = x509.NewCertPool()
	p.roots.AddCert(c)
	return nil
}

// answer is one job that was run: its receipt is fetched and checked when the time is taken.
type answer struct {
	job    *submission
	id     string
	output outputSum
	sealed []byte // the whole result, of small jobs; it is opened too
}

// outputSum digests a result as it arrives.
type outputSum struct {
	hash hash.Hash
	size uint64
}

func newOutputSum() outputSum { return outputSum{hash: digest.NewStream()} }

func (o *outputSum) Write(p []byte) (int, error) {
	o.size += uint64(len(p))
	return o.hash.Write(p)
}

// check verifies the receipts of all answers, on all cores.
func (p *proof) check(s *stage.Stage, answers []*answer) error {
	p.jobs += len(answers)
	next := make(chan *answer)
	failed := make(chan error, len(answers))
	var workers sync.WaitGroup
	for range runtime.NumCPU() {
		workers.Go(func() {
			for a := range next {
				if err := p.one(s, a); err != nil {
					failed <- fmt.Errorf("job %s: %w", a.id, err)
				}
			}
		})
	}
	for _, a := range answers {
		next <- a
	}
	close(next)
	workers.Wait()
	close(failed)
	p.verified += len(answers) - len(failed)
	return <-failed // nil when none failed
}

func (p *proof) one(s *stage.Stage, a *answer) error {
	b, err := fetchReceipt(s, a.id)
	if err != nil {
		return err
	}
	f, err := receipt.ParseFile(b)
	if err != nil {
		return err
	}
	v, err := audit.Verify(f, p.roots, time.Time{})
	if err != nil {
		return err
	}
	if a.sealed != nil {
		a.output = newOutputSum()
		a.output.Write(a.sealed)
	}
	_, err = v.Check(audit.Expect{
		Pins: p.pins, Policy: p.policy, AllowNotAWS: true,
		Image: p.sealer.claims.Image, Tenant: stage.Tenant, Pipeline: stage.Pipeline, Key: s.KeyARN,
		MessageID: a.job.id, Nonce: a.job.nonce, Header: a.job.header, Input: a.job.digest, InputSize: a.job.size,
		Output: digest.Stream(a.output.hash.Sum(nil)), OutputSize: a.output.size,
		Reply:    sha256.Sum256(p.sealer.reply.PublicKey()),
		SealedAt: a.job.sealedAt, Now: time.Now(),
	})
	if err != nil || a.sealed == nil {
		return err
	}
	return p.open(a)
}

// open reads a small result to its authenticated end: it must hold records and a report.
func (p *proof) open(a *answer) error {
	o, err := result.NewOpener(bytes.NewReader(a.sealed), result.Result, p.sealer.reply, result.Binding{
		Header: a.job.header, Nonce: a.job.nonce, Policy: policy.Digest(p.policy),
	})
	if err != nil {
		return err
	}
	segments := 0
	for {
		_, _, err := o.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		segments++
	}
	if segments < 2 {
		return fmt.Errorf("result has %d segments, want records and a report", segments)
	}
	return nil
}
