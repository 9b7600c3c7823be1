package e2e_test

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"anchorhold/eif/image"
	"anchorhold/parent/e2e/stage"
	"anchorhold/protocol/cpio"
	"anchorhold/protocol/measure"
)

// Attack: the operator boots an image with another policy, or with another program. It serves, but its registers are not in the key policy.
func TestBootedChangedImagesAreDeniedByKMS(t *testing.T) {
	s := booted(t, stage.Guest{})
	in := sample(t, s)
	j := job{s, "job"}
	mustOwner(t, s, 0, j.sealArgs("policy", in)...)
	ctx := t.Context()
	check(t, s.CompilePolicy(ctx, "changed", "2026-12-30"))
	// Another program: one byte behind the last section of the ELF file, which changes nothing that it does.
	program := filepath.Join(s.Dir, "program")
	write(t, program, append(read(t, filepath.Join(bin, "anchorhold-enclave")), 0))
	check(t, s.CompilePolicy(ctx, "program", "2026-12-31"))
	tool(t, "build", "--kernel", needQEMU(t), "--program", program, "--policy", s.Path("program.cbor"), "-o", s.Image("program"))
	for _, name := range []string{"changed", "program"} {
		t.Run(name, func(t *testing.T) {
			check(t, s.WritePins(ctx, name))
			check(t, s.StartEnclave(ctx, name))
			refusedWith(t, j, "image-mismatch")
			other := job{s, name}
			mustOwner(t, s, 0, other.sealArgs(name, in)...)
			refusedWith(t, other, "kms-denied")
		})
	}
}

// shifted is an image whose parts were cut elsewhere.
type shifted struct {
	name   string
	change func(t *testing.T, i *image.Image)
	same   int    // how many of PCR0, 1 and 2 are those of the image it was made from
	event  string // with which the program refuses; empty: it is never started
}

var shiftedImages = []shifted{
	{"command line's first word to the kernel", func(t *testing.T, i *image.Image) {
		line := i.CommandLine()
		n := strings.Index(line, " ") + 1
		setParts(i, append(bytes.Clone(i.Kernel()), line[:n]...), line[n:], i.Ramdisks()...)
	}, 3, "command-line-differs"},
	{"command line's last word to ramdisk 0", func(t *testing.T, i *image.Image) {
		line := i.CommandLine()
		n := strings.LastIndex(line, " ")
		setParts(i, i.Kernel(), line[:n], append([]byte(line[n:]), i.Ramdisks()[0]...), i.Ramdisks()[1])
	}, 3, ""}, // no archive begins with a word
	{"ramdisk 1's first bytes to ramdisk 0", func(t *testing.T, i *image.Image) {
		disks := i.Ramdisks()
		setParts(i, i.Kernel(), i.CommandLine(), slices.Concat(disks[0], disks[1][:512]), disks[1][512:])
	}, 1, "policy-differs"},
	{"both ramdisks in one", func(t *testing.T, i *image.Image) {
		setParts(i, i.Kernel(), i.CommandLine(), slices.Concat(i.Ramdisks()...))
	}, 1, "policy-differs"},
	{"another /init in ramdisk 1, which runs in place of ours", func(t *testing.T, i *image.Image) {
		_, _, policy, err := i.Layout()
		check(t, err)
		program := read(t, filepath.Join(bin, "anchorhold-enclave"))
		setParts(i, i.Kernel(), i.CommandLine(), i.Ramdisks()[0], cpio.Archive(
			cpio.File{Name: "init", Mode: 0o100755, Data: program}, cpio.File{Name: "policy.cbor", Mode: 0o100444, Data: policy}))
	}, 1, "policy-differs"},
	{"a further file in ramdisk 1", func(t *testing.T, i *image.Image) {
		_, _, policy, err := i.Layout()
		check(t, err)
		setParts(i, i.Kernel(), i.CommandLine(), i.Ramdisks()[0], cpio.Archive(
			cpio.File{Name: "more", Mode: 0o100444, Data: []byte("x")}, cpio.File{Name: "policy.cbor", Mode: 0o100444, Data: policy}))
	}, 1, "files-differ"},
}

func setParts(i *image.Image, kernel []byte, line string, disks ...[]byte) {
	i.Sections = []image.Section{{Type: image.Kernel, Data: kernel}, {Type: image.CommandLine, Data: []byte(line)}}
	for _, d := range disks {
		i.Sections = append(i.Sections, image.Section{Type: image.Ramdisk, Data: d})
	}
}

// Attack: registers carry no lengths, so parts are cut elsewhere and their registers stay, all or some. Each image is booted and none serves;
// neither does the image itself where it is in debug mode, or its heartbeat unanswered, or its documents unsigned.
func TestBootedInWrongShapeDoesNotServe(t *testing.T) {
	s := booted(t, stage.Guest{Cold: true})
	good := read(t, s.Image("policy"))
	t.Run("boots", func(t *testing.T) { // in parallel, and over before the stage ends
		for _, x := range shiftedImages {
			t.Run(x.name, func(t *testing.T) {
				t.Parallel()
				i, err := image.Parse(good)
				check(t, err)
				before := i.Measure()
				x.change(t, i)
				if same := sameRegisters(before, i.Measure()); same != x.same {
					t.Errorf("%d registers are the same, want %d", same, x.same)
				}
				doesNotServe(t, s, writeEIF(t, filepath.Join(t.TempDir(), "shifted.eif"), i), x.event)
			})
		}
		// The parent reads the console of a debug enclave, and its documents hold zeros for the image.
		t.Run("debug mode", func(t *testing.T) {
			t.Parallel()
			doesNotServe(t, s, s.Image("policy"), "debug-enclave", "--debug")
		})
		// A hypervisor that does not answer takes the enclave for one that did not boot; it ends by itself.
		t.Run("heartbeat unanswered", func(t *testing.T) {
			t.Parallel()
			doesNotServe(t, s, s.Image("policy"), "heartbeat-failed", "--no-heartbeat")
		})
		t.Run("unsigned documents", func(t *testing.T) {
			t.Parallel()
			unsignedDocuments(t, s.Image("policy"))
		})
	})
}

func sameRegisters(a, b measure.Image) (n int) {
	for _, equal := range []bool{a.PCR0 == b.PCR0, a.PCR1 == b.PCR1, a.PCR2 == b.PCR2} {
		if equal {
			n++
		}
	}
	return n
}

// doesNotServe boots an image and expects that event to be the guest's last; empty for a guest that says nothing at all.
func doesNotServe(t *testing.T, s *stage.Stage, path, event string, more ...string) {
	t.Helper()
	dir := shortDir(t)
	e := emulate(t, append([]string{
		path, "--machine", "microvm", "--ca", s.Path("ca"), "--sockets", filepath.Join(dir, "vm"), "--console", filepath.Join(dir, "console"),
	}, more...)...)
	said := e.ended()
	want := "with the event " + event
	if event == "" {
		want = "without an event"
	}
	if e.has("serving") || !strings.Contains(said, want) {
		t.Errorf("got %s\nwant it to end %s\nconsole: %s", said, want, read(t, filepath.Join(dir, "console")))
	}
}

// unsignedDocuments boots the image of this checkout in QEMU's own Nitro machine: parsed, measured, composed, up to the NSM, whose documents are
// unsigned. The program must not take them for documents.
func unsignedDocuments(t *testing.T, path string) {
	e := emulate(t, path, "--machine", "nitro-enclave", "--sockets", filepath.Join(shortDir(t), "vm"))
	said := e.ended()
	if !e.has("composed") || !e.has("answered") || !e.has("seeded") || e.has("serving") || !strings.Contains(said, "with the event nsm-failed") {
		t.Errorf("got %s\nwant composed, answered, seeded and the end with nsm-failed", said)
	}
}
