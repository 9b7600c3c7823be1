package image

import (
	"bytes"
	"errors"
	"fmt"

	eifcpio "anchorhold/eif/cpio"
	"anchorhold/protocol/cpio"
	"anchorhold/protocol/measure"
)

// Parts are what an image of our layout is made of.
type Parts struct {
	Kernel      []byte
	NSMModule   []byte // nil when the kernel has the NSM driver built in
	Program     []byte // static executable, started as /init
	Policy      []byte // compiled
	CommandLine string
	ARM64       bool
	Info        Info
}

const (
	programName = "init"
	moduleName  = "nsm.ko"
	policyName  = "policy.cbor"
	moduleMode  = 0o100444
	programMode = 0o100755
)

// ErrLayout says that an image is not of our layout.
var ErrLayout = errors.New("not of layout anchorhold")

// bootRamdisk returns ramdisk 0 (SPEC 10).
func bootRamdisk(program, module []byte) []byte {
	if module == nil {
		return measure.ProgramRamdisk(program)
	}
	return cpio.Archive(
		cpio.File{Name: programName, Mode: programMode, Data: program},
		cpio.File{Name: moduleName, Mode: moduleMode, Data: module},
	)
}

// New returns the image of these parts: kernel, command line, metadata, ramdisk 0 with the program,
// ramdisk 1 with the policy. The same parts give the same image. Whether the policy is one is the
// caller's to check.
func New(p Parts) (*Image, error) {
	if err := CheckCommandLine(p.CommandLine); err != nil {
		return nil, err
	}
	info, err := p.Info.encode()
	if err != nil {
		return nil, err
	}
	return &Image{
		ARM64: p.ARM64, DefaultMemory: defaultMemory, DefaultCPUs: defaultCPUs,
		Sections: []Section{
			{Kernel, p.Kernel},
			{CommandLine, []byte(p.CommandLine)},
			{Metadata, info},
			{Ramdisk, bootRamdisk(p.Program, p.NSMModule)},
			{Ramdisk, measure.PolicyRamdisk(p.Policy)},
		},
	}, nil
}

// Layout returns program, NSM module (nil for none) and policy of an image of our layout, exactly:
// the ramdisks are written again and compared, so nothing hides in names, modes, padding or behind
// a trailer. Else the error is ErrLayout with the reason. It does not compare the command line.
func (i *Image) Layout() (program, module, policy []byte, err error) {
	refuse := func(why string) error { return fmt.Errorf("%w: %s", ErrLayout, why) }
	disks := i.Ramdisks()
	if len(disks) != 2 {
		return nil, nil, nil, refuse("it needs two ramdisks")
	}
	boot, err := eifcpio.Parse(disks[0])
	if err != nil || len(boot) < 1 || len(boot) > 2 {
		return nil, nil, nil, refuse("ramdisk 0 is not " + programName + ", or " + programName + " and " + moduleName)
	}
	rest, err := eifcpio.Parse(disks[1])
	if err != nil || len(rest) != 1 {
		return nil, nil, nil, refuse("ramdisk 1 is not " + policyName)
	}
	program, policy = boot[0].Data, rest[0].Data
	if len(boot) == 2 {
		module = boot[1].Data
	}
	if !bytes.Equal(disks[0], bootRamdisk(program, module)) {
		return nil, nil, nil, refuse("ramdisk 0 differs from the one that SPEC 10 gives for its files")
	}
	if !bytes.Equal(disks[1], measure.PolicyRamdisk(policy)) {
		return nil, nil, nil, refuse("ramdisk 1 differs from the one that SPEC 10 gives for its file")
	}
	return program, module, policy, nil
}
