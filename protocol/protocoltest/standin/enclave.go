package standin

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hf/nsm/request"

	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/jobfile"
	"anchorhold/protocol/policy"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/receipt"
	"anchorhold/protocol/result"
)

// outcome is what one job gave.
type outcome struct{ result, receipt, crosswalk []byte }

// job is a job file in pieces.
type job struct {
	header  *jobfile.Header
	digest  digest.Digest
	message *envelope.Header
	context *envelope.Job
	raw     []byte // the message
	key     []byte
}

// Process does one job as the mode wants it and returns sealed result and receipt file.
func (w *World) Process(file []byte) (sealed, receiptFile []byte, err error) {
	o, err := w.process(file)
	if err != nil {
		return nil, nil, err
	}
	return o.result, o.receipt, nil
}

func (w *World) process(file []byte) (*outcome, error) {
	mode := w.getMode()
	j, plain, err := w.openJob(file)
	if err != nil {
		return nil, err
	}
	kept, report := pipeline(j, plain, mode)
	binding := result.Binding{Header: j.digest, Nonce: j.header.Nonce, Policy: policy.Digest(w.Policy)}
	o := &outcome{}
	if o.result, err = seal(j.header.ReplyKey, binding, kept, report.encode()); err != nil {
		return nil, err
	}
	leaf := w.leaf(j, report)
	leaf.Output, leaf.OutputSize = digest.SumStream(o.result), uint64(len(o.result))
	if j.header.CrosswalkKey != nil {
		if o.crosswalk, err = sealCrosswalk(j.header.CrosswalkKey, binding); err != nil {
			return nil, err
		}
		sum := digest.SumStream(o.crosswalk)
		leaf.Crosswalk = &sum
	}
	nsm := w.nsm(mode)
	if o.receipt, err = w.sign(nsm, mode, leaf); err != nil {
		return nil, err
	}
	if mode == Forge {
		// Anyone can seal to a public key: only the receipt tells.
		if o.result, err = seal(j.header.ReplyKey, binding, kept, report.encode()); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// openJob decrypts a job file with the data key that KMS remembers.
func (w *World) openJob(file []byte) (*job, []byte, error) {
	r := bytes.NewReader(file)
	header, sum, err := jobfile.ReadHeader(r)
	if err != nil {
		return nil, nil, err
	}
	j := &job{header: header, digest: sum, raw: file[len(file)-r.Len():]}
	if j.message, err = envelope.ReadHeader(r, envelope.Limits{MaxKeys: 8, MaxFrameLength: 4 << 20}); err != nil {
		return nil, nil, err
	}
	if j.context, err = envelope.ParseContext(j.message.Context); err != nil {
		return nil, nil, err
	}
	if j.context.Image != w.Image.PCR0 {
		return nil, nil, code.New(code.ImageMismatch, nil)
	}
	if j.context.Reply != sha256.Sum256(header.ReplyKey) {
		return nil, nil, code.New(code.ReplyMismatch, nil)
	}
	if j.key, err = w.decrypt(j.message.Keys[0].Ciphertext); err != nil {
		return nil, nil, err
	}
	in, err := j.message.Open(j.key, r)
	if err != nil {
		return nil, nil, err
	}
	plain, err := io.ReadAll(in)
	if err != nil {
		return nil, nil, err
	}
	// An earlier crosswalk before the records is taken for what it says (SPEC 5.3).
	if uint64(len(plain)) < j.context.Earlier {
		return nil, nil, errors.New("earlier crosswalk is cut short")
	}
	return j, plain[j.context.Earlier:], nil
}

// report is that of SPEC 5.1.
type report struct {
	In       uint64                       `json:"records_in"`
	Out      uint64                       `json:"records_out"`
	Rejected uint64                       `json:"records_rejected"`
	Date     string                       `json:"reference_date"`
	ByType   map[string]map[string]uint64 `json:"by_type"`
	Rejects  []reject                     `json:"rejects"`
	Omitted  uint64                       `json:"rejects_omitted"`
}

type reject struct {
	Line int64       `json:"line"`
	Code code.Record `json:"code"`
}

func (r *report) encode() []byte {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err) // unreachable: plain types
	}
	return b
}

// pipeline keeps what has a resource type.
func pipeline(j *job, plain []byte, mode Mode) ([]byte, *report) {
	r := &report{Date: "2026-01-01", ByType: map[string]map[string]uint64{}, Rejects: []reject{}}
	if j.context.ContentType == envelope.ContentMessage {
		var resource struct{ Entry []json.RawMessage }
		if json.Unmarshal(plain, &resource) == nil {
			r.In = uint64(max(1, len(resource.Entry))) // no Bundle of a test is empty
			r.Out = r.In
			return plain, r
		}
		plain = []byte("no resource")
	}
	var kept []byte
	for i, line := range bytes.Split(plain, []byte("\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		r.In++
		var record struct {
			Type string `json:"resourceType"`
		}
		if err := json.Unmarshal(line, &record); err != nil || record.Type == "" {
			r.Rejected++
			r.Rejects = append(r.Rejects, reject{int64(i + 1), code.JSONMalformed})
			continue
		}
		r.Out++
		kept = append(append(kept, line...), '\n')
	}
	switch mode {
	case Miscount:
		r.Out++
	case Escape:
		r.Out++
		kept = append(kept, `{"resourceType":"../../escaped"}`+"\n"...)
	}
	return kept, r
}

func seal(key []byte, b result.Binding, records, report []byte) ([]byte, error) {
	var out bytes.Buffer
	s, err := result.NewSealer(&out, result.Result, key, b)
	if err != nil {
		return nil, err
	}
	if len(records) > 0 {
		err = s.Records(records)
	}
	if err := errors.Join(err, s.Report(report), s.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func sealCrosswalk(key []byte, b result.Binding) ([]byte, error) {
	var out bytes.Buffer
	s, err := result.NewSealer(&out, result.Crosswalk, key, b)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.CrosswalkEntries([]byte(`{"kind":"id","scope":"Patient","original":"a","surrogate":"`+strings.Repeat("b", 32)+`"}`+"\n")), s.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// leaf says of the job what the enclave saw of it.
func (w *World) leaf(j *job, r *report) *receipt.Leaf {
	now := time.Now().Truncate(time.Millisecond) // as the NSM counts
	l := &receipt.Leaf{
		Image: w.Image.PCR0, Tenant: j.context.Tenant, Pipeline: j.context.Pipeline, Key: j.message.Keys[0].Info,
		KMSRequests: []string{"00000000-0000-4000-8000-00000000000a"}, MessageID: j.message.MessageID, Nonce: j.header.Nonce,
		Header: j.digest, Input: digest.SumStream(j.raw), InputSize: uint64(len(j.raw)), Policy: policy.Digest(w.Policy), Reply: j.context.Reply,
		Parameters: j.context.Parameters, ReferenceDate: j.context.ReferenceDate,
		RecordsIn: receipt.Bucket(r.In), RecordsOut: receipt.Bucket(r.Out), RecordsRejected: receipt.Bucket(r.Rejected),
		Started: now.Add(-time.Millisecond), Finished: now,
	}
	return l
}

// sign puts the leaf, or a failure in its place, into a batch of its own.
func (w *World) sign(nsm *softnsm.NSM, mode Mode, leaf *receipt.Leaf) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	leaf.Sequence = w.next
	encoded, err := leaf.Encode()
	if mode == Fail {
		f := receipt.Failure{
			Sequence: w.next, Code: code.AuthenticationFailed, Header: leaf.Header, KMSRequests: leaf.KMSRequests, Finished: leaf.Finished,
		}
		encoded, err = f.Encode()
	}
	if err != nil {
		return nil, err
	}
	hashes := []digest.Digest{receipt.LeafHash(encoded)}
	user := receipt.UserData{
		Purpose: receipt.PurposeReceipts, Boot: w.boot, Policy: policy.Digest(w.Policy),
		Batch: &receipt.Batch{Number: w.next, First: w.next, Size: 1, Root: receipt.Root(hashes), Previous: w.head},
	}
	data, err := user.Encode()
	if err != nil {
		return nil, err
	}
	document, err := attest(nsm, data, nil)
	if err != nil {
		return nil, err
	}
	w.log = append(w.log, logged{hex.EncodeToString(w.boot[:]), w.next, document, hashes})
	w.head, w.next = receipt.Head(data), w.next+1
	file := receipt.File{Leaf: encoded, Index: 0, Path: receipt.Path(hashes, 0), Document: document}
	return file.Encode()
}

// logged is a batch as a parent's log shows it.
type logged struct {
	Boot     string          `json:"boot"`
	Number   uint64          `json:"number"`
	Document []byte          `json:"document"`
	Leaves   []digest.Digest `json:"leaves"`
}

// Log returns what a parent answers to GET /v1/log: all batches from one on.
func (w *World) Log(from int) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return json.Marshal(map[string]any{"batches": w.log[from:], "next": len(w.log)})
}

// Challenge returns a document that answers a nonce.
func (w *World) Challenge(nonce []byte) ([]byte, error) {
	user := receipt.UserData{Purpose: receipt.PurposeChallenge, Boot: w.boot, Policy: policy.Digest(w.Policy)}
	data, err := user.Encode()
	if err != nil {
		return nil, err
	}
	return attest(w.nsm(w.getMode()), data, nonce)
}

func attest(nsm *softnsm.NSM, userData, nonce []byte) ([]byte, error) {
	res, err := nsm.Send(&request.Attestation{UserData: userData, Nonce: nonce})
	if err != nil {
		return nil, err
	}
	if res.Attestation == nil {
		return nil, fmt.Errorf("nsm: %s", res.Error)
	}
	return res.Attestation.Document, nil
}
