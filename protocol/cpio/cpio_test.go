package cpio_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"anchorhold/protocol/cpio"
)

// golden is written out by hand from the newc format: magic, then inode, mode, uid, gid, links,
// mtime, size, device major and minor, special device major and minor, name length with NUL,
// checksum.
const golden = "070701" +
	"00000001" + "000081ED" + "00000000" + "00000000" + "00000001" + "00000000" + "00000005" +
	"00000000" + "00000000" + "00000000" + "00000000" + "00000005" + "00000000" + "init\x00" + "\x00" +
	"hello" + "\x00\x00\x00" +
	"070701" +
	"00000000" + "00000000" + "00000000" + "00000000" + "00000001" + "00000000" + "00000000" +
	"00000000" + "00000000" + "00000000" + "00000000" + "0000000B" + "00000000" + "TRAILER!!!\x00" + "\x00\x00\x00"

func TestGolden(t *testing.T) {
	got := cpio.Archive(cpio.File{Name: "init", Mode: 0o100755, Data: []byte("hello")})
	if string(got) != golden {
		t.Errorf("got  %q\nwant %q", got, golden)
	}
}

// Ramdisks are concatenated in memory: each must end on a multiple of 4, whatever its contents.
func TestPadding(t *testing.T) {
	for n := range 9 {
		for _, name := range []string{"a", "ab", "abc", "abcd", "policy.cbor"} {
			b := cpio.Archive(cpio.File{Name: name, Mode: 0o100444, Data: bytes.Repeat([]byte{0xff}, n)})
			if len(b)%4 != 0 {
				t.Errorf("%s with %d bytes: archive has %d bytes", name, n, len(b))
			}
			if bytes.Count(b, []byte{0xff}) != n {
				t.Errorf("%s with %d bytes: data is not there once", name, n)
			}
		}
	}
}

func TestInvalidEntriesPanic(t *testing.T) {
	for _, name := range []string{"", "TRAILER!!!", "a\x00b"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q: no panic", name)
				}
			}()
			cpio.Archive(cpio.File{Name: name})
		}()
	}
}

// The command line tool stands for the kernel's unpacker.
func TestUnpack(t *testing.T) {
	tool, err := exec.LookPath("cpio")
	if err != nil {
		t.Skip("no cpio command here; TestGolden compares the bytes")
	}
	dir := t.TempDir()
	cmd := exec.Command(tool, "-i", "--quiet")
	cmd.Dir = dir
	cmd.Stdin = bytes.NewReader(cpio.Archive(
		cpio.File{Name: "init", Mode: 0o100755, Data: []byte("hello")},
		cpio.File{Name: "policy.cbor", Mode: 0o100444, Data: bytes.Repeat([]byte("x"), 1001)},
	))
	if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "" {
		t.Fatalf("cpio: %v: %s", err, out)
	}
	for name, want := range map[string]os.FileMode{"init": 0o755, "policy.cbor": 0o444} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm()&0o555 != want&0o555 {
			t.Errorf("%s: got %v and %v, want mode %v", name, info, err, want)
		}
	}
}
