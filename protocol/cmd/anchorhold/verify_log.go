package main

import (
	"errors"
	"fmt"

	"anchorhold/protocol/audit"
	"anchorhold/protocol/internal/batchlog"
)

// readLog reads the pages of a parent's log and verifies them as one. An error of reading is no
// refusal.
func readLog(f verifyFlags) (*batchlog.Log, error) {
	roots, err := readRoots(f.root)
	if err != nil {
		return nil, err
	}
	var batches []batchlog.Batch
	for _, path := range f.logs {
		b, err := readSmall(path)
		if err != nil {
			return nil, err
		}
		page, err := batchlog.Parse(b)
		if err != nil {
			return nil, refuse(fmt.Errorf("%s: %w", path, err))
		}
		if batches = append(batches, page...); len(batches) > batchlog.MaxBatches {
			break // Verify says so
		}
	}
	log, err := batchlog.Verify(batches, roots)
	if err != nil {
		return nil, refuse(err)
	}
	return log, nil
}

// log verifies the log on the verdict. False: it was refused.
func (v *verdict) log(f verifyFlags) (*batchlog.Log, bool, error) {
	log, err := readLog(f)
	var refused refusedError
	switch {
	case errors.As(err, &refused):
		v.refuse("log", refused.error)
		return nil, false, nil
	case err != nil:
		return nil, false, err
	}
	for _, c := range log.Chains {
		first := "from its first batch on"
		if c.First > 0 {
			first = fmt.Sprintf("from batch %d on, what was before is not shown", c.First)
		}
		v.pass("log", "boot %x: %d batches %s, no gap and no fork, %d leaves, head %s", c.Boot, c.Last-c.First+1, first, c.Leaves, c.Head)
		if c.Unknown > 0 {
			v.pass("log", "boot %x: ignored: unknown fields, in documents: %d", c.Boot, c.Unknown)
		}
	}
	return log, true, nil
}

// verifyLog judges a log without a receipt.
func (a *app) verifyLog(f verifyFlags) error {
	v := &verdict{File: f.logs[0], Kind: "log of batches", AWS: f.root == "", Checks: []check{}}
	log, ok, err := v.log(f)
	if err != nil {
		return err
	}
	if !ok {
		return a.printVerdict(f, v)
	}
	v.Genuine, v.Verdict = true, "genuine, one history for each boot; not appraised"
	if f.pins == "" {
		return a.printVerdict(f, v)
	}
	for _, c := range log.Chains {
		// All documents of a chain name the same image and policy, so the last one stands for it.
		if err := a.appraiseDocument(f, c.Attested, nil, v); err != nil {
			return err
		}
		if v.err != nil {
			return a.printVerdict(f, v)
		}
	}
	v.Verdict += ", one history for each boot"
	return a.printVerdict(f, v)
}

// inLog checks that the log shows a receipt's batch.
func (v *verdict) inLog(f verifyFlags, verified *audit.Verified) (bool, error) {
	log, ok, err := v.log(f)
	if err != nil || !ok {
		return false, err
	}
	if err := log.Holds(verified); err != nil {
		v.refuse("log", err)
		return false, nil
	}
	v.pass("log", "batch %d, which signs this receipt, is in it", verified.UserData.Batch.Number)
	return true, nil
}
