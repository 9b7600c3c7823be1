package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"anchorhold/protocol/cli"
	"anchorhold/protocol/keylint"
	"anchorhold/protocol/keypolicy"
)

const keyLintHelp = `Lint looks for requests that a key policy allows and that lead around attestation: it plays the
adversary with the evaluator that the local KMS uses. It searches over values that meet or fail the
conditions of all statements together, and over sessions, roles, users and accounts. Each finding names
the statement, who can use it, the attack and the fix. With --key it fetches policy, grants and metadata
of a key from KMS; your role needs kms:DescribeKey, kms:GetKeyPolicy and kms:ListGrants.

A statement that allows an operation that opens the key, and for which lint finds no request that it
allows, is a finding too: never-applies, idle-allow where only denials hold it back, or too-complex
where the search gave up. Lint does not see IAM policies and service control policies. A policy that it
cannot judge in full is refused.

Where AWS does not document what a statement means, lint assumes that an Allow acts and a Deny does not,
and reports the statement as not reliable.

Exit codes: 0 no finding, 3 findings of severity critical or high, or a policy that cannot be judged; 4 findings of medium or low only.

` + endpointHelp

// errFindings says that a policy has findings, none of which lets records out.
var errFindings = errors.New("findings of medium or low severity")

type lintFlags struct {
	awsFlags
	key, policy     string
	asJSON, asSARIF bool
}

func (a *app) keyPolicyLint() *cobra.Command {
	var f lintFlags
	cmd := &cobra.Command{
		Use:     "lint FILE",
		Short:   "Find ways around attestation in a key policy, or in a live key",
		Long:    keyLintHelp,
		Example: "  anchorhold key-policy lint key-policy.json\n  anchorhold key-policy lint --key arn:aws:kms:us-east-1:111122223333:key/… --sarif",
		Args: func(_ *cobra.Command, args []string) error {
			if f.key == "" && len(args) != 1 || f.key != "" && len(args) != 0 || f.asJSON && f.asSARIF {
				return cli.Usage("expected one FILE or --key ARN, and at most one of --json and --sarif")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.lint(cmd.Context(), f, args) },
	}
	cmd.Flags().StringVar(&f.key, "key", "", "judge the live key `ARN`")
	cmd.Flags().StringVar(&f.policy, "policy", "", "compiled policy `FILE` of the enclave: with one that is NOT AWS, --key may be in a local KMS")
	f.register(cmd)
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print the findings as JSON")
	cmd.Flags().BoolVar(&f.asSARIF, "sarif", false, "print the findings as SARIF 2.1.0")
	return cmd
}

func (a *app) lint(ctx context.Context, f lintFlags, args []string) error {
	name, source, key, err := a.lintInput(ctx, f, args)
	if err != nil {
		return err
	}
	findings := keylint.Lint(key)
	switch {
	case f.asSARIF:
		err = cli.WriteJSON(a.out, keylint.SARIF(name, source, findings))
	case f.asJSON:
		err = cli.WriteJSON(a.out, map[string]any{"of": name, "findings": append([]keylint.Finding{}, findings...)})
	default:
		a.printFindings(findings)
	}
	if err != nil {
		return err
	}
	switch keylint.Worst(findings) {
	case 0:
		return nil
	case keylint.Low, keylint.Medium:
		return errFindings
	default:
		return refuse(errors.New("the key policy lets others than the pinned images use the key"))
	}
}

// lintInput reads what is to be judged.
func (a *app) lintInput(ctx context.Context, f lintFlags, args []string) (name string, source []byte, key *keylint.Key, err error) {
	if f.key != "" {
		key, err := a.lintLive(ctx, f)
		return f.key, nil, key, err
	}
	if source, err = readSmall(args[0]); err != nil {
		return "", nil, nil, err
	}
	policy, err := keypolicy.Parse(source)
	if err != nil {
		return "", nil, nil, refuse(fmt.Errorf("%s: the policy cannot be judged: %w", args[0], err))
	}
	return args[0], source, &keylint.Key{Policy: policy}, nil
}

// lintLive reads a key of KMS.
func (a *app) lintLive(ctx context.Context, f lintFlags) (*keylint.Key, error) {
	notAWS := false
	if f.policy != "" {
		_, pol, err := readPolicy(f.policy)
		if err != nil {
			return nil, err
		}
		notAWS = pol.NotAWS()
	}
	client, err := newKMS(ctx, f.key, a.endpoints(f.awsFlags, notAWS))
	if err != nil {
		return nil, err
	}
	return keylint.Read(ctx, client.client, f.key)
}

func (a *app) printFindings(findings []keylint.Finding) {
	for _, f := range findings {
		where := "key"
		switch {
		case f.Statement >= 0:
			where = fmt.Sprintf("statement %d %s", f.Statement+1, safe(f.Sid))
		case f.Grant != "":
			where = "grant " + safe(f.Grant)
		}
		fmt.Fprintf(a.out, "%s %s, %s\n", strings.ToUpper(f.Severity.String()), f.Rule, strings.TrimSpace(where))
		rows := [][]string{{"finding", f.Says}, {"attack", f.Attack}, {"fix", f.Fix}}
		if len(f.Operations) > 0 {
			rows = append(rows, []string{"about", safe(strings.Join(f.Operations, ", "))})
		}
		if len(f.Who) > 0 {
			rows = append(rows, []string{"who", safe(strings.Join(f.Who, ", "))})
		}
		a.table(rows)
	}
	if len(findings) == 0 {
		fmt.Fprintln(a.out, "no finding")
	}
}
