package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"anchorhold/protocol/audit"
	"anchorhold/protocol/receipt"
)

// verifyReceipt judges a receipt: as far as open does when job and result are given, else its
// document, path and leaf.
func (a *app) verifyReceipt(ctx context.Context, f verifyFlags, path string, file *receipt.File, v *verdict) error {
	roots, err := readRoots(f.root)
	if err != nil {
		return err
	}
	var now time.Time // archived
	if v.Live {
		now = a.now()
	}
	verified, err := audit.Verify(file, roots, now)
	if err != nil {
		v.refuse("genuine", liveHint(err))
		return nil
	}
	if verified.Failure != nil {
		v.says = describeFailure(verified.Failure)
	} else {
		v.says = describeLeaf(verified.Leaf)
	}
	v.genuine(verified.Attested)
	v.pass("leaf", "leaf %d of a batch of %d that the document signs", file.Index, verified.UserData.Batch.Size)
	if verified.Failure != nil {
		// Genuine evidence of a failure, and it must never pass as a receipt.
		v.refuse("receipt", fmt.Errorf("%w (%s)", audit.ErrFailed, verified.Failure.Code))
		return nil
	}
	if nonce := f.nonceBytes(); nonce != nil {
		if !bytes.Equal(nonce, verified.Leaf.Nonce[:]) {
			v.refuse("nonce", fmt.Errorf("%w: it is %x, want %x", audit.ErrNonce, verified.Leaf.Nonce, nonce))
			return nil
		}
		v.pass("nonce", "%x", nonce)
	}
	if f.logs != nil {
		if ok, err := v.inLog(f, verified); err != nil || !ok {
			return err
		}
	}
	if f.job != "" {
		return a.verifyEvidence(ctx, f, path, file, v)
	}
	return a.appraiseDocument(f, verified.Attested, nil, v)
}

// verifyEvidence makes the checks that open makes.
func (a *app) verifyEvidence(ctx context.Context, f verifyFlags, path string, file *receipt.File, v *verdict) error {
	evidence, closeFiles, err := a.evidence(ctx, openFlags{
		job: f.job, paths: fetchPaths{f.result, path, f.crosswalk}, policy: f.policy, pins: f.pins, root: f.root,
	})
	if err != nil {
		return err
	}
	defer closeFiles()
	// The receipt that the verdict describes: another one may lie at its path by now.
	if evidence.Receipt, err = file.Encode(); err != nil {
		return err
	}
	evidence.Now = f.now
	accepted, err := evidence.Check()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		v.Checks = append(v.Checks, refusedChecks(err)...)
		v.Verdict, v.err = "refused", refuse(err)
		return nil
	}
	v.Checks = append(v.Checks, passed(accepted.Receipt.Lines)...)
	v.Appraised, v.Verdict = true, "genuine and acceptable: this receipt is of this job and this result"
	return nil
}
