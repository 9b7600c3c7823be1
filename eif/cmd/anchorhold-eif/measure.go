package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"anchorhold/eif/image"
	"anchorhold/protocol/cli"
	"anchorhold/protocol/measure"
)

const measureHelp = `Measure computes the PCRs that the hypervisor gives an image, from the image or from its parts. PCR8 is that of the certificate in
the image's signature section, or of --certificate; whether the signature holds: see verify-signature.

No PCR alone identifies an image: the hashes carry no lengths. Compare PCR0, PCR1 and PCR2 together.`

// partFlags are an image's parts.
type partFlags struct {
	kernel, cmdline, certificate string
	ramdisks                     []string
}

func (a *app) measure() *cobra.Command {
	var f partFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "measure FILE | --kernel FILE --cmdline STRING --ramdisk FILE...",
		Short: "Compute PCR0, PCR1, PCR2 and PCR8",
		Long:  measureHelp,
		Example: `  anchorhold-eif measure anchorhold.eif
  anchorhold-eif measure --kernel bzImage --cmdline "$(cat cmdline)" --ramdisk boot.cpio --ramdisk policy.cpio`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch parts := f.kernel != "" || cmd.Flag("cmdline").Changed || len(f.ramdisks) > 0 || f.certificate != ""; {
			case parts && len(args) > 0:
				return cli.Usage("expected an image or its parts, not both")
			case !parts && len(args) != 1:
				return cli.Usage("expected one FILE, or --kernel, --cmdline and --ramdisk")
			case !parts:
				i, err := readImage(args[0])
				if err != nil {
					return err
				}
				return a.printMeasurements(i, asJSON)
			case f.kernel == "" || !cmd.Flag("cmdline").Changed || len(f.ramdisks) == 0:
				return cli.Usage("expected --kernel, --cmdline and at least one --ramdisk")
			}
			return a.measureParts(f, asJSON)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.kernel, "kernel", "", "kernel `FILE`")
	flags.StringVar(&f.cmdline, "cmdline", "", "command line, as it is measured: no line break")
	flags.StringArrayVar(&f.ramdisks, "ramdisk", nil, "ramdisk `FILE`, in order; may be repeated")
	flags.StringVar(&f.certificate, "certificate", "", "signing certificate `FILE` (PEM) for PCR8")
	flags.BoolVar(&asJSON, "json", false, "print JSON as nitro-cli does")
	return cmd
}

func (a *app) measureParts(f partFlags, asJSON bool) error {
	kernel, err := readPart(f.kernel)
	if err != nil {
		return err
	}
	var ramdisks [][]byte
	for _, path := range f.ramdisks {
		b, err := readPart(path)
		if err != nil {
			return err
		}
		ramdisks = append(ramdisks, b)
	}
	if err := image.CheckCommandLine(f.cmdline); err != nil {
		return cli.Usage("--cmdline: %w", err)
	}
	m := measurements(measure.Compute(kernel, f.cmdline, ramdisks...), nil)
	if f.certificate != "" {
		_, cert, err := readCertificate(f.certificate)
		if err != nil {
			return err
		}
		pcr8 := measure.CertificatePCR8(cert.Raw)
		m.PCR8 = pcr8.String()
	}
	return a.print(m, asJSON)
}

// registers are Measurements of `nitro-cli describe-eif`.
type registers struct {
	HashAlgorithm string
	PCR0          string
	PCR1          string
	PCR2          string
	PCR8          string `json:",omitempty"`
}

func measurements(m measure.Image, pcr8 *measure.PCR) registers {
	r := registers{"Sha384 { ... }", m.PCR0.String(), m.PCR1.String(), m.PCR2.String(), ""}
	if pcr8 != nil {
		r.PCR8 = pcr8.String()
	}
	return r
}

// measured returns the registers of an image; a signature section without a readable certificate is an error.
func measured(i *image.Image) (registers, error) {
	if !i.Signed() {
		return measurements(i.Measure(), nil), nil
	}
	_, pcr8, err := i.Certificate()
	if err != nil {
		return registers{}, err
	}
	return measurements(i.Measure(), &pcr8), nil
}

func (a *app) printMeasurements(i *image.Image, asJSON bool) error {
	m, err := measured(i)
	if err != nil {
		return err
	}
	return a.print(m, asJSON)
}

func (a *app) print(m registers, asJSON bool) error {
	if asJSON {
		return cli.WriteJSON(a.out, map[string]registers{"Measurements": m})
	}
	fmt.Fprintf(a.out, "PCR0 %s\nPCR1 %s\nPCR2 %s\n", m.PCR0, m.PCR1, m.PCR2)
	if m.PCR8 != "" {
		fmt.Fprintf(a.out, "PCR8 %s\n", m.PCR8)
	}
	return nil
}
