package anonymizer

import (
	"errors"
	"fmt"
	"strings"
)

// faults collects everything that is wrong with a configuration.
type faults []error

func (f *faults) add(format string, args ...any) { *f = append(*f, fmt.Errorf(format, args...)) }

// settings are what a configuration says beside its rules.
type settings struct {
	// processingErrors: an empty resource takes the place of one that fails
	skip                         bool
	scope                        string
	fixedOffset                  *int
	partialAges                  bool
	partialDates                 bool
	partialZips                  bool
	restrictedZips               []string
	dateShiftKey, hashKey, aeKey string // until they are taken out: see Split
}

type compiler struct {
	faults
	engine *Engine
}

// Compile reads a configuration as a policy holds it. Its error names every fault, with the rule's
// number, from 1, and its path. A configuration with keys is refused: what is measured is public.
// See Split.
func Compile(config []byte) (*Engine, error) {
	c := &compiler{engine: &Engine{types: map[string]int{}, names: map[string]int{}, kinds: map[string]int{}}}
	root, err := parse(config)
	if err != nil {
		return nil, err
	}
	c.root(&root)
	s := &c.engine.settings
	for _, k := range []struct{ name, key string }{{"dateShiftKey", s.dateShiftKey}, {"cryptoHashKey", s.hashKey}, {"encryptKey", s.aeKey}} {
		if k.key != "" {
			c.add("parameters: %s: a policy is public and can't hold a key: anchorhold policy split FILE takes it out", k.name)
		}
	}
	if len(c.faults) > 0 {
		return nil, errors.Join(c.faults...)
	}
	for i, name := range resources {
		c.engine.kinds[name] = i
	}
	c.dangers()
	return c.engine, nil
}

func (c *compiler) warn(format string, args ...any) {
	c.engine.warnings = append(c.engine.warnings, fmt.Sprintf(format, args...))
}

// dangers warns of what works as upstream's and protects less than it seems to.
func (c *compiler) dangers() {
	e := c.engine
	if e.uses(dateShift) && e.settings.fixedOffset == nil {
		c.warn("dateShift: upstream's offset is an affine hash: one known shift gives away those of all patients; Safe Harbor allows years only")
		if e.settings.scope == "resource" {
			c.warn("dateShift: scope resource moves a patient's own records by different offsets, so that intervals are lost")
		}
	}
	if o := e.settings.fixedOffset; e.uses(dateShift) && o != nil {
		c.warn("dateShift: all dates move by the same %d days: who knows one true date knows all; Safe Harbor allows years only", *o)
	}
}

// fields are what an object may hold, with what reads each.
type fields = map[string]func(v *value, where string)

// object reads the members of v. Null is absence for those that may be absent.
func (c *compiler) object(v *value, where string, f fields) {
	if v.kind != '{' {
		c.add("%s: is %s, want an object", strings.TrimSuffix(where, ": "), kindName(v.kind))
		return
	}
	seen := map[string]bool{}
	for i := range v.members {
		m := &v.members[i]
		name := known(m.name, f)
		switch {
		case name == "":
			c.add("%sunknown key %q%s", where, m.name, likely(m.name, f))
		case seen[name]:
			c.add("%s%s: is given twice", where, name)
		default:
			seen[name] = true
			f[name](&m.value, where+name)
		}
	}
}

// known returns the name among f that is meant, or "". Upstream reads names beside and inside
// parameters in any case of letters.
func known[T any](name string, f map[string]T) string {
	for k := range f {
		if strings.EqualFold(k, name) {
			return k
		}
	}
	return ""
}

// likely names the key that may have been meant: one that differs in case or by an s at its end.
func likely(name string, f fields) string {
	for known := range f {
		if strings.EqualFold(strings.TrimSuffix(name, "s"), strings.TrimSuffix(known, "s")) {
			return fmt.Sprintf(", did you mean %q?", known)
		}
	}
	return ""
}

func (c *compiler) root(v *value) {
	s := &c.engine.settings
	s.scope = "resource"
	var rules *value
	c.object(v, "", fields{
		"fhirVersion": func(v *value, where string) {
			if v.kind == 'n' {
				return
			}
			if t := c.text(v, where); t != "" && !strings.EqualFold(t, "R4") {
				c.add("%s: %q is not supported, want R4", where, t)
			}
		},
		"processingErrors": func(v *value, where string) {
			s.skip = c.oneOf(v, where, "raise", "skip") == "skip"
		},
		"fhirPathRules": func(v *value, _ string) { rules = v },
		"parameters": func(v *value, where string) {
			if v.kind != 'n' {
				c.parameters(v, where+": ")
			}
		},
	})
	switch {
	case rules == nil || rules.kind == 'n':
		c.add("fhirPathRules: is missing")
	case rules.kind != '[':
		c.add("fhirPathRules: is %s, want an array", kindName(rules.kind))
	case len(rules.items) == 0:
		c.add("fhirPathRules: is empty: every record would leave unchanged")
	default:
		for i := range rules.items {
			c.rule(i+1, &rules.items[i])
		}
	}
}

func (c *compiler) parameters(v *value, where string) {
	s := &c.engine.settings
	into := func(b *bool) func(*value, string) {
		return func(v *value, where string) {
			text := strings.ToLower(strings.TrimSpace(v.text)) // "true" is read as true
			if *b = v.kind == 't' || text == "true"; !*b && v.kind != 'f' && text != "false" {
				c.add("%s: is %s, want true or false", where, kindName(v.kind))
			}
		}
	}
	key := func(k *string) func(*value, string) {
		return func(v *value, where string) {
			var ok bool
			if *k, ok = v.key(); !ok {
				c.add("%s: is %s, want a string", where, kindName(v.kind))
			}
		}
	}
	c.object(v, where, fields{
		"dateShiftKey":                     key(&s.dateShiftKey),
		"cryptoHashKey":                    key(&s.hashKey),
		"encryptKey":                       key(&s.aeKey),
		"enablePartialAgesForRedact":       into(&s.partialAges),
		"enablePartialDatesForRedact":      into(&s.partialDates),
		"enablePartialZipCodesForRedact":   into(&s.partialZips),
		"restrictedZipCodeTabulationAreas": c.zips,
		"dateShiftScope": func(v *value, where string) {
			if t := c.oneOf(v, where, "resource", "file", "folder"); t != "" {
				s.scope = t
			}
		},
		"dateShiftFixedOffsetInDays": func(v *value, where string) {
			if v.kind == 'n' {
				return
			}
			n, ok := whole(v, -maxOffset, maxOffset)
			if !ok {
				c.add("%s: want a whole number of days between -%d and %d", where, maxOffset, maxOffset)
				return
			}
			s.fixedOffset = &n
		},
	})
	if n := len(s.aeKey); n != 0 && !aesLength(n) {
		c.add("%s", badLength(n))
	}
}

// maxOffset is the span of the calendar: beyond it no date has a shifted one.
const maxOffset = 3_652_058

func badLength(n int) string {
	return fmt.Sprintf("parameters: encryptKey: has %d bits, want 128, 192 or 256", n*8)
}

func aesLength(n int) bool { return n == 16 || n == 24 || n == 32 }

func (c *compiler) zips(v *value, where string) {
	if v.kind == 'n' {
		return
	}
	if v.kind != '[' {
		c.add("%s: is %s, want an array of strings", where, kindName(v.kind))
		return
	}
	for i := range v.items {
		t := c.text(&v.items[i], fmt.Sprintf("%s[%d]", where, i))
		if t == "" && v.items[i].kind == '"' {
			c.warn("%s[%d]: is empty: every postal code begins with it and is restricted", where, i)
		}
		c.engine.settings.restrictedZips = append(c.engine.settings.restrictedZips, t)
	}
}

// text reads a string.
func (c *compiler) text(v *value, where string) string {
	if v.kind != '"' {
		c.add("%s: is %s, want a string", where, kindName(v.kind))
		return ""
	}
	return v.text
}

// oneOf reads one of a few words, in whatever case of letters.
func (c *compiler) oneOf(v *value, where string, words ...string) string {
	if v.kind == '"' {
		for _, w := range words {
			if strings.EqualFold(v.text, w) {
				return w
			}
		}
		c.add("%s: is %q, want %s", where, v.text, strings.Join(words, " or "))
		return ""
	}
	c.add("%s: is %s, want %s", where, kindName(v.kind), strings.Join(words, " or "))
	return ""
}
