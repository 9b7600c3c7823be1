package appraise

import (
	"time"

	"anchorhold/protocol/digest"
)

// Layout says how an image is laid out over its ramdisks (SPEC 10.1).
type Layout string

// The layouts of SPEC 10.1.
const (
	LayoutAnchorhold Layout = "anchorhold"
	LayoutNitroCLI   Layout = "nitro-cli"
)

// Pins name the images that a data owner accepts (SPEC 10.1).
type Pins struct {
	Layout  Layout
	Expires time.Time // last day, UTC midnight of its start
	Images  []Image
}

// Image is one pinned image.
type Image struct {
	Name             string
	PCR0, PCR1, PCR2 digest.Digest
	PCR3, PCR4, PCR8 *digest.Digest // optional
}

// ParsePins reads the YAML of SPEC 10.1.
func ParsePins(b []byte) (*Pins, error) { return nil, ErrPins }

// Encode returns the YAML of SPEC 10.1.
func (p *Pins) Encode() ([]byte, error) { return nil, ErrPins }
