// Command anchorhold-enclave is the program in the enclave: it serves jobs over /dev/nsm under the policy that was measured with it.
//
// Its flags are addresses. No flag, environment variable or build of it weakens attestation.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"anchorhold/enclave/internal/boot"
	"anchorhold/enclave/internal/nsm"
	"anchorhold/protocol/transport"
)

// policyPath is where ramdisk 1 puts the policy (SPEC 8).
const policyPath = "/policy.cbor"

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stderr))
}

// run serves until ctx ends and returns the exit code.
func run(ctx context.Context, args []string, stderr io.Writer) int {
	c := boot.Config{Log: stderr}
	flags := flag.NewFlagSet("anchorhold-enclave", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&c.Listen, "listen", fmt.Sprintf("vsock://any:%d", transport.JobPort), "`address` to listen at for jobs")
	flags.StringVar(&c.Relay, "relay", parentAddress(transport.RelayPort), "`address` of the parent's relay")
	flags.StringVar(&c.Credentials, "credentials", parentAddress(transport.CredentialsPort), "`address` of the parent's credentials")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return exitUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintln(stderr, "anchorhold-enclave takes no arguments")
		return exitUsage
	}
	if err := serve(ctx, c); err != nil {
		fmt.Fprintln(stderr, "anchorhold-enclave:", err)
		return exitFailed
	}
	return 0
}

func serve(ctx context.Context, c boot.Config) (err error) {
	if c.NSM, err = nsm.Open(); err != nil {
		return err
	}
	if c.Policy, err = boot.ReadPolicy(policyPath); err != nil {
		c.NSM.Close()
		return err
	}
	return boot.Run(ctx, c)
}

func parentAddress(port int) string { return fmt.Sprintf("vsock://%d:%d", transport.ParentCID, port) }
