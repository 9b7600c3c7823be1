package frame_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"anchorhold/protocol/frame"
	"anchorhold/protocol/protocoltest/vectorfile"
)

func write(t *testing.T, w *frame.Writer, k frame.Kind, body []byte) {
	t.Helper()
	if err := w.Write(k, body); err != nil {
		t.Fatalf("write %d bytes: %v", len(body), err)
	}
}

// calls counts Write calls and their longest.
type calls struct {
	n, longest int
	bytes.Buffer
}

func (c *calls) Write(p []byte) (int, error) {
	c.n++
	c.longest = max(c.longest, len(p))
	return c.Buffer.Write(p)
}

func TestRoundTrip(t *testing.T) {
	var c calls
	w := frame.NewWriter(&c)
	full := bytes.Repeat([]byte{0x5a}, frame.MaxBody)
	sent := []struct {
		k frame.Kind
		b []byte
	}{
		{frame.Control, []byte("x")},
		{frame.Data, full},
		{frame.Data, full[:1]},
		{frame.Result, full[:frame.MaxBody-1]},
		{frame.Control, full[:frame.MaxControl]},
		{frame.Crosswalk, full},
	}
	for _, s := range sent {
		write(t, w, s.k, s.b)
	}
	if c.n != len(sent) {
		t.Errorf("got %d Write calls, want one per frame: %d", c.n, len(sent))
	}
	if c.longest != 28<<10 {
		t.Errorf("got a longest Write of %d bytes, want 28 KiB: larger ones are corrupted on vsock", c.longest)
	}
	for name, src := range map[string]io.Reader{
		"whole":    bytes.NewReader(c.Bytes()),
		"one byte": iotest.OneByteReader(bytes.NewReader(c.Bytes())),
		"half":     iotest.HalfReader(bytes.NewReader(c.Bytes())),
		"data eof": iotest.DataErrReader(bytes.NewReader(c.Bytes())),
	} {
		r := frame.NewReader(src)
		for i, s := range sent {
			k, b, err := r.Next()
			if err != nil || k != s.k || !bytes.Equal(b, s.b) {
				t.Fatalf("%s: frame %d: got %v with %d bytes, %v, want %v with %d", name, i, k, len(b), err, s.k, len(s.b))
			}
		}
		for range 2 {
			if _, _, err := r.Next(); err != io.EOF {
				t.Errorf("%s: got %v at the end, want io.EOF", name, err)
			}
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	var c calls
	w := frame.NewWriter(&c)
	for name, f := range map[string]struct {
		k frame.Kind
		n int
	}{
		"empty":            {frame.Data, 0},
		"too long":         {frame.Data, frame.MaxBody + 1},
		"control too long": {frame.Control, frame.MaxControl + 1},
		"kind 0":           {0, 1},
		"kind 5":           {5, 1},
	} {
		if err := w.Write(f.k, make([]byte, f.n)); !errors.Is(err, frame.ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
	if c.n != 0 {
		t.Errorf("got %d Write calls for refused frames, want 0", c.n)
	}
	write(t, w, frame.Data, []byte{1}) // a refusal sent nothing, so the stream is still whole
}

// limited accepts n bytes, then fails, or with short set claims success for fewer.
type limited struct {
	n     int
	short bool
}

func (l *limited) Write(p []byte) (int, error) {
	if len(p) <= l.n {
		l.n -= len(p)
		return len(p), nil
	}
	if l.short {
		return l.n, nil
	}
	return l.n, io.ErrClosedPipe
}

// After half a frame left, another one would be read as its rest.
func TestWriterStaysFailed(t *testing.T) {
	for _, short := range []bool{false, true} {
		dst := &limited{n: 3, short: short}
		w := frame.NewWriter(dst)
		first := w.Write(frame.Data, make([]byte, 100))
		if first == nil {
			t.Fatal("got nil for half a frame, want an error")
		}
		dst.n = 1 << 20
		if err := w.Write(frame.Data, []byte{1}); err != first {
			t.Errorf("got %v after a failure, want %v", err, first)
		}
	}
}

func TestBuffered(t *testing.T) {
	var c calls
	write(t, frame.NewWriter(&c), frame.Data, []byte{1})
	c.WriteString("raw bytes")
	r := frame.NewReader(&c)
	if _, _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(io.MultiReader(bytes.NewReader(r.Buffered()), &c))
	if err != nil || string(rest) != "raw bytes" {
		t.Errorf("got %q, %v, want the bytes behind the frame", rest, err)
	}
	if b := r.Buffered(); len(b) != 0 {
		t.Errorf("got %q again, want nothing", b)
	}
}

// A read that failed in the middle and works again must not resume at a wrong boundary.
func TestReaderStaysFailed(t *testing.T) {
	r := frame.NewReader(io.MultiReader(
		bytes.NewReader([]byte{0, 0, 0, 2, 2, 1}), iotest.ErrReader(io.ErrClosedPipe), bytes.NewReader([]byte{1}),
	))
	for range 2 {
		if _, b, err := r.Next(); err != io.ErrClosedPipe || b != nil {
			t.Errorf("got %x, %v, want nothing, %v", b, err, io.ErrClosedPipe)
		}
	}
}

// The header is judged alone: a peer that declares too much and then waits must not be waited for.
func TestHeaderJudgedFirst(t *testing.T) {
	r := frame.NewReader(io.MultiReader(bytes.NewReader([]byte{0xff, 0xff, 0xff, 0xff, 2}), iotest.ErrReader(io.ErrNoProgress)))
	if _, _, err := r.Next(); !errors.Is(err, frame.ErrMalformed) {
		t.Errorf("got %v, want ErrMalformed", err)
	}
}

// outcome names the refusal that an error tells of.
func outcome(err error) string {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "cut"
	}
	if !errors.Is(err, frame.ErrMalformed) {
		return "other: " + err.Error()
	}
	for _, o := range []struct{ text, name string }{
		{"length is 0,", "empty"},
		{"length is ", "too-long"},
		{"kind is ", "unknown-kind"},
		{"empty control", "empty-control"},
		{"crc is ", "crc"},
	} {
		if strings.Contains(err.Error(), o.text) {
			return o.name
		}
	}
	return err.Error()
}

func TestVectors(t *testing.T) {
	for _, v := range vectorfile.Load(t, "testdata/*.txt") {
		var got []string
		var again bytes.Buffer
		w := frame.NewWriter(&again)
		r := frame.NewReader(bytes.NewReader(v.Body))
		for {
			k, b, err := r.Next()
			if err == io.EOF {
				if !bytes.Equal(again.Bytes(), v.Body) {
					t.Errorf("%s: got %x when written again, want %x", v.Name, again.Bytes(), v.Body)
				}
				break
			}
			if err != nil {
				got = append(got, outcome(err))
				break
			}
			write(t, w, k, b)
			got = append(got, k.String()+":"+hex.EncodeToString(b))
		}
		if g := strings.Join(got, " "); g != v.Expect() {
			t.Errorf("%s: got %q, want %q", v.Name, g, v.Expect())
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, v := range vectorfile.Load(f, "testdata/*.txt") {
		f.Add(v.Body)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var again bytes.Buffer
		w := frame.NewWriter(&again)
		r := frame.NewReader(bytes.NewReader(b))
		for {
			k, body, err := r.Next()
			if err != nil {
				break
			}
			write(t, w, k, body)
		}
		if !bytes.HasPrefix(b, again.Bytes()) {
			t.Errorf("got %x when written again, want a prefix of %x", again.Bytes(), b)
		}
	})
}

func TestNoAllocation(t *testing.T) {
	one := binary.BigEndian.AppendUint32(nil, frame.MaxBody)
	one = append(append(one, byte(frame.Data)), make([]byte, frame.MaxBody)...)
	src := bytes.NewReader(nil)
	r := frame.NewReader(src)
	w := frame.NewWriter(io.Discard)
	n := testing.AllocsPerRun(100, func() {
		src.Reset(one)
		_, b, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(frame.Data, b); err != nil {
			t.Fatal(err)
		}
		if err := w.Write(frame.Control, b[:100]); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("got %v allocations for a frame, want 0", n)
	}
}
