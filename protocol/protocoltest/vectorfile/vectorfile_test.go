package vectorfile_test

import (
	"bytes"
	"errors"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"anchorhold/protocol/protocoltest/vectorfile"
)

func TestWriteAndLoad(t *testing.T) {
	dir := t.TempDir()
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	cases := []struct {
		name   string
		header map[string]string
		body   []byte
	}{
		{"a-raw", map[string]string{"expect": "ok", "comment": "colons: are fine"}, append([]byte("\n\nkey: value\n"), all...)},
		{"b-hex", map[string]string{"encoding": "hex"}, all},
		{"c-empty", map[string]string{"expect": ""}, nil},
	}
	for _, c := range cases {
		if err := vectorfile.Write(filepath.Join(dir, "sub", c.name+".txt"), c.header, c.body); err != nil {
			t.Fatal(err)
		}
	}
	got := vectorfile.Load(t, filepath.Join(dir, "sub", "*.txt"))
	if len(got) != len(cases) {
		t.Fatalf("got %d vectors, want %d", len(got), len(cases))
	}
	for i, c := range cases {
		if got[i].Name != c.name || !maps.Equal(got[i].Header, c.header) || !bytes.Equal(got[i].Body, c.body) {
			t.Errorf("got %+v, want %+v", got[i], c)
		}
		if got[i].Expect() != c.header["expect"] {
			t.Errorf("%s: got expect %q", c.name, got[i].Expect())
		}
	}
}

func TestRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"no blank line": "expect: ok\n",
		"empty":         "",
		"no colon":      "expect ok\n\n",
		"no key":        ": ok\n\n",
		"twice":         "expect: a\nexpect: b\n\n",
		"bad hex":       "encoding: hex\n\n0g\n",
		"odd hex":       "encoding: hex\n\n0\n",
		"encoding":      "encoding: base64\n\nAA==\n",
	} {
		if v, err := vectorfile.Parse([]byte(text)); err == nil {
			t.Errorf("%s: got %+v, want an error", name, v)
		}
	}
	for _, header := range []map[string]string{{"a b": "c"}, {"a:": "c"}, {"": "c"}, {"a": "c\nd"}} {
		if b, err := vectorfile.Format(header, nil); err == nil {
			t.Errorf("%q: got %q, want an error", header, b)
		}
	}
}

// fatal is a testing.TB that only notes that the test was ended.
type fatal struct {
	testing.TB
	text string
}

func (f *fatal) Helper() {}

func (f *fatal) Fatalf(format string, _ ...any) {
	f.text = format
	panic(f)
}

// A suite whose vectors went away must not pass.
func TestNoFilesIsAFailure(t *testing.T) {
	f := &fatal{TB: t}
	defer func() {
		if r := recover(); r != f || !strings.Contains(f.text, "no files") {
			t.Errorf("got %v with %q, want a failure that no files were found", r, f.text)
		}
	}()
	vectorfile.Load(f, filepath.Join(t.TempDir(), "*.txt"))
}

// failed notes what a testing.TB was told.
type failed struct {
	testing.TB
	count int
}

func (f *failed) Helper() {}

func (f *failed) Errorf(string, ...any) { f.count++ }

func TestReason(t *testing.T) {
	for _, c := range []struct {
		expect, kind string
		err          error
		fails        bool
	}{
		{"malformed: ends early", "malformed", errors.New("malformed thing: ends early"), false},
		{"malformed: ends early", "malformed", errors.New("malformed thing: trailing bytes"), true},
		{"malformed: ends early", "malformed", nil, true},
		{"malformed", "malformed", errors.New("malformed thing: trailing bytes"), false},
		{"data:07 crc", "data:07 crc", nil, false},
	} {
		v, got := vectorfile.Vector{Header: map[string]string{"expect": c.expect}}, &failed{TB: t}
		v.CheckReason(got, c.err)
		if v.Kind() != c.kind || (got.count > 0) != c.fails {
			t.Errorf("%q and %v: got kind %q and %d failures", c.expect, c.err, v.Kind(), got.count)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("expect: ok\n\nbody"))
	f.Add([]byte("encoding: hex\n\n00ff\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := vectorfile.Parse(b)
		if err != nil || v.Header["encoding"] == "hex" {
			return
		}
		for k := range v.Header {
			if strings.ContainsAny(k, ": ") {
				return
			}
		}
		again, err := vectorfile.Format(v.Header, v.Body)
		if err != nil {
			t.Fatal(err)
		}
		w, err := vectorfile.Parse(again)
		if err != nil || !maps.Equal(w.Header, v.Header) || !bytes.Equal(w.Body, v.Body) {
			t.Errorf("got %+v, %v, want %+v", w, err, v)
		}
	})
}
