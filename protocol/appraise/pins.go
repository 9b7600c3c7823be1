package appraise

import (
	"fmt"
	"time"

	"anchorhold/protocol/digest"
)

const (
	dayForm = "2006-01-02"

	maxImages = 64
	maxName   = 128
)

// Layout says how an image is laid out over its ramdisks (SPEC 10.1).
type Layout string

// The layouts of SPEC 10.1.
const (
	LayoutAnchorhold Layout = "anchorhold" // the policy alone is ramdisk 1, so PCR2 follows from it
	// the policy lies with the program, and the user data names it
	LayoutNitroCLI Layout = "nitro-cli"
)

// Pins name the images that a data owner accepts (SPEC 10.1). Trusted: who edits them decides which
// program sees records. Their file is read and written by pinsfile.
type Pins struct {
	Layout  Layout
	Expires time.Time // the last day, as 00:00 UTC of that day
	Images  []Image
}

// Image is one pinned image. The three registers stand together: no single one identifies an image.
type Image struct {
	Name             string
	PCR0, PCR1, PCR2 digest.Digest
	PCR3, PCR4, PCR8 *digest.Digest // nil: not compared
}

// Validate tells whether the pins can be used at all; whether they have expired is judged in Check.
func (p *Pins) Validate() error {
	if p.Layout != LayoutAnchorhold && p.Layout != LayoutNitroCLI {
		return fmt.Errorf("%w: layout is neither %s nor %s", ErrPins, LayoutAnchorhold, LayoutNitroCLI)
	}
	// Pins without an end would accept an image for good, whatever is found out about it.
	if p.Expires.IsZero() || p.Expires.Year() > 9999 || !p.Expires.Equal(p.Expires.UTC().Truncate(24*time.Hour)) {
		return fmt.Errorf("%w: expires is not a day", ErrPins)
	}
	if len(p.Images) == 0 {
		return ErrNoPins
	}
	if len(p.Images) > maxImages {
		return fmt.Errorf("%w: over %d images", ErrPins, maxImages)
	}
	for n, i := range p.Images {
		if i.Name == "" || len(i.Name) > maxName || !printable(i.Name) {
			return fmt.Errorf("%w: image %d has no usable name", ErrPins, n+1)
		}
		for _, r := range []digest.Digest{i.PCR0, i.PCR1, i.PCR2} {
			if r.IsZero() {
				return fmt.Errorf("%w: image %d: pcr0, pcr1 or pcr2 is missing or zero", ErrDebug, n+1)
			}
		}
		for _, o := range p.Images[:n] {
			if o.Name == i.Name {
				return fmt.Errorf("%w: image %d has the name of another", ErrPins, n+1)
			}
		}
	}
	return nil
}

// printable keeps control characters out of names, which tools print on terminals.
func printable(s string) bool {
	for _, r := range s {
		if r < 0x20 || r == 0x7f || r == 0xfffd || (r >= 0x80 && r < 0xa0) {
			return false
		}
	}
	return true
}
