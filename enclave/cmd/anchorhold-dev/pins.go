package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/pinsfile"
	"anchorhold/protocol/policy"
)

const (
	day         = "2006-01-02"
	pinsForDays = 30
)

func newPins() *cobra.Command {
	var policyFile, expires string
	cmd := &cobra.Command{
		Use:   "pins --policy FILE",
		Short: "Print pins for this executable with a compiled policy, as its software NSM measures them",
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "policy"); err != nil {
				return err
			}
			until := time.Now().UTC().AddDate(0, 0, pinsForDays)
			if expires != "" {
				var err error
				if until, err = time.Parse(day, expires); err != nil {
					return fmt.Errorf("%w: --expires must be YYYY-MM-DD", errUsage)
				}
			}
			return printPins(cmd.OutOrStdout(), policyFile, until)
		},
	}
	cmd.Flags().StringVar(&policyFile, "policy", "", "compiled policy")
	cmd.Flags().StringVar(&expires, "expires", "", "last day of the pins, YYYY-MM-DD (default: in 30 days)")
	return cmd
}

// printPins measures this very file: no flag names another program, as none does for the software
// NSM.
func printPins(w io.Writer, policyFile string, expires time.Time) error {
	compiled, err := readMeasured(policyFile)
	if err != nil {
		return fmt.Errorf("reading the policy: %w", err)
	}
	if _, err := policy.Parse(compiled); err != nil {
		return fmt.Errorf("compiled policy: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this executable: %w", err)
	}
	program, err := readMeasured(self)
	if err != nil {
		return fmt.Errorf("reading this executable: %w", err)
	}
	image := measure.DevImage(program, compiled)
	pins := appraise.Pins{
		Layout:  appraise.LayoutAnchorhold,
		Expires: expires.Truncate(24 * time.Hour),
		Images:  []appraise.Image{{Name: "anchorhold-dev INSECURE", PCR0: image.PCR0, PCR1: image.PCR1, PCR2: image.PCR2}},
	}
	out, err := pinsfile.Encode(&pins)
	if err != nil {
		return fmt.Errorf("encoding the pins: %w", err)
	}
	_, err = w.Write(out)
	return err
}
