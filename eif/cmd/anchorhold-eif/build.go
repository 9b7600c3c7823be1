package main

import (
	"bytes"
	"debug/elf"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"anchorhold/eif/image"
	"anchorhold/enclave/deid"
	"anchorhold/enclave/deid/engines"
	"anchorhold/protocol/cli"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/policy"
	"anchorhold/protocol/policysource"
)

const buildHelp = `Build writes an image in the layout of SPEC 10: ramdisk 0 is the program as /init, ramdisk 1 the compiled policy. The same files give the
same image, byte for byte, on any machine and at any time.

A kernel without the NSM driver needs --nsm-module; the module is then in ramdisk 0 as /nsm.ko. The program refuses to serve under any
command line but the one compiled in: --cmdline is for images of other programs.

An image has the engines that its policy needs and no others. With a folder of programs as --program, as bin/ is, build takes the
one with these engines; it refuses one of ours with other engines, and warns about a program that it does not know.

Kernel, module and program must be for one architecture. A kernel that is neither a bzImage, nor an arm64 Image, nor an ELF file cannot be compared;
that is said on standard error.`

// buildFlags is all that build takes.
type buildFlags struct {
	kernel, module, program, policy, cmdline, out string
	name, version, sourceDate                     string
}

func (a *app) build() *cobra.Command {
	var f buildFlags
	cmd := &cobra.Command{
		Use:     "build --kernel FILE --program FILE --policy FILE -o FILE",
		Short:   "Build an image that can be built again",
		Long:    buildHelp,
		Example: "  anchorhold-eif build --kernel bzImage --program bin --policy policy.yaml -o anchorhold.eif",
		Args:    cli.ExactArgs(),
		RunE:    func(*cobra.Command, []string) error { return a.buildImage(f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.kernel, "kernel", "", "kernel `FILE`: bzImage, or Image for aarch64")
	flags.StringVar(&f.module, "nsm-module", "", "NSM driver `FILE` (nsm.ko) for a kernel without it")
	flags.StringVar(&f.program, "program", "", "static executable `FILE`, or a folder: its program with the engines of the policy")
	flags.StringVar(&f.policy, "policy", "", "policy `FILE`, compiled or .yaml")
	flags.StringVar(&f.cmdline, "cmdline", measure.CommandLine, "kernel command line")
	flags.StringVarP(&f.out, "out", "o", "", "image `FILE` to write")
	flags.StringVar(&f.name, "name", "anchorhold", "ImageName of the metadata")
	flags.StringVar(&f.version, "image-version", release, "ImageVersion of the metadata")
	flags.StringVar(&f.sourceDate, "source-date", "0", "BuildTime of the metadata, in seconds since 1970; the clock is not asked")
	cli.Required(cmd, "kernel", "program", "policy", "out")
	return cmd
}

func (a *app) buildImage(f buildFlags) error {
	seconds, err := strconv.ParseInt(f.sourceDate, 10, 64)
	if err != nil || seconds < 0 || seconds > 1<<33 {
		return cli.Usage("--source-date %q: expected seconds since 1970", f.sourceDate)
	}
	p := image.Parts{CommandLine: f.cmdline}
	if p.Kernel, err = readPart(f.kernel); err != nil {
		return fmt.Errorf("kernel: %w", err)
	}
	if p.Policy, err = readPolicy(f.policy); err != nil {
		return err
	}
	if p.Program, p.ARM64, err = a.readProgram(f.program, p.Policy); err != nil {
		return err
	}
	others := map[string][]byte{}
	if f.module != "" {
		if p.NSMModule, err = readPart(f.module); err != nil {
			return fmt.Errorf("NSM module: %w", err)
		}
		if _, err := elf.NewFile(bytes.NewReader(p.NSMModule)); err != nil {
			return fmt.Errorf("%s: expected a kernel module (ELF): %w", f.module, err)
		}
		others["NSM module"] = p.NSMModule
	}
	if err := a.checkArchitectures(p.ARM64, p.Kernel, others); err != nil {
		return err
	}
	p.Info = image.Info{
		ImageName: f.name, ImageVersion: f.version,
		BuildMetadata: image.BuildInfo{
			BuildTime: image.BuildTime(time.Unix(seconds, 0)), BuildTool: "anchorhold-eif", BuildToolVersion: release,
			OperatingSystem: "Linux", KernelVersion: image.KernelVersion(p.Kernel),
		},
	}
	i, err := image.New(p)
	if err != nil {
		return err
	}
	if err := writeImage(f.out, i); err != nil {
		return err
	}
	return a.printMeasurements(f.out, i, false)
}

// checkArchitectures wants everything to be for the program's architecture, and says what it could
// not compare.
func (a *app) checkArchitectures(arm64 bool, kernel []byte, others map[string][]byte) error {
	program := image.X86
	if arm64 {
		program = image.ARM
	}
	undecided, err := image.CheckArchitectures(program, kernel, others)
	for _, name := range undecided {
		fmt.Fprintf(a.warn, "anchorhold-eif: architecture of the %s is unknown, not compared with the program's (%s)\n", name, program)
	}
	return err
}

// checkProgram wants a static executable, since there is nothing in the image to link it with. It
// reports whether that is for arm64.
func checkProgram(path string, b []byte) (arm64 bool, err error) {
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		return false, fmt.Errorf("%s: expected an ELF executable: %w", path, err)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return false, fmt.Errorf("%s: expected a static executable, this one needs a loader (build it with CGO_ENABLED=0)", path)
		}
	}
	switch {
	case f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN:
		return false, fmt.Errorf("%s: expected an executable, it is %v", path, f.Type)
	case f.Machine == elf.EM_AARCH64:
		return true, nil
	case f.Machine == elf.EM_X86_64:
		return false, nil
	}
	return false, fmt.Errorf("%s: expected x86_64 or aarch64, it is %v", path, f.Machine)
}

// readPolicy returns a compiled policy; a .yaml source it compiles, with its rules, as `anchorhold
// policy compile` does.
func readPolicy(path string) ([]byte, error) {
	b, err := readFile(path, maxSmall)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	if ext := filepath.Ext(path); ext == ".yaml" || ext == ".yml" {
		b, err = policysource.Compile(b, deid.Preset, func(name string) ([]byte, error) {
			if !filepath.IsAbs(name) {
				name = filepath.Join(filepath.Dir(path), name)
			}
			rules, err := readFile(name, maxSmall)
			if err != nil {
				return nil, err
			}
			return deid.Expand(rules)
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	p, err := policy.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: expected a compiled policy, or a .yaml source: %w", path, err)
	}
	for _, pipeline := range p.Pipelines {
		if _, err := engines.Compile(pipeline.Rules); err != nil {
			return nil, fmt.Errorf("%s: rules of pipeline %s: %w", path, pipeline.Name, err)
		}
	}
	return b, nil
}
