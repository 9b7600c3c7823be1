package image_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"anchorhold/eif/cpio"
	"anchorhold/eif/image"
)

// TestNitroCLIRamdisks compares with the entries that LinuxKit writes, in its order and with its
// constants.
func TestNitroCLIRamdisks(t *testing.T) {
	p := image.NitroCLIParts{
		Kernel: []byte("kernel"), Init: []byte("init"), NSMModule: []byte("module"), CommandLine: "quiet", Program: []byte("program"), Policy: []byte("policy"),
	}
	boot, root := p.Ramdisks()
	const added = "1492533000"
	for _, c := range []struct {
		name    string
		ramdisk []byte
		want    []string
	}{
		{"boot", boot, []string{"721 dev 40755 2 " + added, "722 init 100755 1 " + added, "723 nsm.ko 100755 1 " + added}},
		{"root", root, []string{
			"721 rootfs 40755 2 " + added, "722 rootfs/anchorhold-enclave 100755 1 0", "723 rootfs/dev/ 40755 2 " + added,
			"724 rootfs/dev/pts/ 40755 2 " + added, "725 rootfs/dev/shm/ 40755 2 " + added, "726 rootfs/etc/ 40755 2 " + added,
			"727 rootfs/etc/hosts 100755 1 " + added, "728 rootfs/etc/mtab 120777 1 " + added, "729 rootfs/etc/resolv.conf 120755 1 " + added,
			"730 rootfs/policy.cbor 100444 1 0", "731 rootfs/proc/ 40755 2 " + added, "732 rootfs/sys/ 40755 2 " + added,
			"733 rootfs 40755 2 " + added, "734 rootfs/dev 40755 2 " + added, "735 rootfs/run 40755 2 " + added, "736 rootfs/sys 40755 2 " + added,
			"737 rootfs/var 40755 2 " + added, "738 rootfs/proc 40755 2 " + added, "739 rootfs/tmp 40755 2 " + added,
			"740 cmd 100644 1 " + added, "741 env 100644 1 " + added,
		}},
	} {
		entries, err := cpio.Parse(c.ramdisk)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var got []string
		for _, e := range entries {
			got = append(got, fmt.Sprintf("%d %s %o %d %d", e.Inode, e.Name, e.Mode, e.Links, e.MTime))
		}
		if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
		if len(c.ramdisk)%512 != 0 {
			t.Errorf("%s: %d bytes, want a multiple of 512", c.name, len(c.ramdisk))
		}
	}
	m := p.Measure()
	p.Policy = []byte("other")
	if n := p.Measure(); n.PCR1 != m.PCR1 || n.PCR2 == m.PCR2 || n.PCR0 == m.PCR0 {
		t.Error("another policy must show in PCR0 and PCR2, not in PCR1")
	}
}

// TestNitroCLIRootRamdiskIsLinuxKits compares with what LinuxKit with AWS's patches wrote, byte for
// byte.
func TestNitroCLIRootRamdiskIsLinuxKits(t *testing.T) {
	dir := os.Getenv("VECTORS")
	if dir == "" {
		t.Skip("VECTORS is not set: no output of LinuxKit to compare with")
	}
	want, err := os.ReadFile(filepath.Join(dir, "nitro-cli", "root-ramdisk.cpio"))
	if err != nil {
		t.Fatal(err)
	}
	_, got := image.NitroCLIParts{Program: []byte("program\n"), Policy: []byte("policy\n")}.Ramdisks()
	if bytes.Equal(got, want) {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	t.Errorf("got %d bytes, want %d; first differing byte %d: got %q, want %q", len(got), len(want), at, around(got, at), around(want, at))
}

func around(b []byte, at int) []byte { return b[max(0, at-16):min(len(b), at+48)] }
