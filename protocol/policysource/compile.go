// Package policysource compiles the YAML that a policy's author writes (SPEC 8) into the canonical
// CBOR that package policy reads. Compile is its one call. It is for tools: an enclave reads
// compiled policies only.
package policysource

import (
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"anchorhold/protocol/policy"
)

const (
	sourceLabel = "policy/v1"
	maxSource   = 1 << 20 // bytes of YAML
)

// Compile compiles a policy's source (SPEC 8) and writes every default out. preset returns the
// rules of a named preset, readFile those of a rules file as the source names it; either may
// refuse. The error names every fault with its line.
func Compile(src []byte, preset func(name string) ([]byte, error), readFile func(string) ([]byte, error)) ([]byte, error) {
	if len(src) > maxSource {
		return nil, fmt.Errorf("policy has %d bytes, want at most %d", len(src), maxSource)
	}
	c := compiler{source: source{lines: make(map[string]int)}, preset: preset, readFile: readFile}
	c.policy.Limits = policy.DefaultLimits()
	root, err := c.parse(src)
	if err != nil {
		return nil, err
	}
	c.root(root)
	if err := c.check(); err != nil {
		return nil, err
	}
	return c.policy.Encode()
}

type compiler struct {
	source
	policy   policy.Policy
	preset   func(string) ([]byte, error)
	readFile func(string) ([]byte, error)
}

// check joins the faults of form and of meaning, by line. Where the form is wrong already, a fault
// of meaning would repeat it.
func (c *compiler) check() error {
	var more []fault
	for _, f := range c.policy.Faults() {
		if !c.explained(f.Path) {
			more = append(more, fault{f, c.lineOf(f.Path)})
		}
	}
	c.faults = append(c.faults, more...)
	if len(c.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(c.faults, func(a, b fault) int { return a.line - b.line })
	return joinFaults(c.faults)
}

type fields = map[string]func(n *yaml.Node, path string)

func (c *compiler) root(n *yaml.Node) {
	label := ""
	c.mapping(n, "", fields{
		"anchorhold": func(n *yaml.Node, path string) { label = c.text(n, path) },
		"tenants":    func(n *yaml.Node, path string) { c.list(n, path, c.tenant) },
		"pipelines":  func(n *yaml.Node, path string) { c.list(n, path, c.pipeline) },
		"limits":     c.limits,
		"test":       c.test,
	})
	if label != sourceLabel && !c.explained("anchorhold") {
		c.faults = append(c.faults, fault{policy.Fault{Path: "anchorhold", Text: "want " + sourceLabel}, c.lineOf("anchorhold")})
	}
}

func (c *compiler) tenant(n *yaml.Node, path string) {
	var t policy.Tenant
	c.mapping(n, path, fields{
		"name":      c.into(&t.Name),
		"keys":      c.appendTo(&t.Keys),
		"pipelines": c.appendTo(&t.Pipelines),
	})
	c.policy.Tenants = append(c.policy.Tenants, t)
}

func (c *compiler) pipeline(n *yaml.Node, path string) {
	var p policy.Pipeline
	var file string
	c.mapping(n, path, fields{
		"name":          c.into(&p.Name),
		"preset":        c.into(&p.Preset),
		"rules":         c.into(&file),
		"content-types": c.appendTo(&p.ContentTypes),
		"on-reject": func(n *yaml.Node, path string) {
			switch c.text(n, path) {
			case "count":
			case "raise":
				p.Raise = true
			default:
				c.fault(n, path, "want count or raise")
			}
		},
		"reference-date": func(n *yaml.Node, path string) {
			if p.ReferenceDate = c.scalar(n, path, "a day, YYYY-MM-DD", "!!str", "!!timestamp"); p.ReferenceDate == "" {
				c.fault(n, path, "is empty")
			}
		},
	})
	var err error
	if p.Rules, err = c.rules(p.Preset, file); err != nil {
		c.faults = append(c.faults, fault{policy.Fault{Path: path + ".rules", Text: err.Error()}, c.rulesLine(path)})
	}
	c.policy.Pipelines = append(c.policy.Pipelines, p)
}

// rules returns the rules themselves: a policy that only named them would measure a name.
func (c *compiler) rules(preset, file string) ([]byte, error) {
	switch {
	case (preset == "") == (file == ""):
		return nil, errors.New("want exactly one of preset and rules")
	case preset != "" && c.preset != nil:
		return c.preset(preset)
	case file != "" && c.readFile != nil:
		return c.readFile(file)
	}
	return nil, errors.New("rules cannot be read here")
}

func (c *compiler) rulesLine(path string) int {
	if line, ok := c.lines[path+".rules"]; ok {
		return line
	}
	return c.lineOf(path + ".preset")
}

func (c *compiler) limits(n *yaml.Node, path string) {
	f := fields{}
	for name, to := range c.policy.Limits.ByName() {
		f[name] = func(n *yaml.Node, path string) { *to = c.number(n, path) }
	}
	c.mapping(n, path, f)
}

func (c *compiler) test(n *yaml.Node, path string) {
	c.policy.Test = &policy.Test{}
	c.mapping(n, path, fields{
		"kms-host":  c.into(&c.policy.Test.KMSHost),
		"tls-roots": c.into(&c.policy.Test.TLSRoots),
	})
}

func (c *compiler) into(dst *string) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) { *dst = c.text(n, path) }
}

func (c *compiler) appendTo(dst *[]string) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		c.list(n, path, func(n *yaml.Node, path string) { *dst = append(*dst, c.text(n, path)) })
	}
}
