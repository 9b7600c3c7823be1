package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"anchorhold/eif/emulate"
	"anchorhold/protocol/cli"
	"anchorhold/protocol/event"
	"anchorhold/protocol/protocoltest/testca"
	"anchorhold/protocol/transport"
)

const emulateHelp = `Emulate boots an image on this machine, without Nitro hardware. INSECURE: it shows behaviour and protects nothing.

  --machine microvm         its NSM signs documents under the root of anchorhold-dev ca: the whole job runs
  --machine nitro-enclave   QEMU itself parses and measures the image; its documents are unsigned and nothing accepts them

The guest's ports are unix sockets: SOCKETS_9101 leads to its job port, and its connections to the parent's relay and credentials go to whoever
listens at SOCKETS_9102 and SOCKETS_9103. When the enclave serves, "ready unix://SOCKETS_9101" is printed. It runs until it ends or this
command is interrupted; each of its events (SPEC 11) is a line on standard error, the last one is named when it ends.

Needs the QEMU that scripts/qemu.sh builds. The processor is emulated too unless the machine can virtualise.`

// enclaveFlags are the flags of emulate.
type enclaveFlags struct {
	machine, sockets, console, ca, qemu string
	memory                              int
	cid                                 uint32
	debug, silent, replace              bool
}

func (a *app) emulate() *cobra.Command {
	var f enclaveFlags
	cmd := &cobra.Command{
		Use:   "emulate IMAGE --machine microvm|nitro-enclave --sockets PATH",
		Short: "Boot an image in QEMU; INSECURE",
		Long:  emulateHelp,
		Example: `  anchorhold-dev ca --out ca
  anchorhold-eif emulate anchorhold.eif --machine microvm --ca ca --sockets /run/anchorhold/one --memory 512`,
		Args: cli.ExactArgs("IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if f.replace {
				return a.replace(cmd.Context(), args[0], f)
			}
			return a.runEnclave(cmd.Context(), cmd.ErrOrStderr(), args[0], f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.machine, "machine", "", "microvm or nitro-enclave")
	flags.StringVar(&f.sockets, "sockets", "", "beginning of the unix sockets' `PATH`s")
	flags.IntVar(&f.memory, "memory", 256, "memory of the enclave in `MiB`")
	flags.Uint32Var(&f.cid, "cid", 16, "context id that the enclave sees as its own")
	flags.StringVar(&f.console, "console", "", "`FILE` for what the enclave's kernel and program print (default: nowhere)")
	flags.StringVar(&f.ca, "ca", "", "`DIR` of anchorhold-dev ca, whose root signs; for microvm")
	flags.StringVar(&f.qemu, "qemu", besideProgram("qemu"), "`DIR` with QEMU and its firmware")
	flags.BoolVar(&f.debug, "debug", false, "as nitro-cli's --debug-mode: PCR0, PCR1 and PCR2 are zero; for microvm")
	flags.BoolVar(&f.silent, "no-heartbeat", false, "leave the enclave's heartbeat without an answer")
	flags.BoolVar(&f.replace, "replace", false, "end the enclave that has these sockets, start this one in the background, and return when it serves; for the parent's `enclaves.replace`")
	cli.Required(cmd, "machine", "sockets")
	return cmd
}

// besideProgram returns the path of a file in the folder of this program.
func besideProgram(name string) string {
	program, err := os.Executable()
	if err != nil {
		return name
	}
	return filepath.Join(filepath.Dir(program), name)
}

func (f *enclaveFlags) check() error {
	m := emulate.Machine(f.machine)
	switch {
	case m != emulate.MicroVM && m != emulate.NitroEnclave:
		return cli.Usage("--machine %q: expected %s or %s", f.machine, emulate.MicroVM, emulate.NitroEnclave)
	case m == emulate.MicroVM && f.ca == "":
		return cli.Usage("--machine microvm needs --ca, a folder that anchorhold-dev ca made")
	case m == emulate.NitroEnclave && (f.ca != "" || f.debug):
		return cli.Usage("--ca and --debug are for --machine microvm: QEMU's own NSM signs nothing")
	case f.memory < emulate.MinMemoryMiB || f.memory > emulate.MaxMemoryMiB:
		return cli.Usage("--memory %d: expected %d to %d MiB", f.memory, emulate.MinMemoryMiB, emulate.MaxMemoryMiB)
	case f.cid < emulate.MinCID || f.cid > emulate.MaxCID:
		return cli.Usage("--cid %d: expected %d to %d; the smaller ones have meanings", f.cid, emulate.MinCID, uint32(emulate.MaxCID))
	}
	return nil
}

func (a *app) runEnclave(ctx context.Context, stderr io.Writer, path string, f enclaveFlags) error {
	logger := log.New(stderr, "INSECURE anchorhold-eif emulate: ", 0)
	i, err := readImage(path)
	if err != nil {
		return err
	}
	if i.Signed() {
		if _, _, err := i.Verify(nil, a.now()); err != nil {
			return fmt.Errorf("%s: %w", path, err) // neither would the hypervisor start it
		}
	}
	unlock, err := lockSockets(f.sockets)
	if err != nil {
		return err
	}
	defer unlock()
	_, _, _, foreign := i.Layout()
	ready := func() { fmt.Fprintf(a.out, "ready unix://%s_%d\n", f.sockets, transport.JobPort) }
	c := emulate.Config{
		Machine: emulate.Machine(f.machine), Image: i, ImagePath: path, QEMU: f.qemu, MemoryMiB: f.memory, CID: f.cid,
		Sockets: f.sockets, Debug: f.debug, Silent: f.silent, Log: logger.Printf,
		Started: func() {
			logger.Print("heartbeat")
			if foreign != nil { // of a program that may know nothing of events
				ready()
			}
		},
		Event: func(code event.Code) {
			logger.Print(code)
			if code == event.Serving && foreign == nil {
				ready()
			}
		},
	}
	if c.CA, err = f.authority(); err != nil {
		return err
	}
	if f.console != "" {
		console, err := os.OpenFile(f.console, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		defer console.Close()
		c.Console = console
	}
	out, err := emulate.Run(ctx, c)
	if err != nil && out.Last != 0 {
		return fmt.Errorf("%w; the enclave's last event: %s", err, out.Last)
	}
	if err != nil {
		return err
	}
	return ending(logger, out)
}

// ending says how the enclave has ended: an end that nobody asked for is a failure.
func ending(logger *log.Logger, out emulate.Outcome) error {
	last := "without an event"
	if out.Last != 0 {
		last = "with the event " + out.Last.String()
	}
	if out.Stopped {
		logger.Printf("stopped, %s", last)
		return nil
	}
	if !out.Heartbeat {
		last += " and without a heartbeat"
	}
	return fmt.Errorf("the enclave has ended by itself, %s (QEMU's exit code: %d)", last, out.ExitCode)
}

// authority reads the root that signs the documents.
func (f *enclaveFlags) authority() (*testca.CA, error) {
	if f.ca == "" {
		return nil, nil
	}
	path := filepath.Join(f.ca, "attestation-root-key.pem")
	b, err := readFile(path, maxSmall)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	ca, err := testca.ParsePEM(b, time.Now)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return ca, nil
}

var errInUse = errors.New("another enclave has these sockets")
