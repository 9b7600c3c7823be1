package canonical_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"anchorhold/protocol/canonical"
)

// sample has each shape that the formats use.
type sample struct {
	Name   string            `cbor:"name"`
	N      uint64            `cbor:"n"`
	Digest [4]byte           `cbor:"digest"`
	Flag   bool              `cbor:"flag,omitempty"`
	Raw    []byte            `cbor:"raw,omitempty"`
	Count  *uint64           `cbor:"count,omitempty"`
	Hash   *[2]byte          `cbor:"hash,omitempty"`
	List   []string          `cbor:"list,omitempty"`
	Path   [][2]byte         `cbor:"path,omitempty"`
	Values map[string][]byte `cbor:"values,omitempty"`
}

func TestRoundTrip(t *testing.T) {
	zero, h := uint64(0), [2]byte{1, 2}
	for name, v := range map[string]sample{
		"zero": {},
		"full": {
			Name: "é", N: math.MaxUint64, Digest: [4]byte{1}, Flag: true, Raw: []byte{1}, Count: &zero, Hash: &h,
			List: []string{"a", ""}, Path: [][2]byte{{1}, {2}}, Values: map[string][]byte{"b": {1}, "aa": {}},
		},
	} {
		b, err := canonical.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var got sample
		if err := canonical.Unmarshal(b, &got); err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, v)
		}
	}
}

// The order is that of the encoded keys, so a shorter key comes first: RFC 8949, 4.2.1. Byte arrays
// are byte strings.
func TestGolden(t *testing.T) {
	b, err := canonical.Marshal(sample{Name: "a", N: 24, Digest: [4]byte{9}, Raw: []byte{7}})
	const want = "a4" + "616e1818" + "637261774107" + "646e616d656161" + "666469676573744409000000"
	if got := hex.EncodeToString(b); err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

const good = "a3 616e01 646e616d656161 6664696765737444 00000000"

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRefuses(t *testing.T) {
	var v sample
	if err := canonical.Unmarshal(unhex(t, good), &v); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]string{
		"empty":                   "",
		"trailing byte":           good + "00",
		"cut":                     good[:len(good)-2],
		"missing key":             "a2 616e01 646e616d656161",
		"missing zero":            "a2 646e616d656161 666469676573744400000000",
		"unknown key":             "a4 616e01 617801 646e616d656161 666469676573744400000000",
		"key case":                "a3 614e01 646e616d656161 666469676573744400000000",
		"duplicate key":           "a4 616e01 616e01 646e616d656161 666469676573744400000000",
		"key order":               "a3 646e616d656161 616e01 666469676573744400000000",
		"integer key":             "a4 0101 616e01 646e616d656161 666469676573744400000000",
		"bytes key":               "a3 416e01 646e616d656161 666469676573744400000000",
		"long integer":            "a3 616e1801 646e616d656161 666469676573744400000000",
		"long integer 16":         "a3 616e1900ff 646e616d656161 666469676573744400000000",
		"long integer 32":         "a3 616e1a0000ffff 646e616d656161 666469676573744400000000",
		"long integer 64":         "a3 616e1b00000000ffffffff 646e616d656161 666469676573744400000000",
		"long length":             "a3 616e01 646e616d65780161 666469676573744400000000",
		"long map":                "b803 616e01 646e616d656161 666469676573744400000000",
		"indefinite map":          "bf 616e01 646e616d656161 666469676573744400000000ff",
		"indefinite text":         "a3 616e01 646e616d657f6161ff 666469676573744400000000",
		"float":                   "a3 616ef93c00 646e616d656161 666469676573744400000000",
		"float 64":                "a3 616efb3ff0000000000000 646e616d656161 666469676573744400000000",
		"negative":                "a3 616e20 646e616d656161 666469676573744400000000",
		"tag":                     "a3 616ec101 646e616d656161 666469676573744400000000",
		"bignum":                  "a3 616ec24101 646e616d656161 666469676573744400000000",
		"self-described":          "d9d9f7" + good,
		"null required":           "a3 616ef6 646e616d656161 666469676573744400000000",
		"undefined":               "a3 616ef7 646e616d656161 666469676573744400000000",
		"simple value":            "a3 616ef8ff 646e616d656161 666469676573744400000000",
		"null optional":           "a4 616e01 63726177f6 646e616d656161 666469676573744400000000",
		"null pointer":            "a4 616e01 646e616d656161 65636f756e74f6 666469676573744400000000",
		"empty optional":          "a4 616e01 6372617740 646e616d656161 666469676573744400000000",
		"false optional":          "a4 616e01 64666c6167f4 646e616d656161 666469676573744400000000",
		"text for bytes":          "a4 616e01 637261776161 646e616d656161 666469676573744400000000",
		"bytes for text":          "a3 616e01 646e616d654161 666469676573744400000000",
		"invalid utf-8":           "a3 616e01 646e616d6561ff 666469676573744400000000",
		"surrogate":               "a3 616e01 646e616d6563eda080 666469676573744400000000",
		"short array":             "a3 616e01 646e616d656161 6664696765737443000000",
		"long array":              "a3 616e01 646e616d656161 66646967657374450000000000",
		"array for bytes":         "a3 616e01 646e616d656161 666469676573748400000000",
		"huge bytes":              "a3 616e01 646e616d655bffffffffffffffff",
		"huge array":              "a4 616e01 646c6973749bffffffffffffffff",
		"huge map":                "bbffffffffffffffff",
		"reserved":                "1c",
		"break":                   "ff",
		"array":                   "83 01 02 03",
		"map order in values":     "a4 616e01 646e616d656161 666469676573744400000000 6676616c756573a2 626161 40 6162 40",
		"map duplicate in values": "a4 616e01 646e616d656161 666469676573744400000000 6676616c756573a2 6162 40 6162 40",
	} {
		v := sample{}
		if err := canonical.Unmarshal(unhex(t, s), &v); !errors.Is(err, canonical.ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
}

// A target without a type must not open what SPEC 1 closes.
func TestRefusesIntoAny(t *testing.T) {
	for _, s := range []string{"f6", "f7", "f90000", "c001", "a10101", "9fff", "8181818181818181818101", "81f6", "e0"} {
		var v any
		if err := canonical.Unmarshal(unhex(t, s), &v); !errors.Is(err, canonical.ErrMalformed) {
			t.Errorf("%s: got %v as %v, want ErrMalformed", s, v, err)
		}
	}
}

func TestMarshalRefuses(t *testing.T) {
	for name, v := range map[string]any{
		"nil":           nil,
		"float":         1.5,
		"null":          struct{ P *int }{},
		"invalid utf-8": "\xff",
		"integer key":   map[int]int{1: 1},
		"channel":       make(chan int),
		"deep":          [][][][][][][][][]int{{{{{{{{{1}}}}}}}}},
	} {
		if b, err := canonical.Marshal(v); err == nil || b != nil {
			t.Errorf("%s: got %x, want an error", name, b)
		}
	}
	if b, err := canonical.Marshal([]byte(nil)); err != nil || !bytes.Equal(b, []byte{0x40}) {
		t.Errorf("got %x, %v for a nil byte string, want an empty one", b, err)
	}
}

func TestErrorsQuoteNothing(t *testing.T) {
	for _, b := range []string{"\xa1\x64Jane\x01", "\xa2\x64Jane\x01\x64Jane\x01", "\x64Jane"} {
		var v sample
		if err := canonical.Unmarshal([]byte(b), &v); err == nil || strings.Contains(err.Error(), "Jane") {
			t.Errorf("got %v, want an error without the peer's text", err)
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add(unhex(f, good))
	f.Add(unhex(f, "a4 616e01 646e616d656161 666469676573744400000000 6676616c756573a2 6162 40 626161 40"))
	f.Add(unhex(f, "bbffffffffffffffff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, v := range []any{new(sample), new(any)} {
			if canonical.Unmarshal(b, v) != nil {
				continue
			}
			if again, err := canonical.Marshal(v); err != nil || !bytes.Equal(again, b) {
				t.Errorf("got %x, %v when encoded again, want %x", again, err, b)
			}
		}
	})
}
