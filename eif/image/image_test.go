package image_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"anchorhold/eif/image"
	"anchorhold/protocol/cpio"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/vectorfile"
)

const vectors = "testdata/image/*.txt"

func wantFault(t *testing.T, err error, want string) {
	t.Helper()
	var fault image.Fault
	if !errors.As(err, &fault) || string(fault) != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestVectors(t *testing.T) {
	for _, v := range vectorfile.Load(t, vectors) {
		t.Run(v.Name, func(t *testing.T) {
			i, err := image.Parse(v.Body)
			if v.Expect() != "ok" {
				wantFault(t, err, v.Kind())
				v.CheckReason(t, err)
				if i != nil {
					t.Error("got an image beside the error")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			again, err := i.Encode()
			if err != nil || !bytes.Equal(again, v.Body) {
				t.Errorf("encoded again: %v, other bytes", err)
			}
		})
	}
}

func parts() image.Parts {
	return image.Parts{Kernel: []byte("kernel"), Program: []byte("program"), Policy: []byte("policy"), CommandLine: "console=ttyS0"}
}

func build(t *testing.T, p image.Parts) *image.Image {
	t.Helper()
	i, err := image.New(p)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// What an owner computes from the parts alone must be what the image measures to.
func TestMeasure(t *testing.T) {
	i := build(t, parts())
	want := measure.Compute([]byte("kernel"), "console=ttyS0", measure.ProgramRamdisk([]byte("program")), measure.PolicyRamdisk([]byte("policy")))
	if got := i.Measure(); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := i.Measure().PCR2; got != measure.PolicyPCR2([]byte("policy")) {
		t.Errorf("PCR2: got %s, want that of the policy alone", got)
	}
}

// Metadata names times and tools: they must not reach a PCR.
func TestMetadataIsNotMeasured(t *testing.T) {
	a, p := build(t, parts()), parts()
	p.Info.ImageName = "another"
	if b := build(t, p); a.Measure() != b.Measure() {
		t.Error("metadata changes the measurements")
	}
}

func TestLayout(t *testing.T) {
	for _, module := range [][]byte{nil, []byte("module")} {
		p := parts()
		p.NSMModule = module
		program, gotModule, policy, err := build(t, p).Layout()
		if err != nil || string(program) != "program" || !bytes.Equal(gotModule, module) || string(policy) != "policy" {
			t.Errorf("module %q: got %q, %q, %q, %v", module, program, gotModule, policy, err)
		}
	}
}

// Each of these starts another program, or the same under another policy, and must not pass as our
// layout.
func TestOtherLayouts(t *testing.T) {
	file := func(name, data string) cpio.File { return cpio.File{Name: name, Mode: 0o100755, Data: []byte(data)} }
	boot, rest := measure.ProgramRamdisk([]byte("program")), measure.PolicyRamdisk([]byte("policy"))
	for name, disks := range map[string][][]byte{
		"one ramdisk":             {boot},
		"three ramdisks":          {boot, rest, rest},
		"init in ramdisk 1":       {boot, cpio.Archive(cpio.File{Name: "policy.cbor", Mode: 0o100444, Data: []byte("policy")}, file("init", "another"))},
		"init over policy":        {boot, cpio.Archive(file("init", "another"))},
		"further file":            {cpio.Archive(file("init", "program"), file("x", "y")), rest},
		"three files":             {cpio.Archive(file("init", "program"), file("nsm.ko", "m"), file("x", "y")), rest},
		"absolute name":           {cpio.Archive(file("/init", "program")), rest},
		"other mode":              {cpio.Archive(cpio.File{Name: "init", Mode: 0o104755, Data: []byte("program")}), rest},
		"archive behind another":  {append(bytes.Clone(boot), cpio.Archive(file("init", "another"))...), rest},
		"zeros behind":            {append(bytes.Clone(boot), 0, 0, 0, 0), rest},
		"padding that is not 0":   {bytes.Replace(boot, []byte("program\x00"), []byte("program\x01"), 1), rest},
		"no archive in ramdisk 0": {[]byte("none"), rest},
		"no archive in ramdisk 1": {boot, []byte("none")},
		"empty ramdisk 0":         {cpio.Archive(), rest},
	} {
		i := &image.Image{Sections: []image.Section{{Type: image.Kernel}, {Type: image.CommandLine}}}
		for _, d := range disks {
			i.Sections = append(i.Sections, image.Section{Type: image.Ramdisk, Data: d})
		}
		if program, _, policy, err := i.Layout(); !errors.Is(err, image.ErrLayout) || program != nil || policy != nil {
			t.Errorf("%s: got %q, %q and %v, want ErrLayout", name, program, policy, err)
		}
	}
}

// The attack behind the rule that no PCR stands alone: moved boundaries keep all three, and the
// parts show it.
func TestShiftedBoundaryShowsInDiff(t *testing.T) {
	a := build(t, parts())
	p := parts()
	p.Kernel, p.CommandLine = []byte("kernelc"), "onsole=ttyS0"
	b := build(t, p)
	if a.Measure() != b.Measure() {
		t.Fatal("the hashes carry lengths after all: correct the documentation")
	}
	d := image.Diff(a, b)
	if len(d) != 2 || !d[0].Measured || !d[1].Measured {
		t.Errorf("got %+v, want kernel and command line", d)
	}
}

func TestCommandLinesThatCannotBeSeenWhole(t *testing.T) {
	for _, s := range []string{"a\nb", "a\x00b", "a\rb", "ä", "\t"} {
		p := parts()
		p.CommandLine = s
		_, err := image.New(p)
		wantFault(t, err, "command-line")
	}
}

func TestDiff(t *testing.T) {
	a := build(t, parts())
	if d := image.Diff(a, build(t, parts())); d != nil {
		t.Errorf("equal images: got %+v", d)
	}
	for name, c := range map[string]struct {
		change   func(*image.Parts)
		where    string
		detail   string
		measured bool
	}{
		"kernel":   {func(p *image.Parts) { p.Kernel = []byte("kerNel") }, "kernel", "6 bytes each; first differing byte 3", true},
		"cmdline":  {func(p *image.Parts) { p.CommandLine = "console=ttyS1" }, "command line", "first differing byte 12", true},
		"program":  {func(p *image.Parts) { p.Program = []byte("pro") }, "ramdisk 0", `first differing file "init": 7 and 3 bytes, first differing byte 3`, true},
		"module":   {func(p *image.Parts) { p.NSMModule = []byte("m") }, "ramdisk 0", `"nsm.ko" is only in the second image`, true},
		"policy":   {func(p *image.Parts) { p.Policy = []byte("Policy") }, "ramdisk 1", `first differing file "policy.cbor": 6 bytes each, first differing byte 0`, true},
		"metadata": {func(p *image.Parts) { p.Info.ImageName = "x" }, "metadata", "first differing byte", false},
		"machine":  {func(p *image.Parts) { p.ARM64 = true }, "header", "aarch64", false},
	} {
		p := parts()
		c.change(&p)
		d := image.Diff(a, build(t, p))
		if len(d) != 1 || d[0].Where != c.where || !strings.Contains(d[0].Detail, c.detail) || d[0].Measured != c.measured {
			t.Errorf("%s: got %+v, want %s: %s", name, d, c.where, c.detail)
		}
	}
}

func TestMinimumMemory(t *testing.T) {
	for size, want := range map[int]uint64{1 << 10: 64, 16 << 20: 66, 32 << 20: 130, 100 << 20: 402} {
		i := &image.Image{Sections: []image.Section{{Type: image.Kernel, Data: make([]byte, size)}}}
		if got := i.MinimumMemoryMiB(); got != want {
			t.Errorf("%d bytes: got %d MiB, want %d", i.Size(), got, want)
		}
	}
}

func TestKernelVersion(t *testing.T) {
	kernel := make([]byte, 0x400)
	copy(kernel[0x202:], "HdrS")
	kernel[0x20e], kernel[0x20f] = 0x10, 0x01
	copy(kernel[0x310:], "6.12.95 (anchorhold@anchorhold) #1\x00")
	if got := image.KernelVersion(kernel); got != "6.12.95" {
		t.Errorf("got %q, want 6.12.95", got)
	}
	kernel[0x20f] = 0xff // past the end
	for _, k := range [][]byte{nil, []byte("short"), make([]byte, 0x400), kernel} {
		if got := image.KernelVersion(k); got != "Unknown" {
			t.Errorf("got %q, want Unknown", got)
		}
	}
}

// No panic; what is accepted encodes to the same bytes.
func FuzzParse(f *testing.F) {
	for _, v := range append(vectorfile.Load(f, vectors), vectorfile.Load(f, "testdata/signature/*.txt")...) {
		f.Add(v.Body)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		i, err := image.Parse(b)
		if err != nil {
			return
		}
		again, err := i.Encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("encoded again: %v, other bytes", err)
		}
		_, _ = i.Metadata()
		_, _, _, _ = i.Layout()
		_ = image.KernelVersion(i.Kernel())
		_ = image.Diff(i, i)
	})
}
