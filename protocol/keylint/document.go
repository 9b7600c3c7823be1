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

// documents are those of images that a statement's conditions could mean: each value of PCR0 with the others at their first, then each other
// register through its values. One that names no register gives the document of any image.
func documents(s *keypolicy.Statement) []document {
	values := map[string][]string{}
	for _, c := range s.Conditions {
		key := strings.ToLower(c.Key)
		name, ok := strings.CutPrefix(key, attestation)
		if !ok {
			continue
		}
		if name == "imagesha384" {
			name = "pcr0"
		}
		for _, v := range c.Values {
			values[name] = append(values[name], candidates(c.Operator.Name, strings.ToLower(v))...)
		}
	}
	pick := func(name string, n int) string {
		if list := values[name]; len(list) > 0 {
			return list[min(n, len(list)-1)]
		}
		return fresh
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
	return list
}
