package digest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"anchorhold/protocol/digest"
)

// NIST's example for SHA-384 of "abc".
const abc = "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"

func TestSum(t *testing.T) {
	for _, parts := range [][][]byte{{[]byte("abc")}, {[]byte("a"), nil, []byte("bc")}} {
		if got := digest.Sum(parts...).String(); got != abc {
			t.Errorf("got %s, want %s", got, abc)
		}
	}
}

func TestParse(t *testing.T) {
	d, err := digest.Parse(abc)
	if err != nil || d != digest.Sum([]byte("abc")) || d.IsZero() {
		t.Errorf("got %v, %v, want %s", d, err, abc)
	}
	if !(digest.Digest{}).IsZero() {
		t.Error("got false for the zero digest")
	}
	for _, s := range []string{"", abc[2:], abc + "00", strings.ToUpper(abc), "0x" + abc[2:], " " + abc[1:], strings.Repeat("g", 96)} {
		if d, err := digest.Parse(s); err == nil || !d.IsZero() {
			t.Errorf("%q: got %v, %v, want an error", s, d, err)
		}
	}
}

func TestText(t *testing.T) {
	var d digest.Digest
	if err := json.Unmarshal([]byte(`"`+abc+`"`), &d); err != nil {
		t.Fatal(err)
	}
	if b, err := json.Marshal(d); err != nil || string(b) != `"`+abc+`"` {
		t.Errorf("got %s, %v", b, err)
	}
	before := d
	if err := d.UnmarshalText([]byte("00")); err == nil || d != before {
		t.Errorf("got %v, %v, want an error and no change", d, err)
	}
}

// NIST's example for SHA-256 of "abc".
const abcStream = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

func TestStream(t *testing.T) {
	h := digest.NewStream()
	h.Write([]byte("a"))
	h.Write([]byte("bc"))
	if got := digest.Stream(h.Sum(nil)); got.String() != abcStream || got != digest.SumStream([]byte("abc")) || got.IsZero() {
		t.Errorf("got %s, want %s", got, abcStream)
	}
	if !(digest.Stream{}).IsZero() {
		t.Error("got false for the zero digest")
	}
	var s digest.Stream
	if err := json.Unmarshal([]byte(`"`+abcStream+`"`), &s); err != nil {
		t.Fatal(err)
	}
	if b, err := json.Marshal(s); err != nil || string(b) != `"`+abcStream+`"` {
		t.Errorf("got %s, %v", b, err)
	}
	before := s
	for _, text := range []string{"", abcStream[2:], abcStream + "00", strings.ToUpper(abcStream), abc, strings.Repeat("g", 64)} {
		if err := s.UnmarshalText([]byte(text)); err == nil || s != before {
			t.Errorf("%q: got %v, %v, want an error and no change", text, s, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(abc)
	f.Add(strings.ToUpper(abc))
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := digest.Parse(s); err == nil && d.String() != s {
			t.Errorf("%q is accepted as %v", s, d)
		}
	})
}
