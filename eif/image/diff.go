package image

import (
	"bytes"
	"fmt"

	"anchorhold/eif/cpio"
)

// Difference is one way in which two images differ. Measured says whether PCR0, 1 or 2 see it.
type Difference struct {
	Where    string // such as "ramdisk 1"
	Detail   string
	Measured bool
}

// Diff compares two images: header, then section by section. In a section it names the first byte
// that differs, in a ramdisk also the first file. No difference means the same encoded bytes.
func Diff(a, b *Image) []Difference {
	var out []Difference
	add := func(measured bool, where, format string, args ...any) {
		out = append(out, Difference{where, fmt.Sprintf(format, args...), measured})
	}
	if a.ARM64 != b.ARM64 {
		add(false, "header", "architecture: aarch64 is %v and %v", a.ARM64, b.ARM64)
	}
	if a.DefaultMemory != b.DefaultMemory || a.DefaultCPUs != b.DefaultCPUs {
		add(false, "header", "default memory and CPUs: %d and %d, %d and %d", a.DefaultMemory, a.DefaultCPUs, b.DefaultMemory, b.DefaultCPUs)
	}
	for _, t := range []SectionType{Kernel, CommandLine, Ramdisk, Metadata, Signature} {
		as, bs := a.all(t), b.all(t)
		for k := range max(len(as), len(bs)) {
			where := t.String()
			if t == Ramdisk {
				where = fmt.Sprintf("%v %d", t, k)
			}
			measured := t != Metadata && t != Signature
			switch {
			case k >= len(as):
				add(measured, where, "only in the second image: %d bytes", len(bs[k]))
			case k >= len(bs):
				add(measured, where, "only in the first image: %d bytes", len(as[k]))
			case !bytes.Equal(as[k], bs[k]):
				add(measured, where, "%s", sectionDetail(t, as[k], bs[k]))
			}
		}
	}
	if len(out) == 0 && !sameOrder(a, b) {
		add(false, "header", "the same sections in another order")
	}
	return out
}

func sameOrder(a, b *Image) bool {
	for k := range a.Sections {
		if a.Sections[k].Type != b.Sections[k].Type {
			return false
		}
	}
	return true
}

func sectionDetail(t SectionType, a, b []byte) string {
	at := firstDifference(a, b)
	detail := fmt.Sprintf("%s; first differing byte %d", sizes(a, b), at)
	if t == CommandLine {
		detail += fmt.Sprintf("; %q and %q", clip(a, at), clip(b, at))
	}
	if t != Ramdisk {
		return detail
	}
	as, errA := cpio.Parse(a)
	bs, errB := cpio.Parse(b)
	if errA != nil || errB != nil {
		return detail + "; not both can be listed"
	}
	return detail + "; " + fileDetail(as, bs)
}

// fileDetail names the first entry, in the order of the archives, that differs.
func fileDetail(as, bs []cpio.Entry) string {
	for k := range min(len(as), len(bs)) {
		a, b := as[k], bs[k]
		switch {
		case a.Name != b.Name:
			return fmt.Sprintf("entry %d is %q and %q", k, a.Name, b.Name)
		case a.Mode != b.Mode:
			return fmt.Sprintf("first differing file %q: modes %o and %o", a.Name, a.Mode, b.Mode)
		case !bytes.Equal(a.Data, b.Data):
			return fmt.Sprintf("first differing file %q: %s, first differing byte %d", a.Name, sizes(a.Data, b.Data), firstDifference(a.Data, b.Data))
		case a.MTime != b.MTime:
			return fmt.Sprintf("first differing file %q: times %d and %d", a.Name, a.MTime, b.MTime)
		case a.Inode != b.Inode || a.UID != b.UID || a.GID != b.GID || a.Links != b.Links || a.Archive != b.Archive ||
			a.DevMajor != b.DevMajor || a.DevMinor != b.DevMinor || a.RDevMajor != b.RDevMajor || a.RDevMinor != b.RDevMinor:
			return fmt.Sprintf("first differing file %q: inode, owner, links or device", a.Name)
		}
	}
	switch {
	case len(as) > len(bs):
		return fmt.Sprintf("%q is only in the first image", as[len(bs)].Name)
	case len(bs) > len(as):
		return fmt.Sprintf("%q is only in the second image", bs[len(as)].Name)
	}
	return "the same files: padding, digits or trailer differ"
}

func sizes(a, b []byte) string {
	if len(a) == len(b) {
		return fmt.Sprintf("%d bytes each", len(a))
	}
	return fmt.Sprintf("%d and %d bytes", len(a), len(b))
}

// firstDifference returns the first index at which a and b differ, the shorter length when one
// begins with the other.
func firstDifference(a, b []byte) int {
	n := min(len(a), len(b))
	for k := range n {
		if a[k] != b[k] {
			return k
		}
	}
	return n
}

// clip shows what stands at a place of the command line.
func clip(s []byte, at int) string { return string(s[max(0, min(at, len(s))-8):min(len(s), at+24)]) }
