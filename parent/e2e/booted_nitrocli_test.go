package e2e_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"anchorhold/eif/image"
	"anchorhold/parent/e2e/stage"
	"anchorhold/protocol/measure"
)

// TestBootedNitroCLILayout boots ramdisks as nitro-cli makes them: Linux unpacks the root ramdisk,
// links with LinuxKit's modes included, and the program accepts its composition and serves. With
// one byte of a link's target changed it does not.
func TestBootedNitroCLILayout(t *testing.T) {
	t.Parallel()
	s := booted(t, stage.Guest{Cold: true})
	ours, err := image.Parse(read(t, s.Image("policy")))
	check(t, err)
	program, _, policy, err := ours.Layout()
	check(t, err)
	init, err := buildGuest("awsinit")
	check(t, err)
	parts := image.NitroCLIParts{
		Kernel: ours.Kernel(), Init: init, NSMModule: []byte("none"), CommandLine: measure.NitroCLICommandLine("amd64"), Program: program, Policy: policy,
	}
	boot, root := parts.Ramdisks()
	// The last one: the program contains the target, too.
	target := []byte("/run/resolvconf/resolv.conf")
	at := bytes.LastIndex(root, target)
	if at < 0 {
		t.Fatal("the root ramdisk does not have the link's target")
	}
	changed := bytes.Clone(root)
	changed[at+len(target)-1] ^= 1
	for name, c := range map[string]struct {
		root   []byte
		serves bool
	}{
		"as built":     {root, true},
		"changed link": {changed, false},
	} {
		t.Run(name, func(t *testing.T) {
			i := &image.Image{DefaultMemory: 1 << 30, DefaultCPUs: 2, Sections: []image.Section{
				{Type: image.Kernel, Data: parts.Kernel},
				{Type: image.CommandLine, Data: []byte(parts.CommandLine)},
				{Type: image.Ramdisk, Data: boot},
				{Type: image.Ramdisk, Data: c.root},
			}}
			dir := shortDir(t)
			path := writeEIF(t, filepath.Join(dir, "nitro.eif"), i)
			if !c.serves {
				doesNotServe(t, s, path, "files-differ")
				return
			}
			e := emulate(t, path, "--machine", "microvm", "--ca", s.Path("ca"), "--sockets", filepath.Join(dir, "vm"),
				"--console", filepath.Join(dir, "console"))
			e.wait("composed")
			e.wait("serving")
			check(t, e.stop())
		})
	}
}
