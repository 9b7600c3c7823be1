//go:build ignore

// Generate writes the vectors of testdata: leaves and receipt files under a test root. The same run
// gives the same bytes. Run by go generate.
package main

import (
	"bytes"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/hf/nsm/request"

	"anchorhold/protocol/canonical"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/protocoltest/testca"
	"anchorhold/protocol/protocoltest/vectorfile"
	"anchorhold/protocol/receipt"
)

var (
	at     = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ca     = testca.NewSeeded("anchorhold receipt vectors", func() time.Time { return at })
	image  = measure.DevImage([]byte("program"), []byte("policy"))
	module = softnsm.New(softnsm.Config{CA: ca, Image: image, Now: func() time.Time { return at }})
)

func main() {
	log.SetFlags(0)
	old, err := filepath.Glob("testdata/*.txt")
	check(err)
	for _, f := range old {
		check(os.Remove(f))
	}
	check(os.WriteFile("testdata/root.pem", ca.RootPEM(), 0o644))
	leaves()
	files()
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func write(name, expect, comment string, body []byte) {
	check(vectorfile.Write("testdata/"+name+".txt", map[string]string{"expect": because(name, expect), "comment": comment, "encoding": "hex"}, body))
}

func sum(s string) digest.Digest { return digest.Sum([]byte(s)) }

func id(b byte) [32]byte { return [32]byte(bytes.Repeat([]byte{b}, 32)) }

func leaf(sequence uint64) *receipt.Leaf {
	return &receipt.Leaf{
		Sequence: sequence, Image: image.PCR0, Tenant: "clinic", Pipeline: "deid",
		Key:         "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555",
		KMSRequests: []string{"aaaaaaaa-0000-0000-0000-000000000001"}, MessageID: id(1), Nonce: id(2), Header: sum("header"),
		Input: digest.SumStream([]byte("input")), Output: digest.SumStream([]byte("output")), InputSize: 1000, OutputSize: 2000, Policy: sum("policy"), Reply: id(3),
		RecordsIn: 1024, RecordsOut: 1024, RecordsRejected: 2, Started: at.Add(-time.Minute), Finished: at.Add(-time.Second),
	}
}

func failure(sequence uint64) *receipt.Failure {
	return &receipt.Failure{
		Sequence: sequence, Code: "authentication-failed", Header: sum("header"),
		KMSRequests: []string{"aaaaaaaa-0000-0000-0000-000000000002"}, Finished: at.Add(-time.Second),
	}
}

type encoder interface{ Encode() ([]byte, error) }

func encode(e encoder) []byte {
	b, err := e.Encode()
	check(err)
	return b
}

// edited is a leaf with its map changed.
func edited(change func(map[string]any)) []byte {
	return edit(encode(leaf(0)), change)
}

func edit(b []byte, change func(map[string]any)) []byte {
	var m map[string]any
	check(canonical.Unmarshal(b, &m))
	change(m)
	out, err := canonical.Marshal(m)
	check(err)
	return out
}

func leaves() {
	full := leaf(7)
	parameters, crosswalk := id(4), digest.SumStream([]byte("crosswalk"))
	full.Parameters, full.Crosswalk, full.ReferenceDate = &parameters, &crosswalk, "2026-12-31"
	write("leaf-receipt", "receipt", "without optional keys", encode(leaf(0)))
	write("leaf-receipt-full", "receipt", "with all optional keys", encode(full))
	write("leaf-failure", "failure", "a failed job", encode(failure(1)))
	bad := func(name, comment string, body []byte) { write("leaf-malformed-"+name, "malformed", comment, body) }
	bad("empty", "no bytes", nil)
	bad("trailing", "a byte after the map", append(encode(leaf(0)), 0))
	bad("label", "another label", edited(func(m map[string]any) { m["label"] = "anchorhold/v2 receipt" }))
	bad("failure-label", "a failure under a receipt's label", edit(encode(failure(0)), func(m map[string]any) { m["label"] = "anchorhold/v1 receipt" }))
	bad("receipt-as-failure", "a receipt under a failure's label", edited(func(m map[string]any) { m["label"] = "anchorhold/v1 failure" }))
	bad("unknown-key", "a key too many", edited(func(m map[string]any) { m["extra"] = uint64(1) }))
	bad("missing-nonce", "no nonce", edited(func(m map[string]any) { delete(m, "nonce") }))
	bad("missing-output", "no output digest", edited(func(m map[string]any) { delete(m, "output") }))
	bad("short-input", "31 bytes of digest", edited(func(m map[string]any) { m["input"] = make([]byte, 31) }))
	bad("long-output", "a SHA-384 where SPEC 7.1 has SHA-256", edited(func(m map[string]any) { m["output"] = make([]byte, 48) }))
	bad("long-nonce", "33 bytes of nonce", edited(func(m map[string]any) { m["nonce"] = make([]byte, 33) }))
	bad("exact-count", "a count that is not bucketed", edited(func(m map[string]any) { m["records_in"] = uint64(1000) }))
	bad("no-requests", "no KMS request", edited(func(m map[string]any) { m["kms_requests"] = []string{} }))
	bad("tenant", "a tenant that is no name", edited(func(m map[string]any) { m["tenant"] = "Clinic 1" }))
	bad("date", "a date that no calendar has", edited(func(m map[string]any) { m["reference_date"] = "2026-02-30" }))
	bad("empty-date", "an optional key given empty", edited(func(m map[string]any) { m["reference_date"] = "" }))
	bad("times", "finished before it started", edited(func(m map[string]any) { m["finished"] = uint64(1) }))
	bad("time-zero", "no time", edited(func(m map[string]any) { m["started"] = uint64(0) }))
	bad("time-max", "a time that overflows", edited(func(m map[string]any) { m["finished"] = uint64(1<<64 - 1) }))
	bad("code", "a failure with free text", edit(encode(failure(0)), func(m map[string]any) { m["code"] = "the record said" }))
}

func document(u receipt.UserData, nonce, key []byte) []byte {
	b := encode(&u)
	res, err := module.Send(&request.Attestation{UserData: b, Nonce: nonce, PublicKey: key})
	check(err)
	return res.Attestation.Document
}

func files() {
	raw := [][]byte{encode(leaf(0)), encode(failure(1)), encode(leaf(2))}
	var hashes []digest.Digest
	for _, l := range raw {
		hashes = append(hashes, receipt.LeafHash(l))
	}
	u := receipt.UserData{
		Purpose: receipt.PurposeReceipts, Boot: [16]byte{1}, Policy: sum("policy"),
		Batch: &receipt.Batch{Size: 3, Root: receipt.Root(hashes)},
	}
	doc := document(u, nil, nil)
	file := func(i int) *receipt.File {
		return &receipt.File{Leaf: raw[i], Index: uint64(i), Path: receipt.Path(hashes, i), Document: doc}
	}
	write("file-receipt", "receipt", "leaf 0 of 3", encode(file(0)))
	write("file-receipt-last", "receipt", "leaf 2 of 3, whose path is shorter", encode(file(2)))
	write("file-failure", "failure", "a failure leaf", encode(file(1)))
	change := func(name, expect, comment string, edit func(*receipt.File)) {
		f := file(0)
		edit(f)
		write("file-"+name, expect, comment, encode(f))
	}
	change("path-index", "path", "another index", func(f *receipt.File) { f.Index = 1 })
	change("path-beyond", "path", "an index beyond the batch", func(f *receipt.File) { f.Index = 3 })
	change("path-long", "path", "a path too long", func(f *receipt.File) { f.Path = append(f.Path, digest.Digest{}) })
	change("path-short", "path", "a path too short", func(f *receipt.File) { f.Path = f.Path[:1] })
	change("path-leaf", "path", "another leaf of the batch", func(f *receipt.File) { f.Leaf = raw[2] })
	change("purpose-kms", "purpose", "a document that was made for KMS", func(f *receipt.File) { f.Document = document(u, nil, []byte("key")) })
	change("purpose-challenge", "purpose", "a document that was made for a caller", func(f *receipt.File) { f.Document = document(u, []byte("nonce"), nil) })
	change("signature", "signature", "a bit of the signature", func(f *receipt.File) {
		f.Document = bytes.Clone(f.Document)
		f.Document[len(doc)-1] ^= 1
	})
	wrong := u
	wrong.Policy = sum("another policy")
	change("inconsistent", "inconsistent", "the leaf names another policy than its document", func(f *receipt.File) { f.Document = document(wrong, nil, nil) })
	bad := func(name, comment string, change func(map[string]any)) {
		write("file-malformed-"+name, "malformed", comment, edit(encode(file(0)), change))
	}
	bad("label", "another label", func(m map[string]any) { m["label"] = "anchorhold/v1 receipt" })
	bad("unknown-key", "a key too many", func(m map[string]any) { m["size"] = uint64(3) })
	bad("no-leaf", "no leaf", func(m map[string]any) { m["leaf"] = []byte{} })
	bad("long-path", "a path of nine", func(m map[string]any) { m["path"] = make([][48]byte, 9) })
	bad("short-node", "a node of 47 bytes", func(m map[string]any) { m["path"] = [][]byte{make([]byte, 47)} })
	bad("index", "an index beyond the largest batch", func(m map[string]any) { m["index"] = uint64(256) })
	write("file-malformed-trailing", "malformed", "a byte after the map", append(encode(file(0)), 0))
	write("file-malformed-empty", "malformed", "no bytes", nil)
}
