// Package program is anchorhold-parent without its process: Run reads the configuration, starts
// every part, and stops them in order.
package program

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"

	"anchorhold/parent/internal/config"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// gcPercent lets garbage grow to several times what lives: that is a few megabytes, and at the
// default the collector would be most of what a small job costs.
const gcPercent = 400

// Run runs the parent until ctx is done and returns the exit code. It prints one line to stdout,
// "ready URL", once it serves. Faults of the configuration go to stderr as text, everything later
// as JSON lines with fixed words and codes.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("anchorhold-parent", flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := flags.String("config", "", "configuration `file` (YAML); see OPERATING.md")
	check := flags.Bool("check", false, "check the configuration and end")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitOK
		}
		return exitUsage
	}
	if *file == "" || flags.NArg() != 0 {
		fmt.Fprintln(stderr, "usage: anchorhold-parent --config FILE [--check]")
		return exitUsage
	}
	c, err := config.Load(*file)
	if err != nil {
		fmt.Fprintf(stderr, "anchorhold-parent: configuration is invalid:\n%v\n", err)
		return exitUsage
	}
	if *check {
		return exitOK
	}
	debug.SetGCPercent(gcPercent)
	log := slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: level(c.LogLevel)}))
	p, err := open(c, log)
	if err != nil {
		log.Error("cannot start", "error", err.Error())
		return exitFailed
	}
	if err := p.run(ctx, func(url string) { fmt.Fprintf(stdout, "ready %s\n", url) }); err != nil {
		log.Error("stopped on a failure", "error", err.Error())
		return exitFailed
	}
	log.Info("stopped")
	return exitOK
}

func level(name string) slog.Level {
	var l slog.Level
	if l.UnmarshalText([]byte(name)) != nil {
		return slog.LevelInfo // unreachable: config has checked it
	}
	return l
}
