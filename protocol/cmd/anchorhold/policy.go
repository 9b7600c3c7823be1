package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"anchorhold/enclave/deid"
	"anchorhold/enclave/deid/engines"
	"anchorhold/protocol/cli"
	"anchorhold/protocol/internal/outfile"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/policy"
	"anchorhold/protocol/policysource"
)

const policyHelp = `A policy says which tenants an enclave serves, with which KMS keys and pipelines. It is written in YAML, compiled to the bytes that
are measured into the image (PCR2), and public: it holds no secret.`

func (a *app) policy() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "policy",
		Short:   "Compile a policy, print its digest, show it",
		Long:    policyHelp,
		Example: "  anchorhold policy compile -o policy.cbor policy.yaml",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return cli.Usage("unknown command %q: expected compile, split, digest or show", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.policyCompile(), a.policySplit(), a.policyDigest(), a.policyShow())
	return cmd
}

func (a *app) policyCompile() *cobra.Command {
	var out string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "compile -o FILE POLICY.yaml",
		Short: "Compile a policy's YAML, with the rules of its pipelines",
		Long: `Compile reports every fault with its line. Rules are those of a preset or of a file, named relative to the policy: a rule file
or a configuration of Microsoft's FHIR anonymizer. They are compiled as the enclave will compile them, so that a fault shows here
and not at its start.`,
		Example: "  anchorhold policy compile -o policy.cbor policy.yaml",
		Args:    cli.ExactArgs("POLICY.yaml"),
		RunE: func(_ *cobra.Command, args []string) error {
			compiled, err := a.compilePolicy(args[0])
			if err != nil {
				return err
			}
			if out == "" {
				out = "policy.cbor"
			}
			if err := outfile.Write(out, compiled, 0o644); err != nil {
				return err
			}
			return a.printPolicy(out, compiled, asJSON, false)
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "`FILE` to write (default policy.cbor)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the summary as JSON")
	return cmd
}

// compilePolicy compiles a policy and, as the enclave does at its start, the rules in it.
func (a *app) compilePolicy(path string) ([]byte, error) {
	src, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	compiled, err := policysource.Compile(src, deid.Preset, func(name string) ([]byte, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(path), name)
		}
		rules, err := readSmall(name)
		if err != nil {
			return nil, err
		}
		return deid.Expand(rules) // the policy holds, and the image measures, the whole text
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	pol, err := policy.Parse(compiled)
	if err != nil {
		return nil, err
	}
	for _, p := range pol.Pipelines {
		e, err := engines.Compile(p.Rules)
		if err != nil {
			return nil, fmt.Errorf("%s: rules of pipeline %s: %w", path, p.Name, err)
		}
		for _, w := range e.Warnings() {
			a.notice("warning: pipeline %s: %s", p.Name, w)
		}
	}
	return compiled, nil
}

func (a *app) policyDigest() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "digest FILE",
		Short:   "Print the digest that receipts name",
		Long:    "Digest prints the SHA-384 of a compiled policy, once it has parsed: the value in receipts and in attestation documents.",
		Example: "  anchorhold policy digest policy.cbor",
		Args:    cli.ExactArgs("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			_, pol, err := readPolicy(args[0])
			if err != nil {
				return err
			}
			fmt.Fprintln(a.out, pol.Digest())
			return nil
		},
	}
	return cmd
}

func (a *app) policyShow() *cobra.Command {
	var asJSON bool
	var rules string
	cmd := &cobra.Command{
		Use:     "show FILE",
		Short:   "Show what a compiled policy permits",
		Long:    "Show prints a compiled policy in words. With --rules it prints the rules of one pipeline, as they are measured.",
		Example: "  anchorhold policy show policy.cbor\n  anchorhold policy show --rules deid policy.cbor",
		Args:    cli.ExactArgs("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			compiled, pol, err := readPolicy(args[0])
			if err != nil {
				return err
			}
			if rules == "" {
				return a.printPolicy(args[0], compiled, asJSON, true)
			}
			p, ok := pol.Pipeline(rules)
			if !ok {
				return cli.Usage("the policy has no pipeline %q", rules)
			}
			_, err = a.out.Write(p.Rules)
			return err
		},
	}
	cmd.Flags().StringVar(&rules, "rules", "", "print the rules of the pipeline `NAME`")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}

// printPolicy prints a summary of a compiled policy, or all of it.
func (a *app) printPolicy(path string, compiled []byte, asJSON, whole bool) error {
	pol, err := policy.Parse(compiled)
	if err != nil {
		return err
	}
	if pol.NotAWS() {
		a.warnNotAWS()
	}
	pcr2 := measure.PolicyPCR2(compiled)
	if asJSON {
		return cli.WriteJSON(a.out, map[string]any{
			"file": path, "digest": pol.Digest(), "pcr2": pcr2, "not_aws": pol.NotAWS(), "size": len(compiled), "says": describePolicy(pol).object(),
		})
	}
	fmt.Fprintf(a.out, "%s: %d bytes\n", safe(path), len(compiled))
	f := describePolicy(pol)
	if !whole {
		f = f[:1]
	}
	f.add("pcr2", "%s (layout anchorhold)", pcr2)
	a.table(f.rows())
	return nil
}
