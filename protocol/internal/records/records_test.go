package records_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"anchorhold/protocol/internal/records"
)

const (
	alice = `{"resourceType":"Patient","id":"a"}`
	bob   = `{"id":"b","resourceType":"Patient"}`
)

var wide = records.Limits{Bytes: 1 << 30, Records: 1 << 30}

// folder makes a folder of files; a name that ends in .gz is compressed.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		data := []byte(content)
		if strings.HasSuffix(name, ".gz") {
			data = packed(data)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func packed(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(data)
	w.Close()
	return b.Bytes()
}

// stream finds and reads all of paths.
func stream(t *testing.T, paths ...string) (string, *records.Reader, []records.Skipped) {
	t.Helper()
	sources, skipped, err := records.Find(paths)
	if err != nil {
		t.Fatal(err)
	}
	r := records.NewReader(t.Context(), sources, strings.NewReader(alice), wide)
	t.Cleanup(func() { r.Close() })
	data, err := io.ReadAll(iotest.OneByteReader(r))
	if err != nil {
		t.Fatal(err)
	}
	return string(data), r, skipped
}

func TestFolderIsSortedJoinedAndFiltered(t *testing.T) {
	dir := folder(t, map[string]string{
		"B.ndjson":     "\n" + bob, // no line end: one is inserted
		"A.ndjson.gz":  alice + "\n" + bob,
		"C.ndjson":     alice + "\n",
		"log.ndjson":   `{"exportId":"1","eventId":"kickoff"}` + "\n",
		"notes.txt":    "not ours",
		"Empty.ndjson": "",
	})
	got, r, skipped := stream(t, dir)
	want := alice + "\n" + bob + "\n\n" + bob + "\n" + alice + "\n"
	if got != want {
		t.Fatalf("stream: got %q, want %q", got, want)
	}
	if len(skipped) != 1 || filepath.Base(skipped[0].Path) != "log.ndjson" {
		t.Fatalf("skipped: got %v, want log.ndjson only", skipped)
	}
	if n, count := r.Totals(); n != int64(len(want)) || count != 4 {
		t.Fatalf("totals: got %d bytes, %d records, want %d, 4", n, count, len(want))
	}
	wantParts := []records.Part{
		{"A.ndjson.gz", 1, 2, 2, 72}, {"B.ndjson", 3, 2, 1, 37}, {"C.ndjson", 5, 1, 1, 36}, {"Empty.ndjson", 6, 0, 0, 0},
	}
	for i, p := range r.Parts() {
		p.Path = filepath.Base(p.Path)
		if p != wantParts[i] {
			t.Errorf("part %d: got %+v, want %+v", i, p, wantParts[i])
		}
	}
}

// Exports are put together by joining compressed files: all members count, and one that is cut off
// is an error.
func TestJoinedGzip(t *testing.T) {
	dir := folder(t, map[string]string{"A.ndjson": string(packed([]byte(alice+"\n"))) + string(packed([]byte(bob+"\r\n")))})
	if got, _, _ := stream(t, dir); got != alice+"\n"+bob+"\r\n" {
		t.Errorf("got %q, want both members", got)
	}
	whole := packed([]byte(alice + "\n"))
	path := filepath.Join(folder(t, map[string]string{"A.ndjson": string(whole) + string(whole[:len(whole)-5])}), "A.ndjson")
	r := records.NewReader(t.Context(), []records.Source{{Path: path}}, nil, wide)
	defer r.Close()
	if _, err := io.ReadAll(r); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("cut off: got %v, want an error that names the file", err)
	}
}

// Tools of Windows begin a file with a byte order mark. JSON has none: the enclave would reject the
// first record of each file.
func TestByteOrderMarksGo(t *testing.T) {
	dir := folder(t, map[string]string{"A.ndjson": "\ufeff" + alice + "\n", "B.ndjson.gz": "\ufeff" + bob, "C.ndjson": "\ufeff", "D.ndjson": alice + "\n\ufeff\n"})
	got, r, _ := stream(t, dir)
	// in the middle of a file it is a fault of its own
	want := alice + "\n" + bob + "\n" + alice + "\n\ufeff\n"
	if got != want {
		t.Errorf("stream: got %q, want %q", got, want)
	}
	if n, count := r.Totals(); n != int64(len(want)) || count != 4 {
		t.Errorf("totals: got %d bytes, %d records, want %d, 4", n, count, len(want))
	}
}

// A rejected line in the report must lead back to the owner's file.
func TestLocate(t *testing.T) {
	dir := folder(t, map[string]string{"A.ndjson": alice, "B.ndjson": "\n" + bob, "C.ndjson": alice + "\n\n"})
	_, r, _ := stream(t, dir)
	for _, tt := range []struct {
		line   int64
		file   string
		inFile int64
	}{{1, "A.ndjson", 1}, {2, "B.ndjson", 1}, {3, "B.ndjson", 2}, {4, "C.ndjson", 1}, {5, "C.ndjson", 2}} {
		path, line, ok := records.Locate(r.Parts(), tt.line)
		if filepath.Base(path) != tt.file || line != tt.inFile || !ok {
			t.Errorf("line %d: got %s:%d, want %s:%d", tt.line, path, line, tt.file, tt.inFile)
		}
	}
	for _, line := range []int64{0, 6, -1} {
		if _, _, ok := records.Locate(r.Parts(), line); ok {
			t.Errorf("line %d: got a file, want none", line)
		}
	}
}

func TestNamedFilesAreAlwaysTaken(t *testing.T) {
	dir := folder(t, map[string]string{"log.ndjson": "{}\n", "broken.ndjson": "{\n"})
	got, _, skipped := stream(t, filepath.Join(dir, "log.ndjson"), "-", filepath.Join(dir, "broken.ndjson"))
	if want := "{}\n" + alice + "\n{\n"; got != want || len(skipped) != 0 {
		t.Fatalf("got %q, %v, want %q, none", got, skipped, want)
	}
}

func TestFirstLineDecides(t *testing.T) {
	for name, tt := range map[string]struct {
		content string
		taken   bool
	}{
		"plain":               {alice, true},
		"late member":         {bob, true},
		"blank lines first":   {"\r\n \t\n" + alice, true},
		"byte order mark":     {"\ufeff" + alice, true},
		"empty":               {"", true},
		"over the bound":      {`{"text":"` + strings.Repeat("x", 8<<20) + `","resourceType":"Patient"}`, true},
		"not an object":       {`["resourceType"]`, false},
		"type not a string":   {`{"resourceType":1}`, false},
		"deeper type":         {`{"a":{"resourceType":"Patient"}}`, false},
		"broken":              {`{"resource`, false},
		"second line decides": {"{}\n" + alice, false},
	} {
		dir := folder(t, map[string]string{"x.ndjson": tt.content, "a.ndjson": alice})
		sources, skipped, err := records.Find([]string{dir})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(sources) == 2; got != tt.taken || len(sources)+len(skipped) != 2 {
			t.Errorf("%s: taken: got %v, want %v", name, got, tt.taken)
		}
	}
}

func TestFindRefuses(t *testing.T) {
	dir := folder(t, map[string]string{"a.ndjson": alice})
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "a.ndjson"), link); err != nil {
		t.Fatal(err)
	}
	for name, paths := range map[string][]string{
		"a folder without records": {folder(t, map[string]string{"log.ndjson": "{}", "x.json": alice})},
		"what is not there":        {filepath.Join(dir, "none")},
		"a file given twice":       {dir, filepath.Join(dir, "a.ndjson")},
		"the same under two names": {dir, link},
		"stdin twice":              {"-", "-"},
	} {
		if _, _, err := records.Find(paths); err == nil {
			t.Errorf("%s: got no error, want one", name)
		}
	}
}

// 64 MiB of spaces pack to 64 KiB: the limit must count what comes out.
func TestGzipBombEndsAtTheLimit(t *testing.T) {
	dir := folder(t, map[string]string{"bomb.ndjson.gz": alice + "\n" + strings.Repeat(" ", 64<<20)})
	r := records.NewReader(t.Context(), []records.Source{{Path: filepath.Join(dir, "bomb.ndjson.gz")}}, nil, records.Limits{Bytes: 1 << 20, Records: 10})
	defer r.Close()
	n, err := io.Copy(io.Discard, r)
	if !errors.Is(err, records.ErrTooLarge) || !strings.Contains(err.Error(), "bomb.ndjson.gz") {
		t.Fatalf("got %v, want %v naming the file", err, records.ErrTooLarge)
	}
	if n > 1<<20 {
		t.Fatalf("bytes before the error: got %d, want at most %d", n, 1<<20)
	}
}

func TestRecordLimit(t *testing.T) {
	dir := folder(t, map[string]string{"a.ndjson": strings.Repeat("{}\n", 11)})
	r := records.NewReader(t.Context(), []records.Source{{Path: filepath.Join(dir, "a.ndjson")}}, nil, records.Limits{Bytes: 1 << 20, Records: 10})
	defer r.Close()
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, records.ErrTooLarge) {
		t.Fatalf("got %v, want %v", err, records.ErrTooLarge)
	}
}

// A copy that broke off must not pass for a short export.
func TestTruncatedGzipIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.ndjson.gz")
	data := packed([]byte(strings.Repeat(alice+"\n", 1000)))
	if err := os.WriteFile(path, data[:len(data)-9], 0o600); err != nil {
		t.Fatal(err)
	}
	r := records.NewReader(t.Context(), []records.Source{{Path: path}}, nil, wide)
	defer r.Close()
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), path) {
		t.Fatalf("got %v, want %v naming the file", err, io.ErrUnexpectedEOF)
	}
}

func TestSplitterLimit(t *testing.T) {
	for _, pieces := range [][]string{{"12345\n"}, {"123", "45\n"}, {"123", "45"}} {
		s := records.Splitter{Max: 4, Line: func([]byte) error { return nil }}
		var err error
		for _, p := range pieces {
			if _, err = s.Write([]byte(p)); err != nil {
				break
			}
		}
		if !errors.Is(err, records.ErrLineTooLong) {
			t.Errorf("%q: got %v, want %v", pieces, err, records.ErrLineTooLong)
		}
	}
}

// FuzzSplitter: whatever the pieces, the lines are those of the whole.
func FuzzSplitter(f *testing.F) {
	f.Add([]byte(alice+"\n"+bob), 3)
	f.Add([]byte("\n\n a\r\n"), 1)
	f.Add([]byte{}, 7)
	f.Fuzz(func(t *testing.T, data []byte, piece int) {
		if piece < 1 {
			piece = 1
		}
		var got [][]byte
		s := records.Splitter{Max: len(data), Line: func(line []byte) error {
			got = append(got, bytes.Clone(line))
			return nil
		}}
		for rest := data; len(rest) > 0; {
			n := min(piece, len(rest))
			if _, err := s.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		want := bytes.Split(data, []byte("\n"))
		if len(want[len(want)-1]) == 0 {
			want = want[:len(want)-1]
		}
		if !bytes.Equal(bytes.Join(got, []byte("\n")), bytes.Join(want, []byte("\n"))) || len(got) != len(want) {
			t.Fatalf("lines: got %q, want %q", got, want)
		}
	})
}

// FuzzTypeOf: no panic, and a type is a string that stands in the line.
func FuzzTypeOf(f *testing.F) {
	for _, s := range []string{alice, bob, `{"a":[{}],"resourceType":"X"`, `{"resourceType":{}}`, "", "[", `{"resourceType":"\u0041"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if name, ok := records.TypeOf(line); !ok && name != "" {
			t.Fatalf("refused, yet a type: %q", name)
		}
	})
}
