package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"anchorhold/protocol/cli"
	"anchorhold/protocol/internal/outfile"
	"anchorhold/protocol/internal/rollout"
)

const rolloutHelp = `Rollout changes the images that your KMS key serves, from old pins to new ones, without losing a sealed job and without letting one image
open what was sealed for another. A changed policy and a changed program are both another image.

  add      the new images may open, each what is sealed for it
  canary   one job of synthetic records on each new image
  switch   all sealing goes to the new pins; the old images still open
  drain    until each job of the old images has ended, or its last day has passed
  remove   the old images open nothing any more

plan writes the policy of each step; you apply it with aws kms put-key-policy. status says where the key stands and what comes next.`

func (a *app) rollout() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "rollout",
		Short:   "Move your KMS key from old images to new ones",
		Long:    rolloutHelp,
		Example: "  anchorhold rollout plan --old old.pins --new new.pins --policy old.cbor --tenant clinic --admin … --sealer … --parent … --out steps\n  anchorhold rollout status --key arn:aws:kms:… --old old.pins --new new.pins …",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return cli.Usage("unknown command %q: expected plan or status", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.rolloutPlan(), a.rolloutStatus())
	return cmd
}

// rolloutFlags say what changes; plan and status take the same, so that status trusts no file that
// plan wrote.
type rolloutFlags struct {
	keyPolicyFlags
	oldPins, newPins, policy string
	asJSON                   bool
}

func (f *rolloutFlags) register(cmd *cobra.Command, required ...string) {
	f.keyPolicyFlags.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.oldPins, "old", "", "pins `FILE` in force")
	flags.StringVar(&f.newPins, "new", "", "pins `FILE` to come")
	flags.StringVar(&f.policy, "policy", "", "compiled policy `FILE` of the old images: it says how long jobs may wait")
	flags.BoolVar(&f.asJSON, "json", false, "print it as JSON")
	cli.Required(cmd, append(required, "old", "new", "policy", "tenant")...)
}

// steps computes the roll-out anew from pins and roles.
func (f *rolloutFlags) steps() ([]rollout.Step, error) {
	before, err := readPins(f.oldPins)
	if err != nil {
		return nil, err
	}
	after, err := readPins(f.newPins)
	if err != nil {
		return nil, err
	}
	_, pol, err := readPolicy(f.policy)
	if err != nil {
		return nil, err
	}
	steps, err := rollout.New(rollout.Change{Old: before, New: after, Roles: *f.plan(nil), DrainDays: pol.Limits.NotAfterDays})
	if err != nil {
		return nil, cli.Usage("%w", err)
	}
	return steps, nil
}

func (a *app) rolloutPlan() *cobra.Command {
	var f rolloutFlags
	var out string
	cmd := &cobra.Command{
		Use:     "plan --old PINS --new PINS --policy FILE --tenant NAME --out DIR",
		Short:   "Write the steps and their policies",
		Long:    "Plan prints the steps with their checks and writes the policy of each into a new folder. Nothing is applied.",
		Example: `  anchorhold rollout plan --old old.pins --new new.pins --policy old.cbor --tenant clinic --admin ROLE --sealer ROLE --parent ROLE --out steps`,
		Args:    cli.ExactArgs(),
		RunE: func(*cobra.Command, []string) error {
			steps, err := f.steps()
			if err != nil {
				return err
			}
			if err := writeSteps(out, steps); err != nil {
				return err
			}
			if f.asJSON {
				return cli.WriteJSON(a.out, map[string]any{"folder": out, "steps": steps})
			}
			for n, s := range steps {
				a.printStep(n, s, out)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "new `DIR` for the policies")
	f.register(cmd, "out")
	return cmd
}

// writeSteps writes all policies or none.
func writeSteps(dir string, steps []rollout.Step) error {
	folder, err := outfile.CreateFolder(dir)
	if err != nil {
		return err
	}
	defer folder.Abort()
	for _, s := range steps {
		if s.Policy == nil {
			continue
		}
		file, err := folder.File(s.File)
		if err != nil {
			return err
		}
		_, err = file.Write(s.Policy)
		if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
			return err
		}
	}
	return folder.Commit()
}

func (a *app) printStep(n int, s rollout.Step, dir string) {
	fmt.Fprintf(a.out, "%d %s: %s\n", n, s.Name, s.Does)
	var rows [][]string
	for _, b := range s.Before {
		rows = append(rows, []string{"before", b})
	}
	if s.File != "" && n > 0 {
		rows = append(rows, []string{"apply", "aws kms put-key-policy --key-id ARN --policy file://" + safe(filepath.Join(dir, s.File))})
	}
	for _, c := range s.After {
		rows = append(rows, []string{"after", c})
	}
	a.table(append(rows, []string{"back", s.Back}))
}
