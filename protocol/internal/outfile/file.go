// Package outfile writes files and folders that are either complete or not there.
//
// Create and CreateFolder write beside the destination under a hidden name; Commit makes the bytes
// durable and gives them their name. Nothing is ever overwritten. A process that is killed may
// leave the hidden name behind, never a half-written destination.
package outfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrExists says that the destination is already there.
var ErrExists = errors.New("already exists and is not overwritten")

// File is an output file in the making. It is not safe for concurrent use.
type File struct {
	*os.File
	path string
	done bool
}

// Create starts the file path with the given permissions. The caller must call Commit or Abort;
// `defer f.Abort()` after a Commit does nothing. The error is ErrExists when path is there already.
func Create(path string, mode fs.FileMode) (*File, error) {
	if err := Free(path); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.partial")
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(mode); err != nil {
		err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		return nil, err
	}
	return &File{File: f, path: path}, nil
}

// Free returns ErrExists when something has the name path already, so that a command can say so
// before it works for an hour.
func Free(path string) error {
	switch _, err := os.Lstat(path); {
	case err == nil:
		return fmt.Errorf("%s %w", path, ErrExists)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	default:
		return err
	}
}

// Commit makes the file durable and gives it its name, unless something else has taken that name
// meanwhile (ErrExists).
func (f *File) Commit() error {
	if f.done {
		return fs.ErrClosed
	}
	defer f.Abort()
	if err := f.Sync(); err != nil {
		return err
	}
	if err := publish(f.Name(), f.path); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(f.path))
}

// Abort closes and removes the unfinished file.
func (f *File) Abort() {
	if f.done {
		return
	}
	f.done = true
	f.Close()
	os.Remove(f.Name())
}

// publish links rather than renames: rename would silently replace a file that appeared after
// Create looked.
func publish(temporary, path string) error {
	err := os.Link(temporary, path)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s %w", path, ErrExists)
	}
	// Some file systems know no hard links: look once more, then rename.
	if err := Free(path); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// Write is Create, one write and Commit.
func Write(path string, data []byte, mode fs.FileMode) error {
	f, err := Create(path, mode)
	if err != nil {
		return err
	}
	defer f.Abort()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit()
}

// SyncFolder makes the names in a folder durable.
func SyncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
