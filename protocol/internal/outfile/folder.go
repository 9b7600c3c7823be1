package outfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Folder is an output folder in the making; it appears under its name only when Commit succeeds.
type Folder struct {
	path, temporary string
	done            bool
}

// CreateFolder starts the folder path, which must not exist or be empty (else ErrExists). Only its
// owner may read it. The caller must call Commit or Abort.
func CreateFolder(path string) (*Folder, error) {
	path = filepath.Clean(path)
	if err := FreeFolder(path); err != nil {
		return nil, err
	}
	temporary, err := os.MkdirTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.partial")
	if err != nil {
		return nil, err
	}
	return &Folder{path: path, temporary: temporary}, nil
}

// FreeFolder returns ErrExists unless path does not exist or is an empty folder that can be
// replaced.
func FreeFolder(path string) error {
	if base := filepath.Base(path); base == "." || base == ".." || base == string(filepath.Separator) {
		return fmt.Errorf("%s cannot be created: name a folder", path)
	}
	// A link to an empty folder is not one: the folder would be written where the link is, not
	// where it leads.
	if info, err := os.Lstat(path); err == nil && !info.IsDir() {
		return fmt.Errorf("%s is no folder: %w", path, ErrExists)
	}
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(entries) > 0:
		return fmt.Errorf("%s is not empty: %w", path, ErrExists)
	}
	return nil
}

// File creates a new file in the folder. The name is one path element: it may come from a peer's
// records.
func (d *Folder) File(name string) (*os.File, error) {
	if name == "" || name[0] == '.' || filepath.Base(name) != name {
		return nil, fmt.Errorf("not a file name")
	}
	return os.OpenFile(filepath.Join(d.temporary, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
}

// Commit makes the folder durable and gives it its name. Files must have been synced and closed.
func (d *Folder) Commit() error {
	if d.done {
		return fs.ErrClosed
	}
	defer d.Abort()
	if err := SyncFolder(d.temporary); err != nil {
		return err
	}
	// Rmdir takes an empty folder and nothing else, so that what came in between is not lost.
	// Remove would also take a file or a link.
	if err := syscall.Rmdir(d.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s %w", d.path, ErrExists)
	}
	if err := os.Rename(d.temporary, d.path); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(d.path))
}

// Abort removes the unfinished folder and all in it.
func (d *Folder) Abort() {
	if d.done {
		return
	}
	d.done = true
	os.RemoveAll(d.temporary)
}
