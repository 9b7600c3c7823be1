package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"anchorhold/parent/internal/spool"
	"anchorhold/protocol/code"
)

// Codes of answers that concern the request and not a job. OPERATING.md lists them beside those of
// SPEC 9.
const (
	codeUnauthorized       code.Code = "unauthorized"
	codeNotFound           code.Code = "not-found"
	codeMethodNotAllowed   code.Code = "method-not-allowed"
	codeMalformedRequest   code.Code = "malformed-request"
	codeQueueFull          code.Code = "queue-full"
	codeNotDone            code.Code = "not-done"
	codeNotReady           code.Code = "not-ready"
	codeDraining           code.Code = "draining"
	codeSpoolFailed        code.Code = "spool-failed"
	codeTooManyConnections code.Code = "too-many-connections"
)

// Problem is an RFC 9457 answer. It holds fixed texts only: nothing that a client or an enclave
// sent comes back in it.
type Problem struct {
	Type   string    `json:"type" doc:"urn:anchorhold:code: and the code"`
	Title  string    `json:"title" doc:"What the HTTP status means"`
	Status int       `json:"status" doc:"HTTP status"`
	Detail string    `json:"detail,omitempty" doc:"What was expected"`
	Code   code.Code `json:"code" doc:"Fixed code; see OPERATING.md"`
	Job    string    `json:"job,omitempty" doc:"Job that it concerns"`
	retry  int       // seconds for Retry-After; 0: none
}

var (
	_ huma.StatusError  = (*Problem)(nil)
	_ huma.HeadersError = (*Problem)(nil)
)

// Error implements error.
func (p *Problem) Error() string { return string(p.Code) }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retry))
	}
	return h
}

// problem returns the answer for a code.
func problem(c code.Code, detail string) *Problem {
	status := statusOf(c)
	return &Problem{
		Type: "urn:anchorhold:code:" + string(c), Title: http.StatusText(status), Status: status, Detail: detail, Code: c,
		retry: retryAfter[c],
	}
}

func (p *Problem) write(w http.ResponseWriter) {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // unreachable: strings and numbers
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	if p.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retry))
	}
	w.WriteHeader(p.Status)
	w.Write(b) // the client may be gone
}

// retryAfter has the codes after which the same request may succeed without anybody's doing.
var retryAfter = map[code.Code]int{codeQueueFull: 5, codeTooManyConnections: 2, codeNotDone: 1, codeNotReady: 2, codeDraining: 5, code.Busy: 2}

var statuses = map[code.Code]int{
	codeUnauthorized: http.StatusUnauthorized, codeNotFound: http.StatusNotFound,
	codeMethodNotAllowed: http.StatusMethodNotAllowed, codeMalformedRequest: http.StatusBadRequest,
	codeTooManyConnections: http.StatusTooManyRequests,
	codeQueueFull:          http.StatusTooManyRequests, codeNotDone: http.StatusConflict, codeNotReady: http.StatusServiceUnavailable,
	codeDraining: http.StatusServiceUnavailable, codeSpoolFailed: http.StatusInternalServerError,
	spool.SpoolFull: http.StatusInsufficientStorage, spool.EnclaveLost: http.StatusBadGateway,

	code.JobMalformed: http.StatusBadRequest, code.EnvelopeMalformed: http.StatusBadRequest,
	code.SuiteUnsupported: http.StatusBadRequest, code.FrameTooLong: http.StatusBadRequest,
	code.TooManyKeys: http.StatusBadRequest, code.ContextInvalid: http.StatusBadRequest, code.Truncated: http.StatusBadRequest,
	code.TenantUnknown: http.StatusForbidden, code.KeyNotAllowed: http.StatusForbidden,
	code.PipelineNotAllowed: http.StatusForbidden, code.KMSDenied: http.StatusForbidden,
	code.TooLarge:         http.StatusRequestEntityTooLarge,
	code.KMSAnswerInvalid: http.StatusBadGateway, code.NSMFailed: http.StatusBadGateway, code.Internal: http.StatusBadGateway,
	code.HostNotAllowed: http.StatusBadGateway,
	code.KMSThrottled:   http.StatusServiceUnavailable, code.KMSUnavailable: http.StatusServiceUnavailable,
	code.CredentialsUnavailable: http.StatusServiceUnavailable, code.CredentialsRefused: http.StatusServiceUnavailable,
	code.Busy:     http.StatusServiceUnavailable,
	code.Canceled: http.StatusServiceUnavailable, code.Timeout: http.StatusGatewayTimeout,
}

// statusOf returns the HTTP status of a code. What is not listed is a job that was read and
// refused: 422.
func statusOf(c code.Code) int {
	if s, ok := statuses[c]; ok {
		return s
	}
	return http.StatusUnprocessableEntity
}

var problemOnce sync.Once

// useProblems has huma answer with Problem too. It is huma's one global setting, so it is set once.
func useProblems() {
	problemOnce.Do(func() {
		huma.NewError = func(status int, _ string, _ ...error) huma.StatusError {
			c := codeMalformedRequest
			switch {
			case status == http.StatusNotFound:
				c = codeNotFound
			case status >= http.StatusInternalServerError:
				c = codeSpoolFailed
			}
			// huma's text repeats the client's values, which may be a token in the wrong place.
			return problem(c, "see /openapi.json for what is expected")
		}
	})
}
