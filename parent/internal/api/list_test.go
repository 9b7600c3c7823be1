package api_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"anchorhold/parent/internal/enclavetest"
	"anchorhold/protocol/code"
)

// page asks for one page of the token's jobs.
func (r *rig) page(token, query string) (ids []string, next string) {
	r.t.Helper()
	a := r.do(http.MethodGet, "/v1/jobs"+query, token, nil)
	var body struct {
		Jobs []struct{ Job string }
		Next string
	}
	if err := json.Unmarshal(a.body, &body); err != nil || a.status != http.StatusOK || body.Jobs == nil {
		r.t.Fatalf("got %d and %s", a.status, a.body)
	}
	for _, j := range body.Jobs {
		ids = append(ids, j.Job)
	}
	return ids, body.Next
}

// add posts n jobs of the tenant and returns their ids in the order of acceptance.
func (r *rig) add(tenant, token string, n int) (ids []string) {
	r.t.Helper()
	for range n {
		a := r.do(http.MethodPost, "/v1/jobs", token, strings.NewReader(string(enclavetest.JobFile(r.t, tenant, image, 1))), "Prefer", "respond-async")
		if a.status != http.StatusAccepted {
			r.t.Fatalf("got %d: %s", a.status, a.body)
		}
		ids = append(ids, a.header.Get("Anchorhold-Job"))
	}
	return ids
}

func TestListHasPages(t *testing.T) {
	r := start(t, setup{absent: true, quiet: true})
	mine := r.add("clinic", clinic, 7)
	r.add("other", other, 3)
	var got []string
	sizes := []int{}
	for query := "?limit=3"; query != ""; {
		ids, next := r.page(clinic, query)
		got, sizes = append(got, ids...), append(sizes, len(ids))
		if query = ""; next != "" {
			query = "?limit=3&cursor=" + url.QueryEscape(next)
		}
	}
	if !slices.Equal(got, mine) || !slices.Equal(sizes, []int{3, 3, 1}) {
		t.Errorf("got %v in pages of %v, want the 7 jobs in the order of acceptance, 3 a page", got, sizes)
	}
	if ids, next := r.page(clinic, ""); !slices.Equal(ids, mine) || next != "" {
		t.Errorf("got %d jobs and a next page %v without a limit, want all 7", len(ids), next != "")
	}
	// A page that is just full is the last one.
	if ids, next := r.page(clinic, "?limit=7"); len(ids) != 7 || next != "" {
		t.Errorf("got %d jobs and next %q, want 7 and none", len(ids), next)
	}
	for _, limit := range []string{"0", "-1", "501", "x", "99999999999999999999"} {
		r.want(r.get("/v1/jobs?limit="+limit), http.StatusBadRequest, "malformed-request")
	}
}

// Attack: a tenant uses a cursor of another's, or makes one up, to learn of jobs that are not its
// own. All are refused alike.
func TestForeignAndForgedCursors(t *testing.T) {
	r := start(t, setup{absent: true, quiet: true})
	r.add("clinic", clinic, 2)
	r.add("other", other, 2)
	_, theirs := r.page(other, "?limit=1")
	_, own := r.page(clinic, "?limit=1")
	raw, err := base64.RawURLEncoding.DecodeString(own)
	if err != nil {
		t.Fatal(err)
	}
	forged := map[string]string{
		"another tenant's": theirs, "no base64": "%%%", "too short": "AAAA", "no MAC": base64.RawURLEncoding.EncodeToString(raw[:len(raw)-16]),
		"cut": own[:len(own)-1], "extended": own + "A", "padded": own + "=", "zero": base64.RawURLEncoding.EncodeToString(make([]byte, len(raw))),
	}
	for i := range raw {
		changed := slices.Clone(raw)
		changed[i] ^= 1
		forged["byte "+string(rune('A'+i))] = base64.RawURLEncoding.EncodeToString(changed)
	}
	var first []byte
	for name, cursor := range forged {
		a := r.get("/v1/jobs?cursor=" + url.QueryEscape(cursor))
		r.want(a, http.StatusBadRequest, "malformed-request")
		if first == nil {
			first = a.body
		}
		if string(a.body) != string(first) {
			t.Errorf("%s: got %s, want the answer of the others: %s", name, a.body, first)
		}
	}
	r.want(r.get("/v1/jobs?cursor="+strings.Repeat("A", 1000)), http.StatusBadRequest, "malformed-request")
	if ids, _ := r.page(clinic, "?cursor="+url.QueryEscape(own)); len(ids) != 1 {
		t.Errorf("got %d jobs after the own cursor, want 1", len(ids))
	}
}

// All jobs after a cursor, and the one that it names, end before it is used: there is an empty page
// then, and no next one.
func TestCursorWhoseJobsHaveEnded(t *testing.T) {
	r := start(t, setup{absent: true, quiet: true})
	ids := r.add("clinic", clinic, 3)
	r.add("other", other, 1)
	_, next := r.page(clinic, "?limit=1")
	for _, id := range ids {
		if err := r.spool.Fail(id, code.Internal, nil); err != nil {
			t.Fatal(err)
		}
	}
	if got, more := r.page(clinic, "?limit=1&cursor="+url.QueryEscape(next)); len(got) != 0 || more != "" {
		t.Errorf("got %v and next %q, want neither", got, more)
	}
	mine := r.add("clinic", clinic, 1)
	if got, _ := r.page(clinic, "?cursor="+url.QueryEscape(next)); !slices.Equal(got, mine) {
		t.Errorf("got %v, want the job that came later", got)
	}
}
