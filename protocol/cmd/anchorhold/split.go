package main

import (
	"encoding/base64"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"anchorhold/enclave/deid/anonymizer"
	"anchorhold/protocol/cli"
	"anchorhold/protocol/internal/outfile"
)

func (a *app) policySplit() *cobra.Command {
	var config, parameters string
	cmd := &cobra.Command{
		Use:   "split FILE",
		Short: "Take the keys out of a FHIR anonymizer configuration",
		Long: `Split reads a configuration of Microsoft's FHIR anonymizer and writes two files: the configuration without its keys, which a
policy can name (rules: FILE), and the keys as a parameters file for anchorhold seal --parameters. The second holds secrets: it
stays with the owner. The first is compiled on the way, and refused as policy compile would refuse it.`,
		Example: "  anchorhold policy split configuration.json",
		Args:    cli.ExactArgs("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			base := strings.TrimSuffix(args[0], filepath.Ext(args[0]))
			if config == "" {
				config = base + ".public.json"
			}
			if parameters == "" {
				parameters = base + ".parameters.yaml"
			}
			return a.splitConfiguration(args[0], config, parameters)
		},
	}
	cmd.Flags().StringVar(&config, "config", "", "`FILE` to write the configuration to (default FILE.public.json)")
	cmd.Flags().StringVar(&parameters, "parameters", "", "`FILE` to write the keys to (default FILE.parameters.yaml)")
	return cmd
}

func (a *app) splitConfiguration(path, config, parameters string) error {
	src, err := readSmall(path)
	if err != nil {
		return err
	}
	rest, values, err := anonymizer.Split(src)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	// Both or none: a configuration alone would look like the whole.
	for _, f := range []string{config, parameters} {
		if err := outfile.Free(f); err != nil {
			return err
		}
	}
	engine, err := anonymizer.Compile(rest)
	if err != nil {
		return err // unreachable: Split has compiled it
	}
	if len(values) > 0 {
		if err := outfile.Write(parameters, parametersYAML(values), 0o600); err != nil {
			return err
		}
		fmt.Fprintf(a.out, "%s: %s (keep it secret)\n", safe(parameters), strings.Join(slices.Sorted(maps.Keys(values)), ", "))
	}
	if err := outfile.Write(config, rest, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%s: the configuration without keys\n", safe(config))
	for _, name := range engine.Needs() {
		if values[name] == nil {
			a.notice("the rules need the parameter %s, which the configuration does not give", name)
		}
	}
	return nil
}

// parametersYAML writes an author's parameters file (SPEC 3.4).
func parametersYAML(values map[string][]byte) []byte {
	var b strings.Builder
	b.WriteString("anchorhold: parameters/v1\nvalues:\n")
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(&b, "  %s: {base64: %q}\n", name, base64.StdEncoding.EncodeToString(values[name]))
	}
	return []byte(b.String())
}
