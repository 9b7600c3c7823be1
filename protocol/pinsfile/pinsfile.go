// Package pinsfile reads and writes the YAML file in which a data owner pins images (SPEC 10.1):
// Parse and Encode. What pins mean, and whether a document fits them: see appraise, which stays
// without a YAML reader, because enclaves link it.
package pinsfile

//go:generate go run generate.go

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"go.yaml.in/yaml/v3"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/digest"
)

const (
	pinsVersion = "pins/v1"
	dayForm     = "2006-01-02"

	maxPins = 64 << 10 // bytes of a pins file
)

// pinsFile is the YAML form.
type pinsFile struct {
	Anchorhold string          `yaml:"anchorhold"`
	Layout     appraise.Layout `yaml:"layout"`
	Expires    day             `yaml:"expires"`
	Images     []imageFile     `yaml:"images"`
}

// imageFile has nodes for what may be absent: a key with an empty value must be refused, not left
// unchecked, and a pinned zero (an instance without a role) must not be left out.
type imageFile struct {
	Name string        `yaml:"name"`
	PCR0 digest.Digest `yaml:"pcr0"`
	PCR1 digest.Digest `yaml:"pcr1"`
	PCR2 digest.Digest `yaml:"pcr2"`
	PCR3 yaml.Node     `yaml:"pcr3,omitempty"`
	PCR4 yaml.Node     `yaml:"pcr4,omitempty"`
	PCR8 yaml.Node     `yaml:"pcr8,omitempty"`
}

func (f imageFile) image() (appraise.Image, error) {
	i := appraise.Image{Name: f.Name, PCR0: f.PCR0, PCR1: f.PCR1, PCR2: f.PCR2}
	for _, o := range []struct {
		node yaml.Node
		to   **digest.Digest
	}{{f.PCR3, &i.PCR3}, {f.PCR4, &i.PCR4}, {f.PCR8, &i.PCR8}} {
		if o.node.Kind == 0 {
			continue // absent
		}
		d, err := digest.Parse(o.node.Value)
		if err != nil {
			return appraise.Image{}, fmt.Errorf("%w: line %d: %w", appraise.ErrPins, o.node.Line, err)
		}
		*o.to = &d
	}
	return i, nil
}

func fileOf(i appraise.Image) imageFile {
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

// Parse reads the YAML of SPEC 10.1. Errors: appraise.ErrPins for what it must not say,
// appraise.ErrNoPins for an empty image list, appraise.ErrDebug for a register that is zero.
func Parse(b []byte) (*appraise.Pins, error) {
	if len(b) > maxPins {
		return nil, fmt.Errorf("%w: over %d bytes", appraise.ErrPins, maxPins)
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	var f pinsFile
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("%w: %w", appraise.ErrPins, err)
	}
	// A second document would be read by a person and by no program.
	if err := d.Decode(new(pinsFile)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: more than one YAML document", appraise.ErrPins)
	}
	if f.Anchorhold != pinsVersion {
		return nil, fmt.Errorf("%w: anchorhold is not %s", appraise.ErrPins, pinsVersion)
	}
	p := &appraise.Pins{Layout: f.Layout, Expires: f.Expires.Time}
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

// Encode returns the YAML of SPEC 10.1. Errors: those of Parse.
func Encode(p *appraise.Pins) ([]byte, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	f := pinsFile{Anchorhold: pinsVersion, Layout: p.Layout, Expires: day{p.Expires}}
	for _, i := range p.Images {
		f.Images = append(f.Images, fileOf(i))
	}
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(f); err != nil {
		return nil, fmt.Errorf("%w: %w", appraise.ErrPins, err)
	}
	return out.Bytes(), nil
}
