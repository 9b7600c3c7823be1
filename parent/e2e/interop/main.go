// Command interop checks that other people's software and Anchorhold understand each other:
// official AWS Encryption SDKs, the AWS CLI, and independent implementations of COSE and HPKE, all
// against a running stage (local KMS, enclave over the software NSM, parent).
//
// scripts/interop.sh installs what it runs. Nothing here is used by the programs; that is why it is
// a module of its own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// timeout ends a run that hangs.
const timeout = 10 * time.Minute

// options name what scripts/interop.sh has installed.
type options struct {
	bin     string // folder of `make build`
	modules string // folder with node_modules
	node    string
	python  string // interpreter that finds aws_encryption_sdk
	aws     string // AWS CLI
	vectors string // published vectors; empty: those checks are named as not run
}

// A check is one line of the table.
type check struct {
	group, name string
	do          func(context.Context) (detail string, err error)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "interop:", err)
		return 2
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	l, err := newLab(ctx, o)
	if err != nil {
		fmt.Fprintln(stderr, "interop:", err)
		return 1
	}
	// Jobs first: the later groups look at what they left.
	checks := slices.Concat(l.messageChecks(), l.sealChecks(), l.cliChecks(), l.documentChecks(), l.hpkeChecks(), l.fhirChecks())
	failed := report(ctx, stdout, checks)
	if o.vectors == "" {
		fmt.Fprintln(stdout, "not checked: published attestation documents, FHIR examples (VECTORS is unset)")
	}
	if err := l.close(); err != nil {
		fmt.Fprintln(stderr, "interop:", err)
		failed++
	}
	fmt.Fprintf(stdout, "%d passed, %d failed\n", len(checks)-failed, failed)
	if failed > 0 {
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("interop", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.bin, "bin", "", "folder with the programs of make build")
	flags.StringVar(&o.modules, "modules", "", "folder with the node_modules of package-lock.json")
	flags.StringVar(&o.node, "node", "node", "Node.js")
	flags.StringVar(&o.python, "python", "", "Python with the packages of requirements.txt")
	flags.StringVar(&o.aws, "aws", "aws", "AWS CLI")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 || o.bin == "" || o.modules == "" || o.python == "" {
		return o, errors.New("--bin, --modules and --python are required; scripts/interop.sh gives them")
	}
	o.vectors = os.Getenv("VECTORS")
	for _, dir := range []*string{&o.bin, &o.modules} {
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return o, err
		}
		*dir = abs
	}
	return o, nil
}

// report runs the checks in order, prints a line for each, and returns how many failed.
func report(ctx context.Context, w io.Writer, checks []check) (failed int) {
	for _, c := range checks {
		start := time.Now()
		detail, err := c.do(ctx)
		word := "ok"
		if err != nil {
			failed++
			word, detail = "FAIL", strings.ReplaceAll(err.Error(), "\n", " | ")
		}
		fmt.Fprintf(w, "%-4s  %-13s %-52s %5.1f s  %s\n", word, c.group, c.name, time.Since(start).Seconds(), detail)
	}
	return failed
}
