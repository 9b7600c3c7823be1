package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// release is the version of this tool; see CHANGELOG.md.
const release = "0.1.0-dev"

const rootHelp = `anchorhold-eif builds enclave images that anyone can build again, byte for byte, and says what an image measures to.

  anchorhold-eif build --kernel bzImage --program anchorhold-enclave --policy policy.yaml -o anchorhold.eif
  anchorhold-eif describe anchorhold.eif
  anchorhold-eif pins anchorhold.eif --layout anchorhold --expires 2027-01-31

See eif/REPRODUCE.md for what each PCR covers.

Exit codes: 0 fine, 1 failed, refused or different, 2 usage.`

const (
	exitFine   = 0
	exitFailed = 1
	exitUsage  = 2
)

// errDifferent says that diff has found something; it has printed it.
var errDifferent = errors.New("the images differ")

// usageError is a fault in how the command was called.
type usageError struct{ error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// app is what commands share.
type app struct {
	out io.Writer
	now func() time.Time
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := &app{out: stdout, now: time.Now}
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
	var u usageError
	if errors.As(err, &u) {
		fmt.Fprintf(stderr, "see: %s --help\n", cmd.CommandPath())
		return exitUsage
	}
	return exitFailed
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "anchorhold-eif",
		Short:         "Build, measure, compare and sign enclave images",
		Long:          rootHelp,
		Version:       release,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("unknown command %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(a.build(), a.describe(), a.measure(), a.pins(), a.diff(), a.sign(), a.verifySignature())
	return root
}

// exactArgs wants the named arguments, no more and no less.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return usage("expected %s, got %d arguments", strings.Join(names, " "), len(args))
		}
		return nil
	}
}

// required makes flags required and says so in a usage error of our own.
func required(cmd *cobra.Command, names ...string) {
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		var missing []string
		for _, name := range names {
			if cmd.Flag(name).Value.String() == "" {
				missing = append(missing, "--"+name)
			}
		}
		if len(missing) > 0 {
			return usage("missing %s", strings.Join(missing, ", "))
		}
		return nil
	}
	for _, name := range names {
		cmd.Flag(name).Usage += " (required)"
	}
}

func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
