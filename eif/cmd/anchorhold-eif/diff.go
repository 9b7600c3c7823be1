package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"anchorhold/eif/image"
	"anchorhold/protocol/cli"
)

const diffHelp = `Diff compares two images section by section, and ramdisks file by file. "measured" marks what PCR0, PCR1 or PCR2 cover; metadata,
signature and header they do not.

Exit codes: 0 identical, 1 different or unreadable, 2 usage.`

func (a *app) diff() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "diff FILE FILE",
		Short:   "Show where two images differ",
		Long:    diffHelp,
		Example: "  anchorhold-eif diff released.eif rebuilt.eif",
		Args:    cli.ExactArgs("FILE", "FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			one, err := readImage(args[0])
			if err != nil {
				return err
			}
			two, err := readImage(args[1])
			if err != nil {
				return err
			}
			return a.printDiff(image.Diff(one, two), one.Measure() == two.Measure(), asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}

func (a *app) printDiff(found []image.Difference, samePCRs, asJSON bool) error {
	if asJSON {
		if found == nil {
			found = []image.Difference{}
		}
		if err := cli.WriteJSON(a.out, map[string]any{"Differences": found, "SameMeasurements": samePCRs}); err != nil {
			return err
		}
	} else {
		a.printDifferences(found, samePCRs)
	}
	if len(found) > 0 {
		return errDifferent
	}
	return nil
}

func (a *app) printDifferences(found []image.Difference, samePCRs bool) {
	if len(found) == 0 {
		fmt.Fprintln(a.out, "identical")
		return
	}
	measured := false
	for _, d := range found {
		mark := "not measured"
		if d.Measured {
			mark, measured = "measured", true
		}
		fmt.Fprintf(a.out, "%s (%s): %s\n", d.Where, mark, d.Detail)
	}
	switch {
	case samePCRs && measured:
		fmt.Fprintln(a.out, "PCR0, PCR1 and PCR2 are equal ALTHOUGH measured parts differ: boundaries were shifted")
	case samePCRs:
		fmt.Fprintln(a.out, "PCR0, PCR1 and PCR2 are equal")
	default:
		fmt.Fprintln(a.out, "PCR0, PCR1 and PCR2 are not all equal")
	}
}
