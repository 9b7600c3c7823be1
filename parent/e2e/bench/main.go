// Command bench measures Anchorhold as it runs: `make bench`. It prints one table: each figure
// beside a baseline taken in the same run, the goal, and whether it is met; then it verifies the
// receipt of every job that it ran, and fails when one does not hold.
//
// The whole path runs as processes of its own: local KMS, enclave over the software NSM, parent,
// all on this machine together with the load generator. It is INSECURE: the attestation root is
// made here. Absolute numbers depend on the machine and on what else runs on it; ratios much less,
// ratios of processor time least.
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
	"strings"
	"syscall"
	"time"

	"anchorhold/parent/e2e/stage"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// limits of the policy: the same message is sent many times under other nonces, and small jobs come
// many at once.
const limits = "{replays: 1000, concurrent-jobs: 16}"

// bench is one run.
type bench struct {
	ctx   context.Context
	out   io.Writer
	table table
	proof proof // of every job that ran

	s    *stage.Stage
	seal *sealer

	largeMB, hugeMB int
	smallSeconds    int
	rounds          int
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 && args[0] == "in-process" {
		return inProcess(args[1:], out)
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	bin := flags.String("bin", "bin", "folder with the binaries of make build")
	only := flags.String("only", "packages,whole,memory,small", "`parts` to run, in this order")
	b := &bench{ctx: ctx, out: out}
	flags.IntVar(&b.largeMB, "large", 128, "megabytes of records of the large job")
	flags.IntVar(&b.hugeMB, "huge", 1024, "megabytes of records of the job whose memory is measured")
	flags.IntVar(&b.smallSeconds, "seconds", 5, "length of each measurement of small jobs")
	flags.IntVar(&b.rounds, "rounds", 5, "how often the large job is run, in turn with its baseline")
	if err := flags.Parse(args); err != nil {
		return err
	}
	abs, err := filepath.Abs(*bin)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ahb")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	begun := time.Now()
	fmt.Fprintln(out, "Machine:", machine())
	if err := b.parts(strings.Split(*only, ","), abs, dir); err != nil {
		return err
	}
	fmt.Fprintln(out)
	b.table.print(out)
	fmt.Fprintf(out, "\n%d receipts of %d jobs verified, results opened. Load at the end %s; %.0f s in all.\n",
		b.proof.verified, b.proof.jobs, load(), time.Since(begun).Seconds())
	return nil
}

func (b *bench) parts(names []string, bin, dir string) (err error) {
	for _, name := range names {
		part, ok := map[string]func() error{"packages": b.packages, "whole": b.whole, "small": b.small, "memory": b.memory}[name]
		if !ok {
			return fmt.Errorf("no part %q", name)
		}
		if b.s == nil && name != "packages" {
			if err := b.start(bin, dir); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, b.s.Stop()) }()
		}
		fmt.Fprintf(b.out, "measuring: %s\n", name)
		if err := part(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (b *bench) start(bin, dir string) (err error) {
	if b.s, err = stage.Start(b.ctx, stage.Options{Bin: bin, Dir: dir, Limits: limits}); err != nil {
		return err
	}
	if b.seal, err = newSealer(b.ctx, b.s); err == nil {
		b.proof.sealer = b.seal
		err = b.proof.prepare(b.s)
	}
	return err
}

// fresh restarts enclave and parent, so that memory is counted from nothing. The spool stays.
func (b *bench) fresh() error {
	if err := b.s.StartEnclave(b.ctx, "policy"); err != nil {
		return err
	}
	return b.s.StartParent(b.ctx)
}
