package policysource

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"anchorhold/protocol/policy"
)

// fault is a policy's fault and the line of the source that it stands in.
type fault struct {
	policy.Fault
	line int
}

func joinFaults(faults []fault) error {
	errs := make([]error, len(faults))
	for i, f := range faults {
		errs[i] = fmt.Errorf("line %d: %s", f.line, f.Fault)
	}
	return errors.Join(errs...)
}

// source walks a YAML document by hand instead of decoding it into structs, because a struct
// decoder neither tells the line of a fault in meaning nor collects them all. What it does not know
// it refuses, and it follows no alias: an author writes each value where it counts.
type source struct {
	lines  map[string]int // line of each path that the document has
	broken []string       // paths under which nothing could be read
	faults []fault
}

// parse returns the document's root, or a syntax error.
func (s *source) parse(src []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("malformed policy: %w", err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("malformed policy: more than one document")
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, errors.New("malformed policy: empty document")
	}
	return doc.Content[0], nil
}

func (s *source) fault(n *yaml.Node, path, format string, args ...any) {
	s.faults = append(s.faults, fault{policy.Fault{Path: path, Text: fmt.Sprintf(format, args...)}, n.Line})
}

func (s *source) wrongKind(n *yaml.Node, path, want string) {
	s.fault(n, path, "%s", want)
	s.broken = append(s.broken, path)
}

// explained reports whether a fault at path follows from one that is known already.
func (s *source) explained(path string) bool {
	for _, f := range s.faults {
		if f.Path == path {
			return true
		}
	}
	for _, b := range s.broken {
		if b == "" || strings.HasPrefix(path, b+".") || strings.HasPrefix(path, b+"[") {
			return true
		}
	}
	return false
}

// mapping calls the function of each key. Unknown keys are faults, and so are duplicate ones:
// readers differ in which they take.
func (s *source) mapping(n *yaml.Node, path string, fields map[string]func(n *yaml.Node, path string)) {
	if _, ok := s.lines[path]; !ok {
		s.lines[path] = n.Line
	}
	if n.Kind != yaml.MappingNode {
		s.wrongKind(n, path, "want a mapping")
		return
	}
	seen := make(map[string]bool)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := strings.TrimPrefix(path+"."+key.Value, ".")
		read := fields[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode || read == nil:
			s.fault(key, path, "unknown key %q", key.Value)
		case seen[key.Value]:
			s.fault(key, at, "is there twice")
		default:
			s.lines[at] = key.Line
			read(value, at)
		}
		seen[key.Value] = true
	}
}

func (s *source) list(n *yaml.Node, path string, read func(n *yaml.Node, path string)) {
	if n.Kind != yaml.SequenceNode {
		s.wrongKind(n, path, "want a list")
		return
	}
	for i, e := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		s.lines[at] = e.Line
		read(e, at)
	}
}

// text reads a string. A scalar that YAML takes for something else is refused: what reads as 012 or
// true may not be what its author meant.
func (s *source) text(n *yaml.Node, path string) string {
	return s.scalar(n, path, "a text (put it in quotes)", "!!str")
}

func (s *source) scalar(n *yaml.Node, path, want string, tags ...string) string {
	if n.Kind != yaml.ScalarNode || !slices.Contains(tags, n.ShortTag()) {
		s.fault(n, path, "want %s", want)
		return ""
	}
	return n.Value
}

func (s *source) number(n *yaml.Node, path string) uint64 {
	var v uint64
	if s.scalar(n, path, "a whole number", "!!int") != "" && n.Decode(&v) != nil {
		s.fault(n, path, "want a whole number")
	}
	return v
}

// lineOf returns the line of a path, or of the nearest thing around it when the document lacks it.
func (s *source) lineOf(path string) int {
	for path != "" {
		if line, ok := s.lines[path]; ok {
			return line
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return s.lines[""]
}
