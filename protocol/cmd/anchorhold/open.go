package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

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
records; report.json lists them by code and line.

The document must come from AWS. --root replaces AWS's root, for tests: such a result is marked NOT AWS.`

// openFlags are shared by open and run, which knows the files itself.
type openFlags struct {
	job               string
	paths             fetchPaths
	policy, pins      string
	key, crosswalkKey string
	root, out         string
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
	cli.Required(cmd, "job", "result", "receipt", "policy", "pins", "key", "out")
	return cmd
}

// openResult verifies, opens and prints. It returns errRejected when all is well but records are missing.
func (a *app) openResult(ctx context.Context, f openFlags) error {
	key, err := readPrivateKey(f.key, result.Result)
	if err != nil {
		return err
	}
	if err := outfile.FreeFolder(f.out); err != nil {
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
	report, err := a.write(f, accepted, key)
	if err != nil {
		return err
	}
	return a.printOpened(f, accepted, report)
}

// write decrypts into the folder, which appears whole or not at all.
func (a *app) write(f openFlags, accepted *opening.Accepted, key *result.PrivateKey) (*opening.Report, error) {
	folder, err := outfile.CreateFolder(f.out)
	if err != nil {
		return nil, err
	}
	defer folder.Abort()
	report, err := accepted.Open(key, folder)
	if err != nil {
		return nil, err
	}
	if f.crosswalkKey != "" {
		other, err := readPrivateKey(f.crosswalkKey, result.Crosswalk)
		if err != nil {
			return nil, err
		}
		if err := accepted.OpenCrosswalk(other, folder); err != nil {
			return nil, err
		}
	}
	if err := folder.Commit(); err != nil {
		return nil, err
	}
	return report, nil
}

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

// interruptible is a file whose reading ends with ctx, so that an interrupted open removes what it has written.
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

// openedSummary is what open prints for a machine.
type openedSummary struct {
	Verified bool              `json:"verified"`
	AWS      bool              `json:"aws"`
	Image    string            `json:"image"`
	Checks   []check           `json:"checks"`
	Out      string            `json:"out"`
	Files    map[string]uint64 `json:"files"`
	Report   *opening.Report   `json:"report"`
}

func (a *app) printOpened(f openFlags, accepted *opening.Accepted, report *opening.Report) error {
	files := make(map[string]uint64)
	var rows [][]string
	for _, file := range report.Files {
		files[file.Type+".ndjson"] = file.Records
		rows = append(rows, []string{file.Type + ".ndjson", fmt.Sprintf("%d records", file.Records)})
	}
	checks := passed(accepted.Receipt.Lines)
	if f.asJSON {
		s := openedSummary{true, f.root == "", accepted.Receipt.Image.Name, checks, f.out, files, report}
		if err := cli.WriteJSON(a.out, s); err != nil {
			return err
		}
	} else {
		a.printChecks(checks)
		if f.root != "" {
			fmt.Fprintln(a.out, "verified, NOT AWS")
		} else {
			fmt.Fprintln(a.out, "verified")
		}
		fmt.Fprintf(a.out, "%s: %d records in, %d out, %d rejected; ages counted to %s\n",
			f.out, report.RecordsIn, report.RecordsOut, report.RecordsRejected, safe(report.ReferenceDate))
		a.table(rows)
	}
	if report.RecordsRejected == 0 {
		return nil
	}
	a.printRejects(report, f.parts)
	return errRejected
}

// maxShown is how many rejects a person is shown; report.json has the rest.
const maxShown = 20

func (a *app) printRejects(report *opening.Report, parts []records.Part) {
	a.notice("%d records were rejected and are not in the output:", report.RecordsRejected)
	for i, r := range report.Rejects {
		if i == maxShown {
			a.notice("  … the rest is in report.json")
			break
		}
		where := fmt.Sprintf("line %d of the job", r.Line)
		if path, line, ok := records.Locate(parts, r.Line); ok {
			where = fmt.Sprintf("%s:%d", filepath.Base(path), line)
		}
		a.notice("  %s: %s", where, safe(string(r.Code)))
	}
}
