package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"anchorhold/enclave/deid/engines"
	"anchorhold/protocol/cli"
	"anchorhold/protocol/policy"
)

// identifiers are those of 45 CFR 164.514(b)(2)(i).
var identifiers = []struct{ letter, what string }{
	{"A", "names"},
	{"B", "geography below a State"},
	{"C", "dates but the year, ages over 89"},
	{"D", "telephone numbers"},
	{"E", "fax numbers"},
	{"F", "email addresses"},
	{"G", "social security numbers"},
	{"H", "medical record numbers"},
	{"I", "health plan numbers"},
	{"J", "account numbers"},
	{"K", "certificate and license numbers"},
	{"L", "vehicle identifiers"},
	{"M", "device identifiers"},
	{"N", "URLs"},
	{"O", "IP addresses"},
	{"P", "biometric identifiers"},
	{"Q", "full-face photographs"},
	{"R", "any other identifying number or code"},
}

// coverageProof is what the table is worth.
const coverageProof = "This table shows which rules the measured policy holds. It does not prove that a rule stands for every element that can identify a " +
	"person, that the letters were put where they belong, or that what stays identifies nobody, alone or with what others know " +
	"(45 CFR 164.514(b)(2)(ii)). What a job did with its records is in its report."

const coverageHelp = `Coverage lists, for each pipeline of a compiled policy, the rules by identifier (A to R of 45 CFR 164.514(b)(2)(i)), element and
method, from the rules that are measured into the image. It needs nothing else: no enclave, no network, no records.

For a letter without a rule of its own the rules' default counts: where what no rule names is dropped, it is covered by that; where
it stays, as in configurations of Microsoft's FHIR anonymizer, nothing shows that the identifier is removed, and coverage says so.

For rules that extend a preset it lists, before the table, each line that they add to it: codes that are spared as harmless, systems
whose codes stay, extensions, options.

What one job did, with counts, is in the report.json that open writes.`

func (a *app) coverage() *cobra.Command {
	var path string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "coverage --policy FILE",
		Short:   "List which rules stand for which identifier of Safe Harbor",
		Long:    coverageHelp,
		Example: "  anchorhold coverage --policy policy.cbor",
		Args:    cli.ExactArgs(),
		RunE: func(*cobra.Command, []string) error {
			_, pol, err := readPolicy(path)
			if err != nil {
				return err
			}
			if pol.NotAWS() {
				a.warnNotAWS()
			}
			all, err := coverageOf(pol)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			if asJSON {
				return cli.WriteJSON(a.out, map[string]any{"policy": pol.Digest(), "pipelines": all, "not_proven": coverageProof})
			}
			for _, c := range all {
				a.printCoverage(c)
			}
			fmt.Fprintln(a.out, coverageProof)
			return nil
		},
	}
	cmd.Flags().StringVar(&path, "policy", "", "compiled policy `FILE`")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	cli.Required(cmd, "policy")
	return cmd
}

// pipelineCoverage is what the rules of one pipeline cover.
type pipelineCoverage struct {
	Pipeline string `json:"pipeline"`
	Preset   string `json:"preset,omitempty"`
	Extends  string `json:"extends,omitempty"`
	// lines that the rules add to what they extend
	Additions   []string         `json:"additions,omitempty"`
	Requires    string           `json:"requires,omitempty"`
	Warnings    []string         `json:"warnings,omitempty"`
	DefaultDeny bool             `json:"default_deny"` // what no rule names is dropped
	Letters     []letterCoverage `json:"letters"`
	Others      []elementRule    `json:"others"` // rules that are there for no letter
}

type letterCoverage struct {
	Letter string        `json:"letter"`
	What   string        `json:"what"`
	By     string        `json:"by"` // rules, default-deny or nothing
	Rules  []elementRule `json:"rules"`
}

type elementRule struct {
	Path   string `json:"path"`
	Method string `json:"method"`
}

func coverageOf(pol *policy.Policy) ([]pipelineCoverage, error) {
	var all []pipelineCoverage
	for _, p := range pol.Pipelines {
		e, err := engines.Compile(p.Rules)
		if err != nil {
			return nil, fmt.Errorf("rules of pipeline %s: %w", p.Name, err)
		}
		c := pipelineCoverage{Pipeline: p.Name, Preset: p.Preset, Requires: e.Requires(), Warnings: e.Warnings(), DefaultDeny: e.DefaultDeny(), Others: []elementRule{}}
		c.Extends, c.Additions = e.Extends()
		rules := map[string][]elementRule{}
		for _, r := range e.Rules() {
			at := elementRule{r.Path, r.Method}
			if r.Letters == "" {
				c.Others = append(c.Others, at)
				continue
			}
			for _, l := range strings.Split(r.Letters, ",") {
				rules[l] = append(rules[l], at)
			}
		}
		for _, id := range identifiers {
			by := "rules"
			if len(rules[id.letter]) == 0 {
				by = map[bool]string{true: "default-deny", false: "nothing"}[c.DefaultDeny]
			}
			c.Letters = append(c.Letters, letterCoverage{id.letter, id.what, by, append([]elementRule{}, rules[id.letter]...)})
		}
		all = append(all, c)
	}
	return all, nil
}

func (a *app) printCoverage(c pipelineCoverage) {
	kept := "what no rule names STAYS"
	if c.DefaultDeny {
		kept = "what no rule names is dropped"
	}
	fmt.Fprintf(a.out, "pipeline %s: %s\n", c.Pipeline, kept)
	for _, w := range c.Warnings {
		fmt.Fprintf(a.out, "warning: %s\n", safe(w))
	}
	if c.Requires != "" {
		fmt.Fprintf(a.out, "use of the output takes beside the rules: %s\n", c.Requires)
	}
	if c.Extends != "" {
		fmt.Fprintf(a.out, "extends %s by %d lines:\n", safe(c.Extends), len(c.Additions))
		for _, l := range c.Additions {
			fmt.Fprintf(a.out, "  + %s\n", safe(l))
		}
	}
	var summary, rows [][]string
	for _, l := range c.Letters {
		by := map[string]string{
			"rules": fmt.Sprintf("%d rules", len(l.Rules)), "default-deny": "no rule of its own: dropped where it stands in no element named", "nothing": "NOTHING SHOWS THAT IT IS REMOVED",
		}[l.By]
		summary = append(summary, []string{l.Letter, l.What, by})
		for _, r := range l.Rules {
			rows = append(rows, []string{l.Letter, safe(r.Path), safe(r.Method)})
		}
	}
	for _, r := range c.Others {
		rows = append(rows, []string{"-", safe(r.Path), safe(r.Method)})
	}
	a.table(summary)
	a.table(rows)
}
