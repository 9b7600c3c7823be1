package batchlog_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/hf/nsm/request"

	"anchorhold/protocol/attest"
	"anchorhold/protocol/audit"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/internal/batchlog"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/protocoltest/testca"
	"anchorhold/protocol/receipt"
	"anchorhold/protocol/verify"
)

// enclave signs batches of leaves under a test root.
type enclave struct {
	ca       *testca.CA
	nsm      *softnsm.NSM
	boot     [16]byte
	next     uint64 // batch number
	sequence uint64
	previous digest.Digest
}

func newEnclave(ca *testca.CA, boot byte) *enclave {
	image := measure.DevImage([]byte("program"), []byte("policy"))
	return &enclave{ca: ca, nsm: softnsm.New(softnsm.Config{CA: ca, Image: image}), boot: [16]byte{boot}}
}

// batch signs failures with these codes and returns the log's entry and the receipt file of the
// first.
func (e *enclave) batch(t testing.TB, leaves ...string) (batchlog.Batch, *receipt.File) {
	t.Helper()
	var encoded [][]byte
	var hashes []digest.Digest
	for i, header := range leaves {
		f := receipt.Failure{
			Sequence: e.sequence + uint64(i), Code: "truncated", Header: digest.Sum([]byte(header)),
			KMSRequests: []string{"request"}, Finished: time.Now().Truncate(time.Millisecond),
		}
		b, err := f.Encode()
		check(t, err)
		encoded, hashes = append(encoded, b), append(hashes, receipt.LeafHash(b))
	}
	u := receipt.UserData{
		Purpose: receipt.PurposeReceipts, Boot: e.boot, Policy: digest.Sum([]byte("policy")),
		Batch: &receipt.Batch{Number: e.next, First: e.sequence, Size: uint64(len(hashes)), Root: receipt.Root(hashes), Previous: e.previous},
	}
	data, err := u.Encode()
	check(t, err)
	b := batchlog.Batch{Boot: e.boot, Number: e.next, Document: e.attest(t, data, nil), Leaves: hashes}
	e.next, e.sequence, e.previous = e.next+1, e.sequence+uint64(len(hashes)), receipt.Head(data)
	return b, &receipt.File{Leaf: encoded[0], Path: receipt.Path(hashes, 0), Document: b.Document}
}

func (e *enclave) attest(t testing.TB, userData, nonce []byte) []byte {
	t.Helper()
	res, err := e.nsm.Send(&request.Attestation{UserData: userData, Nonce: nonce})
	check(t, err)
	if res.Attestation == nil {
		t.Fatalf("nsm: %s", res.Error)
	}
	return res.Attestation.Document
}

// fork returns the same boot at the same point, about to sign something else.
func (e *enclave) fork() *enclave {
	other := *e
	return &other
}

func (e *enclave) verified(t testing.TB, file *receipt.File) *audit.Verified {
	t.Helper()
	v, err := audit.Verify(file, e.ca.Roots(), time.Time{})
	check(t, err)
	return v
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// encode writes a page as a parent does.
func encode(t testing.TB, batches ...batchlog.Batch) []byte {
	t.Helper()
	entries := []map[string]any{}
	for i, b := range batches {
		leaves := []string{}
		for _, l := range b.Leaves {
			leaves = append(leaves, l.String())
		}
		entries = append(entries, map[string]any{
			"sequence": i, "enclave": "one", "boot": hex.EncodeToString(b.Boot[:]), "number": b.Number, "stored": time.Now(),
			"document": b.Document, "leaves": leaves,
		})
	}
	page, err := json.Marshal(map[string]any{"batches": entries, "next": len(entries)})
	check(t, err)
	return page
}

func TestHonestLog(t *testing.T) {
	ca := testca.New(time.Now)
	one, two := newEnclave(ca, 1), newEnclave(ca, 2)
	a0, _ := one.batch(t, "a", "b")
	b0, _ := two.batch(t, "c")
	a1, file := one.batch(t, "d", "e", "f")
	a2, late := one.batch(t, "g")
	batches, err := batchlog.Parse(encode(t, a0, b0, a1))
	check(t, err)
	log, err := batchlog.Verify(batches, ca.Roots())
	check(t, err)
	if len(log.Chains) != 2 || log.Batches != 3 || log.Chains[0].Boot != one.boot || log.Chains[0].First != 0 || log.Chains[0].Last != 1 || log.Chains[0].Leaves != 5 {
		t.Errorf("got %+v", log.Chains)
	}
	check(t, log.Holds(one.verified(t, file)))
	if err := log.Holds(one.verified(t, late)); !errors.Is(err, batchlog.ErrMissing) {
		t.Errorf("a receipt of batch %d: got %v, want %v", a2.Number, err, batchlog.ErrMissing)
	}
}

// A parent that shows one history to the log's reader and another to the owner.
func TestForkBetweenLogAndReceipt(t *testing.T) {
	ca := testca.New(time.Now)
	e := newEnclave(ca, 1)
	a0, _ := e.batch(t, "a")
	other := e.fork()
	a1, _ := e.batch(t, "b")
	_, same := other.batch(t, "hidden")  // batch 1 of the other history
	_, after := other.batch(t, "hidden") // batch 2, which follows on it
	log, err := batchlog.Verify([]batchlog.Batch{a0, a1}, ca.Roots())
	check(t, err)
	for name, file := range map[string]*receipt.File{"same number": same, "the next": after} {
		if err := log.Holds(e.verified(t, file)); !errors.Is(err, audit.ErrFork) {
			t.Errorf("%s: got %v, want %v", name, err, audit.ErrFork)
		}
	}
}

// A parent may start any image on AWS, and that may sign any user data: a boot's true batches, and
// then what never was.
func TestLogOfAnImpostor(t *testing.T) {
	ca := testca.New(time.Now)
	e := newEnclave(ca, 1)
	for name, config := range map[string]softnsm.Config{
		"another image":    {CA: ca, Image: measure.DevImage([]byte("impostor"), []byte("policy"))},
		"another instance": {CA: ca, Image: measure.DevImage([]byte("program"), []byte("policy")), ModuleID: "i-0123456789abcdef0-enc0000000000000001"},
	} {
		impostor := e.fork()
		impostor.nsm = softnsm.New(config)
		truth := e.fork()
		_, file := truth.batch(t, "a")
		doc, err := attest.Parse(file.Document)
		check(t, err)
		copied, _ := impostor.batch(t, "a")
		copied.Document = impostor.attest(t, doc.UserData, nil)
		impostor.previous = receipt.Head(doc.UserData)
		invented, _ := impostor.batch(t, "never was")
		u, err := receipt.ParseUserData(doc.UserData)
		check(t, err)
		copied.Leaves = []digest.Digest{u.Batch.Root} // of an only leaf
		log, err := batchlog.Verify([]batchlog.Batch{copied, invented}, ca.Roots())
		check(t, err)
		if err := log.Holds(e.verified(t, file)); !errors.Is(err, batchlog.ErrOther) {
			t.Errorf("%s: got %v, want %v", name, err, batchlog.ErrOther)
		}
	}
}

func TestLyingLog(t *testing.T) {
	ca := testca.New(time.Now)
	e := newEnclave(ca, 1)
	a0, _ := e.batch(t, "a", "b")
	forked := e.fork()
	a1, _ := e.batch(t, "c")
	a2, _ := e.batch(t, "d")
	b1, _ := forked.batch(t, "other")
	foreign, _ := newEnclave(testca.New(time.Now), 1).batch(t, "x")
	challenge := receipt.UserData{Purpose: receipt.PurposeChallenge, Boot: e.boot, Policy: digest.Sum([]byte("policy"))}
	data, err := challenge.Encode()
	check(t, err)
	change := func(b batchlog.Batch, f func(*batchlog.Batch)) batchlog.Batch {
		b.Leaves = slices.Clone(b.Leaves)
		f(&b)
		return b
	}
	for name, c := range map[string]struct {
		log  []batchlog.Batch
		want error
	}{
		"empty":            {nil, batchlog.ErrMalformed},
		"endless":          {make([]batchlog.Batch, batchlog.MaxBatches+1), batchlog.ErrMalformed},
		"gap":              {[]batchlog.Batch{a0, a2}, audit.ErrChain},
		"order":            {[]batchlog.Batch{a1, a0, a2}, audit.ErrChain},
		"fork":             {[]batchlog.Batch{a0, a1, b1}, audit.ErrFork},
		"fork in the past": {[]batchlog.Batch{a0, b1, a2}, audit.ErrFork},
		"repeated":         {[]batchlog.Batch{a0, a1, a1}, audit.ErrChain},
		"another root":     {[]batchlog.Batch{foreign}, verify.ErrUntrusted},
		"a leaf left out":  {[]batchlog.Batch{change(a0, func(b *batchlog.Batch) { b.Leaves = b.Leaves[:1] })}, receipt.ErrPath},
		"a leaf replaced":  {[]batchlog.Batch{change(a0, func(b *batchlog.Batch) { b.Leaves[1][0] ^= 1 })}, receipt.ErrPath},
		"another number":   {[]batchlog.Batch{a0, change(a2, func(b *batchlog.Batch) { b.Number = 1 })}, batchlog.ErrClaim},
		"another boot":     {[]batchlog.Batch{change(a0, func(b *batchlog.Batch) { b.Boot[3] = 9 })}, batchlog.ErrClaim},
		"a challenge":      {[]batchlog.Batch{change(a0, func(b *batchlog.Batch) { b.Document = e.attest(t, data, []byte("n")) })}, audit.ErrPurpose},
	} {
		if log, err := batchlog.Verify(c.log, ca.Roots()); !errors.Is(err, c.want) || log != nil {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

// malformed are pages that no parent of ours writes.
var malformed = map[string]string{
	"nothing": ``, "no object": `[]`, "no batches": `{"next":0}`, "null": `{"batches":null}`, "cut": `{"batches":[`,
	"trailing": `{"batches":[]} {}`, "named twice": `{"batches":[],"batches":[]}`,
	"short boot":  `{"batches":[{"boot":"00","number":0,"document":"AA==","leaves":[]}]}`,
	"no document": `{"batches":[{"boot":"00000000000000000000000000000000","number":0,"leaves":["aa"]}]}`,
	"no leaves":   `{"batches":[{"boot":"00000000000000000000000000000000","number":0,"document":"AA==","leaves":[]}]}`,
	"bad leaf":    `{"batches":[{"boot":"00000000000000000000000000000000","number":0,"document":"AA==","leaves":["aa"]}]}`,
	"negative":    `{"batches":[{"boot":"00000000000000000000000000000000","number":-1,"document":"AA==","leaves":["aa"]}]}`,
}

func TestMalformed(t *testing.T) {
	for name, text := range malformed {
		if got, err := batchlog.Parse([]byte(text)); !errors.Is(err, batchlog.ErrMalformed) || got != nil {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, batchlog.ErrMalformed)
		}
	}
	long, _ := newEnclave(testca.New(time.Now), 1).batch(t, "a")
	long.Document = make([]byte, 0x3001)
	if _, err := batchlog.Parse(encode(t, long)); !errors.Is(err, batchlog.ErrMalformed) {
		t.Errorf("a document longer than any: got %v, want %v", err, batchlog.ErrMalformed)
	}
	if got, err := batchlog.Parse([]byte(`{"batches":[],"next":0}`)); err != nil || len(got) != 0 {
		t.Errorf("an empty page: got %v, %v", got, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range malformed {
		f.Add([]byte(text))
	}
	e := newEnclave(testca.NewSeeded("batchlog", time.Now), 1)
	b, _ := e.batch(f, "a", "b")
	f.Add(encode(f, b))
	f.Fuzz(func(t *testing.T, b []byte) {
		batches, err := batchlog.Parse(b)
		if err != nil {
			return
		}
		again, err := batchlog.Parse(encode(t, batches...))
		if err != nil || len(again) != len(batches) {
			t.Fatalf("what was accepted is not read back: %v", err)
		}
		for i := range again {
			if again[i].Number != batches[i].Number || again[i].Boot != batches[i].Boot || !slices.Equal(again[i].Leaves, batches[i].Leaves) ||
				!slices.Equal(again[i].Document, batches[i].Document) {
				t.Fatalf("entry %d changed on the way", i)
			}
		}
	})
}
