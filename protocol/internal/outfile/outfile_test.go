package outfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"anchorhold/protocol/internal/outfile"
)

// names lists a folder, hidden names included.
func names(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	return got
}

func TestFileAppearsOnlyWhenCommitted(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	f, err := outfile.Create(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString("half")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("stat before Commit: got %v, want not exist", err)
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	f.Abort()
	if got := names(t, dir); len(got) != 1 || got[0] != "out" {
		t.Fatalf("files: got %q, want only out", got)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Fatalf("mode: got %v, want 0600", info.Mode())
	}
}

func TestAbortLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	f, err := outfile.Create(filepath.Join(dir, "out"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	f.Abort()
	d, err := outfile.CreateFolder(filepath.Join(dir, "folder"))
	if err != nil {
		t.Fatal(err)
	}
	if w, err := d.File("a"); err != nil {
		t.Fatal(err)
	} else {
		w.Close()
	}
	d.Abort()
	if got := names(t, dir); len(got) != 0 {
		t.Fatalf("files: got %q, want none", got)
	}
}

// The file that appears between Create and Commit belongs to somebody else and must survive.
func TestNothingIsOverwritten(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	f, err := outfile.Create(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(); !errors.Is(err, outfile.ErrExists) {
		t.Fatalf("Commit: got %v, want %v", err, outfile.ErrExists)
	}
	if got, _ := os.ReadFile(path); string(got) != "other" {
		t.Fatalf("content: got %q, want other", got)
	}
	if _, err := outfile.Create(path, 0o600); !errors.Is(err, outfile.ErrExists) {
		t.Fatalf("Create: got %v, want %v", err, outfile.ErrExists)
	}
	if got := names(t, dir); len(got) != 1 {
		t.Fatalf("files: got %q, want only out", got)
	}
}

func TestFolderReplacesOnlyAnEmptyOne(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	d, err := outfile.CreateFolder(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := d.File("a.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	if got := names(t, path); len(got) != 0 {
		t.Fatalf("before Commit: got %q, want none", got)
	}
	if err := d.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, path); len(got) != 1 || got[0] != "a.ndjson" {
		t.Fatalf("after Commit: got %q, want a.ndjson", got)
	}
	if _, err := outfile.CreateFolder(path); !errors.Is(err, outfile.ErrExists) {
		t.Fatalf("CreateFolder over a full one: got %v, want %v", err, outfile.ErrExists)
	}
}

func TestFolderThatFilledMeanwhileIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	d, err := outfile.CreateFolder(path)
	if err != nil {
		t.Fatal(err)
	}
	os.Mkdir(path, 0o755)
	os.WriteFile(filepath.Join(path, "mine"), nil, 0o600)
	if err := d.Commit(); !errors.Is(err, outfile.ErrExists) {
		t.Fatalf("Commit: got %v, want %v", err, outfile.ErrExists)
	}
	if got := names(t, path); len(got) != 1 || got[0] != "mine" {
		t.Fatalf("files: got %q, want mine", got)
	}
}

func TestFolderNamesCannotEscape(t *testing.T) {
	d, err := outfile.CreateFolder(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Abort()
	for _, name := range []string{"", ".", "..", "../x", "a/b", "/etc/passwd", ".hidden"} {
		if f, err := d.File(name); err == nil {
			f.Close()
			t.Errorf("File(%q): got no error, want one", name)
		}
	}
}

func TestFolderNeedsAName(t *testing.T) {
	for _, path := range []string{".", "..", "/", "a/.."} {
		if err := outfile.FreeFolder(filepath.Clean(path)); err == nil {
			t.Errorf("FreeFolder(%q): got no error, want one", path)
		}
	}
}

// What takes the folder's name while it is written is somebody else's: a file, or a link, which
// Remove would have deleted.
func TestFolderReplacesNoFileAndNoLink(t *testing.T) {
	for name, take := range map[string]func(path string) error{
		"file": func(path string) error { return os.WriteFile(path, []byte("mine"), 0o600) },
		"link": func(path string) error { return os.Symlink(t.TempDir(), path) },
	} {
		path := filepath.Join(t.TempDir(), "out")
		d, err := outfile.CreateFolder(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := take(path); err != nil {
			t.Fatal(err)
		}
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Commit(); !errors.Is(err, outfile.ErrExists) {
			t.Errorf("%s: Commit: got %v, want %v", name, err, outfile.ErrExists)
		}
		if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
			t.Errorf("%s: it is gone", name)
		}
		if _, err := outfile.CreateFolder(path); !errors.Is(err, outfile.ErrExists) {
			t.Errorf("%s: CreateFolder: got %v, want %v", name, err, outfile.ErrExists)
		}
	}
}
