// Package compose checks that an enclave was started from the composition that was built: this
// command line, these files (SPEC 10). CheckCommandLine, List and CheckFiles are the calls.
//
// The registers alone do not prove it. Their hashes carry no lengths, so bytes can be moved from
// one part of an image to the next with the same registers, and a later ramdisk unpacks over an
// earlier one. What such an image presents after its start differs from what ours presents, and
// here it is found. What the check does not see is who started the program: a foreign /init that
// runs first can show it anything, and is found by PCR2 alone, which verifiers and package boot
// recompute from the policy.
package compose

import (
	"fmt"
	"runtime"

	"anchorhold/protocol/measure"
)

// Layout is one of the two compositions.
type Layout int

const (
	// Anchorhold is our own: the program is PID 1. It is the zero value, because it is the
	// stricter.
	Anchorhold Layout = iota
	// NitroCLI is that of nitro-cli: AWS's init starts the program in the Docker image's root.
	NitroCLI
)

// CommandLine returns what the layout's images are started with.
func (l Layout) CommandLine() string {
	if l == NitroCLI {
		return measure.NitroCLICommandLine(runtime.GOARCH)
	}
	return measure.CommandLine
}

// Names of the files. PolicyPath stands in both layouts, ModulePath in our own for kernels without
// the driver.
const (
	PolicyPath = "/policy.cbor"
	ModulePath = "/nsm.ko"
)

// MaxPolicy is the largest compiled policy in bytes.
const MaxPolicy = 16 << 20

// MaxFiles bounds a listing: no layout has as many, and a hostile image is not to be walked at
// length.
const MaxFiles = 64

// File types and permissions as in st_mode.
const (
	typeMask = 0o170000
	regular  = 0o100000
	folder   = 0o040000
	device   = 0o020000
	link     = 0o120000
)

// Entry is one file of the root file system, as lstat has it.
type Entry struct {
	Path     string // absolute
	Mode     uint32 // type and permissions
	UID, GID uint32
	Links    uint64
	Size     int64
	Device   uint64 // of a device node
	Target   string // of a symbolic link
	Mount    bool   // the root of another file system; it is not descended into
}

// rule is what one path must be.
type rule struct {
	mode     uint32
	also     uint32 // another permitted mode
	required bool
	device   uint64
	target   string // of a symbolic link
	max      int64  // size, of regular files, which must not be empty either
	mount    bool   // its mode is that of what is mounted, so only its type counts
}

// console is the device number 5:1.
const console = 5<<8 | 1

var layouts = map[Layout]map[string]rule{
	// Before anything is mounted. /dev, /dev/console and /root are from the archive that every
	// kernel has built in (usr/default_cpio_list).
	Anchorhold: {
		"/init":        {mode: regular | 0o755, required: true, max: 1 << 30},
		PolicyPath:     {mode: regular | 0o444, required: true, max: MaxPolicy},
		ModulePath:     {mode: regular | 0o444, max: 16 << 20},
		"/dev":         {mode: folder | 0o755},
		"/dev/console": {mode: device | 0o600, device: console},
		"/root":        {mode: folder | 0o700},
	},
	// After AWS's init has mounted what it mounts. /etc is Docker's and LinuxKit's: LinuxKit keeps
	// Docker's modes, 0755, and gives 0644 to a file that Docker did not export. The archive has
	// those bits for the links too, but Linux gives every link 0777.
	NitroCLI: {
		"/anchorhold-enclave": {mode: regular | 0o755, required: true, max: 1 << 30},
		PolicyPath:            {mode: regular | 0o444, required: true, max: MaxPolicy},
		"/dev":                {mode: folder, required: true, mount: true},
		"/proc":               {mode: folder, required: true, mount: true},
		"/run":                {mode: folder, required: true, mount: true},
		"/sys":                {mode: folder, required: true, mount: true},
		"/tmp":                {mode: folder, required: true, mount: true},
		"/var":                {mode: folder | 0o755},
		"/etc":                {mode: folder | 0o755},
		"/etc/hosts":          {mode: regular | 0o755, also: regular | 0o644, max: 1 << 12},
		"/etc/resolv.conf":    {mode: link | 0o777, also: link | 0o755, target: "/run/resolvconf/resolv.conf"},
		"/etc/mtab":           {mode: link | 0o777, also: link | 0o755, target: "/proc/mounts"},
	},
}

// CheckFiles compares a listing of the root with the layout: nothing more, nothing less, nothing
// else.
func CheckFiles(l Layout, entries []Entry) error {
	seen := make(map[string]bool, len(entries))
	for _, e := range entries {
		r, known := layouts[l][e.Path]
		if !known {
			return fmt.Errorf("%q does not belong in the root file system", e.Path)
		}
		if seen[e.Path] {
			return fmt.Errorf("%q is listed twice", e.Path)
		}
		seen[e.Path] = true
		if err := r.check(e); err != nil {
			return fmt.Errorf("%q %w", e.Path, err)
		}
	}
	for path, r := range layouts[l] {
		if r.required && !seen[path] {
			return fmt.Errorf("%q is missing", path)
		}
	}
	return nil
}

func (r rule) check(e Entry) error {
	got, want := e.Mode, r.mode
	if r.mount {
		got &= typeMask
	}
	switch {
	case e.Mount != r.mount:
		return fmt.Errorf("is a mount: got %v, want %v", e.Mount, r.mount)
	case got != want && (r.also == 0 || got != r.also):
		return fmt.Errorf("has mode %#o, want %#o", got, want)
	case e.UID != 0 || e.GID != 0:
		return fmt.Errorf("belongs to %d:%d, want 0:0", e.UID, e.GID)
	case want&typeMask == device && e.Device != r.device:
		return fmt.Errorf("is device %#x, want %#x", e.Device, r.device)
	case want&typeMask == link && e.Target != r.target:
		return fmt.Errorf("points to %q, want %q", e.Target, r.target)
	case want&typeMask != regular:
		return nil
	case e.Links != 1:
		// a second name would be a second file to a reader of the listing, and one to a writer
		return fmt.Errorf("has %d links, want 1", e.Links)
	case e.Size < 1 || e.Size > r.max:
		return fmt.Errorf("has %d bytes, want 1 to %d", e.Size, r.max)
	}
	return nil
}
