package anonymizer

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"hash"
	"time"

	"anchorhold/enclave/deid/stream"
	"anchorhold/enclave/fhirpath"
	"anchorhold/enclave/steps"
	"anchorhold/protocol/code"
)

// Names of the values in a parameters message (SPEC 8.1).
const (
	DateShiftKey    = "date-shift-key"
	DateShiftPrefix = "date-shift-prefix"
	CryptoHashKey   = "crypto-hash-key"
	EncryptKey      = "encrypt-key"
)

// worker anonymizes the records of one job. It belongs to one goroutine.
type worker struct {
	engine   *Engine
	day      time.Time // that ages are counted to
	shift    string    // prefix and key of dateShift; the prefix is empty for scope resource
	scoped   bool
	hash     hash.Hash    // HMAC with the key of cryptoHash
	block    cipher.Block // of encrypt
	ivKey    [32]byte
	noiseKey [32]byte
	trace    func(stream.Touch) // nil but for a person at a desk

	// What is worked out once for all records.
	rules  map[*fhirpath.Type][]*rule
	places map[*fhirpath.Type]int
	labels map[ops]*fhirpath.Node   // meta with the labels of what was done
	values map[place]*fhirpath.Node // replacements
	found  index

	reader  *fhirpath.Reader // its tree is that of the record at hand
	steps   *steps.Budget    // of that record
	scratch []byte
}

// NewWorker takes the keys that the rules use from the parameters. One that is lacking or empty is
// ParametersMissing.
func (e *Engine) NewWorker(j *stream.Job) (stream.Worker, error) {
	w, err := e.newWorker(j)
	if err != nil {
		return nil, err
	}
	return w, nil
}

func (e *Engine) newWorker(j *stream.Job) (*worker, error) {
	w := &worker{
		engine: e, day: j.ReferenceDate, found: make(index, len(e.types)+len(e.names)), reader: fhirpath.NewReader(j.MaxNesting), steps: steps.New(j.Done),
		rules: map[*fhirpath.Type][]*rule{}, places: map[*fhirpath.Type]int{}, labels: map[ops]*fhirpath.Node{}, values: map[place]*fhirpath.Node{},
	}
	for _, name := range e.Needs() {
		if len(j.Values[name]) == 0 {
			return nil, code.New(code.ParametersMissing, errors.New(name+" is missing"))
		}
	}
	w.scoped = e.settings.scope != "resource"
	w.shift = string(j.Values[DateShiftKey])
	if w.scoped {
		w.shift = string(j.Values[DateShiftPrefix]) + w.shift
	}
	if e.uses(cryptoHash) {
		w.hash = hmac.New(sha256.New, j.Values[CryptoHashKey])
	}
	if e.uses(encrypt) {
		var err error
		if w.block, err = aes.NewCipher(j.Values[EncryptKey]); err != nil {
			return nil, code.New(code.ParametersMalformed, err)
		}
	}
	w.ivKey = j.Secret("anchorhold/v1 encrypt iv")
	w.noiseKey = j.Secret("anchorhold/v1 perturb noise")
	return w, nil
}

// Needs returns the names of the values that a job's parameters must have.
func (e *Engine) Needs() []string {
	var names []string
	if e.uses(dateShift) && e.settings.fixedOffset == nil {
		names = append(names, DateShiftKey)
		if e.settings.scope != "resource" {
			names = append(names, DateShiftPrefix)
		}
	}
	if e.uses(cryptoHash) {
		names = append(names, CryptoHashKey)
	}
	if e.uses(encrypt) {
		names = append(names, EncryptKey)
	}
	return names
}

// Scope returns what dateShift's offsets are shared by: resource, file or folder.
func (e *Engine) Scope() string { return e.settings.scope }

// Forget zeroes the keys. Copies that HMAC and AES have made, and the string of dateShift, stay
// until they are collected.
func (w *worker) Forget() {
	clear(w.ivKey[:])
	clear(w.noiseKey[:])
	w.shift, w.hash, w.block, w.found, w.reader, w.scratch = "", nil, nil, nil, nil, nil
}

// Resource anonymizes one record.
func (w *worker) Resource(dst, b []byte, s *stream.Sink) ([]byte, stream.Verdict) {
	defer w.release()
	root, err := w.reader.Read(b)
	switch {
	case errors.Is(err, fhirpath.ErrTooDeep):
		return dst, stream.Verdict{Type: -1, Code: code.JSONTooDeep}
	case err != nil:
		w.tellFault()
		return dst, stream.Verdict{Type: -1, Code: code.ResourceMalformed}
	}
	kind := w.engine.kinds[root.Type().Name()]
	if err := tidy(root); err != nil {
		w.tellWhy(err)
		return dst, stream.Verdict{Type: kind, Code: code.ResourceMalformed}
	}
	mark := s.Mark()
	nodes := count(root)
	w.steps.Start(w.engine.stepBudget(nodes))
	r := record{worker: w, sink: s, root: root, bytes: b, room: startText + textPerNode*nodes}
	out := writer{b: dst}
	if w.trace != nil {
		r.told = &trace{rules: map[*fhirpath.Node]int{}}
		r.told.begin(root)
		out.at = map[*fhirpath.Node]stream.Span{}
	}
	v := stream.Verdict{Type: kind}
	_, err = r.resource(root)
	v.Steps = w.steps.Used()
	switch {
	case err == nil:
		prune(root)
		out.object(root)
	case isCostly(err): // before all that a rule may have made of it
		v.Code = code.RecordTooCostly
	case errors.Is(err, errMalformed):
		v.Code = code.ResourceMalformed
	case w.engine.settings.skip && isCase(err):
		s.Rollback(mark)
		out.b = appendEmpty(dst, root.Type().Name())
	default:
		v.Code, v.Stop = code.ProcessingFailed, true
	}
	if w.trace != nil {
		r.told.end(w.trace, out.at, len(dst))
		w.tellWhy(err)
	}
	return out.b, v
}
