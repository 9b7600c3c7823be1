package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"anchorhold/protocol/cli"

	"github.com/spf13/cobra"
)

// release is the version of this tool; see CHANGELOG.md.
const release = "0.1.0-dev"

const rootHelp = `anchorhold-eif builds enclave images that anyone can build again, byte for byte, and says what an image measures to.

  anchorhold-eif build --kernel bzImage --program bin --policy policy.yaml -o anchorhold.eif
  anchorhold-eif describe anchorhold.eif
  anchorhold-eif pins anchorhold.eif --layout anchorhold --expires 2027-01-31
  anchorhold-eif emulate anchorhold.eif --machine microvm --ca ca --sockets /run/anchorhold/one

See eif/REPRODUCE.md for what each PCR covers.

Exit codes: 0 fine, 1 failed, refused or different, 2 usage, 3 PCR0, PCR1 and PCR2 are shown and something else in the image, such as its
signature, is faulty.`

const (
	exitFine   = 0
	exitFailed = 1
	exitUsage  = 2
	exitFaulty = 3
)

// errDifferent says that diff has found something; it has printed it.
var errDifferent = errors.New("the images differ")

// errFaulty says that an image was measured and something that is not measured is faulty: a section
// that hides what is wrong with it must not hide the registers too.
var errFaulty = errors.New("PCR0, PCR1 and PCR2 are those of the image")

// app is what commands share.
type app struct {
	out, warn io.Writer
	now       func() time.Time
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := &app{out: stdout, warn: stderr, now: time.Now}
	root := a.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitFine
	}
	if !errors.Is(err, errDifferent) {
		fmt.Fprintf(stderr, "anchorhold-eif: %v\n", err)
	}
	if cli.IsUsage(err) {
		fmt.Fprintf(stderr, "see: %s --help\n", cmd.CommandPath())
		return exitUsage
	}
	if errors.Is(err, errFaulty) {
		return exitFaulty
	}
	return exitFailed
}

func (a *app) root() *cobra.Command {
	root := cli.Root(&cobra.Command{
		Use:     "anchorhold-eif",
		Short:   "Build, measure, compare, sign, repair and emulate enclave images",
		Long:    rootHelp,
		Version: release,
	})
	root.AddCommand(a.build(), a.program(), a.describe(), a.measure(), a.pins(), a.diff(), a.sign(), a.verifySignature(), a.repair(), a.pcr(), a.emulate())
	return root
}
