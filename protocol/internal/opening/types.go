package opening

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"

	"anchorhold/protocol/internal/outfile"
	"anchorhold/protocol/internal/records"
)

// maxTypes bounds the open files; FHIR R4 has 148 resource types.
const maxTypes = 256

// A resource type names a file: nothing of a path may be in it.
var typePattern = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,63}$`)

// typeWriter writes each record to the file of its resource type.
type typeWriter struct {
	folder  *outfile.Folder
	lines   *records.Splitter // calls line
	open    map[string]*typeFile
	written uint64 // lines
}

type typeFile struct {
	f     *os.File
	w     *bufio.Writer
	count uint64 // records
	lines uint64
}

func newTypeWriter(folder *outfile.Folder) *typeWriter {
	return &typeWriter{folder: folder, open: make(map[string]*typeFile)}
}

// line writes one record, without its line end. Blank lines carry nothing.
func (t *typeWriter) line(line []byte) error {
	if len(bytes.TrimSpace(line)) == 0 {
		return nil
	}
	name, ok := records.TypeOf(line)
	if !ok || !typePattern.MatchString(name) {
		return refuse("output record %d has no usable resourceType", t.written+1)
	}
	out := t.open[name]
	if out == nil {
		if len(t.open) == maxTypes {
			return refuse("output has more than %d resource types", maxTypes)
		}
		f, err := t.folder.File(name + ".ndjson")
		if err != nil {
			return err
		}
		out = &typeFile{f: f, w: bufio.NewWriterSize(f, 256<<10)}
		t.open[strings.Clone(name)] = out
	}
	out.w.Write(line) // the error stays and shows at Flush or the next byte
	if err := out.w.WriteByte('\n'); err != nil {
		return err
	}
	n := uint64(1)
	if name == bundle {
		var err error
		if _, n, err = survey(bytes.NewReader(line)); err != nil {
			return err
		}
	}
	out.count += n
	out.lines++
	t.written++
	return nil
}

// Write takes the next bytes of the lines.
func (t *typeWriter) Write(p []byte) (int, error) { return t.lines.Write(p) }

// close makes all files durable.
func (t *typeWriter) close() ([]File, error) {
	if err := t.lines.Close(); err != nil {
		return nil, err
	}
	var err error
	for _, out := range t.open {
		err = errors.Join(err, out.w.Flush(), out.f.Sync(), out.f.Close())
		out.f = nil
	}
	return t.files(), err
}

func (t *typeWriter) abort() {
	for _, out := range t.open {
		if out.f != nil {
			out.f.Close()
		}
	}
}

// files lists what was written, sorted by name.
func (t *typeWriter) files() []File {
	var files []File
	for name, out := range t.open {
		files = append(files, File{Name: name + ".ndjson", Records: out.count, whole: out.lines})
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return files
}
