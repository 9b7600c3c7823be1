package keylint

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"anchorhold/protocol/keypolicy"
)

// zero is a register of a debug enclave.
var zero = strings.Repeat("0", 96)

// A document is what an attestation document shows to the policy. The zero document is none at all.
type document struct {
	pcr0, pcr1, pcr2 string
	others           map[int]string // registers that say who runs or signed the image: the adversary may have them right
	tpm              map[string]string
}

// with returns the document of another image, run and signed by the same.
func (d document) with(pcr0, pcr1, pcr2 string) document {
	d.pcr0, d.pcr1, d.pcr2 = pcr0, pcr1, pcr2
	return d
}

// keys are the condition keys that a request with the document has; no search adds any of the kind.
func (d document) keys() map[string][]string {
	if d.pcr0 == "" {
		return map[string][]string{}
	}
	list := map[string][]string{attestation + "imagesha384": {d.pcr0}}
	for n, v := range []string{d.pcr0, d.pcr1, d.pcr2} {
		list[attestation+"pcr"+strconv.Itoa(n)] = []string{v}
	}
	for n, v := range d.others {
		list[attestation+"pcr"+strconv.Itoa(n)] = []string{v}
	}
	for name, v := range d.tpm {
		list[name] = []string{v}
	}
	return list
}

// measurements are the values that conditions pin registers to, by register, in order: in a statement that allows those that it names, in a
// denial those that it spares. What the others name is not pinned but left out.
func measurements(s *keypolicy.Statement, values map[string][]string) map[string][]string {
	for _, c := range s.Conditions {
		name, ok := strings.CutPrefix(strings.ToLower(c.Key), attestation)
		if !ok || c.Operator.Name == "Null" || strings.Contains(c.Operator.Name, "Not") != s.Deny {
			continue
		}
		if name == "imagesha384" {
			name = "pcr0"
		}
		for _, v := range c.Values {
			values[name] = append(values[name], fitting(c.Operator.Name, strings.ToLower(v)))
		}
	}
	return values
}

// fitting is a value that meets a condition, or just fails it where it is negated.
func fitting(operator, value string) string {
	g := globOf(operator, value)
	if g.plain() {
		return value
	}
	list, _ := witnesses(nil, g)
	return append(list, value)[0]
}

// others are the values of a register that no statement names: those of an adversary's image.
func (l *linter) others(register int) []string {
	key := attestation + "pcr" + strconv.Itoa(register)
	if register == 0 {
		return l.foreign(key, attestation+"imagesha384")
	}
	return l.foreign(key)
}

// theirs are documents of the adversary's images, run and signed as the one given, as far as their registers can make a difference.
func (l *linter) theirs(d document) []document {
	var list []document
	for _, pcr0 := range l.others(0) {
		for _, pcr1 := range l.others(1) {
			for _, pcr2 := range l.others(2) {
				list = append(list, d.with(pcr0, pcr1, pcr2))
			}
		}
	}
	return list
}

// near are documents that have some registers of one of theirs and some of the one given: with the given PCR0 or with another.
func (l *linter) near(d document, samePCR0 bool) []document {
	var list []document
	for _, t := range l.theirs(d) {
		pcr0 := t.pcr0
		if samePCR0 {
			pcr0 = d.pcr0
		} else {
			list = append(list, t, d.with(pcr0, d.pcr1, d.pcr2))
		}
		list = append(list, d.with(pcr0, t.pcr1, d.pcr2), d.with(pcr0, d.pcr1, t.pcr2), d.with(pcr0, t.pcr1, t.pcr2))
	}
	return list
}

// documents are those of images that the policy could mean, the n-th values of all registers together: those of the statement's conditions, and
// for a register that it leaves open those of the denials, which may be all that pins it. A register that nothing names is the adversary's.
func (l *linter) documents(s *keypolicy.Statement) []document {
	if list := l.shown[s]; list != nil {
		return list
	}
	values, denied := measurements(s, map[string][]string{}), map[string][]string{}
	for i := range l.Policy.Statements {
		if l.Policy.Statements[i].Deny {
			measurements(&l.Policy.Statements[i], denied)
		}
	}
	for name, list := range denied {
		if values[name] == nil {
			values[name] = list
		}
	}
	pick := func(name string, n int) string {
		if list := values[name]; len(list) > 0 {
			return list[min(n, len(list)-1)]
		}
		if n, err := strconv.Atoi(strings.TrimPrefix(name, "pcr")); err == nil && n <= 2 {
			return l.others(n)[0]
		}
		return "other"
	}
	count := 1
	for _, list := range values {
		count = max(count, len(list))
	}
	var list []document
	for n := range count {
		d := document{pcr0: pick("pcr0", n), pcr1: pick("pcr1", n), pcr2: pick("pcr2", n), others: map[int]string{}, tpm: map[string]string{}}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			number, err := strconv.Atoi(strings.TrimPrefix(name, "pcr"))
			switch {
			case err != nil:
				d.tpm[attestation+name] = pick(name, n) // nitrotpmpcr…
			case number > 2:
				d.others[number] = pick(name, n)
			}
		}
		list = append(list, d)
	}
	l.shown[s] = list
	return list
}
