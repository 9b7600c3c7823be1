package main

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"anchorhold/protocol/cli"
	"anchorhold/protocol/internal/outfile"
	"anchorhold/protocol/result"
)

const runHelp = `Run is seal, submit and open in one. The job file, the sealed result and the receipt are kept beside the output, as DIR.ahjob,
DIR.ahres and DIR.receipt: the receipt with the job file is the evidence to file.

When a later step fails, what the earlier ones wrote stays, and the message says how to go on with submit or open.`

// runFlags is all that run takes.
type runFlags struct {
	seal   sealFlags
	submit submitFlags
	open   openFlags
}

func (a *app) runAll() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run --policy FILE --pins FILE --reply FILE --key FILE --parent URL --out DIR PATH...",
		Short: "Seal, submit and open in one",
		Long:  runHelp,
		Example: `  anchorhold run --policy policy.cbor --pins pins.yaml --reply clinic-2026.pub.pem --key clinic-2026.key.pem \
                 --parent https://parent.example --token-file token --out deidentified export/`,
		Args: atLeastOne("PATH"),
		RunE: func(cmd *cobra.Command, paths []string) error { return a.runSteps(cmd.Context(), f, paths) },
	}
	f.seal.register(cmd)
	f.submit.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.open.key, "key", "", "private key `FILE` (NAME.key.pem)")
	flags.StringVar(&f.open.crosswalkKey, "crosswalk-key", "", "private key `FILE` for the crosswalk")
	flags.StringVar(&f.open.crosswalkOut, "crosswalk-out", "", "`FILE` to write the opened crosswalk to, instead of crosswalk.ndjson in DIR")
	flags.StringVar(&f.open.root, "root", "", "`FILE` with a root certificate instead of AWS's: NOT AWS, for tests")
	flags.StringVarP(&f.open.out, "out", "o", "", "`DIR` to write; the evidence stands beside it")
	flags.BoolVar(&f.open.asJSON, "json", false, "print checks and report as JSON")
	cli.Required(cmd, "policy", "pins", "reply", "key", "parent", "out")
	return cmd
}

func (a *app) runSteps(ctx context.Context, f runFlags, paths []string) error {
	f.open.out = filepath.Clean(f.open.out)
	f.open.job = f.open.out + ".ahjob"
	f.open.policy, f.open.pins = f.seal.policy, f.seal.pins
	f.open.paths = fetchPaths{f.open.out + ".ahres", f.open.out + ".receipt", f.open.out + ".ahxwk"}
	if f.seal.crosswalk == "" {
		f.open.paths.crosswalk = ""
	}
	// Faults of the later steps that can be known now must show before KMS is asked.
	if err := a.checkRun(f); err != nil {
		return err
	}
	sealed, err := a.sealJob(ctx, f.seal, f.open.job, paths)
	if err != nil {
		return err
	}
	a.notice("1/3 sealed %s into %s", sealed.what(), sealed.Job)
	if err := a.fetch(ctx, f.submit, f.open.job, f.open.paths); err != nil {
		return fmt.Errorf("%w\nto go on: anchorhold submit --parent %s %s, then anchorhold open", err, f.submit.parent, f.open.job)
	}
	a.notice("2/3 fetched %s and %s, not verified yet", f.open.paths.result, f.open.paths.receipt)
	f.open.parts = sealed.Files
	a.notice("3/3 verifying")
	return a.openResult(ctx, f.open)
}

// checkRun looks for what would fail after the job is sealed.
func (a *app) checkRun(f runFlags) error {
	if err := f.open.check(); err != nil {
		return err
	}
	if err := samePair(f.seal.reply, f.open.key); err != nil {
		return err
	}
	if err := outfile.FreeFolder(f.open.out); err != nil {
		return err
	}
	for _, path := range []string{f.open.job, f.open.paths.result, f.open.paths.receipt, f.open.paths.crosswalk} {
		if err := outfile.Free(path); err != nil {
			return fmt.Errorf("%w: it is from an earlier run: go on with anchorhold submit and open, or choose another --out", err)
		}
	}
	_, pol, err := readPolicy(f.seal.policy)
	if err != nil {
		return err
	}
	if pol.NotAWS() && f.open.root == "" {
		return refuse(fmt.Errorf("%s is NOT AWS: its results could not be opened without --root", f.seal.policy))
	}
	_, err = a.client(f.submit)
	return err
}

// samePair makes sure that what is sealed to one key can be opened with the other.
func samePair(public, private string) error {
	shown, err := readPublicKey(public, result.Result)
	if err != nil {
		return err
	}
	key, err := readPrivateKey(private, result.Result)
	if err != nil {
		return err
	}
	if !bytes.Equal(key.PublicKey(), shown) {
		return fmt.Errorf("%s and %s are not a pair", public, private)
	}
	return nil
}
