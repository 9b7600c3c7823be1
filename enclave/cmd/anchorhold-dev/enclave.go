package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"anchorhold/enclave/deid/engines"
	"anchorhold/enclave/internal/boot"
	"anchorhold/enclave/internal/nsm"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/protocoltest/testca"
)

// enclavePrefix stands before every line that the enclave program logs here.
const enclavePrefix = "INSECURE anchorhold-dev: enclave: "

// maxProgram bounds the executable that is measured.
const maxProgram = 256 << 20

// runEnclave serves the enclave program over the software NSM until ctx ends, and prints "ready
// ADDRESS" when it accepts connections. The caller cancels ctx on SIGTERM and prints the error.
func runEnclave(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := boot.Config{Engines: engines.All(), Log: stderr, Prefix: enclavePrefix}
	var policy, ca string
	flags := flag.NewFlagSet("enclave", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // its lines would not say INSECURE
	flags.StringVar(&c.Listen, "listen", "", "`address` to listen at for jobs")
	flags.StringVar(&c.Relay, "relay", "", "`address` of the parent's relay")
	flags.StringVar(&c.Credentials, "credentials", "", "`address` of the parent's credentials")
	flags.StringVar(&policy, "policy", "", "compiled policy `file`")
	flags.StringVar(&ca, "ca", "", "`folder` made by anchorhold-dev ca")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			flags.SetOutput(stdout)
			flags.Usage()
			return nil
		}
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%w: enclave takes no arguments", errUsage)
	}
	for name, value := range map[string]string{
		"listen": c.Listen, "relay": c.Relay, "credentials": c.Credentials, "policy": policy, "ca": ca,
	} {
		if value == "" {
			return fmt.Errorf("%w: --%s is required", errUsage, name)
		}
	}
	var err error
	if c.Policy, err = boot.ReadPolicy(policy); err != nil {
		return err
	}
	module, err := newModule(c.Policy, ca)
	if err != nil {
		return err
	}
	c.NSM = nsm.New(module)
	c.Ready = func(address string) { fmt.Fprintf(stdout, "ready %s\n", address) }
	return boot.Run(ctx, c)
}

// newModule makes the software NSM. Its PCRs follow from the running executable and the policy by
// the formulas of an EIF: nothing sets them.
func newModule(policy []byte, ca string) (*softnsm.NSM, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program: %w", err)
	}
	program, err := readMeasured(path)
	if err != nil {
		return nil, fmt.Errorf("read the program: %w", err)
	}
	root, err := readLimited(filepath.Join(ca, attestationRootKey))
	if err != nil {
		return nil, fmt.Errorf("read the attestation root: %w", err)
	}
	authority, err := testca.ParsePEM(root, time.Now)
	if err != nil {
		return nil, fmt.Errorf("attestation root: %w", err)
	}
	return softnsm.New(softnsm.Config{CA: authority, Image: measure.DevImage(program, policy), Now: time.Now}), nil
}

// readMeasured reads a whole file, or fails: a part of it would be measured as another.
func readMeasured(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxProgram+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxProgram {
		return nil, errors.New("file is too large")
	}
	return b, nil
}
