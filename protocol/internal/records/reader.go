package records

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// Limits bound a stream. Zero means none of it: callers take them from the policy.
type Limits struct {
	Bytes   int64 // of the unpacked stream
	Records int64 // lines that are not blank
}

// Part tells where one source lies in the stream, so that a line number of the report leads back to
// a file.
type Part struct {
	Path      string `json:"path"`
	FirstLine int64  `json:"first_line"` // 1-based, in the stream
	Lines     int64  `json:"lines"`
	Records   int64  `json:"records"`
	Bytes     int64  `json:"bytes"`
}

// ErrTooLarge says that the stream is over one of its limits.
var ErrTooLarge = errors.New("more than the policy allows in one job")

// Reader streams sources one after the other, with a line end between them where a file lacks its
// last one. It is not safe for concurrent use. Close it.
type Reader struct {
	ctx     context.Context // ends waiting for a source that stalls
	sources []Source
	limits  Limits
	stdin   io.Reader

	file    io.Closer // open source, nil between sources
	in      io.Reader
	count   counter
	parts   []Part
	pending bool // the last byte was no line end, and a source follows
	err     error
}

// NewReader returns a reader of the sources; stdin is read where a source is Stdin. When ctx ends,
// so does a Read that waits for standard input or a pipe.
func NewReader(ctx context.Context, sources []Source, stdin io.Reader, limits Limits) *Reader {
	return &Reader{ctx: ctx, sources: sources, stdin: stdin, limits: limits}
}

// Read gives the stream. An error names the file that it comes from; ErrTooLarge can be tested for.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil || len(p) == 0 {
		return 0, r.err
	}
	n, err := r.read(p)
	if err == nil && (r.count.bytes > r.limits.Bytes || r.count.records > r.limits.Records) {
		// A gzip bomb ends here, one buffer after the limit.
		err = fmt.Errorf("%s: %w: %d bytes and %d records so far, limits are %d and %d",
			r.parts[len(r.parts)-1].Path, ErrTooLarge, r.count.bytes, r.count.records, r.limits.Bytes, r.limits.Records)
		n = 0
	}
	r.err = err
	return n, err
}

// read fills p from the present source, or opens the next one. It returns 0, nil only when there is
// more to come.
func (r *Reader) read(p []byte) (int, error) {
	for {
		if r.in == nil {
			if err := r.open(); err != nil {
				return 0, err
			}
		}
		if r.pending {
			p[0] = '\n'
			r.pending = false
			r.parts[len(r.parts)-2].Bytes++
			r.count.add(p[:1])
			r.parts[len(r.parts)-1].FirstLine = r.count.lines + 1
			return 1, nil
		}
		n, err := r.in.Read(p)
		r.count.add(p[:n])
		part := &r.parts[len(r.parts)-1]
		part.Bytes += int64(n)
		if errors.Is(err, io.EOF) {
			r.finish()
			err = nil
		}
		if err != nil {
			return 0, fmt.Errorf("%s: %w", part.Path, err)
		}
		if n > 0 {
			return n, nil
		}
	}
}

// open starts the next source; io.EOF when there is none.
func (r *Reader) open() error {
	if len(r.sources) == 0 {
		return io.EOF
	}
	source := r.sources[0]
	r.sources = r.sources[1:]
	var raw io.Reader
	if source.Path == Stdin {
		raw = newUnstalled(r.ctx, r.stdin)
	} else {
		f, err := os.Open(source.Path)
		if err != nil {
			return err
		}
		raw, r.file = f, f
		if info, err := f.Stat(); err != nil {
			return err
		} else if !info.Mode().IsRegular() {
			raw = newUnstalled(r.ctx, f)
		}
	}
	in, err := unpack(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", source.Path, err)
	}
	r.in = withoutBOM(in)
	r.pending = r.count.open
	r.parts = append(r.parts, Part{Path: source.Path, FirstLine: r.count.lines + 1})
	r.count.startPart()
	return nil
}

// finish ends the present source and settles its part.
func (r *Reader) finish() {
	part := &r.parts[len(r.parts)-1]
	part.Records = r.count.partRecords
	part.Lines = r.count.lines - part.FirstLine + 1
	if r.count.open && part.Bytes > 0 {
		part.Lines++
	}
	r.in = nil
	if r.file != nil {
		r.file.Close()
		r.file = nil
	}
}

// Parts describes the sources read so far; complete after io.EOF.
func (r *Reader) Parts() []Part { return r.parts }

// Totals gives bytes and records read so far; exact after io.EOF.
func (r *Reader) Totals() (bytes, records int64) { return r.count.bytes, r.count.records }

// Close ends reading.
func (r *Reader) Close() error {
	r.err = os.ErrClosed
	if r.file == nil {
		return nil
	}
	f := r.file
	r.file = nil
	return f.Close()
}

// Locate finds the file and the line in it for a line of the stream, both 1-based.
func Locate(parts []Part, line int64) (path string, inFile int64, ok bool) {
	for _, p := range parts {
		if line >= p.FirstLine && line < p.FirstLine+p.Lines {
			return p.Path, line - p.FirstLine + 1, true
		}
	}
	return "", 0, false
}

// counter counts lines and records (lines that are not blank) as bytes pass.
type counter struct {
	bytes, lines, records int64
	partRecords           int64
	open                  bool // the present line has bytes
	filled                bool // the present line has been counted as a record
}

func (c *counter) startPart() { c.partRecords = 0 }

func (c *counter) add(p []byte) {
	c.bytes += int64(len(p))
	for len(p) > 0 {
		line, end := p, false
		if i := bytes.IndexByte(p, '\n'); i >= 0 {
			line, end = p[:i], true
			p = p[i+1:]
		} else {
			p = nil
		}
		if !c.filled && len(bytes.TrimLeft(line, " \t\r")) > 0 {
			c.filled = true
			c.records++
			c.partRecords++
		}
		if len(line) > 0 {
			c.open = true
		}
		if end {
			c.lines++
			c.open, c.filled = false, false
		}
	}
}
