package result_test

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/cryptotest"

	"anchorhold/protocol/protocoltest/vectorfile"
	"anchorhold/protocol/result"
)

var generate = flag.Bool("generate", false, "write the vectors into testdata")

// TestGenerated makes the vectors and compares them with testdata, or writes them there. Its
// randomness is fixed, so that it is also the test that sealing is a function of input and
// randomness alone.
func TestGenerated(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	key, err := result.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	file, err := key.MarshalPEM(result.Result)
	if err != nil {
		t.Fatal(err)
	}
	const keyFile = "testdata/key.pem"
	if *generate {
		if err := os.WriteFile(keyFile, file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(keyFile); err != nil || !bytes.Equal(got, file) {
		t.Fatalf("%s differs from what is generated, %v", keyFile, err)
	}
	var names []string
	for _, v := range slices.Concat(accepted(t, key), broken(t, key), cut(t, key), reordered(t, key)) {
		path := filepath.Join("testdata", v.name+".vec")
		names = append(names, path)
		header := map[string]string{"expect": v.expect, "comment": v.comment, "stream": "result"}
		if v.crosswalk {
			header["stream"] = "crosswalk"
		}
		want, err := vectorfile.Format(header, v.body)
		if err != nil {
			t.Fatal(err)
		}
		if *generate {
			if err := vectorfile.Write(path, header, v.body); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs from what is generated, %v", path, err)
		}
	}
	slices.Sort(names)
	if found, _ := filepath.Glob("testdata/*.vec"); !slices.Equal(found, names) {
		t.Errorf("got %q in testdata, want %q", found, names)
	}
}

// vector is one sealed stream. In accepted ones expect lists the types with the SHA-384 of their
// bytes.
type vector struct {
	name, expect, comment string
	crosswalk             bool
	body                  []byte
}

func sums(records, report, crosswalk []byte) string {
	s := ""
	for _, p := range []struct {
		name string
		b    []byte
	}{{"records", records}, {"report", report}, {"crosswalk", crosswalk}} {
		if len(p.b) > 0 {
			d := sha512.Sum384(p.b)
			s += p.name + ":" + hex.EncodeToString(d[:]) + " "
		}
	}
	return s + "end"
}

func accepted(t *testing.T, key *result.PrivateKey) []vector {
	pub := key.PublicKey()
	res := func() *forge { return newForge(t, resultMagic, resultLabel, pub) }
	rec, rep := text(300), []byte(`{"records_in":12}`)
	full, pad3 := text(16381), text(16378)
	var sealed bytes.Buffer
	s, err := result.NewSealer(&sealed, result.Result, pub, binding())
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{s.Records(text(20000)), s.Report(rep), s.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return []vector{
		{
			name: "ok-one", comment: "records and report in one chunk", expect: sums(rec, rep, nil),
			body: res().chunk(t, true, seg(1, rec), seg(2, rep)).out,
		},
		{name: "ok-none", comment: "no segment at all", expect: sums(nil, nil, nil), body: res().chunk(t, true).out},
		{
			name: "ok-split", comment: "segments of one type may follow each other", expect: sums(rec, nil, nil),
			body: res().chunk(t, true, seg(1, rec[:1]), seg(1, rec[1:])).out,
		},
		{
			name: "ok-full", comment: "a full chunk, then the last", expect: sums(full, rep, nil),
			body: res().chunk(t, false, seg(1, full)).chunk(t, true, seg(2, rep)).out,
		},
		{
			name: "ok-pad3", comment: "three bytes of padding in a chunk that is not the last", expect: sums(pad3, rep, nil),
			body: res().chunk(t, false, seg(1, pad3)).chunk(t, true, seg(2, rep)).out,
		},
		{
			name: "ok-last-empty", comment: "the last chunk is all padding", expect: sums(full, nil, nil),
			body: res().chunk(t, false, seg(1, full)).chunk(t, true).out,
		},
		{
			name: "ok-last-full", comment: "the last chunk is full", expect: sums(full, nil, nil),
			body: res().chunk(t, true, seg(1, full)).out,
		},
		{
			name: "ok-crosswalk", comment: "a crosswalk", expect: sums(nil, nil, rec), crosswalk: true,
			body: newForge(t, crosswalkMagic, crosswalkLabel, pub).chunk(t, true, seg(3, rec)).out,
		},
		{
			name: "ok-sealer", comment: "as the Sealer of this package writes it", expect: sums(text(20000), rep, nil),
			body: sealed.Bytes(),
		},
	}
}

// broken has authentic chunks with wrong content: a sealer at fault must not be able to hide bytes
// from one reader.
func broken(t *testing.T, key *result.PrivateKey) []vector {
	pub := key.PublicKey()
	res := func(plain ...[]byte) []byte {
		return newForge(t, resultMagic, resultLabel, pub).chunk(t, true, plain...).out
	}
	two := func(first ...[]byte) []byte {
		return newForge(t, resultMagic, resultLabel, pub).chunk(t, false, first...).chunk(t, true).out
	}
	rec := text(30)
	return []vector{
		{name: "type-unknown", expect: "type", comment: "type 4", body: res(seg(4, rec))},
		{name: "type-crosswalk", expect: "type", comment: "a crosswalk segment in a result", body: res(seg(3, rec))},
		{
			name: "type-records", expect: "type", comment: "records in a crosswalk", crosswalk: true,
			body: newForge(t, crosswalkMagic, crosswalkLabel, pub).chunk(t, true, seg(1, rec)).out,
		},
		{name: "order-report", expect: "order", comment: "records after the report", body: res(seg(2, rec), seg(1, rec))},
		{
			name: "order-chunks", expect: "order", comment: "records in the chunk after the report",
			body: newForge(t, resultMagic, resultLabel, pub).chunk(t, false, seg(2, text(16381))).chunk(t, true, seg(1, rec)).out,
		},
		{name: "segment-empty", expect: "segment", comment: "length 0", body: res([]byte{1, 0, 0})},
		{name: "segment-long", expect: "segment", comment: "one byte past the chunk", body: res([]byte{1, 0x3f, 0xfe})},
		{name: "segment-cut", expect: "records segment", comment: "a type as last byte of the chunk", body: res(seg(1, text(16380)), []byte{1})},
		{name: "padding-byte", expect: "records padding", comment: "one byte hidden at the end", body: res(seg(1, rec), make([]byte, 16350), []byte{1})},
		{name: "padding-segment", expect: "records padding", comment: "a segment behind padding", body: res(seg(1, rec), []byte{0}, seg(2, rec))},
		{name: "full-pad4", expect: "records full", comment: "four bytes of padding in a chunk that is not the last", body: two(seg(1, text(16377)))},
		{name: "full-empty", expect: "full", comment: "an empty chunk that is not the last: a sign of life, sent when idle", body: two()},
	}
}

func cut(t *testing.T, key *result.PrivateKey) []vector {
	pub := key.PublicKey()
	f := newForge(t, resultMagic, resultLabel, pub)
	head := bytes.Clone(f.out)
	one := bytes.Clone(f.chunk(t, false, seg(1, text(16381))).out)
	whole := newForge(t, resultMagic, resultLabel, pub).chunk(t, true, seg(2, text(30))).out
	return []vector{
		{name: "cut-nothing", expect: "truncated", comment: "an empty file"},
		{name: "cut-head", expect: "truncated", comment: "ends in the encapsulated key", body: head[:1127]},
		{name: "cut-no-chunk", expect: "truncated", comment: "ends behind the head", body: head},
		{name: "cut-boundary", expect: "truncated", comment: "the last chunk is missing", body: one},
		{name: "cut-chunk", expect: "truncated", comment: "ends in the last chunk", body: whole[:len(whole)-1]},
		{
			name: "cut-short-chunk", expect: "truncated", comment: "the last chunk is sealed shorter",
			body: newForge(t, resultMagic, resultLabel, pub).raw(t, true, make([]byte, 16383)).out,
		},
		{name: "magic-crosswalk", expect: "magic", comment: "the other stream's magic", body: slices.Concat([]byte(crosswalkMagic), head[8:])},
		{name: "magic-newline", expect: "magic", comment: "line ends translated on the way", body: slices.Concat([]byte("AHRES1\n\n"), head[8:])},
	}
}

func reordered(t *testing.T, key *result.PrivateKey) []vector {
	const n = 16400
	pub := key.PublicKey()
	f := newForge(t, resultMagic, resultLabel, pub).
		chunk(t, false, seg(1, text(16381))).chunk(t, true, seg(2, text(16381)))
	head, c0, c1 := f.out[:1128], f.out[1128:1128+n], f.out[1128+n:]
	other := newForge(t, resultMagic, resultLabel, pub).
		chunk(t, false, seg(1, text(16381))).chunk(t, true, seg(2, text(16381))).out
	one := newForge(t, resultMagic, resultLabel, pub).chunk(t, true, seg(1, text(9))).out
	flipped := slices.Clone(one)
	flipped[1128+100] ^= 1
	encFlipped := slices.Clone(one)
	encFlipped[1000] ^= 1
	index := newForge(t, resultMagic, resultLabel, pub)
	index.index = 1
	label := newForge(t, resultMagic, resultLabel, pub)
	label.chunkLabel = "anchorhold/v1 chunk"
	return []vector{
		{name: "auth-swapped", expect: "authentication", comment: "two chunks change places", body: slices.Concat(head, c1, c0)},
		{name: "auth-dropped", expect: "authentication", comment: "the first chunk is missing", body: slices.Concat(head, c1)},
		{name: "auth-repeated", expect: "records authentication", comment: "the first chunk twice", body: slices.Concat(head, c0, c0)},
		{
			name: "auth-spliced", expect: "records authentication", comment: "the last chunk of another sealing of the same job",
			body: slices.Concat(head, c0, other[1128+n:]),
		},
		{name: "auth-bit", expect: "authentication", comment: "a bit of a chunk flipped", body: flipped},
		{name: "auth-encapsulated", expect: "authentication", comment: "a bit of the encapsulated key flipped", body: encFlipped},
		{
			name: "auth-label", expect: "authentication", comment: "sealed as a crosswalk, called a result",
			body: newForge(t, resultMagic, crosswalkLabel, pub).chunk(t, true, seg(1, text(9))).out,
		},
		{name: "auth-index", expect: "authentication", comment: "chunks counted from 1", body: index.chunk(t, true, seg(1, text(9))).out},
		{name: "auth-chunk-label", expect: "authentication", comment: "another label in the chunk's aad", body: label.chunk(t, true, seg(1, text(9))).out},
		{name: "trailing-byte", expect: "trailing", comment: "a byte behind the last chunk", body: append(slices.Clone(one), 0)},
		{
			name: "trailing-chunk", expect: "trailing", comment: "the last chunk is followed by an authentic one",
			body: newForge(t, resultMagic, resultLabel, pub).chunk(t, true, seg(1, text(9))).chunk(t, true, seg(2, text(9))).out,
		},
	}
}
