package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"anchorhold/eif/image"
	"anchorhold/protocol/appraise"
	"anchorhold/protocol/cli"
	"anchorhold/protocol/measure"
)

const measureHelp = `Measure computes the PCRs that the hypervisor gives an image, from the image or from its parts. PCR8 is that of the certificate in
the image's signature section, or of --certificate; whether the signature holds: see verify-signature.

With --layout nitro-cli it measures what nitro-cli makes of the Docker image of eif/Dockerfile, from AWS's blobs, the program and the policy. The
root ramdisk is the one that LinuxKit with AWS's patches writes, byte for byte (make interop).

When the signature section is faulty, PCR0, PCR1 and PCR2 are printed all the same, the fault on standard error, and the exit code is 3.

No PCR alone identifies an image: the hashes carry no lengths. Compare PCR0, PCR1 and PCR2 together.`

// partFlags are an image's parts.
type partFlags struct {
	kernel, cmdline, certificate string
	ramdisks                     []string

	layout, init, module, program, policy string // of nitro-cli's layout
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
			if f.layout != "" {
				return a.measureNitroCLI(f, args, cmd.Flag("cmdline").Changed, asJSON)
			}
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
				return a.printMeasurements(args[0], i, asJSON)
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
	flags.StringVar(&f.layout, "layout", "", "nitro-cli: measure what nitro-cli builds")
	flags.StringVar(&f.init, "init", "", "AWS's init `FILE`, for layout nitro-cli")
	flags.StringVar(&f.module, "nsm-module", "", "AWS's nsm.ko `FILE`, for layout nitro-cli")
	flags.StringVar(&f.program, "program", "", "program `FILE`, or a folder of programs, for layout nitro-cli")
	flags.StringVar(&f.policy, "policy", "", "policy `FILE`, compiled or .yaml, for layout nitro-cli")
	flags.BoolVar(&asJSON, "json", false, "print JSON as nitro-cli does")
	return cmd
}

// measureNitroCLI takes AWS's command line for the program's architecture unless another is given.
func (a *app) measureNitroCLI(f partFlags, args []string, line, asJSON bool) error {
	if f.layout != string(appraise.LayoutNitroCLI) || len(args) > 0 || len(f.ramdisks) > 0 {
		return cli.Usage("--layout %q: expected %s, and no FILE or --ramdisk with it", f.layout, appraise.LayoutNitroCLI)
	}
	var p image.NitroCLIParts
	for _, part := range []struct {
		flag, path string
		to         *[]byte
	}{
		{"kernel", f.kernel, &p.Kernel}, {"init", f.init, &p.Init}, {"nsm-module", f.module, &p.NSMModule}, {"program", f.program, nil},
	} {
		if part.path == "" {
			return cli.Usage("--layout nitro-cli: expected --%s", part.flag)
		}
		if part.to == nil {
			continue // read with the policy, below
		}
		var err error
		if *part.to, err = readPart(part.path); err != nil {
			return fmt.Errorf("%s: %w", part.flag, err)
		}
	}
	var err error
	if p.Policy, err = readPolicy(f.policy); err != nil {
		return err
	}
	var arm bool
	if p.Program, arm, err = a.readProgram(f.program, p.Policy); err != nil {
		return err
	}
	if err := a.checkArchitectures(arm, p.Kernel, map[string][]byte{"init": p.Init, "NSM module": p.NSMModule}); err != nil {
		return err
	}
	p.CommandLine = measure.NitroCLICommandLine(map[bool]string{true: "arm64", false: "amd64"}[arm])
	if line {
		p.CommandLine = f.cmdline
	}
	if err := image.CheckCommandLine(p.CommandLine); err != nil {
		return cli.Usage("--cmdline: %w", err)
	}
	return a.print(measurements(p.Measure(), nil), asJSON)
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

// measured returns the registers of an image. PCR8 is missing without a readable certificate; the
// error says why.
func measured(i *image.Image) (registers, error) {
	if !i.Signed() {
		return measurements(i.Measure(), nil), nil
	}
	_, pcr8, err := i.Certificate()
	if err != nil {
		return measurements(i.Measure(), nil), err
	}
	return measurements(i.Measure(), &pcr8), nil
}

// printMeasurements prints PCR0, PCR1 and PCR2 whatever is wrong with the signature section.
func (a *app) printMeasurements(path string, i *image.Image, asJSON bool) error {
	m, fault := measured(i)
	if err := a.print(m, asJSON); err != nil {
		return err
	}
	if fault != nil {
		return fmt.Errorf("%s: %w; signature section: %w", path, errFaulty, fault)
	}
	return nil
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
