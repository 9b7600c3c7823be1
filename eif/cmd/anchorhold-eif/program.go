package main

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"anchorhold/enclave/deid/engine"
	"anchorhold/protocol/cli"
	"anchorhold/protocol/policy"
)

// programFolder is the import path of the enclave programs, which the linker writes into each of
// them.
const programFolder = "anchorhold/enclave/cmd"

// programs are the enclave programs and the engines that each links, sorted.
var programs = map[string][]engine.Kind{
	"anchorhold-enclave":           {engine.FHIRRules},
	"anchorhold-enclave-microsoft": {engine.Microsoft},
	"anchorhold-enclave-all":       {engine.FHIRRules, engine.Microsoft},
}

const programHelp = `Program prints the name of the enclave program for a policy: the one with the engines that the rules of its pipelines need,
and no others. build and measure take it by themselves when --program is a folder.`

func (a *app) program() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "program --policy FILE",
		Short: "Print the name of the program for a policy",
		Long:  programHelp,
		Args:  cli.ExactArgs(),
		RunE: func(*cobra.Command, []string) error {
			compiled, err := readPolicy(file)
			if err != nil {
				return err
			}
			kinds, err := policyKinds(compiled)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.out, programOf(kinds))
			return err
		},
	}
	cmd.Flags().StringVar(&file, "policy", "", "policy `FILE`, compiled or .yaml")
	cli.Required(cmd, "policy")
	return cmd
}

// readProgram reads the program at that path, or in that folder, for a compiled policy. A program
// of ours must have the engines that the policy needs and no others. What is not known to be ours
// cannot be compared, which is said on standard error.
//
// This protects the operator from an image that does not start or links too much. It is no proof: a
// program can claim any path.
func (a *app) readProgram(file string, compiled []byte) (b []byte, arm64 bool, err error) {
	kinds, err := policyKinds(compiled)
	if err != nil {
		return nil, false, err
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		file = filepath.Join(file, programOf(kinds))
	}
	if b, err = readPart(file); err != nil {
		return nil, false, fmt.Errorf("program: %w", err)
	}
	if arm64, err = checkProgram(file, b); err != nil {
		return nil, false, err
	}
	name, has := programKinds(b)
	switch {
	case has == nil:
		fmt.Fprintf(a.warn, "anchorhold-eif: engines of %s are unknown, not compared with the policy's (%s)\n", file, list(kinds))
	case !slices.Equal(has, kinds):
		return nil, false, fmt.Errorf("%s is %s with %s, the policy needs %s with %s", file, name, list(has), programOf(kinds), list(kinds))
	}
	return b, arm64, nil
}

// programKinds returns the name and engines of a program of ours, and nil for others.
func programKinds(b []byte) (name string, kinds []engine.Kind) {
	info, err := buildinfo.Read(bytes.NewReader(b))
	if err != nil || path.Dir(info.Path) != programFolder {
		return "", nil
	}
	name = path.Base(info.Path)
	return name, programs[name]
}

// policyKinds returns the engines that a policy needs, sorted.
func policyKinds(compiled []byte) ([]engine.Kind, error) {
	p, err := policy.Parse(compiled)
	if err != nil {
		return nil, err
	}
	var kinds []engine.Kind
	for _, pipeline := range p.Pipelines {
		kinds = append(kinds, engine.KindOf(pipeline.Rules))
	}
	slices.Sort(kinds)
	return slices.Compact(kinds), nil
}

// programOf returns the name of the program with exactly these engines.
func programOf(kinds []engine.Kind) string {
	for name, has := range programs {
		if slices.Equal(has, kinds) {
			return name
		}
	}
	// unreachable: a policy has a pipeline, and each set of kinds a program
	panic(fmt.Sprintf("no program with %v", kinds))
}

func list(kinds []engine.Kind) string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = string(k)
	}
	return strings.Join(names, ", ")
}
