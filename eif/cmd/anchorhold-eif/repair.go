package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"anchorhold/eif/image"
	"anchorhold/protocol/cli"
)

const repairHelp = `Repair writes an image that AWS's library (nitro-cli sign-eif, image format up to 0.8.1) has signed again. The library leaves the old size of
the signature section in the header's table, and nearly every signature has another; loaders that follow the table refuse the image or cut the section. Repair writes the right size there and the checksum, and nothing else: no register changes. Any other fault is refused.`

func (a *app) repair() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:     "repair -o FILE FILE",
		Short:   "Correct the header of an image that was signed again",
		Long:    repairHelp,
		Example: "  anchorhold-eif repair -o repaired.eif signed-again.eif",
		Args:    cli.ExactArgs("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			b, err := readFile(args[0], maxLarge)
			if err != nil {
				return err
			}
			i, wrong, err := image.Repair(b)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if err := writeImage(out, i); err != nil {
				return err
			}
			fmt.Fprintln(a.out, wrong)
			return a.printMeasurements(out, i, false)
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "image `FILE` to write")
	cli.Required(cmd, "out")
	return cmd
}
