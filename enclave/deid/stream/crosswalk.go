package stream

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/aes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"anchorhold/protocol/code"
)

// The crosswalk says which surrogate stands for which identifier (SPEC 5.3): one line for each, in
// the order in which the job first has them. It is the secret that undoes the work, and goes to a
// key of its own. Nothing is kept for it: a line is written when its surrogate is issued.

// kinds are the words for kinds of identifiers in a crosswalk.
var kinds = map[Kind]string{ID: "id", Identifier: "identifier", Contained: "contained", URN: "urn"}

var kindsByWord = func() map[string]Kind {
	m := map[string]Kind{}
	for k, word := range kinds {
		m[word] = k
	}
	return m
}()

// originals are the identifiers behind the patches of a block, while a crosswalk is wanted.
type originals struct {
	text []byte
	list []original
}

// original is one: its scope and id lie in text.
type original struct {
	start, mid, stop uint32
	kind             Kind
}

// maxOriginals is how many bytes text may have. No block comes near it: the originals of a record
// are a few times as long as the record at most, because an id is short.
const maxOriginals = 1 << 31

// add appends an identifier. A row of equal ones, which an attack may have half a million of in a
// record, shares one text.
func (o *originals) add(k Kind, scope, id []byte) {
	if n := len(o.list); n > 0 {
		last := o.list[n-1]
		if last.kind == k && bytes.Equal(o.text[last.start:last.mid], scope) && bytes.Equal(o.text[last.mid:last.stop], id) {
			o.list = append(o.list, last)
			return
		}
	}
	start := len(o.text)
	if start+len(scope)+len(id) > maxOriginals {
		panic("originals of a block take over 2 GiB") // ends the job, see block.transform
	}
	o.text = append(append(o.text, scope...), id...)
	o.list = append(o.list, original{uint32(start), uint32(start + len(scope)), uint32(len(o.text)), k})
}

// cut goes back to n originals.
func (o *originals) cut(n int) {
	if n >= len(o.list) {
		return
	}
	end := uint32(0)
	if n > 0 {
		end = o.list[n-1].stop // what follows may share its text
	}
	o.text, o.list = o.text[:end], o.list[:n]
}

// appendLine appends the line of an identifier. One identifier has one line: quoting is minimal and
// the order of members fixed.
func appendLine(dst []byte, k Kind, scope, id, surrogate []byte) []byte {
	dst = append(append(dst, `{"kind":"`...), kinds[k]...)
	dst = append(dst, `","scope":`...)
	dst, _ = jsontext.AppendQuote(dst, scope) // valid UTF-8, as records are: no error
	dst = append(dst, `,"original":`...)
	dst, _ = jsontext.AppendQuote(dst, id)
	dst = append(append(dst, `,"surrogate":"`...), surrogate...)
	return append(dst, "\"}\n"...)
}

// errEarlier is the fault of an earlier crosswalk. What it was would be content.
var errEarlier = errors.New("earlier crosswalk is malformed")

// earlier reads the crosswalk of an earlier job into the table and copies it to the writer of this
// one's, so that the last crosswalk is always the whole one. Only what appendLine writes is
// accepted, and nothing twice.
func (t *table) earlier(in io.Reader, out io.Writer, h *hasher, maxLine int) error {
	defer h.forget()
	lines := bufio.NewReaderSize(in, 64<<10)
	var again []byte
	for {
		l, err := line(lines, maxLine)
		if err == io.EOF {
			return t.unique()
		}
		if err != nil {
			return err
		}
		var e struct{ Kind, Scope, Original, Surrogate string }
		if json.Unmarshal(l, &e) != nil || kindsByWord[e.Kind] == 0 || e.Original == "" {
			return code.New(code.CrosswalkMalformed, errEarlier)
		}
		k := kindsByWord[e.Kind]
		again = appendLine(again[:0], k, []byte(e.Scope), []byte(e.Original), []byte(e.Surrogate))
		raw, ok := unspell(e.Surrogate)
		if !ok || !bytes.Equal(again, l) {
			return code.New(code.CrosswalkMalformed, errEarlier)
		}
		if err := t.know(h.of(k, []byte(e.Scope), []byte(e.Original)), raw); err != nil {
			return err
		}
		if out != nil {
			if _, err := out.Write(l); err != nil {
				return err
			}
		}
	}
}

// line returns the next line with its end. The error is io.EOF after the last.
func line(r *bufio.Reader, most int) ([]byte, error) {
	l, err := r.ReadSlice('\n')
	if err == nil {
		return l, nil
	}
	whole := bytes.Clone(l)
	for errors.Is(err, bufio.ErrBufferFull) && len(whole) <= most {
		l, err = r.ReadSlice('\n')
		whole = append(whole, l...)
	}
	switch {
	case err == nil && len(whole) <= most:
		return whole, nil
	case err == io.EOF && len(whole) == 0:
		return nil, io.EOF
	case err == nil || err == io.EOF || errors.Is(err, bufio.ErrBufferFull):
		return nil, code.New(code.CrosswalkMalformed, errEarlier)
	}
	return nil, err
}

// know gives an identifier the surrogate that an earlier job gave it.
func (t *table) know(id identity, raw [aes.BlockSize]byte) error {
	if _, ok := t.numbers[id]; ok {
		return code.New(code.CrosswalkMalformed, errEarlier)
	}
	if int64(len(t.numbers)) >= t.limit {
		return code.New(code.TooManyIdentifiers, nil)
	}
	t.numbers[id] = uint32(len(t.known))
	t.known = append(t.known, raw)
	// This job's surrogates are numbers enciphered under its own key. Deciphered, an earlier one is
	// a number as well: if it is one that this job could reach, it is left out, and the two can
	// never be the same.
	t.block.Decrypt(t.buf[:], raw[:])
	if n := binary.BigEndian.Uint64(t.buf[8:]); binary.BigEndian.Uint64(t.buf[:8]) == 0 && n>>32 == 0 {
		t.taken[uint32(n)] = true
	}
	return nil
}

// unique wants no surrogate twice among the known ones.
func (t *table) unique() error {
	s := slices.Clone(t.known)
	slices.SortFunc(s, func(a, b [aes.BlockSize]byte) int {
		return cmp.Or(cmp.Compare(binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(b[:8])),
			cmp.Compare(binary.BigEndian.Uint64(a[8:]), binary.BigEndian.Uint64(b[8:])))
	})
	for i := range s[min(1, len(s)):] {
		if s[i] == s[i+1] {
			return code.New(code.CrosswalkMalformed, errEarlier)
		}
	}
	return nil
}
