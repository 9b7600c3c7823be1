package compose

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// List lists everything below root, links unfollowed, other file systems not entered. It refuses
// more than MaxFiles entries.
func List(root string) ([]Entry, error) {
	var top unix.Stat_t
	if err := unix.Lstat(root, &top); err != nil {
		return nil, fmt.Errorf("stat %s: %w", root, err)
	}
	var entries []Entry
	pending := []string{"/"}
	for len(pending) > 0 {
		dir := pending[0]
		pending = pending[1:]
		f, err := os.Open(path.Join(root, dir))
		if err != nil {
			return nil, err
		}
		names, err := f.Readdirnames(MaxFiles + 1)
		f.Close()
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if len(entries)+len(names) > MaxFiles {
			return nil, fmt.Errorf("over %d files, want few", MaxFiles)
		}
		for _, name := range names {
			e, err := stat(root, path.Join(dir, name), uint64(top.Dev))
			if err != nil {
				return nil, err
			}
			entries = append(entries, e)
			if e.Mode&typeMask == folder && !e.Mount {
				pending = append(pending, e.Path)
			}
		}
	}
	return entries, nil
}

func stat(root, name string, dev uint64) (Entry, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path.Join(root, name), &st); err != nil {
		return Entry{}, fmt.Errorf("stat %s: %w", name, err)
	}
	e := Entry{
		Path: name, Mode: st.Mode, UID: st.Uid, GID: st.Gid, Links: uint64(st.Nlink), Size: st.Size,
		Device: st.Rdev, Mount: uint64(st.Dev) != dev,
	}
	if e.Mode&typeMask != link {
		return e, nil
	}
	var err error
	if e.Target, err = os.Readlink(path.Join(root, name)); err != nil {
		return Entry{}, err
	}
	return e, nil
}
