package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"anchorhold/parent/internal/spool"
	"anchorhold/protocol/code"
)

const (
	apiVersion   = "1"
	defaultBatch = 64
	maxBatch     = 256 // of at most 32 KiB each
	maxPage      = 500 // jobs in a list, of about 600 bytes each
)

// JobStatus is what a client may know of its job.
type JobStatus struct {
	Job            string     `json:"job" doc:"Job id"`
	Status         string     `json:"status" enum:"queued,running,done,failed"`
	Code           code.Code  `json:"code,omitempty" doc:"Why it failed"`
	Pipeline       string     `json:"pipeline"`
	Image          string     `json:"image" doc:"PCR0 that the job asks for, hex"`
	Header         string     `json:"header" doc:"SHA-384 of the job file's header, hex, as in the receipt"`
	Attempts       int        `json:"attempts" doc:"How often it was sent to an enclave"`
	Accepted       time.Time  `json:"accepted"`
	Started        *time.Time `json:"started,omitempty"`
	Finished       *time.Time `json:"finished,omitempty"`
	Expires        *time.Time `json:"expires,omitempty" doc:"When result and receipt are forgotten"`
	InputBytes     int64      `json:"input_bytes"`
	OutputBytes    int64      `json:"output_bytes,omitempty"`
	CrosswalkBytes int64      `json:"crosswalk_bytes,omitempty"`
	Result         string     `json:"result,omitempty" doc:"URL of the sealed result"`
	Crosswalk      string     `json:"crosswalk,omitempty" doc:"URL of the sealed crosswalk"`
	Receipt        string     `json:"receipt,omitempty" doc:"URL of the receipt, or of the failure leaf's"`
}

func statusOfJob(j spool.Job) JobStatus {
	s := JobStatus{
		Job: j.ID, Status: string(j.State), Code: j.Code, Pipeline: j.Pipeline, Image: j.Image.String(), Header: j.Header.String(), Attempts: j.Attempts,
		Accepted: j.Accepted, Started: optional(j.Started), Finished: optional(j.Finished), Expires: optional(j.Expires),
		InputBytes: j.InputBytes, OutputBytes: j.OutputBytes, CrosswalkBytes: j.CrosswalkBytes,
	}
	if j.State == spool.Done {
		s.Result = jobURL(j.ID) + "/result"
	}
	if j.HasCrosswalk() {
		s.Crosswalk = jobURL(j.ID) + "/crosswalk"
	}
	if j.ReceiptBytes > 0 {
		s.Receipt = jobURL(j.ID) + "/receipt"
	}
	return s
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

type jobInput struct {
	ID string `path:"id" maxLength:"64"`
}

type jobOutput struct {
	Body JobStatus
}

type jobsInput struct {
	Cursor string `query:"cursor" maxLength:"128" doc:"Value of next in an earlier answer to the same tenant; absent: the start"`
	Limit  int    `query:"limit" default:"500" minimum:"1" maximum:"500" doc:"Most jobs in the answer"`
}

type jobsOutput struct {
	Body struct {
		Jobs []JobStatus `json:"jobs" doc:"Jobs of the tenant that wait or run, oldest first"`
		Next string      `json:"next,omitempty" doc:"Cursor of the next page; absent on the last"`
	}
}

type logInput struct {
	From  uint64 `query:"from" doc:"Sequence of the first batch wanted"`
	Limit int    `query:"limit" default:"64" minimum:"1" maximum:"256"`
}

type logOutput struct {
	Body struct {
		Batches []spool.Batch `json:"batches" doc:"Signed batches of receipts; check each document and the chain, not this list"`
		Next    uint64        `json:"next" doc:"The value of from that goes on"`
	}
}

type healthOutput struct {
	Body struct {
		Status string `json:"status" enum:"ok,ready"`
	}
}

// operations registers the JSON endpoints, describes the others beside them, and returns the
// handler of the former.
func (s *Server) operations() (http.Handler, *huma.OpenAPI) {
	mux := http.NewServeMux()
	config := huma.DefaultConfig("Anchorhold parent", apiVersion)
	// No page that loads scripts from elsewhere, no schema links in answers.
	config.OpenAPIPath, config.DocsPath, config.SchemasPath, config.CreateHooks = "", "", "", nil
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"tenant": {Type: "http", Scheme: "bearer"}}
	api := humago.New(mux, config)
	huma.Register(api, operation("get-job", http.MethodGet, "/v1/jobs/{id}", "State of a job"), s.getJob)
	list := operation("list-jobs", http.MethodGet, "/v1/jobs", "The tenant's jobs that have not ended, in pages")
	list.Errors = []int{http.StatusBadRequest, http.StatusUnauthorized}
	huma.Register(api, list, s.listJobs)
	huma.Register(api, operation("get-log", http.MethodGet, "/v1/log", "Signed receipt batches of all enclaves"), s.getLog)
	huma.Register(api, public("healthz", "/healthz", "The process runs"), s.healthz)
	huma.Register(api, public("readyz", "/readyz", "Jobs are taken and an enclave answers"), s.readyz)
	describeRaw(api.OpenAPI())
	return mux, api.OpenAPI()
}

func operation(id, method, path, summary string) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary,
		Security: []map[string][]string{{"tenant": {}}}, Errors: []int{http.StatusUnauthorized, http.StatusNotFound},
	}
}

func public(id, path, summary string) huma.Operation {
	return huma.Operation{OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Errors: []int{http.StatusServiceUnavailable}}
}

func (s *Server) getJob(ctx context.Context, in *jobInput) (*jobOutput, error) {
	job, err := s.opts.Spool.Get(in.ID)
	if err != nil {
		return nil, s.storageProblem(err)
	}
	if job.Tenant != tenantOf(ctx) {
		return nil, problem(codeNotFound, "no such job")
	}
	return &jobOutput{statusOfJob(job)}, nil
}

// listJobs reads one page of the tenant's index: what it costs does not depend on other tenants'
// jobs.
func (s *Server) listJobs(ctx context.Context, in *jobsInput) (*jobsOutput, error) {
	tenant := tenantOf(ctx)
	after, err := s.cursors.decode(tenant, in.Cursor)
	if err != nil {
		return nil, problem(codeMalformedRequest, "cursor: want the next of an earlier answer to the same tenant")
	}
	page, err := s.opts.Spool.List(tenant, after, min(max(in.Limit, 1), maxPage))
	if err != nil {
		return nil, s.storageProblem(err)
	}
	out := &jobsOutput{}
	out.Body.Jobs = []JobStatus{}
	for _, j := range page.Jobs {
		out.Body.Jobs = append(out.Body.Jobs, statusOfJob(j))
	}
	if page.More {
		out.Body.Next = s.cursors.encode(tenant, page.Next)
	}
	return out, nil
}

func (s *Server) getLog(_ context.Context, in *logInput) (*logOutput, error) {
	batches, err := s.opts.Spool.Batches(in.From, min(max(in.Limit, 1), maxBatch))
	if err != nil {
		return nil, s.storageProblem(err)
	}
	out := &logOutput{}
	out.Body.Batches, out.Body.Next = batches, in.From
	if n := len(batches); n > 0 {
		out.Body.Next = batches[n-1].Sequence + 1
	}
	return out, nil
}

func (s *Server) healthz(context.Context, *struct{}) (*healthOutput, error) {
	out := &healthOutput{}
	out.Body.Status = "ok"
	return out, nil
}

func (s *Server) readyz(context.Context, *struct{}) (*healthOutput, error) {
	if s.isDraining() {
		return nil, problem(codeDraining, "the parent is about to stop")
	}
	if !s.opts.Fleet.Ready() {
		return nil, problem(codeNotReady, "no enclave answers")
	}
	out := &healthOutput{}
	out.Body.Status = "ready"
	return out, nil
}
