package appraise

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"go.yaml.in/yaml/v3"

	"anchorhold/protocol/digest"
)

const (
	pinsVersion = "pins/v1"
	dayForm     = "2006-01-02"

	maxPins   = 64 << 10 // bytes of a pins file
	maxImages = 64
	maxName   = 128
)

// Layout says how an image is laid out over its ramdisks (SPEC 10.1).
type Layout string

// The layouts of SPEC 10.1.
const (
	LayoutAnchorhold Layout = "anchorhold" // the policy alone is ramdisk 1, so PCR2 follows from it
	LayoutNitroCLI   Layout = "nitro-cli"  // the policy lies with the program, and the user data names it
)

// Pins name the images that a data owner accepts (SPEC 10.1). Trusted: who edits them decides which program sees records.
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

// The YAML form.
type pinsFile struct {
	Anchorhold string      `yaml:"anchorhold"`
	Layout     Layout      `yaml:"layout"`
	Expires    day         `yaml:"expires"`
	Images     []imageFile `yaml:"images"`
}

// imageFile has nodes for what may be absent: a key with an empty value must be refused, not left unchecked, and a pinned
// zero (an instance without a role) must not be left out.
type imageFile struct {
	Name string        `yaml:"name"`
	PCR0 digest.Digest `yaml:"pcr0"`
	PCR1 digest.Digest `yaml:"pcr1"`
	PCR2 digest.Digest `yaml:"pcr2"`
	PCR3 yaml.Node     `yaml:"pcr3,omitempty"`
	PCR4 yaml.Node     `yaml:"pcr4,omitempty"`
	PCR8 yaml.Node     `yaml:"pcr8,omitempty"`
}

func (f imageFile) image() (Image, error) {
	i := Image{Name: f.Name, PCR0: f.PCR0, PCR1: f.PCR1, PCR2: f.PCR2}
	for _, o := range []struct {
		node yaml.Node
		to   **digest.Digest
	}{{f.PCR3, &i.PCR3}, {f.PCR4, &i.PCR4}, {f.PCR8, &i.PCR8}} {
		if o.node.Kind == 0 {
			continue // absent
		}
		d, err := digest.Parse(o.node.Value)
		if err != nil {
			return Image{}, fmt.Errorf("%w: line %d: %w", ErrPins, o.node.Line, err)
		}
		*o.to = &d
	}
	return i, nil
}

func (i Image) file() imageFile {
	node := func(d *digest.Digest) yaml.Node {
		if d == nil {
			return yaml.Node{}
		}
		return yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: d.String()}
	}
	return imageFile{
		Name: i.Name, PCR0: i.PCR0, PCR1: i.PCR1, PCR2: i.PCR2, PCR3: node(i.PCR3), PCR4: node(i.PCR4), PCR8: node(i.PCR8),
	}
}

// day is a date without time.
type day struct{ time.Time }

func (d day) MarshalYAML() (any, error) {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!timestamp", Value: d.Format(dayForm)}, nil
}

func (d *day) UnmarshalYAML(n *yaml.Node) error {
	t, err := time.Parse(dayForm, n.Value)
	if err != nil || n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: expires is not YYYY-MM-DD", n.Line)
	}
	d.Time = t
	return nil
}

// ParsePins reads the YAML of SPEC 10.1. Errors: ErrPins for what it must not say, ErrNoPins for an empty image list,
// ErrDebug for a register that is zero.
func ParsePins(b []byte) (*Pins, error) {
	if len(b) > maxPins {
		return nil, fmt.Errorf("%w: over %d bytes", ErrPins, maxPins)
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	var f pinsFile
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPins, err)
	}
	// A second document would be read by a person and by no program.
	if err := d.Decode(new(pinsFile)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: more than one YAML document", ErrPins)
	}
	if f.Anchorhold != pinsVersion {
		return nil, fmt.Errorf("%w: anchorhold is not %s", ErrPins, pinsVersion)
	}
	p := &Pins{Layout: f.Layout, Expires: f.Expires.Time}
	for _, i := range f.Images {
		image, err := i.image()
		if err != nil {
			return nil, err
		}
		p.Images = append(p.Images, image)
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return p, nil
}

// Encode returns the YAML of SPEC 10.1. Errors: those of ParsePins.
func (p *Pins) Encode() ([]byte, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	f := pinsFile{Anchorhold: pinsVersion, Layout: p.Layout, Expires: day{p.Expires}}
	for _, i := range p.Images {
		f.Images = append(f.Images, i.file())
	}
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPins, err)
	}
	return out.Bytes(), nil
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
