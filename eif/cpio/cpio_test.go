package cpio_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"anchorhold/eif/cpio"
	"anchorhold/protocol/protocoltest/vectorfile"
)

func TestVectors(t *testing.T) {
	for _, v := range vectorfile.Load(t, "testdata/*.txt") {
		t.Run(v.Name, func(t *testing.T) {
			entries, err := cpio.Parse(v.Body)
			if v.Expect() != "ok" {
				var fault cpio.Fault
				if !errors.As(err, &fault) || string(fault) != v.Expect() {
					t.Fatalf("got %v, want %s", err, v.Expect())
				}
				if entries != nil {
					t.Errorf("got %d entries beside the error", len(entries))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var files []string
			for _, e := range entries {
				files = append(files, e.Name+"="+string(e.Data))
			}
			if got, want := strings.Join(files, " "), v.Header["files"]; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// Which archive of the ramdisk a file came from must show: the second one is unpacked over the
// first.
func TestArchivesAreCounted(t *testing.T) {
	v := vectorfile.Load(t, "testdata/second-archive.txt")[0]
	entries, err := cpio.Parse(v.Body)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 || entries[0].Archive != 0 || entries[1].Archive != 1 {
		t.Errorf("got %+v, want archives 0 and 1", entries)
	}
}

// An archive of the cpio command, with what ours never hold: folders, links, modes and times.
func TestForeignArchive(t *testing.T) {
	tool, err := exec.LookPath("cpio")
	if err != nil {
		t.Skip("no cpio command here")
	}
	dir := t.TempDir()
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, "etc"), 0o755),
		os.WriteFile(filepath.Join(dir, "etc/passwd"), []byte("root"), 0o640),
		os.Symlink("etc/passwd", filepath.Join(dir, "link")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(tool, "-o", "-H", "newc", "--quiet")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader("etc\netc/passwd\nlink\n")
	archive, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := cpio.Parse(archive)
	if err != nil {
		t.Fatal(err)
	}
	want := []cpio.Entry{{Name: "etc", Mode: 0o040755}, {Name: "etc/passwd", Mode: 0o100640, Data: []byte("root")}, {Name: "link", Mode: 0o120777, Data: []byte("etc/passwd")}}
	if len(entries) != len(want) {
		t.Fatalf("got %d entries, want %d", len(entries), len(want))
	}
	for i, w := range want {
		if g := entries[i]; g.Name != w.Name || g.Mode != w.Mode || !bytes.Equal(g.Data, w.Data) || (g.MTime == 0) {
			t.Errorf("entry %d: got %q %o %q at %d, want %q %o %q", i, g.Name, g.Mode, g.Data, g.MTime, w.Name, w.Mode, w.Data)
		}
	}
}

// No panic on any input, and no entry outside it.
func FuzzParse(f *testing.F) {
	for _, v := range vectorfile.Load(f, "testdata/*.txt") {
		f.Add(v.Body)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := cpio.Parse(b)
		if err != nil {
			if entries != nil {
				t.Error("entries beside an error")
			}
			return
		}
		end := 0
		for _, e := range entries {
			if e.Offset < end || e.DataOffset+len(e.Data) > len(b) || !bytes.Equal(b[e.DataOffset:e.DataOffset+len(e.Data)], e.Data) {
				t.Errorf("entry %q stands at %d, its data at %d", e.Name, e.Offset, e.DataOffset)
			}
			end = e.DataOffset + len(e.Data)
		}
	})
}

// A ramdisk of nothing but headers must not fill the reader's memory. Too large for a vector.
func TestEntriesAreBounded(t *testing.T) {
	one := vectorfile.Load(t, "testdata/one.txt")[0].Body
	// Header and name have 116 bytes, the contents, left out here, 8 with their padding.
	entry, trailer := bytes.Replace(one[:116], []byte("00000007"), []byte("00000000"), 1), one[124:]
	const limit = 1 << 18
	for count, want := range map[int]string{limit: "", limit + 1: "too-many"} {
		entries, err := cpio.Parse(append(bytes.Repeat(entry, count), trailer...))
		var fault cpio.Fault
		if errors.As(err, &fault); string(fault) != want || (want == "" && len(entries) != count) {
			t.Errorf("%d entries: got %d and %v, want %q", count, len(entries), err, want)
		}
	}
}
