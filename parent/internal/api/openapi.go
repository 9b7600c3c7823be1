package api

import (
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// describeRaw adds the endpoints that stream bytes to the description: huma would buffer their
// bodies, so they are plain handlers.
func describeRaw(o *huma.OpenAPI) {
	problems := o.Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	status := o.Components.Schemas.Schema(reflect.TypeFor[JobStatus](), true, "JobStatus")
	submit := operation("submit-job", http.MethodPost, "/v1/jobs", "Submit a job file and wait for its sealed result")
	submit.Description = "The same job file posted again is the same job, unless that has failed. Prefer: respond-async answers at once, wait=SECONDS sooner than the parent's limit."
	submit.Parameters = []*huma.Param{{Name: "Prefer", In: "header", Schema: text("")}}
	submit.RequestBody = &huma.RequestBody{Required: true, Content: binary("application/vnd.anchorhold.job")}
	submit.Responses = responses(problems, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden,
		http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusInsufficientStorage)
	submit.Responses["200"] = &huma.Response{
		Description: "The sealed result", Content: binary(typeResult),
		Headers: headers("Anchorhold-Job", "Anchorhold-Receipt", "Anchorhold-Crosswalk", "Location", "ETag"),
	}
	submit.Responses["202"] = &huma.Response{
		Description: "The job is stored durably and will run; ask at Location", Headers: headers("Anchorhold-Job", "Location", "Retry-After"),
		Content: map[string]*huma.MediaType{"application/json": {Schema: status}},
	}
	o.AddOperation(&submit)
	for _, part := range []struct{ id, path, summary, kind string }{
		{"get-result", "/v1/jobs/{id}/result", "Sealed result, in ranges if asked", typeResult},
		{"get-crosswalk", "/v1/jobs/{id}/crosswalk", "Sealed crosswalk, in ranges if asked", typeCross},
		{"get-receipt", "/v1/jobs/{id}/receipt", "Receipt file", typeReceipt},
	} {
		op := operation(part.id, http.MethodGet, part.path, part.summary)
		op.Parameters = []*huma.Param{{Name: "id", In: "path", Required: true, Schema: text("")}}
		op.Responses = responses(problems, http.StatusUnauthorized, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity)
		op.Responses["200"] = &huma.Response{Description: part.summary, Content: binary(part.kind), Headers: headers("Anchorhold-Job", "ETag")}
		if part.id != "get-receipt" {
			op.Responses["206"] = &huma.Response{Description: "The range asked for", Content: binary(part.kind)}
		}
		o.AddOperation(&op)
	}
	describeAsks(o, problems)
}

func describeAsks(o *huma.OpenAPI, problems *huma.Schema) {
	image := &huma.Param{Name: "image", In: "query", Description: "PCR0 of the enclave to ask, hex; any when absent", Schema: text("^[0-9a-f]{96}$")}
	nonce := &huma.Param{Name: "nonce", In: "query", Required: true, Description: "1 to 512 bytes, hex", Schema: text("^([0-9a-f]{2}){1,512}$")}
	att := operation("get-attestation", http.MethodGet, "/v1/attestation", "Fresh attestation document over the nonce")
	att.Parameters = []*huma.Param{nonce, image}
	att.Responses = responses(problems, http.StatusBadRequest, http.StatusUnauthorized, http.StatusBadGateway, http.StatusServiceUnavailable)
	att.Responses["200"] = &huma.Response{Description: "COSE_Sign1 of the NSM", Content: binary(typeDocument), Headers: headers("Anchorhold-Enclave")}
	o.AddOperation(&att)
	pol := operation("get-policy", http.MethodGet, "/v1/policy", "Compiled policy of an enclave")
	pol.Parameters = []*huma.Param{image}
	pol.Responses = responses(problems, http.StatusBadRequest, http.StatusUnauthorized, http.StatusBadGateway, http.StatusServiceUnavailable)
	pol.Responses["200"] = &huma.Response{Description: "Canonical CBOR", Content: binary(typePolicy), Headers: headers("Anchorhold-Policy-Digest", "ETag")}
	o.AddOperation(&pol)
	for _, page := range []struct{ id, path, summary, kind string }{
		{"metrics", "/metrics", "Prometheus metrics; beyond loopback with a metrics token", "text/plain"},
		{"openapi", "/openapi.json", "This description", "application/json"},
	} {
		op := public(page.id, page.path, page.summary)
		op.Responses = map[string]*huma.Response{"200": {Description: page.summary, Content: map[string]*huma.MediaType{page.kind: {}}}}
		o.AddOperation(&op)
	}
}

func text(pattern string) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Pattern: pattern} }

func binary(contentType string) map[string]*huma.MediaType {
	return map[string]*huma.MediaType{contentType: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}
}

func headers(names ...string) map[string]*huma.Param {
	h := map[string]*huma.Param{}
	for _, n := range names {
		h[n] = &huma.Param{Schema: text("")}
	}
	return h
}

func responses(schema *huma.Schema, statuses ...int) map[string]*huma.Response {
	r := map[string]*huma.Response{}
	for _, s := range statuses {
		r[strconv.Itoa(s)] = &huma.Response{
			Description: http.StatusText(s), Content: map[string]*huma.MediaType{"application/problem+json": {Schema: schema}},
		}
	}
	return r
}
