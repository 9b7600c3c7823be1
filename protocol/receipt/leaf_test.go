package receipt_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/protocoltest/vectorfile"
	"anchorhold/protocol/receipt"
)

// leaf is what a job of 1,000 bytes may give.
func leaf(sequence uint64) *receipt.Leaf {
	finished := time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)
	return &receipt.Leaf{
		Sequence: sequence, Image: digest.Sum([]byte("image")), Tenant: "clinic", Pipeline: "deid", Key: "arn:aws:kms:us-east-1:111122223333:key/1",
		KMSRequests: []string{"request-1"}, MessageID: [32]byte{1}, Nonce: [32]byte{2}, Header: digest.Sum([]byte("header")),
		Input: digest.Stream{3}, Output: digest.Stream{4}, InputSize: 1000, OutputSize: 2000, Policy: digest.Sum([]byte("policy")), Reply: [32]byte{5},
		RecordsIn: 1024, RecordsOut: 1024, RecordsRejected: 2, Started: finished.Add(-30 * time.Second), Finished: finished,
	}
}

func failure(sequence uint64) *receipt.Failure {
	return &receipt.Failure{
		Sequence: sequence, Code: code.AuthenticationFailed, Header: digest.Sum([]byte("header")), KMSRequests: []string{"request-1"}, Finished: leaf(0).Finished,
	}
}

func TestLeafRoundTrip(t *testing.T) {
	full := leaf(9)
	parameters, crosswalk := [32]byte{8}, digest.Stream{9}
	full.Parameters, full.Crosswalk, full.ReferenceDate = &parameters, &crosswalk, "2026-12-31"
	for _, l := range []*receipt.Leaf{leaf(0), full} {
		b, err := l.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, failure, err := receipt.ParseLeaf(b)
		if err != nil || failure != nil || !reflect.DeepEqual(got, l) {
			t.Errorf("got %+v, %v, want %+v", got, err, l)
		}
	}
	f := failure(3)
	b, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, gotFailure, err := receipt.ParseLeaf(b)
	if err != nil || got != nil || !reflect.DeepEqual(gotFailure, f) {
		t.Errorf("got %+v, %v, want %+v", gotFailure, err, f)
	}
}

func TestLeafNotEncoded(t *testing.T) {
	for name, change := range map[string]func(*receipt.Leaf){
		"exact count":        func(l *receipt.Leaf) { l.RecordsIn = 1000 },
		"exact rejects":      func(l *receipt.Leaf) { l.RecordsRejected = 3 },
		"no tenant":          func(l *receipt.Leaf) { l.Tenant = "" },
		"tenant in capitals": func(l *receipt.Leaf) { l.Tenant = "Clinic" },
		"long pipeline":      func(l *receipt.Leaf) { l.Pipeline = strings.Repeat("a", 65) },
		"no key":             func(l *receipt.Leaf) { l.Key = "" },
		"key with newline":   func(l *receipt.Leaf) { l.Key = "arn\n" },
		"no request":         func(l *receipt.Leaf) { l.KMSRequests = nil },
		"five requests":      func(l *receipt.Leaf) { l.KMSRequests = []string{"1", "2", "3", "4", "5"} },
		"terminal escape":    func(l *receipt.Leaf) { l.KMSRequests = []string{"\x1b[2J"} },
		"date that is none":  func(l *receipt.Leaf) { l.ReferenceDate = "2026-02-30" },
		"no time":            func(l *receipt.Leaf) { l.Started = time.Time{} },
		"finished first":     func(l *receipt.Leaf) { l.Finished = l.Started.Add(-time.Second) },
		"microseconds":       func(l *receipt.Leaf) { l.Finished = l.Finished.Add(time.Microsecond) },
	} {
		l := leaf(0)
		change(l)
		if b, err := l.Encode(); !errors.Is(err, receipt.ErrMalformed) || b != nil {
			t.Errorf("%s: got %v", name, err)
		}
	}
	f := failure(0)
	f.Code = code.Code("free text of a peer")
	if _, err := f.Encode(); !errors.Is(err, receipt.ErrMalformed) {
		t.Errorf("failure with free text: got %v", err)
	}
}

// What the generator wrote is what this code reads and writes, today as then.
func TestLeafVectors(t *testing.T) {
	for _, v := range vectorfile.Load(t, "testdata/leaf-*.txt") {
		l, f, err := receipt.ParseLeaf(v.Body)
		v.CheckReason(t, err)
		switch v.Kind() {
		case "receipt", "failure":
			if err != nil || (l != nil) != (v.Expect() == "receipt") || (f != nil) != (v.Expect() == "failure") {
				t.Errorf("%s: got %v, %v, %v", v.Name, l, f, err)
			}
		case "malformed":
			if !errors.Is(err, receipt.ErrMalformed) || l != nil || f != nil {
				t.Errorf("%s: got %v", v.Name, err)
			}
		default:
			t.Errorf("%s: outcome %q is unknown", v.Name, v.Expect())
		}
	}
}

func FuzzLeaf(f *testing.F) {
	for _, v := range vectorfile.Load(f, "testdata/leaf-*.txt") {
		f.Add(v.Body)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, x, err := receipt.ParseLeaf(b)
		if err != nil {
			return
		}
		var again []byte
		switch {
		case l != nil && x == nil:
			again, err = l.Encode()
		case x != nil && l == nil:
			again, err = x.Encode()
		default:
			t.Fatal("not exactly one kind of leaf")
		}
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("accepted, but encodes to other bytes, error %v", err)
		}
	})
}

func FuzzFile(f *testing.F) {
	for _, v := range vectorfile.Load(f, "testdata/file-*.txt") {
		f.Add(v.Body)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := receipt.ParseFile(b)
		if err != nil {
			return
		}
		if again, err := x.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("accepted, but encodes to other bytes, error %v", err)
		}
	})
}

func FuzzVerifyPath(f *testing.F) {
	f.Add(uint64(0), uint64(1), []byte{})
	f.Add(uint64(1<<63), uint64(1<<64-1), make([]byte, 4*digest.Size))
	_, leaves := tree(5)
	root := receipt.Root(leaves)
	f.Fuzz(func(t *testing.T, index, size uint64, raw []byte) {
		var path []digest.Digest
		for ; len(raw) >= digest.Size; raw = raw[digest.Size:] {
			path = append(path, digest.Digest(raw))
		}
		if err := receipt.VerifyPath(digest.Sum([]byte("no leaf")), index, size, path, root); err == nil {
			t.Fatal("a path from nowhere to the root")
		}
	})
}
