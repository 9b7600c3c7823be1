package sealing_test

import (
	"errors"
	"strings"
	"testing"

	"anchorhold/protocol/internal/sealing"
)

const goodParameters = `anchorhold: parameters/v1
values:
  a: {text: plain}
  b: {base64: AQID}
  c: {file: c.bin}
`

func readC(name string) ([]byte, error) {
	if name != "c.bin" {
		return nil, errors.New("no such file")
	}
	return []byte("content"), nil
}

func TestParseParameters(t *testing.T) {
	got, err := sealing.ParseParameters([]byte(goodParameters), readC)
	check(t, err)
	for name, want := range map[string]string{"a": "plain", "b": "\x01\x02\x03", "c": "content"} {
		if string(got[name]) != want {
			t.Errorf("%s: got %q, want %q", name, got[name], want)
		}
	}
}

// What is refused must not repeat a value: it would end in a log.
func TestParseParametersRefuses(t *testing.T) {
	for name, src := range map[string]string{
		"no label":       "values:\n  a: {text: hunter2}\n",
		"other label":    "anchorhold: pins/v1\nvalues:\n  a: {text: hunter2}\n",
		"nothing":        "anchorhold: parameters/v1\nvalues: {}\n",
		"unknown kind":   "anchorhold: parameters/v1\nvalues:\n  a: {hex: hunter2}\n",
		"two kinds":      "anchorhold: parameters/v1\nvalues:\n  a: {text: hunter2, file: c.bin}\n",
		"no kind":        "anchorhold: parameters/v1\nvalues:\n  a: {}\n",
		"bare value":     "anchorhold: parameters/v1\nvalues:\n  a: hunter2\n",
		"bad base64":     "anchorhold: parameters/v1\nvalues:\n  a: {base64: hunter2!}\n",
		"duplicate name": "anchorhold: parameters/v1\nvalues:\n  a: {text: hunter2}\n  a: {text: hunter2}\n",
		"two documents":  goodParameters + "---\nhunter2\n",
		"not YAML":       "\t{hunter2",
		"empty":          "",
	} {
		_, err := sealing.ParseParameters([]byte(src), readC)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want an error without the value", name, err)
		}
	}
}

func FuzzParseParameters(f *testing.F) {
	f.Add([]byte(goodParameters))
	f.Add([]byte("anchorhold: parameters/v1\nvalues:\n  a: {base64: '!'}\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		if values, err := sealing.ParseParameters(src, readC); err == nil && len(values) == 0 {
			t.Fatal("accepted, and no value")
		}
	})
}
