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

const rootHelp = `Anchorhold processes health records in an AWS Nitro Enclave so that the machine it runs on never sees them.

A data owner seals records to an image that they pinned, submits the job to a parent instance, and opens the result
after its receipt has verified. The parent is trusted with nothing.

  anchorhold keygen --out me                     a key pair for results, once
  anchorhold run --policy policy.cbor --pins pins.yaml --reply me.pub.pem --key me.key.pem \
                 --parent https://parent.example --out deidentified export/

or step by step: seal, submit, open. What a file says without any proof: inspect. What it proves: verify.

Exit codes: 0 fine, 1 failed, 2 usage, 3 refused by verification, 4 verified but records were rejected, or lesser findings,
5 nothing was found and not everything could be proved (canary).`

// app is what commands share.
type app struct {
	in       io.Reader
	out, err io.Writer
	now      func() time.Time
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{in: stdin, out: stdout, err: stderr, now: time.Now}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitFine
	}
	// the command has said so already
	if !errors.Is(err, errRejected) && !errors.Is(err, errFindings) && !errors.Is(err, errUnproven) {
		fmt.Fprintf(stderr, "anchorhold: %s\n", harmless(err.Error()))
	}
	if cli.IsUsage(err) {
		fmt.Fprintf(stderr, "see: %s --help\n", cmd.CommandPath())
	}
	return exitCode(err)
}

func (a *app) root() *cobra.Command {
	root := cli.Root(&cobra.Command{
		Use:   "anchorhold",
		Short: "Seal health records to a pinned enclave, and open what it returns",
		Long:  rootHelp,
	})
	root.AddGroup(&cobra.Group{ID: "owner", Title: "Data owner:"}, &cobra.Group{ID: "review", Title: "Review:"})
	for group, commands := range map[string][]*cobra.Command{
		"owner":  {a.keygen(), a.keyPolicy(), a.rollout(), a.seal(), a.wrap(), a.submit(), a.open(), a.runAll(), a.try()},
		"review": {a.verify(), a.inspect(), a.canary(), a.policy(), a.coverage(), a.version()},
	} {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	return root
}

// atLeastOne wants one or more arguments of a kind.
func atLeastOne(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cli.Usage("expected at least one %s", name)
		}
		return nil
	}
}
