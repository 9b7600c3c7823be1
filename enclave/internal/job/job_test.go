package job_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"anchorhold/protocol/attest"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/frame"
	"anchorhold/protocol/message"
	"anchorhold/protocol/receipt"
	"anchorhold/protocol/verify"
)

func TestJob(t *testing.T) {
	b := newBench(t, options{})
	o := newOrder(t, b)
	o.records = []byte(strings.Repeat(patient, 900) + "not json\n")
	o.seal(t, b)
	records, report, leaf := b.done(t, b.dial(t), o)
	if n := bytes.Count(records, []byte("\n")); n != 900 || bytes.Contains(records, []byte("MARKER")) {
		t.Errorf("got %d records, with marker: %v, want 900 without", n, bytes.Contains(records, []byte("MARKER")))
	}
	var got struct {
		In       int    `json:"records_in"`
		Out      int    `json:"records_out"`
		Rejected int    `json:"records_rejected"`
		Date     string `json:"reference_date"`
		Rejects  []struct {
			Line int    `json:"line"`
			Code string `json:"code"`
		} `json:"rejects"`
	}
	check(t, json.Unmarshal(report, &got))
	if got.In != 901 || got.Out != 900 || got.Rejected != 1 || got.Date != "2026-06-30" || len(got.Rejects) != 1 || got.Rejects[0].Line != 901 {
		t.Errorf("got report %+v", got)
	}
	want := receipt.Leaf{
		Image: b.image.PCR0, Tenant: "clinic", Pipeline: "deid", Key: keyA, KMSRequests: []string{"request-1"},
		Nonce: o.file.Nonce, Header: digest.Sum(o.header), Input: digest.SumStream(o.message), InputSize: uint64(len(o.message)),
		Policy: b.policy.Digest(), Reply: sha256.Sum256(o.file.ReplyKey), ReferenceDate: "2026-06-30",
		RecordsIn: 1024, RecordsOut: 1024, RecordsRejected: 1,
	}
	if leaf.Image != want.Image || leaf.Tenant != want.Tenant || leaf.Pipeline != want.Pipeline || leaf.Key != want.Key ||
		leaf.Nonce != want.Nonce || leaf.Header != want.Header || leaf.Input != want.Input || leaf.InputSize != want.InputSize ||
		leaf.Policy != want.Policy || leaf.Reply != want.Reply || leaf.ReferenceDate != want.ReferenceDate ||
		leaf.RecordsIn != want.RecordsIn || leaf.RecordsOut != want.RecordsOut || leaf.RecordsRejected != want.RecordsRejected ||
		len(leaf.KMSRequests) != 1 || leaf.KMSRequests[0] != want.KMSRequests[0] || leaf.Parameters != nil || leaf.Crosswalk != nil {
		t.Errorf("got leaf %+v, want %+v", *leaf, want)
	}
	if leaf.Finished.Before(leaf.Started) || time.Since(leaf.Started) > time.Minute {
		t.Errorf("times are %v to %v", leaf.Started, leaf.Finished)
	}
}

// A message of application/fhir+json: a Bundle over many lines, whose entries are the records.
func TestMessageJob(t *testing.T) {
	b := newBench(t, options{})
	o := newOrder(t, b)
	o.claims.ContentType = envelope.ContentMessage
	entry := "{\n\"fullUrl\": \"urn:uuid:MARKER\",\n\"resource\": " + strings.TrimSpace(patient) + "}"
	o.records = []byte("{\n\"resourceType\": \"Bundle\",\n\"entry\": [" + strings.Repeat(entry+",\n", 99) + "{}]}\n")
	records, report, leaf := b.done(t, b.dial(t), o.seal(t, b))
	var got struct {
		Entry []struct{ Resource struct{ Gender string } }
	}
	check(t, json.Unmarshal(records, &got))
	if len(got.Entry) != 99 || got.Entry[98].Resource.Gender != "female" || bytes.Contains(records, []byte("MARKER")) {
		t.Errorf("got %d entries: %.300s", len(got.Entry), records)
	}
	if leaf.RecordsIn != 128 || leaf.RecordsOut != 128 || leaf.RecordsRejected != 1 || !bytes.Contains(report, []byte(`"pointer":"/entry/99"`)) {
		t.Errorf("got leaf %+v, report %.300s", leaf, report)
	}
}

func TestEmptyJob(t *testing.T) {
	b := newBench(t, options{})
	o := newOrder(t, b)
	o.records = nil
	records, _, leaf := b.done(t, b.dial(t), o.seal(t, b))
	if len(records) != 0 || leaf.RecordsIn != 0 {
		t.Errorf("got %d bytes of records and %d records, want none", len(records), leaf.RecordsIn)
	}
}

// TestChunksHaveOneSize: what the parent sees of a result is its length in chunks.
func TestChunksHaveOneSize(t *testing.T) {
	b := newBench(t, options{})
	o := newOrder(t, b)
	o.records = []byte(strings.Repeat(patient, 500))
	o.seal(t, b)
	p := b.dial(t)
	go func() {
		_ = p.conn.Send(message.Job{})
		_ = p.conn.SendData(frame.Data, o.job())
		_ = p.conn.Send(message.End{})
	}()
	const head, chunk = 8 + 1120, 16400
	for i := 0; ; i++ {
		m, kind, body, err := p.conn.Receive()
		check(t, err)
		if m != nil {
			if i < 3 {
				t.Errorf("got %d result frames, want several", i)
			}
			return
		}
		if want := map[bool]int{true: head, false: chunk}[i == 0]; kind != frame.Result || len(body) != want {
			t.Errorf("frame %d: got %d bytes of %v, want %d", i, len(body), kind, want)
		}
	}
}

func TestFixedReferenceDate(t *testing.T) {
	b := newBench(t, options{})
	o := newOrder(t, b)
	o.claims.Pipeline, o.claims.ReferenceDate = "fixed", ""
	if _, _, leaf := b.done(t, b.dial(t), o.seal(t, b)); leaf.ReferenceDate != "2026-12-31" {
		t.Errorf("got reference date %q, want the policy's", leaf.ReferenceDate)
	}
}

func TestSmallExchanges(t *testing.T) {
	b := newBench(t, options{})
	p := b.dial(t)
	check(t, p.conn.Send(message.Describe{}))
	d, _ := p.receive(t).last.(message.Description)
	if d.PCR0 != b.image.PCR0 || d.PCR1 != b.image.PCR1 || d.PCR2 != b.image.PCR2 || d.Policy != b.policy.Digest() || d.Capacity != 2 || d.Jobs != 0 {
		t.Errorf("got %+v", d)
	}
	check(t, p.conn.Send(message.GetPolicy{}))
	var compiled []byte
	for {
		m, _, body, err := p.conn.Receive()
		check(t, err)
		if m != nil {
			break
		}
		compiled = append(compiled, body...)
	}
	if !bytes.Equal(compiled, b.compiled) {
		t.Error("got another policy")
	}
	check(t, p.conn.Send(message.Attest{Nonce: []byte("nonce")}))
	a, _ := p.receive(t).last.(message.Attestation)
	v, err := verify.Document(a.Document, b.ca.Roots(), time.Now())
	check(t, err)
	doc := v.Document()
	if u, err := attest.ParseUserData(doc.UserData); err != nil || u.Purpose != attest.PurposeChallenge || string(doc.Nonce) != "nonce" || doc.PublicKey != nil {
		t.Errorf("got a document of %+v with nonce %q and key %x, %v", u, doc.Nonce, doc.PublicKey, err)
	}
	b.done(t, p, newOrder(t, b).seal(t, b))
	check(t, p.conn.Send(message.GetLog{From: 0}))
	batch, _ := p.receive(t).last.(message.Batch)
	if len(batch.Leaves) != 1 || len(batch.Document) == 0 {
		t.Errorf("got a batch of %d leaves, want 1", len(batch.Leaves))
	}
	if _, ok := p.receive(t).last.(message.End); !ok {
		t.Error("the log has no end")
	}
	check(t, p.conn.Send(message.Describe{}))
	if d, _ := p.receive(t).last.(message.Description); d.Batches != 1 {
		t.Errorf("got %d batches, want 1", d.Batches)
	}
}

// TestMessagesOfTheEnclaveEndTheConnection: nobody else may send them.
func TestMessagesOfTheEnclaveEndTheConnection(t *testing.T) {
	b := newBench(t, options{})
	for _, m := range []message.Message{message.End{}, message.Done{Receipt: []byte{1}}, message.GetCredentials{}, message.Connected{}} {
		p := b.dial(t)
		check(t, p.conn.Send(m))
		if got := p.receive(t).last; got != nil {
			t.Errorf("%s: got %s, want the end of the connection", m.Op(), got.Op())
		}
	}
	p := b.dial(t)
	check(t, p.conn.SendData(frame.Data, []byte("data")))
	if got := p.receive(t).last; got != nil {
		t.Errorf("data outside a job: got %s", got.Op())
	}
}

func TestSickNSM(t *testing.T) {
	b := newBench(t, options{})
	b.sick.Store(true)
	p := b.dial(t)
	check(t, p.conn.Send(message.Describe{}))
	if d, _ := p.receive(t).last.(message.Description); d.Capacity != 0 {
		t.Errorf("got capacity %d, want 0: no job can end well", d.Capacity)
	}
	check(t, p.conn.Send(message.Attest{Nonce: []byte{1}}))
	if got := p.receive(t).code(); got != "nsm-failed" {
		t.Errorf("attest: got %q, want nsm-failed", got)
	}
	// No success without a receipt, and no failure leaf either.
	out := p.run(t, newOrder(t, b).seal(t, b).job())
	if m, _ := out.last.(message.Failed); m.Code != "nsm-failed" || m.Receipt != nil {
		t.Errorf("got %+v, want nsm-failed without a receipt", out.last)
	}
	b.sick.Store(false)
	b.done(t, p, newOrder(t, b).seal(t, b))
}
