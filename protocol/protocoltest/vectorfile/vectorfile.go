// Package vectorfile reads and writes test vectors: one file, one scenario.
//
// A file begins with lines "key: value", then has one blank line, then the body. With the header
// "encoding: hex" the body is hex digits broken into lines, otherwise it is the bytes as they
// stand. The header "expect" names the outcome, of a refusal "kind: reason", and "comment" says
// what the scenario is about. For tests and generators only.
package vectorfile

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	encodingKey = "encoding"
	hexLine     = 64 // hex digits in a line
	reasonMark  = ": "
)

// Vector is one scenario.
type Vector struct {
	Name   string // file name without folder and extension
	Header map[string]string
	Body   []byte
}

// Expect returns the header "expect": an outcome, or "kind: reason" of a refusal.
func (v Vector) Expect() string { return v.Header["expect"] }

// Kind returns what stands before the reason in "expect".
func (v Vector) Kind() string {
	kind, _, _ := strings.Cut(v.Expect(), reasonMark)
	return kind
}

// CheckReason wants the words behind the kind in err: a vector that is refused for another reason
// than its own tests nothing.
func (v Vector) CheckReason(t testing.TB, err error) {
	t.Helper()
	_, reason, given := strings.Cut(v.Expect(), reasonMark)
	if given && (err == nil || !strings.Contains(err.Error(), reason)) {
		t.Errorf("%s: got %v, want %q in it", v.Name, err, reason)
	}
}

// Load reads all files that match glob, sorted by name. A fault in a file ends the test, and so
// does finding none: a suite that silently lost its vectors would pass for good.
func Load(t testing.TB, glob string) []Vector {
	t.Helper()
	paths, err := filepath.Glob(glob)
	if err != nil {
		t.Fatalf("vectors %s: %v", glob, err)
	}
	if len(paths) == 0 {
		t.Fatalf("vectors %s: no files", glob)
	}
	slices.Sort(paths)
	vectors := make([]Vector, 0, len(paths))
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatalf("vector: %v", err)
		}
		v, err := Parse(b)
		if err != nil {
			t.Fatalf("vector %s: %v", p, err)
		}
		v.Name = strings.TrimSuffix(filepath.Base(p), filepath.Ext(p))
		vectors = append(vectors, v)
	}
	return vectors
}

// Parse reads one vector. Its Name stays empty.
func Parse(b []byte) (Vector, error) {
	v := Vector{Header: map[string]string{}}
	for {
		line, rest, ok := bytes.Cut(b, []byte("\n"))
		if !ok {
			return Vector{}, fmt.Errorf("no blank line after the header")
		}
		b = rest
		if len(line) == 0 {
			break
		}
		key, value, ok := strings.Cut(string(line), ": ")
		if !ok || key == "" {
			return Vector{}, fmt.Errorf("malformed header line %q", line)
		}
		if _, dup := v.Header[key]; dup {
			return Vector{}, fmt.Errorf("header %q given twice", key)
		}
		v.Header[key] = value
	}
	switch v.Header[encodingKey] {
	case "":
		v.Body = b
	case "hex":
		body, err := hex.DecodeString(string(bytes.Join(bytes.Fields(b), nil)))
		if err != nil {
			return Vector{}, fmt.Errorf("body: %w", err)
		}
		v.Body = body
	default:
		return Vector{}, fmt.Errorf("encoding %q is unknown", v.Header[encodingKey])
	}
	return v, nil
}

// Format returns the file content for a header and a body. The same input gives the same bytes.
func Format(header map[string]string, body []byte) ([]byte, error) {
	var out bytes.Buffer
	keys := make([]string, 0, len(header))
	for k, v := range header {
		if k == "" || strings.ContainsAny(k, ": \n") || strings.Contains(v, "\n") {
			return nil, fmt.Errorf("header %q cannot be written", k)
		}
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		fmt.Fprintf(&out, "%s: %s\n", k, header[k])
	}
	out.WriteByte('\n')
	if header[encodingKey] != "hex" {
		out.Write(body)
		return out.Bytes(), nil
	}
	digits := hex.EncodeToString(body)
	for len(digits) > 0 {
		n := min(hexLine, len(digits))
		out.WriteString(digits[:n] + "\n")
		digits = digits[n:]
	}
	return out.Bytes(), nil
}

// Write makes the file path and the folders it needs.
func Write(path string, header map[string]string, body []byte) error {
	b, err := Format(header, body)
	if err != nil {
		return fmt.Errorf("vector %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}
