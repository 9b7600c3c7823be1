package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"anchorhold/protocol/cli"
	"anchorhold/protocol/internal/outfile"
	"anchorhold/protocol/internal/submit"
	"anchorhold/protocol/jobfile"
)

const submitHelp = `Submit posts a job file to a parent, waits, and fetches the sealed result and the receipt. Nothing that it fetches is verified
here: open does that. A job that was posted before is joined, not done twice, so a submit that broke off may be repeated.

When the parent refuses, its code is printed with what it means and what to do: those of SPEC 9 concern the job, the others, such as
unauthorized, queue-full or not-ready, the parent itself (its OPERATING.md lists them). A parent may lie about the reason.

The token, if the parent wants one, is read from a file, so that it shows in no process list.`

// submitFlags are shared by submit and run.
type submitFlags struct{ parent, token string }

func (f *submitFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.parent, "parent", "", "`URL` of the parent")
	cmd.Flags().StringVar(&f.token, "token-file", "", "`FILE` that holds the bearer token for the parent")
}

func (a *app) submit() *cobra.Command {
	var f submitFlags
	var paths fetchPaths
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "submit --parent URL JOB",
		Short:   "Post a job file, wait, fetch the sealed result and the receipt",
		Long:    submitHelp,
		Example: "  anchorhold submit --parent https://parent.example --token-file token job.ahjob",
		Args:    cli.ExactArgs("JOB"),
		RunE: func(cmd *cobra.Command, args []string) error {
			paths.fill(args[0])
			if err := a.fetch(cmd.Context(), f, args[0], paths); err != nil {
				return err
			}
			if asJSON {
				return cli.WriteJSON(a.out, map[string]string{"result": paths.result, "receipt": paths.receipt})
			}
			fmt.Fprintf(a.out, "fetched, not verified:\n")
			a.table([][]string{{"result", paths.result}, {"receipt", paths.receipt}})
			fmt.Fprintf(a.out, "next: anchorhold open --job %s --result %s --receipt %s …\n", args[0], paths.result, paths.receipt)
			return nil
		},
	}
	f.register(cmd)
	cmd.Flags().StringVarP(&paths.result, "out", "o", "", "result `FILE` to write (default JOB with .ahres)")
	cmd.Flags().StringVar(&paths.receipt, "receipt", "", "receipt `FILE` to write (default JOB with .receipt)")
	cmd.Flags().StringVar(&paths.crosswalk, "crosswalk", "", "sealed crosswalk `FILE` to write (default JOB with .ahxwk, when the job asks for one)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the summary as JSON")
	cli.Required(cmd, "parent")
	return cmd
}

// fetchPaths are the files that a job gives.
type fetchPaths struct{ result, receipt, crosswalk string }

// fill names what was left out after the job file.
func (p *fetchPaths) fill(job string) {
	base := strings.TrimSuffix(job, filepath.Ext(job))
	for path, ext := range map[*string]string{&p.result: ".ahres", &p.receipt: ".receipt", &p.crosswalk: ".ahxwk"} {
		if *path == "" {
			*path = base + ext
		}
	}
}

// fetch submits the job and writes what it gives, all of it or nothing.
func (a *app) fetch(ctx context.Context, f submitFlags, job string, paths fetchPaths) error {
	client, err := a.client(f)
	if err != nil {
		return err
	}
	size, crosswalk, err := jobSize(job)
	if err != nil {
		return err
	}
	res, err := outfile.Create(paths.result, 0o600)
	if err != nil {
		return err
	}
	defer res.Abort()
	rec, err := outfile.Create(paths.receipt, 0o600)
	if err != nil {
		return err
	}
	defer rec.Abort()
	var walk *outfile.File // nil: the job asks for none
	if crosswalk {
		if walk, err = outfile.Create(paths.crosswalk, 0o600); err != nil {
			return err
		}
		defer walk.Abort()
	}
	bar := a.bars()
	defer bar.clear()
	client.Notify = func(stage submit.Stage, done, total int64) { bar.show(string(stage), done, total) }
	client.Busy = a.waiting()
	running, err := client.Post(ctx, size, func() (io.ReadCloser, error) { return os.Open(job) })
	if err != nil {
		return err
	}
	if err := running.Wait(ctx); err != nil {
		return err
	}
	if err := running.Result(ctx, res); err != nil {
		return fmt.Errorf("result: %w", err)
	}
	receipt, err := running.Receipt(ctx)
	if err != nil {
		return fmt.Errorf("receipt: %w", err)
	}
	if _, err := rec.Write(receipt); err != nil {
		return err
	}
	if walk != nil {
		if err := running.Crosswalk(ctx, walk); err != nil {
			return fmt.Errorf("crosswalk: %w", err)
		}
		if err := walk.Commit(); err != nil {
			return err
		}
	}
	if err := rec.Commit(); err != nil {
		return err
	}
	return res.Commit()
}

// waiting says why a parent lets a person wait, once for each reason.
func (a *app) waiting() func(*submit.Refusal) {
	said := ""
	return func(why *submit.Refusal) {
		if reason := why.Error(); reason != said {
			said = reason
			a.notice("waiting, the parent does not take the job yet: %s", reason)
		}
	}
}

func (a *app) client(f submitFlags) (*submit.Client, error) {
	var token string
	if f.token != "" {
		b, err := readSmall(f.token)
		if err != nil {
			return nil, err
		}
		if token = strings.TrimSpace(string(b)); token == "" || strings.ContainsAny(token, "\r\n") {
			return nil, fmt.Errorf("%s: expected one line with the token", f.token)
		}
	}
	client, err := submit.New(f.parent, token)
	if err != nil {
		return nil, cli.Usage("--parent %s: %w", f.parent, err)
	}
	return client, nil
}

// jobSize makes sure that a file is a job before it is sent anywhere.
func jobSize(path string) (size int64, crosswalk bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	header, _, err := jobfile.ReadHeader(f)
	if err != nil {
		return 0, false, fmt.Errorf("%s: expected a job file of anchorhold seal: %w", path, err)
	}
	info, err := f.Stat()
	if err != nil {
		return 0, false, err
	}
	return info.Size(), header.CrosswalkKey != nil, nil
}
