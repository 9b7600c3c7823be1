package anonymizer

import (
	"strings"
	"time"

	"anchorhold/enclave/fhirpath"
)

const observationValue = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"

// labels are upstream's security labels, in its order and with its spelling.
var labels = []struct {
	done                  ops
	system, code, display string
}{
	{redacted, observationValue, "REDACTED", "redacted"},
	{abstracted, observationValue, "ABSTRED", "abstracted"},
	{hashed, observationValue, "CRYTOHASH", "cryptographic hash function"},
	{encrypted, observationValue, "MASKED", "masked"},
	{perturbed, "", "PERTURBED", "exact value is replaced with another exact value"},
	{substituted, "", "SUBSTITUTED", "exact value is replaced with a predefined value"},
	{generalized, "", "GENERALIZED", "exact value is replaced with a general value"},
}

// label says in the meta of a resource what was done to it. A label that is there is not added
// again.
func (w *worker) label(n *fhirpath.Node, done ops) error {
	meta := n.Child("meta")
	if meta != nil {
		for s := range meta.All() {
			if c := s.Child("code"); s.Name() == "security" && c != nil {
				text, _ := c.Text()
				done &^= opsOf(text)
			}
		}
	}
	added, err := w.labeled(done)
	if err != nil {
		return err // unreachable: Meta takes labels
	}
	if meta == nil {
		n.Adopt(added)
		n.First("meta", "id")
		return nil
	}
	for _, s := range added.Children(nil) {
		meta.Adopt(s)
	}
	return rewriteInstant(meta.Child("lastUpdated"))
}

// opsOf returns what a code says was done.
func opsOf(code string) ops {
	for _, l := range labels {
		if strings.EqualFold(l.code, code) {
			return l.done
		}
	}
	return 0
}

// labeled returns a meta element with labels.
func (w *worker) labeled(done ops) (*fhirpath.Node, error) {
	if w.labels[done] == nil {
		b := []byte(`{"resourceType":"Basic","meta":{"security":[`)
		for _, l := range labels {
			if done&l.done != 0 {
				b = appendLabel(b, l.system, l.code, l.display)
			}
		}
		basic, err := fhirpath.ReadLoose(append(b, `]}}`...), fhirpath.MaxNesting)
		if err != nil {
			return nil, errLabel // unreachable
		}
		w.labels[done] = basic.Child("meta")
	}
	return w.labels[done].Copy(), nil
}

func appendLabel(b []byte, system, code, display string) []byte {
	if b[len(b)-1] == '}' {
		b = append(b, ',')
	}
	b = append(b, '{')
	if system != "" {
		b = append(b, `"system":"`+system+`",`...)
	}
	return append(b, `"code":"`+code+`","display":"`+display+`"}`...)
}

// appendEmpty appends the resource that takes the place of one on which a rule has failed.
func appendEmpty(b []byte, kind string) []byte {
	b = append(b, `{"resourceType":`...)
	b = quote(b, kind)
	b = append(b, `,"meta":{"security":[`...)
	b = appendLabel(b, labels[0].system, labels[0].code, labels[0].display)
	return append(b, `]}}`...)
}

// rewriteInstant gives an instant the form that upstream's library writes when it rewrites meta:
// seconds, up to seven digits of their fraction, and an offset in digits. Of a date the rest counts
// as zero.
func rewriteInstant(n *fhirpath.Node) error {
	if n == nil || !n.HasValue() || n.Kind() != '"' {
		return nil
	}
	text, _ := n.Text()
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", time.DateOnly, "2006-01", "2006"} {
		if t, err := time.Parse(form, text); err == nil {
			n.SetValue('"', t.Truncate(100*time.Nanosecond).Format("2006-01-02T15:04:05.9999999-07:00"))
			return nil
		}
	}
	return nil // hashed or encrypted: upstream fails here
}
