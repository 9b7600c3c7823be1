package audit_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/hf/nsm/request"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/audit"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/policysource"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/protocoltest/testca"
	"anchorhold/protocol/receipt"
	"anchorhold/protocol/verify"
)

const (
	keyARN     = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
	policyYAML = `anchorhold: policy/v1
tenants:
  - name: clinic
    keys: [` + keyARN + `]
    pipelines: [deid]
  - name: other
    keys: [arn:aws:kms:us-east-1:111122223333:key/99999999-2222-3333-4444-555555555555]
    pipelines: [deid, second]
pipelines:
  - name: deid
    preset: safe-harbor
    content-types: [application/fhir+ndjson]
  - name: second
    preset: safe-harbor
    content-types: [application/fhir+ndjson]
`
)

var sealed = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is an enclave under a test root, its policy and pins, and one job.
type world struct {
	ca     *testca.CA
	nsm    *softnsm.NSM
	policy []byte
	image  measure.Image
	pins   *appraise.Pins
	boot   [16]byte
	clock  time.Time
}

func compile(t testing.TB, yaml string) []byte {
	t.Helper()
	preset := func(string) ([]byte, error) { return []byte("rules"), nil }
	p, err := policysource.Compile([]byte(yaml), preset, nil)
	if err != nil {
		t.Fatalf("policy: %v", err)
	}
	return p
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldOf(t, policyYAML)
}

func newWorldOf(t testing.TB, policy string) *world {
	t.Helper()
	w := &world{policy: compile(t, policy), boot: [16]byte{7}, clock: sealed.Add(time.Minute)}
	w.image = measure.DevImage([]byte("program"), w.policy)
	w.ca = testca.NewSeeded("receipt test", func() time.Time { return w.clock })
	w.start(w.image)
	w.pins = &appraise.Pins{
		Layout: appraise.LayoutAnchorhold, Expires: time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC),
		Images: []appraise.Image{{Name: "release", PCR0: w.image.PCR0, PCR1: w.image.PCR1, PCR2: w.image.PCR2}},
	}
	return w
}

// start replaces the module by one that measures another image.
func (w *world) start(image measure.Image) {
	w.nsm = softnsm.New(softnsm.Config{CA: w.ca, Image: image, Now: func() time.Time { return w.clock }})
	w.image = image
}

func sum(s string) digest.Digest { return digest.Sum([]byte(s)) }
func hash(s string) [32]byte     { return sha256.Sum256([]byte(s)) }

func (w *world) leaf(sequence uint64) *receipt.Leaf {
	return &receipt.Leaf{
		Sequence: sequence, Image: w.image.PCR0, Tenant: "clinic", Pipeline: "deid", Key: keyARN, KMSRequests: []string{"request-1"},
		MessageID: hash("message"), Nonce: hash("nonce"), Header: sum("header"), Input: hash("input"), Output: hash("output"),
		InputSize: 1000, OutputSize: 2000, Policy: digest.Sum(w.policy), Reply: hash("reply"),
		RecordsIn: 1024, RecordsOut: 1024, RecordsRejected: 2, Started: w.clock.Add(-30 * time.Second), Finished: w.clock.Add(-time.Second),
	}
}

func (w *world) failure(sequence uint64) *receipt.Failure {
	return &receipt.Failure{
		Sequence: sequence, Code: "authentication-failed", Header: sum("header"), KMSRequests: []string{"request-1"}, Finished: w.clock,
	}
}

// expect is what the owner of that leaf's job knows.
func (w *world) expect() audit.Expect {
	return audit.Expect{
		Pins: w.pins, Policy: w.policy, Image: w.pins.Images[0].PCR0, Tenant: "clinic", Pipeline: "deid", Key: keyARN,
		MessageID: hash("message"), Nonce: hash("nonce"), Header: sum("header"), Input: hash("input"), InputSize: 1000,
		Output: hash("output"), OutputSize: 2000, Reply: hash("reply"), SealedAt: sealed, Now: w.clock.Add(time.Minute),
	}
}

// encoder is a leaf of either kind.
type encoder interface{ Encode() ([]byte, error) }

func encodeAll(t testing.TB, leaves ...encoder) [][]byte {
	t.Helper()
	var out [][]byte
	for _, l := range leaves {
		b, err := l.Encode()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

func hashes(leaves [][]byte) []digest.Digest {
	out := make([]digest.Digest, len(leaves))
	for i, l := range leaves {
		out[i] = receipt.LeafHash(l)
	}
	return out
}

// userData describes a batch of these leaves.
func (w *world) userData(number, first uint64, previous digest.Digest, leaves [][]byte) *receipt.UserData {
	return &receipt.UserData{
		Purpose: receipt.PurposeReceipts, Boot: w.boot, Policy: digest.Sum(w.policy),
		Batch: &receipt.Batch{Number: number, First: first, Size: uint64(len(leaves)), Root: receipt.Root(hashes(leaves)), Previous: previous},
	}
}

// attest asks the module for a document.
func (w *world) attest(t testing.TB, u *receipt.UserData, nonce, publicKey []byte) []byte {
	t.Helper()
	b, err := u.Encode()
	if err != nil {
		t.Fatal(err)
	}
	res, err := w.nsm.Send(&request.Attestation{UserData: b, Nonce: nonce, PublicKey: publicKey})
	if err != nil || res.Attestation == nil {
		t.Fatalf("attestation: %v, %q", err, res.Error)
	}
	return res.Attestation.Document
}

// files signs one batch, the first, and returns a receipt file per leaf.
func (w *world) files(t testing.TB, leaves ...encoder) []*receipt.File {
	t.Helper()
	encoded := encodeAll(t, leaves...)
	return cut(encoded, w.attest(t, w.userData(0, 0, digest.Digest{}, encoded), nil, nil))
}

func cut(leaves [][]byte, document []byte) []*receipt.File {
	out := make([]*receipt.File, len(leaves))
	for i, l := range leaves {
		out[i] = &receipt.File{Leaf: l, Index: uint64(i), Path: receipt.Path(hashes(leaves), i), Document: document}
	}
	return out
}

func (w *world) verified(t testing.TB, document []byte) *verify.Attested {
	t.Helper()
	v, err := verify.Archived(document, w.ca.Roots())
	if err != nil {
		t.Fatal(err)
	}
	return v
}
