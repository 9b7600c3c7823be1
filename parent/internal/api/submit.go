package api

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"anchorhold/parent/internal/fleet"
	"anchorhold/parent/internal/spool"
	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/jobfile"
)

// lingerTime and lingerBytes bound what is still read of a refused upload.
const (
	lingerTime  = 10 * time.Second
	lingerBytes = 256 << 20
)

// headerLimits bounds what is buffered of a header; the enclave's policy is stricter, and the
// parent need not know it.
var headerLimits = envelope.Limits{MaxKeys: 1024, MaxFrameLength: math.MaxUint32}

// submit takes a job file, stores it, and answers with the sealed result once there is one.
func (s *Server) submit(w http.ResponseWriter, r *http.Request) {
	prefer, err := parsePrefer(r.Header.Values("Prefer"), s.opts.Wait)
	if err != nil {
		problem(codeMalformedRequest, "Prefer: want respond-async or wait=SECONDS").write(w)
		return
	}
	job, p := s.accept(w, r)
	if p != nil {
		refuseUpload(w, r, p)
		return
	}
	w.Header().Set("Anchorhold-Job", job.ID)
	w.Header().Set("Location", jobURL(job.ID))
	if !prefer.async && !job.Ended() {
		ctx, cancel := s.withDrain(r, prefer.wait)
		job, err = s.opts.Spool.Wait(ctx, job.ID)
		cancel()
		if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			s.storageProblem(err).write(w)
			return
		}
	}
	switch {
	case job.State == spool.Done && !prefer.async:
		s.sendResult(w, job)
	case job.State == spool.Failed:
		jobProblem(job).write(w)
	default:
		if prefer.async {
			w.Header().Set("Preference-Applied", "respond-async")
		}
		w.Header().Set("Retry-After", "1")
		writeJSON(w, http.StatusAccepted, statusOfJob(job))
	}
}

// refuseUpload answers while the body may still be on its way, then reads on for a while: closing
// at once would reset the connection, and the client would see the reset instead of the reason.
func refuseUpload(w http.ResponseWriter, r *http.Request, p *Problem) {
	control := http.NewResponseController(w)
	// or the server reads before it answers; test recorders need none
	_ = control.EnableFullDuplex()
	w.Header().Set("Connection", "close")
	p.write(w)
	_ = control.Flush()
	if p.Code == code.Truncated {
		return // the client has stopped sending
	}
	_ = control.SetReadDeadline(time.Now().Add(lingerTime))
	_, _ = io.CopyN(io.Discard, r.Body, lingerBytes)
}

// accept returns the job once it is durable.
func (s *Server) accept(w http.ResponseWriter, r *http.Request) (spool.Job, *Problem) {
	tenant := tenantOf(r.Context())
	if s.isDraining() {
		return spool.Job{}, problem(codeDraining, "the parent is about to stop")
	}
	if r.ContentLength > s.opts.JobBytes {
		return spool.Job{}, s.tooLarge()
	}
	if !s.uploads.take(tenant) {
		return spool.Job{}, problem(code.Busy, "too many uploads at once")
	}
	defer s.uploads.give(tenant)
	up, err := s.opts.Spool.NewUpload(tenant, r.ContentLength)
	if err != nil {
		return spool.Job{}, s.storageProblem(err)
	}
	defer up.Abort()
	in := &intake{
		server: s, tenant: tenant, ctx: r.Context(), upload: up, body: http.MaxBytesReader(w, r.Body, s.opts.JobBytes),
		control: http.NewResponseController(w),
	}
	meta, err := in.read()
	// The server goes on reading to notice when the client leaves; a deadline would look like that.
	_ = in.control.SetReadDeadline(time.Time{})
	if err != nil {
		return spool.Job{}, in.problem(err)
	}
	job, created, err := up.Commit(meta)
	if err != nil {
		return spool.Job{}, s.storageProblem(err)
	}
	if created {
		s.opts.Metrics.JobsAccepted.WithLabelValues(tenant).Inc()
		s.opts.Metrics.JobBytes.WithLabelValues("in").Observe(float64(job.InputBytes))
		s.opts.Log.Info("job accepted", "job", job.ID, "tenant", tenant, "bytes", job.InputBytes)
		s.opts.Fleet.Submit(job)
	}
	return job, nil
}

func (s *Server) tooLarge() *Problem {
	return problem(code.TooLarge, "want a job file of at most "+strconv.FormatInt(s.opts.JobBytes, 10)+" bytes")
}

// storageProblem says why the spool did not do it. The text of err stays here: it has paths.
func (s *Server) storageProblem(err error) *Problem {
	switch {
	case errors.Is(err, spool.ErrTooMany):
		return problem(codeQueueFull, "too many of this tenant's jobs wait")
	case errors.Is(err, spool.ErrFull):
		s.opts.Metrics.SpoolFull.Inc()
		s.opts.Log.Error("spool is full", "code", spool.SpoolFull)
		return problem(spool.SpoolFull, "no room for the job and its result")
	case errors.Is(err, spool.ErrNotFound):
		return problem(codeNotFound, "no such job")
	case errors.Is(err, spool.ErrAudit):
		s.opts.Metrics.AuditFailures.Inc()
	}
	s.opts.Log.Error("spool failed", "code", codeSpoolFailed)
	return problem(codeSpoolFailed, "")
}

// intake reads one job file: headers to schedule by, the rest into the spool unseen.
type intake struct {
	server  *Server
	tenant  string
	ctx     context.Context
	upload  *spool.Upload
	body    io.Reader
	control *http.ResponseController

	bodyErr   error // first error of the client's side, io.EOF excepted
	uploadErr error // first error of the spool
}

// Read reads from the client, with a deadline for each piece.
func (in *intake) Read(p []byte) (int, error) {
	// not supported by test recorders only
	_ = in.control.SetReadDeadline(time.Now().Add(in.server.opts.IdleTime))
	n, err := in.body.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		in.bodyErr = err
	}
	return n, err
}

// Write writes to the spool.
func (in *intake) Write(p []byte) (int, error) {
	n, err := in.upload.Write(p)
	if err != nil {
		in.uploadErr = err
	}
	return n, err
}

func (in *intake) read() (spool.Meta, error) {
	all := io.TeeReader(struct{ io.Reader }{in}, struct{ io.Writer }{in})
	_, header, err := jobfile.ReadHeader(all)
	if err != nil {
		return spool.Meta{}, code.New(code.JobMalformed, err)
	}
	sum := digest.NewStream()
	message := io.TeeReader(all, sum)
	env, err := envelope.ReadHeader(message, headerLimits)
	if err != nil {
		return spool.Meta{}, code.New(envelopeCode(err), err)
	}
	said, err := envelope.ParseContext(env.Context)
	if err != nil {
		return spool.Meta{}, code.New(code.ContextInvalid, err)
	}
	// Before the rest is read: a job that cannot run need not travel.
	if said.Tenant != in.tenant {
		return spool.Meta{}, code.New(code.TenantUnknown, nil)
	}
	if in.server.opts.Fleet.Ask(in.ctx, said.Image) == fleet.No {
		return spool.Meta{}, code.New(code.ImageMismatch, nil)
	}
	if _, err := copyPooled(io.Discard, message); err != nil {
		return spool.Meta{}, err
	}
	m := spool.Meta{Tenant: said.Tenant, Pipeline: said.Pipeline, Image: said.Image, MessageID: env.MessageID, Header: header}
	sum.Sum(m.Input[:0])
	return m, nil
}

// problem finds out on whose side it failed: a parser calls every read that fails malformed.
func (in *intake) problem(err error) *Problem {
	var large *http.MaxBytesError
	switch {
	case in.uploadErr != nil:
		return in.server.storageProblem(in.uploadErr)
	case errors.As(in.bodyErr, &large):
		return in.server.tooLarge()
	case in.bodyErr != nil:
		return problem(code.Truncated, "the request ended before the job file did")
	}
	return problem(code.Of(err), "")
}

func envelopeCode(err error) code.Code {
	switch {
	case errors.Is(err, envelope.ErrSuite):
		return code.SuiteUnsupported
	case errors.Is(err, envelope.ErrFrameLength):
		return code.FrameTooLong
	case errors.Is(err, envelope.ErrTooManyKeys):
		return code.TooManyKeys
	case errors.Is(err, envelope.ErrTruncated):
		return code.Truncated
	}
	return code.EnvelopeMalformed
}

// prefer is what RFC 7240 lets a client ask for.
type prefer struct {
	async bool
	wait  time.Duration
}

var errPrefer = errors.New("malformed prefer header")

// parsePrefer reads respond-async and wait; other preferences are ignored, as RFC 7240, 2 wants.
func parsePrefer(headers []string, limit time.Duration) (prefer, error) {
	p := prefer{wait: limit}
	for _, h := range headers {
		for item := range strings.SplitSeq(h, ",") {
			name, value, _ := strings.Cut(item, "=")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "respond-async":
				p.async = true
			case "wait":
				n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31)
				if err != nil {
					return prefer{}, errPrefer
				}
				p.wait = min(limit, time.Duration(n)*time.Second)
			}
		}
	}
	return p, nil
}
