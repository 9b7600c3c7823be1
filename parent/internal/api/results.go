package api

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"anchorhold/parent/internal/fleet"
	"anchorhold/parent/internal/spool"
	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
)

// Media types of what the enclave makes. None of them is text that a browser would show.
const (
	typeResult   = "application/vnd.anchorhold.result"
	typeCross    = "application/vnd.anchorhold.crosswalk"
	typeReceipt  = "application/vnd.anchorhold.receipt"
	typeDocument = "application/cose"
	typePolicy   = "application/cbor"

	maxNonce = 512 // SPEC 2.2: attest
)

func jobURL(id string) string { return "/v1/jobs/" + id }

// jobProblem is the answer for a job that has failed.
func jobProblem(j spool.Job) *Problem {
	p := problem(j.Code, "")
	// the same job posted again is run again, but only who posts it can decide that
	p.Job, p.retry = j.ID, 0
	return p
}

// own returns the job when it is the client's tenant's. Another tenant's job is not found: its
// existence is not told.
func (s *Server) own(r *http.Request) (spool.Job, *Problem) {
	job, err := s.opts.Spool.Get(r.PathValue("id"))
	if err != nil {
		return spool.Job{}, s.storageProblem(err)
	}
	if job.Tenant != tenantOf(r.Context()) {
		return spool.Job{}, problem(codeNotFound, "no such job")
	}
	return job, nil
}

// sealed serves one sealed stream of a job that is done, in ranges if asked.
func (s *Server) sealed(w http.ResponseWriter, r *http.Request, contentType string,
	open func(string) (spool.Body, error),
) {
	job, p := s.own(r)
	switch {
	case p != nil:
	case job.State == spool.Failed:
		p = jobProblem(job)
	case job.State != spool.Done:
		p = problem(codeNotDone, "the job has not ended")
	}
	if p != nil {
		p.write(w)
		return
	}
	f, err := open(job.ID)
	if err != nil {
		s.storageProblem(err).write(w)
		return
	}
	defer f.Close()
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("ETag", resultTag(job))
	resultHeaders(h, job)
	http.ServeContent(w, r, "", time.Time{}, f)
}

func (s *Server) result(w http.ResponseWriter, r *http.Request) {
	s.sealed(w, r, typeResult, s.opts.Spool.OpenResult)
}

func (s *Server) crosswalk(w http.ResponseWriter, r *http.Request) {
	s.sealed(w, r, typeCross, s.opts.Spool.OpenCrosswalk)
}

func resultHeaders(h http.Header, j spool.Job) {
	h.Set("Anchorhold-Job", j.ID)
	h.Set("Anchorhold-Receipt", jobURL(j.ID)+"/receipt")
	if j.HasCrosswalk() {
		h.Set("Anchorhold-Crosswalk", jobURL(j.ID)+"/crosswalk")
	}
}

// resultTag is the ETag of a job's sealed streams: once it is done they stay as they are, and no
// other job has its id.
func resultTag(j spool.Job) string { return `"` + j.ID + `"` }

// sendResult answers a POST with the whole result.
func (s *Server) sendResult(w http.ResponseWriter, j spool.Job) {
	f, err := s.opts.Spool.OpenResult(j.ID)
	if err != nil {
		s.storageProblem(err).write(w)
		return
	}
	defer f.Close()
	h := w.Header()
	h.Set("Content-Type", typeResult)
	h.Set("Content-Length", strconv.FormatInt(j.OutputBytes, 10))
	h.Set("Content-Location", jobURL(j.ID)+"/result")
	h.Set("ETag", resultTag(j))
	resultHeaders(h, j)
	w.WriteHeader(http.StatusOK)
	if _, err := copyPooled(w, f); err != nil {
		// Content-Length shows the client that bytes are missing; they can be fetched from
		// Location.
		s.opts.Log.Info("result not read to the end", "job", j.ID)
	}
}

// copyBuffers hold sealed bytes only. They would else be most of what a small job leaves to the
// collector.
var copyBuffers = sync.Pool{New: func() any { return new([256 << 10]byte) }}

// copyPooled copies in pieces that each end before the deadline set for one: not by methods of the
// two, which would copy all at once.
func copyPooled(w io.Writer, r io.Reader) (int64, error) {
	buf := copyBuffers.Get().(*[256 << 10]byte)
	defer copyBuffers.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, buf[:])
}

func (s *Server) receipt(w http.ResponseWriter, r *http.Request) {
	job, p := s.own(r)
	if p == nil && !job.Ended() {
		p = problem(codeNotDone, "the job has not ended")
	}
	if p != nil {
		p.write(w)
		return
	}
	b, err := s.opts.Spool.Receipt(job.ID)
	switch {
	case errors.Is(err, spool.ErrNotFound) && job.State == spool.Failed:
		problem(codeNotFound, "the job failed before its key was released, so no receipt was signed").write(w)
	case err != nil:
		s.storageProblem(err).write(w)
	default:
		w.Header().Set("Anchorhold-Job", job.ID)
		writeBytes(w, typeReceipt, b)
	}
}

// attestation answers with a fresh document over the client's nonce. The document speaks for
// itself; see appraise.
func (s *Server) attestation(w http.ResponseWriter, r *http.Request) {
	nonce, err := hex.DecodeString(r.URL.Query().Get("nonce"))
	if err != nil || len(nonce) < 1 || len(nonce) > maxNonce {
		problem(codeMalformedRequest, "nonce: want 1 to 512 bytes in hex").write(w)
		return
	}
	s.ask(w, r, func(image *digest.Digest) (func(), error) {
		document, name, err := s.opts.Fleet.Attest(r.Context(), image, nonce)
		return func() {
			w.Header().Set("Anchorhold-Enclave", name)
			writeBytes(w, typeDocument, document)
		}, err
	})
}

// policy answers with the compiled policy. Its digest is in every receipt and document, so it need
// not be believed.
func (s *Server) policy(w http.ResponseWriter, r *http.Request) {
	s.ask(w, r, func(image *digest.Digest) (func(), error) {
		b, sum, err := s.opts.Fleet.Policy(r.Context(), image)
		return func() {
			w.Header().Set("Anchorhold-Policy-Digest", sum.String())
			w.Header().Set("ETag", `"`+sum.String()+`"`)
			writeBytes(w, typePolicy, b)
		}, err
	})
}

// ask runs a short exchange with an enclave, of the image that the client names if any, and then
// what writes the answer.
func (s *Server) ask(w http.ResponseWriter, r *http.Request, f func(*digest.Digest) (func(), error)) {
	var image *digest.Digest
	if v := r.URL.Query().Get("image"); v != "" {
		d, err := digest.Parse(strings.ToLower(v))
		if err != nil {
			problem(codeMalformedRequest, "image: want PCR0, 96 hex digits").write(w)
			return
		}
		image = &d
	}
	// The tenant's own first: who waits for it holds no place that others could have.
	own := s.askers[tenantOf(r.Context())]
	for i, places := range []chan struct{}{own, s.asks} {
		select {
		case places <- struct{}{}:
		case <-r.Context().Done():
			if i > 0 {
				<-own
			}
			return
		}
	}
	answer, err := s.asking(own, f, image)
	var coded *code.Error
	switch {
	case err == nil:
		answer()
	case errors.As(err, &coded):
		problem(coded.Code, "").write(w)
	case errors.Is(err, fleet.ErrNoEnclave):
		problem(codeNotReady, "no enclave of that image answers").write(w)
	default:
		problem(spool.EnclaveLost, "the enclave did not answer").write(w)
	}
}

// asking gives the places back before anything is written: clients that do not read would keep all
// others from asking.
func (s *Server) asking(own chan struct{}, f func(*digest.Digest) (func(), error), image *digest.Digest) (func(), error) {
	defer func() { <-s.asks; <-own }()
	return f(image)
}

func writeBytes(w http.ResponseWriter, contentType string, b []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.Write(b) // the client may be gone
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // unreachable: our own types
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	w.Write(b) // the client may be gone
}
