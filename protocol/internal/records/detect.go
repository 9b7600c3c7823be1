package records

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-json-experiment/json/jsontext"
)

// maxFirstLine bounds what is read to recognise a file; a longer first line is taken for a record,
// and the enclave judges it.
const maxFirstLine = 8 << 20

var (
	gzipMagic = []byte{0x1f, 0x8b}
	bom       = []byte{0xef, 0xbb, 0xbf}
	typeFirst = []byte(`{"resourceType":"`)
)

// beginsWithResource says whether a file's first line that is not blank is a JSON object with a
// string resourceType. An empty file counts as one: there is nothing in it to protect or to lose.
func beginsWithResource(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	r, err := unpack(f)
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	line, whole, err := firstLine(r)
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	return !whole || len(line) == 0 || isResource(line), nil
}

// firstLine returns the first line that is not blank, and whether it is whole.
func firstLine(r io.Reader) (line []byte, whole bool, err error) {
	in := withoutBOM(r)
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxFirstLine {
			return nil, false, nil
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && !errors.Is(err, io.EOF):
			return nil, false, err
		}
		if line = bytes.TrimSpace(line); len(line) > 0 || err != nil {
			return line, true, nil
		}
	}
}

// isResource says whether a line is an object with a string member resourceType; it stops reading
// there.
func isResource(line []byte) bool {
	_, ok := TypeOf(line)
	return ok
}

// TypeOf returns the resourceType of a record: the first string member of that name at the top. The
// rest of the record may be anything.
func TypeOf(line []byte) (string, bool) {
	// The common case needs no parser: the type comes first and has no escapes.
	if rest, ok := bytes.CutPrefix(line, typeFirst); ok {
		if i := bytes.IndexByte(rest, '"'); i >= 0 && isPlain(rest[:i]) {
			return string(rest[:i]), true
		}
	}
	d := jsontext.NewDecoder(bytes.NewReader(line), jsontext.AllowInvalidUTF8(true))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return "", false
	}
	for {
		name, err := d.ReadToken()
		if err != nil || name.Kind() != '"' {
			return "", false
		}
		if name.String() != "resourceType" {
			if d.SkipValue() != nil {
				return "", false
			}
			continue
		}
		value, err := d.ReadToken()
		if err != nil || value.Kind() != '"' {
			return "", false
		}
		return value.String(), true
	}
}

// isPlain says whether a JSON string's bytes mean themselves.
func isPlain(b []byte) bool {
	for _, c := range b {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

// withoutBOM returns r without the byte order mark that it may begin with. An error of r shows when
// it is read.
func withoutBOM(r io.Reader) *bufio.Reader {
	in, ok := r.(*bufio.Reader)
	if !ok {
		in = bufio.NewReaderSize(r, 64<<10)
	}
	if head, _ := in.Peek(len(bom)); bytes.Equal(head, bom) {
		in.Discard(len(bom))
	}
	return in
}

// unpack returns r, through gzip when the bytes say so. The name of a file proves nothing about its
// content.
func unpack(r io.Reader) (io.Reader, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	head, err := in.Peek(len(gzipMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !bytes.Equal(head, gzipMagic) {
		return in, nil
	}
	return gzip.NewReader(in)
}
