package opening

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json/jsontext"

	"anchorhold/protocol/internal/outfile"
)

// bundle is the resource type whose entries are the records (SPEC 3.5).
const bundle = "Bundle"

// survey reads one resource to its end and returns its type and how many records it holds: the
// entries of a Bundle, else itself. It holds no more of it than one string.
func survey(r io.Reader) (kind string, records uint64, err error) {
	bad := refuse("output is not one FHIR resource")
	d := jsontext.NewDecoder(r)
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return "", 0, bad
	}
	var entries uint64
	for d.PeekKind() == '"' {
		t, err := d.ReadToken()
		if err != nil {
			return "", 0, bad
		}
		switch name := t.String(); {
		case name == "resourceType" && d.PeekKind() == '"':
			if t, err = d.ReadToken(); err == nil {
				kind = t.String()
			}
		case name == "entry" && d.PeekKind() == '[':
			_, err = d.ReadToken()
			for err == nil && d.PeekKind() != ']' {
				err = d.SkipValue()
				entries++
			}
			if err == nil {
				_, err = d.ReadToken()
			}
		default:
			err = d.SkipValue()
		}
		if err != nil {
			return "", 0, bad
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return "", 0, bad
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return "", 0, bad
	}
	if !typePattern.MatchString(kind) {
		return "", 0, refuse("output has no usable resourceType")
	}
	if kind != bundle {
		return kind, 1, nil
	}
	return kind, entries, nil
}

// messageWriter writes one resource, which may be larger than memory, to a file that gets the name
// of its type.
type messageWriter struct {
	f    *os.File
	w    *bufio.Writer
	size int64
}

// messageFile is the file's name until the resource's type is known.
const messageFile = "message.json"

func newMessageWriter(folder *outfile.Folder) (*messageWriter, error) {
	f, err := folder.File(messageFile)
	if err != nil {
		return nil, err
	}
	return &messageWriter{f: f, w: bufio.NewWriterSize(f, 256<<10)}, nil
}

func (m *messageWriter) Write(p []byte) (int, error) {
	m.size += int64(len(p))
	return m.w.Write(p)
}

// close surveys what was written, makes it durable, and names it. A rejected resource leaves no
// file.
func (m *messageWriter) close() ([]File, error) {
	if err := m.w.Flush(); err != nil {
		return nil, err
	}
	if m.size == 0 {
		return nil, os.Remove(m.f.Name())
	}
	again, err := os.Open(m.f.Name())
	if err != nil {
		return nil, err
	}
	defer again.Close()
	kind, n, err := survey(again)
	if err != nil {
		return nil, err
	}
	name := kind + ".json"
	if err := errors.Join(m.f.Sync(), os.Rename(m.f.Name(), filepath.Join(filepath.Dir(m.f.Name()), name))); err != nil {
		return nil, err
	}
	return []File{{Name: name, Records: n, whole: 1}}, nil
}

func (m *messageWriter) abort() { m.f.Close() }
