package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitFine   = 0
	exitFailed = 1
	exitUsage  = 2
)

// errUsage marks what a person can mend on the command line.
var errUsage = errors.New("usage")

// run executes one command until it ends or ctx does.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	logger := newLogger(stderr)
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitFine
	}
	// joined errors have several, and each must say INSECURE
	for line := range strings.Lines(err.Error()) {
		logger.Print(line)
	}
	if errors.Is(err, errUsage) {
		return exitUsage
	}
	return exitFailed
}

// newLogger marks each line, so that no excerpt of a log can pass for one of the real programs.
func newLogger(w io.Writer) *log.Logger {
	return log.New(w, "INSECURE anchorhold-dev: ", log.LstdFlags|log.Lmsgprefix)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "anchorhold-dev",
		Short:         "Local stand-ins for AWS: INSECURE, for development and tests only",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          usageArgs(cobra.NoArgs),
		RunE:          func(*cobra.Command, []string) error { return fmt.Errorf("%w: name a command; see --help", errUsage) },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", errUsage, err) })
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(newCA(), newKMS(), newPins(), newSample(), enclaveCommand())
	return root
}

// enclaveCommand hands its arguments on unread: the enclave program has flags of its own.
func enclaveCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "enclave",
		Short:              "Serve the enclave program over a software NSM",
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runEnclave(cmd.Context(), args, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
}

// usageArgs turns cobra's complaint about arguments into errUsage.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
		return nil
	}
}

// required reports the flags that were left empty.
func required(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		if cmd.Flag(name).Value.String() == "" {
			return fmt.Errorf("%w: --%s is required", errUsage, name)
		}
	}
	return nil
}

// writeNew writes a file that did not exist: a key must not replace the one that something already
// trusts.
func writeNew(path string, content []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
