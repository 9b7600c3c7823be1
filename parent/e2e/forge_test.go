package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hf/nsm/request"

	"anchorhold/parent/e2e/stage"
	"anchorhold/protocol/audit"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/protocoltest/testca"
	"anchorhold/protocol/receipt"
)

// forger has what no parent has: the stage's attestation root. Its documents are genuine but for
// what a test changes, so that each check behind the signature is seen to stand by itself.
type forger struct {
	s    *stage.Stage
	real *receipt.File // of the job that is attacked
	user *receipt.UserData
	leaf *receipt.Leaf
}

// newForger reads a receipt that the stage's enclave made.
func newForger(t *testing.T, s *stage.Stage, receiptFile string) *forger {
	t.Helper()
	file, err := receipt.ParseFile(read(t, receiptFile))
	check(t, err)
	roots := newCA(t, s, time.Now).Roots()
	v, err := audit.Verify(file, roots, time.Time{})
	check(t, err)
	if v.Leaf == nil {
		t.Fatalf("%s is the receipt of a failure", receiptFile)
	}
	return &forger{s: s, real: file, user: &v.UserData, leaf: v.Leaf}
}

func newCA(t *testing.T, s *stage.Stage, now func() time.Time) *testca.CA {
	t.Helper()
	ca, err := testca.ParsePEM(read(t, s.Path("ca", "attestation-root-key.pem")), now)
	check(t, err)
	return ca
}

// forgery is a batch of one leaf that some enclave signs. The zero value is refused by nothing but
// the other history that it is.
type forgery struct {
	image  func(*measure.Image) // that runs
	leaf   func(*receipt.Leaf)  // what it says
	user   func(*receipt.UserData)
	before time.Duration // how long ago all of it happens
}

// sign makes the batch and returns its receipt file and log entry.
func (f *forger) sign(t *testing.T, x forgery) ([]byte, logEntry) {
	t.Helper()
	now := func() time.Time { return time.Now().Add(-x.before) }
	leaf, user, batch := *f.leaf, *f.user, *f.user.Batch
	leaf.Sequence, leaf.Started, leaf.Finished = batch.First, leaf.Started.Add(-x.before), leaf.Finished.Add(-x.before)
	if x.leaf != nil {
		x.leaf(&leaf)
	}
	encoded, err := leaf.Encode()
	check(t, err)
	hashes := []digest.Digest{receipt.LeafHash(encoded)}
	batch.Size, batch.Root = 1, receipt.Root(hashes)
	if user.Batch = &batch; x.user != nil {
		x.user(&user)
	}
	data, err := user.Encode()
	check(t, err)
	image := f.image(t)
	if x.image != nil {
		x.image(&image)
	}
	nsm := softnsm.New(softnsm.Config{CA: newCA(t, f.s, now), ModuleID: f.module(t), Image: image, Now: now})
	res, err := nsm.Send(&request.Attestation{UserData: data})
	check(t, err)
	if res.Attestation == nil {
		t.Fatalf("nsm: %s", res.Error)
	}
	document := res.Attestation.Document
	out := receipt.File{Leaf: encoded, Path: receipt.Path(hashes, 0), Document: document}
	b, err := out.Encode()
	check(t, err)
	return b, logEntry{Boot: fmt.Sprintf("%x", user.Boot), Number: batch.Number, Document: document, Leaves: []string{hashes[0].String()}}
}

// image is the one that the stage runs, from the pins.
func (f *forger) image(t *testing.T) measure.Image {
	t.Helper()
	pin := readPins(t, f.s.Path("policy.pins")).Images[0]
	return measure.Image{PCR0: pin.PCR0, PCR1: pin.PCR1, PCR2: pin.PCR2}
}

func (f *forger) module(t *testing.T) string {
	t.Helper()
	v, err := audit.Verify(f.real, newCA(t, f.s, time.Now).Roots(), time.Time{})
	check(t, err)
	d := v.Attested.Document()
	return d.ModuleID
}

// logEntry is one entry of GET /v1/log.
type logEntry struct {
	Boot     string   `json:"boot"`
	Number   uint64   `json:"number"`
	Document []byte   `json:"document"`
	Leaves   []string `json:"leaves"`
}

// writePage writes entries as a parent answers them.
func writePage(t *testing.T, name string, entries ...logEntry) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{"batches": entries, "next": len(entries)})
	check(t, err)
	write(t, name, b)
	return name
}

// liar is a parent that answers every job with the same result and receipt.
func liar(t *testing.T, result, receiptFile []byte) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/jobs", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Location", "/v1/jobs/1")
		_, _ = w.Write(result)
	})
	mux.HandleFunc("GET /v1/jobs/1/receipt", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(receiptFile) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// api asks the stage's parent as its tenant and returns status, headers and body.
func api(t *testing.T, s *stage.Stage, method, path string, header http.Header, body io.Reader) (int, http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.ParentURL+path, body)
	check(t, err)
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(read(t, s.TokenFile()))))
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	check(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	check(t, err)
	return res.StatusCode, res.Header, b
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	check(t, err)
	return b
}

func write(t *testing.T, name string, b []byte) {
	t.Helper()
	check(t, os.WriteFile(name, b, 0o600))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
