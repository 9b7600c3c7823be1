package job_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"testing"
	"time"

	"anchorhold/protocol/audit"
	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/frame"
	"anchorhold/protocol/jobfile"
	"anchorhold/protocol/message"
	"anchorhold/protocol/receipt"
	"anchorhold/protocol/result"
)

// order is a job as its owner makes it; tests change its parts before they seal it, or the sealed
// parts after.
type order struct {
	claims  envelope.Job
	extra   map[string]string // further entries of the context
	arn     string
	more    []envelope.EncryptedKey // before the one that fits
	file    jobfile.Header
	records []byte
	frame   uint32
	values  []byte // plaintext of a parameters message, or nil

	reply     *result.PrivateKey
	parameter envelope.Job // claims of the parameters message; set by sealParameters
	message   []byte       // set by seal
	header    []byte       // set by seal: the job file's
}

const patient = `{"resourceType":"Patient","id":"p1","gender":"female","birthDate":"1980-05-17","name":[{"family":"MARKERNAME"}]}` + "\n"

func newOrder(t testing.TB, b *bench) *order {
	t.Helper()
	reply, err := result.GenerateKey()
	check(t, err)
	o := &order{
		claims: envelope.Job{
			Image: b.image.PCR0, Tenant: "clinic", Pipeline: "deid", ContentType: envelope.ContentRecords,
			Reply:    sha256.Sum256(reply.PublicKey()),
			NotAfter: time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1), ReferenceDate: "2026-06-30",
		},
		extra: map[string]string{}, arn: keyA, reply: reply, frame: 4096,
		file:    jobfile.Header{ReplyKey: reply.PublicKey(), SealedAt: uint64(time.Now().UnixMilli())},
		records: []byte(patient),
	}
	rand.Read(o.file.Nonce[:])
	return o
}

// seal makes message and header.
func (o *order) seal(t testing.TB, b *bench) *order {
	t.Helper()
	if o.values != nil {
		o.sealParameters(t, b)
	}
	o.message = sealMessage(t, b, o, o.claims, o.extra, o.records)
	var err error
	o.header, err = o.file.Encode()
	check(t, err)
	return o
}

func (o *order) sealParameters(t testing.TB, b *bench) {
	t.Helper()
	if o.parameter.Tenant == "" {
		o.parameter = o.claims
		o.parameter.ContentType, o.parameter.Parameters, o.parameter.Crosswalk, o.parameter.Earlier = envelope.ContentParameters, nil, nil, 0
	}
	o.file.Parameters = sealMessage(t, b, o, o.parameter, nil, o.values)
	hash := sha256.Sum256(o.file.Parameters)
	o.claims.Parameters = &hash
}

func sealMessage(t testing.TB, b *bench, o *order, claims envelope.Job, extra map[string]string, plaintext []byte) []byte {
	t.Helper()
	c := claims.Context()
	for k, v := range extra {
		c[k] = v
	}
	key, blob := b.keys.seal(o.arn, c)
	var sealed bytes.Buffer
	w, err := envelope.NewWriter(&sealed, envelope.Params{
		Context: c, DataKey: key[:], FrameLength: o.frame,
		Keys: append(o.more, envelope.EncryptedKey{Provider: "aws-kms", Info: o.arn, Ciphertext: blob}),
	})
	check(t, err)
	_, err = w.Write(plaintext)
	check(t, err)
	check(t, w.Close())
	return sealed.Bytes()
}

func (o *order) job() []byte { return append(bytes.Clone(o.header), o.message...) }

// peer is the parent's end of a connection.
type peer struct {
	conn     *message.Conn
	recorder *recorder
}

// outcome is what the parent got for a job.
type outcome struct {
	result    []byte
	crosswalk []byte
	last      message.Message
}

// run sends a job file and reads until it is answered.
func (p *peer) run(t testing.TB, file []byte) outcome {
	t.Helper()
	sent := make(chan error, 1)
	go func() {
		err := p.conn.Send(message.Job{})
		if err == nil {
			err = p.conn.SendData(frame.Data, file)
		}
		if err == nil {
			err = p.conn.Send(message.End{})
		}
		sent <- err
	}()
	o := p.receive(t)
	if err := <-sent; err != nil {
		t.Logf("sending ended: %v", err)
	}
	return o
}

func (p *peer) receive(t testing.TB) outcome {
	t.Helper()
	var o outcome
	for {
		m, kind, body, err := p.conn.Receive()
		switch {
		case err != nil:
			t.Logf("receiving ended: %v", err)
			return o
		case m != nil:
			o.last = m
			return o
		case kind == frame.Result:
			o.result = append(o.result, body...)
		case kind == frame.Crosswalk:
			o.crosswalk = append(o.crosswalk, body...)
		default:
			t.Fatalf("got a frame of kind %v", kind)
		}
	}
}

// code is the code of a failure, "done", or "" when the connection ended.
func (o outcome) code() code.Code {
	switch m := o.last.(type) {
	case message.Failed:
		return m.Code
	case message.Done:
		return "done"
	default:
		return ""
	}
}

// open opens a result as the owner does after the receipt's check.
func (o *order) open(t testing.TB, b *bench, sealed []byte) (records, report []byte, err error) {
	t.Helper()
	return o.openStream(b, sealed, result.Result, o.reply)
}

// openStream returns the segments of a stream: reports apart from the others.
func (o *order) openStream(b *bench, sealed []byte, s result.Stream, key *result.PrivateKey) (records, report []byte, err error) {
	opener, err := result.NewOpener(bytes.NewReader(sealed), s, key, result.Binding{
		Header: digest.Sum(o.header), Nonce: o.file.Nonce, Policy: b.policy.Digest(),
	})
	if err != nil {
		return nil, nil, err
	}
	for {
		kind, p, err := opener.Next()
		if err == io.EOF {
			return records, report, nil
		}
		if err != nil {
			return records, report, err
		}
		if kind == result.Report {
			report = append(report, p...)
		} else {
			records = append(records, p...)
		}
	}
}

// verify checks that the enclave's NSM signed a receipt file.
func (b *bench) verify(t testing.TB, file []byte) *audit.Verified {
	t.Helper()
	f, err := receipt.ParseFile(file)
	check(t, err)
	v, err := audit.Verify(f, b.ca.Roots(), time.Now())
	check(t, err)
	return v
}

// done runs a job that must succeed, and returns its records.
func (b *bench) done(t testing.TB, p *peer, o *order) (records, report []byte, leaf *receipt.Leaf) {
	t.Helper()
	out := p.run(t, o.job())
	m, ok := out.last.(message.Done)
	if !ok {
		t.Fatalf("got %q, want done", out.code())
	}
	v := b.verify(t, m.Receipt)
	if v.Leaf == nil || v.Leaf.Output != digest.SumStream(out.result) {
		t.Fatalf("the receipt does not cover the result: %+v", v.Leaf)
	}
	records, report, err := o.open(t, b, out.result)
	check(t, err)
	return records, report, v.Leaf
}
