package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"anchorhold/enclave/deid"
	"anchorhold/enclave/deid/score"
	"anchorhold/protocol/cli"
)

// errShort is returned when the output of a preset falls short of what --require names.
var errShort = errors.New("identifiers are left in the output")

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := cli.Root(&cobra.Command{
		Use:   "deid-score",
		Short: "Measure how well a tool de-identifies FHIR R4 records",
		Long: `Measure how well a tool de-identifies FHIR R4 records.

"generate" writes a benchmark, "judge" scores the output of any tool, "run" makes the output of a preset or of a
configuration of Microsoft's FHIR anonymizer. "compare" does all of it for several rules and prints one table.
The formats of the files are in enclave/deid/score/README.md.`,
	})
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.AddCommand(generateCommand(), runCommand(), judgeCommand(), compareCommand())
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case cli.IsUsage(err):
		fmt.Fprintf(stderr, "deid-score: %v\n", err)
		return 2
	default:
		fmt.Fprintf(stderr, "deid-score: %v\n", err)
		return 1
	}
}

func sizeFlags(cmd *cobra.Command, o *score.Options) {
	cmd.Flags().IntVar(&o.People, "people", 100, "`NUMBER` of people, at least 5; about 50 records each")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "`SEED` of the planted values")
}

func generateCommand() *cobra.Command {
	var o score.Options
	cmd := &cobra.Command{
		Use: "generate DIR", Short: "Write a benchmark into the folder DIR", Args: cli.ExactArgs("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o777); err != nil {
				return err
			}
			names, err := score.Generate(args[0], o)
			if err == nil {
				fmt.Fprintf(cmd.OutOrStdout(), "%d record files and %s in %s\n", len(names), score.TruthFile, args[0])
			}
			return err
		},
	}
	sizeFlags(cmd, &o)
	return cmd
}

func runCommand() *cobra.Command {
	var preset, config string
	cmd := &cobra.Command{
		Use: "run (--preset NAME | --config FILE) DIR OUT", Short: "De-identify the benchmark in DIR into the folder OUT",
		Args: cli.ExactArgs("DIR", "OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (preset == "") == (config == "") {
				return cli.Usage("want either --preset or --config")
			}
			t, err := loadTool(preset, config)
			if err != nil {
				return err
			}
			return t.deidentify(cmd.Context(), args[0], args[1])
		},
	}
	cmd.Flags().StringVar(&preset, "preset", "", "`NAME` of a preset")
	cmd.Flags().StringVar(&config, "config", "", "`FILE` of a configuration of Microsoft's FHIR anonymizer")
	return cmd
}

func judgeCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "judge DIR OUT", Short: "Score the output in OUT for the benchmark in DIR", Args: cli.ExactArgs("DIR", "OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := score.Judge(args[0], args[1])
			if err != nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(r)
			}
			if err := printTable(cmd.OutOrStdout(), []column{{args[1], r}}); err != nil {
				return err
			}
			printFaults(cmd.OutOrStdout(), r, true)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	return cmd
}

// compareCommand scores several rules. It fails when a preset that --require names leaves an
// identifier.
func compareCommand() *cobra.Command {
	var o score.Options
	var configs, require []string
	cmd := &cobra.Command{
		Use: "compare", Short: "Score all presets, the configurations given, and records left as they are",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return compare(cmd.Context(), cmd.OutOrStdout(), o, configs, require)
		},
	}
	sizeFlags(cmd, &o)
	cmd.Flags().StringArrayVar(&configs, "config", nil, "`FILE` of a configuration of Microsoft's FHIR anonymizer; can be repeated")
	cmd.Flags().StringArrayVar(&require, "require", nil, "fail unless the preset `NAME` removes every identifier; can be repeated")
	return cmd
}

func compare(ctx context.Context, w io.Writer, o score.Options, configs, require []string) error {
	dir, err := os.MkdirTemp("", "deid-score-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	records := dir + "/records"
	if err := os.Mkdir(records, 0o777); err != nil {
		return err
	}
	if _, err := score.Generate(records, o); err != nil {
		return err
	}
	tools, err := allTools(configs)
	if err != nil {
		return err
	}
	var columns []column
	for i, t := range tools {
		out := fmt.Sprintf("%s/out%d", dir, i)
		if err := t.deidentify(ctx, records, out); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		r, err := score.Judge(records, out)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		columns = append(columns, column{t.name, r})
	}
	if err := printTable(w, columns); err != nil {
		return err
	}
	return required(w, columns, require)
}

// required checks the recall of the presets named.
func required(w io.Writer, columns []column, names []string) error {
	var short error
	for _, name := range names {
		found := false
		for _, c := range columns {
			if c.name != name {
				continue
			}
			found = true
			for _, n := range c.result.Recall {
				if n.Right != n.Total {
					fmt.Fprintf(w, "\n%s:\n", name)
					printFaults(w, c.result, false)
					short = fmt.Errorf("%s: %w", name, errShort)
					break
				}
			}
		}
		if !found {
			return cli.Usage("--require %s: no such preset, want one of %v", name, deid.Presets())
		}
	}
	return short
}
