package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"anchorhold/protocol/cli"
	"anchorhold/protocol/internal/opening"
	"anchorhold/protocol/internal/outfile"
	"anchorhold/protocol/internal/records"
	"anchorhold/protocol/result"
)

const openHelp = `Open verifies a receipt and only then decrypts the result, into one <Type>.ndjson for each resource type and report.json.

Verified first, line by line: the attestation document is genuine and from between sealing and now; the image is one that you
pinned, PCR0, 1 and 2 together, with PCR2 recomputed from the policy; the receipt answers this job's nonce and names this
input, this result, this policy, tenant, pipeline and KMS key. On any failure nothing is written and the exit code is 3.

DIR must not exist or be empty; it appears when it is complete. Exit code 4: verified and written, but the enclave rejected
records; report.json lists them by code, line and place.

A job that asked for a crosswalk has a second sealed stream, which is always verified. With --crosswalk-key it is opened too, into
crosswalk.ndjson of DIR or into the file that --crosswalk-out names. Who holds the crosswalk's key alone leaves out --key and --out.

The document must come from AWS. --root replaces AWS's root, for tests: such a result is marked NOT AWS.`

// openFlags are shared by open and run, which knows the files itself.
type openFlags struct {
	job               string
	paths             fetchPaths
	policy, pins      string
	key, crosswalkKey string
	root, out         string
	crosswalkOut      string
	asJSON            bool
	parts             []records.Part // known in run: leads a rejected line back to its file
}

func (a *app) open() *cobra.Command {
	var f openFlags
	cmd := &cobra.Command{
		Use:   "open --job JOB --result FILE --receipt FILE --policy FILE --pins FILE --key FILE --out DIR",
		Short: "Verify the receipt, then decrypt the result",
		Long:  openHelp,
		Example: `  anchorhold open --job job.ahjob --result job.ahres --receipt job.receipt \
                  --policy policy.cbor --pins pins.yaml --key clinic-2026.key.pem --out deidentified`,
		Args: cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.openResult(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.job, "job", "", "job `FILE` that you kept")
	flags.StringVar(&f.paths.result, "result", "", "sealed result `FILE`")
	flags.StringVar(&f.paths.receipt, "receipt", "", "receipt `FILE`")
	flags.StringVar(&f.policy, "policy", "", "compiled policy `FILE`")
	flags.StringVar(&f.pins, "pins", "", "pins `FILE`: the images that you accept")
	flags.StringVar(&f.key, "key", "", "private key `FILE` (NAME.key.pem)")
	flags.StringVar(&f.paths.crosswalk, "crosswalk", "", "sealed crosswalk `FILE`, when the job asked for one")
	flags.StringVar(&f.crosswalkKey, "crosswalk-key", "", "private key `FILE` for the crosswalk; without it the crosswalk is verified and stays sealed")
	flags.StringVar(&f.root, "root", "", "`FILE` with a root certificate instead of AWS's: NOT AWS, for tests")
	flags.StringVarP(&f.out, "out", "o", "", "`DIR` to write")
	flags.BoolVar(&f.asJSON, "json", false, "print checks and report as JSON")
	flags.StringVar(&f.crosswalkOut, "crosswalk-out", "", "`FILE` to write the opened crosswalk to, instead of crosswalk.ndjson in DIR")
	cli.Required(cmd, "job", "result", "receipt", "policy", "pins")
	return cmd
}

// check wants a key with each place to write, and one of the two at least.
func (f openFlags) check() error {
	switch {
	case (f.key == "") != (f.out == ""):
		return cli.Usage("--key and --out belong together")
	case f.crosswalkOut != "" && f.crosswalkKey == "":
		return cli.Usage("--crosswalk-out needs --crosswalk-key")
	case f.crosswalkKey != "" && f.paths.crosswalk == "":
		return cli.Usage("--crosswalk-key needs --crosswalk, the sealed stream")
	case f.out == "" && f.crosswalkOut == "":
		return cli.Usage("missing --key and --out, or --crosswalk-key and --crosswalk-out")
	}
	return nil
}

// keys are the private keys that the flags name; nil where there is none.
type keys struct{ result, crosswalk *result.PrivateKey }

// openResult verifies, opens and prints. It returns errRejected when all is well but records are
// missing.
func (a *app) openResult(ctx context.Context, f openFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	k, err := f.readKeys()
	if err != nil {
		return err
	}
	evidence, closeFiles, err := a.evidence(ctx, f)
	if err != nil {
		return err
	}
	defer closeFiles()
	accepted, err := evidence.Check()
	if ctx.Err() != nil {
		return ctx.Err() // interrupted: nothing is known
	}
	if err != nil {
		a.printRefusal(err, f.asJSON)
		return err
	}
	report, err := f.write(accepted, k)
	if err != nil {
		return err
	}
	return a.printOpened(f, accepted, report)
}

// readKeys reads the keys, and looks whether what they are to write has a free name.
func (f openFlags) readKeys() (k keys, err error) {
	if f.key != "" {
		if k.result, err = readPrivateKey(f.key, result.Result); err != nil {
			return keys{}, err
		}
		if err := outfile.FreeFolder(f.out); err != nil {
			return keys{}, err
		}
	}
	if f.crosswalkKey != "" {
		if k.crosswalk, err = readPrivateKey(f.crosswalkKey, result.Crosswalk); err != nil {
			return keys{}, err
		}
	}
	if f.crosswalkOut != "" {
		return k, outfile.Free(f.crosswalkOut)
	}
	return k, nil
}

// write decrypts into folder and file, each of which appears whole or not at all, and neither
// before both are. It returns a nil report when the crosswalk alone was wanted.
func (f openFlags) write(accepted *opening.Accepted, k keys) (report *opening.Report, err error) {
	var folder *outfile.Folder
	if k.result != nil {
		if folder, err = outfile.CreateFolder(f.out); err != nil {
			return nil, err
		}
		defer folder.Abort()
		if report, err = accepted.Open(k.result, folder); err != nil {
			return nil, err
		}
	}
	if k.crosswalk != nil {
		commit, err := f.writeCrosswalk(accepted, k.crosswalk, folder)
		if err != nil {
			return nil, err
		}
		defer commit.Abort()
		if err := commit.Commit(); err != nil {
			return nil, err
		}
	}
	if folder != nil {
		if err := folder.Commit(); err != nil {
			return nil, err
		}
	}
	return report, nil
}

// writeCrosswalk decrypts the crosswalk into a file that is to be committed: of its own, or in the
// folder.
func (f openFlags) writeCrosswalk(accepted *opening.Accepted, key *result.PrivateKey, folder *outfile.Folder) (unfinished, error) {
	if f.crosswalkOut == "" {
		inside, err := folder.File("crosswalk.ndjson")
		if err != nil {
			return nil, err
		}
		if err := accepted.OpenCrosswalk(key, inside); err != nil {
			inside.Close()
			return nil, err
		}
		return insideFolder{inside}, nil
	}
	own, err := outfile.Create(f.crosswalkOut, 0o600)
	if err != nil {
		return nil, err
	}
	if err := accepted.OpenCrosswalk(key, own); err != nil {
		own.Abort()
		return nil, err
	}
	return own, nil
}

// unfinished is an output that Commit makes durable.
type unfinished interface {
	Commit() error
	Abort()
}

// insideFolder is a file that appears with its folder.
type insideFolder struct{ *os.File }

func (f insideFolder) Commit() error { return errors.Join(f.Sync(), f.Close()) }
func (f insideFolder) Abort()        { f.Close() }

// evidence reads and opens the files that the flags name. The caller calls closeFiles.
func (a *app) evidence(ctx context.Context, f openFlags) (e opening.Evidence, closeFiles func(), err error) {
	compiled, pol, err := readPolicy(f.policy)
	if err != nil {
		return opening.Evidence{}, nil, err
	}
	e = opening.Evidence{Policy: compiled, AllowNotAWS: f.root != "", Now: a.now()}
	if pol.NotAWS() {
		a.warnNotAWS()
	} else if f.root != "" {
		a.notice("NOT AWS: documents are verified to the root in %s instead of AWS's.", f.root)
	}
	if e.Pins, err = readPins(f.pins); err != nil {
		return opening.Evidence{}, nil, err
	}
	if e.Roots, err = readRoots(f.root); err != nil {
		return opening.Evidence{}, nil, err
	}
	if e.Receipt, err = readSmall(f.paths.receipt); err != nil {
		return opening.Evidence{}, nil, err
	}
	job, err := os.Open(f.job)
	if err != nil {
		return opening.Evidence{}, nil, err
	}
	defer job.Close()
	if e.Job, err = opening.ReadJob(interruptible{ctx, job}, pol); err != nil {
		if ctx.Err() != nil {
			return opening.Evidence{}, nil, ctx.Err()
		}
		return opening.Evidence{}, nil, refuse(fmt.Errorf("%s: expected the job file that you kept: %w", f.job, err))
	}
	sealed, err := os.Open(f.paths.result)
	if err != nil {
		return opening.Evidence{}, nil, err
	}
	e.Result = interruptible{ctx, sealed}
	if f.paths.crosswalk == "" {
		return e, func() { sealed.Close() }, nil
	}
	other, err := os.Open(f.paths.crosswalk)
	if err != nil {
		sealed.Close()
		return opening.Evidence{}, nil, err
	}
	e.Crosswalk = interruptible{ctx, other}
	return e, func() { sealed.Close(); other.Close() }, nil
}

// interruptible is a file whose reading ends with ctx, so that an interrupted open removes what it
// has written.
type interruptible struct {
	ctx context.Context
	*os.File
}

func (f interruptible) Read(p []byte) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	return f.File.Read(p)
}

// WriteTo would read past Read; it keeps io.Copy on it.
func (f interruptible) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{f})
}
