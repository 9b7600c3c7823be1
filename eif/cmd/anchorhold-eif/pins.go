package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"anchorhold/eif/image"
	"anchorhold/protocol/appraise"
	"anchorhold/protocol/cli"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/pinsfile"
	"anchorhold/protocol/policy"
)

const pinsHelp = `Pins prints the pins of an image (SPEC 10.1). Pin only what you built yourself, or compared with what you built: pins of a file that the
enclave's operator gave you pin whatever the operator likes.

With --layout anchorhold the image must be of that layout exactly: /init, perhaps /nsm.ko, the compiled policy, and our command line.
The PCR8 of a signed image is pinned too. When the signature does not hold, PCR8 is left out of the pins, the fault is on standard error, and the exit
code is 3.`

func (a *app) pins() *cobra.Command {
	var layout, expires, name string
	cmd := &cobra.Command{
		Use:     "pins FILE --layout anchorhold|nitro-cli --expires YYYY-MM-DD",
		Short:   "Print the pins file of an image",
		Long:    pinsHelp,
		Example: "  anchorhold-eif pins anchorhold.eif --layout anchorhold --expires 2027-01-31 > pins.yaml",
		Args:    cli.ExactArgs("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			last, err := time.Parse(time.DateOnly, expires)
			if err != nil {
				return cli.Usage("--expires %q: expected YYYY-MM-DD", expires)
			}
			if l := appraise.Layout(layout); l != appraise.LayoutAnchorhold && l != appraise.LayoutNitroCLI {
				return cli.Usage("--layout %q: expected %s or %s", layout, appraise.LayoutAnchorhold, appraise.LayoutNitroCLI)
			}
			i, err := readImage(args[0])
			if err != nil {
				return err
			}
			if name == "" {
				name = args[0]
			}
			return a.printPins(args[0], i, appraise.Layout(layout), last, name)
		},
	}
	cmd.Flags().StringVar(&layout, "layout", "", "layout of the image: anchorhold or nitro-cli")
	cmd.Flags().StringVar(&expires, "expires", "", "last day of the pins, `YYYY-MM-DD`, UTC")
	cmd.Flags().StringVar(&name, "name", "", "name of the image in the pins (default: the file's)")
	cli.Required(cmd, "layout", "expires")
	return cmd
}

func (a *app) printPins(path string, i *image.Image, layout appraise.Layout, expires time.Time, name string) error {
	if today := a.now().UTC().Truncate(24 * time.Hour); expires.Before(today) {
		return cli.Usage("--expires %s is in the past", expires.Format(time.DateOnly))
	}
	if layout == appraise.LayoutAnchorhold {
		if err := checkLayout(i); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	m := i.Measure()
	entry := appraise.Image{Name: name, PCR0: m.PCR0, PCR1: m.PCR1, PCR2: m.PCR2}
	var fault error
	if i.Signed() {
		var pcr8 measure.PCR
		if _, pcr8, fault = i.Verify(nil, a.now()); fault == nil {
			entry.PCR8 = &pcr8
		}
	}
	out, err := pinsfile.Encode(&appraise.Pins{Layout: layout, Expires: expires, Images: []appraise.Image{entry}})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if fault != nil { // no word of the fault itself: a certificate's names are a stranger's text
		out = append([]byte("# PCR8 is not pinned: the image's signature section is faulty.\n"), out...)
	}
	if _, err = a.out.Write(out); err != nil {
		return err
	}
	if fault != nil {
		return fmt.Errorf("%s: %w; PCR8 is not pinned: signature section: %w", path, errFaulty, fault)
	}
	return nil
}

// checkLayout wants everything that verifiers take for granted in layout anchorhold. Bytes shifted
// from one part to the next keep the PCRs of the image they were taken from; the program in them
// would refuse to serve, and this command refuses to pin.
func checkLayout(i *image.Image) error {
	_, _, compiled, err := i.Layout()
	if err != nil {
		return fmt.Errorf("%w (an image of nitro-cli needs --layout nitro-cli)", err)
	}
	if _, err := policy.Parse(compiled); err != nil {
		return fmt.Errorf("%w: policy.cbor: %w", image.ErrLayout, err)
	}
	if got := i.CommandLine(); got != measure.CommandLine {
		return fmt.Errorf("%w: the command line is %q, want %q", image.ErrLayout, got, measure.CommandLine)
	}
	return nil
}
