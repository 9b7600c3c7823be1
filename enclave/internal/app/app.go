// Package app is what all enclave programs do: they serve jobs over /dev/nsm under the policy that
// was measured with them. A program differs from the others in its engines only.
//
// The main call is [Main]. As PID 1 the program starts the enclave (package pid1) and then itself
// once more, to serve. Under nitro-cli's init it serves. It learns which of these to do from its
// process, not from flags.
//
// Its flags are addresses. No flag, environment variable or build of it weakens attestation.
package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"anchorhold/enclave/deid/engine"
	"anchorhold/enclave/internal/boot"
	"anchorhold/enclave/internal/compose"
	"anchorhold/enclave/internal/nsm"
	"anchorhold/enclave/internal/pid1"
	"anchorhold/enclave/internal/report"
	"anchorhold/protocol/event"
	"anchorhold/protocol/transport"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

// Main runs the program with these engines. It does not return.
func Main(engines engine.Set) {
	if pid1.Situate() == pid1.First {
		// does not return
		pid1.Main(pid1.Linux{}, func() pid1.Reporter { return report.New(dialEvents) }, os.Stderr)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	os.Exit(run(ctx, engines, os.Args[1:], os.Stderr))
}

// run serves until ctx ends and returns the exit code.
func run(ctx context.Context, engines engine.Set, args []string, stderr io.Writer) int {
	c := boot.Config{Engines: engines, Log: stderr}
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
	r := report.New(dialEvents)
	defer r.Close()
	c.Event = r.Send
	if err := start(ctx, c, pid1.Situate()); err != nil {
		r.Send(event.Of(err))
		fmt.Fprintln(stderr, "anchorhold-enclave:", err)
		return exitFailed
	}
	return 0
}

// start does what PID 1 has left to do.
func start(ctx context.Context, c boot.Config, s pid1.Situation) error {
	if s != pid1.Served {
		c.Layout = compose.NitroCLI
		c.Event(event.Started)
		if err := pid1.CheckGuest(pid1.Linux{}); err != nil {
			return err
		}
		c.Event(event.Composed)
	}
	return serve(ctx, c)
}

func serve(ctx context.Context, c boot.Config) (err error) {
	if c.NSM, err = nsm.Open(); err != nil {
		return event.Fault(event.NSMMissing, err)
	}
	if c.Policy, err = boot.ReadPolicy(compose.PolicyPath); err != nil {
		c.NSM.Close()
		return event.Fault(event.PolicyInvalid, err)
	}
	return boot.Run(ctx, c)
}

func dialEvents(ctx context.Context) (net.Conn, error) {
	return transport.Dial(ctx, parentAddress(transport.EventPort))
}

func parentAddress(port int) string { return fmt.Sprintf("vsock://%d:%d", transport.ParentCID, port) }
