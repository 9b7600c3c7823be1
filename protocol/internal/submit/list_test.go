package submit_test

import (
	"net/http"
	"strings"
	"testing"
)

// Attack: whatever a parent answers, only a list of jobs passes for one. In particular nothing at all must not count as no job.
func TestPending(t *testing.T) {
	digits := strings.Repeat("ab", 48)
	good := `{"job":"j1","status":"running","image":"` + digits + `","header":"` + digits + `","accepted":"2026-01-02T03:04:05Z","attempts":1}`
	for name, c := range map[string]struct {
		status int
		body   string
		want   int // jobs; -1: an error
	}{
		"one":               {200, `{"jobs":[` + good + `]}`, 1},
		"none":              {200, `{"jobs":[]}`, 0},
		"nothing":           {200, `{}`, -1},
		"null":              {200, `{"jobs":null}`, -1},
		"empty":             {200, ``, -1},
		"not found":         {404, `{"code":"not-found"}`, -1},
		"unauthorized":      {401, `{"code":"unauthorized"}`, -1},
		"an id with a path": {200, `{"jobs":[` + strings.Replace(good, "j1", "../x", 1) + `]}`, -1},
		"another state":     {200, `{"jobs":[` + strings.Replace(good, "running", "\\u001b[2J", 1) + `]}`, -1},
		"a short image":     {200, `{"jobs":[` + strings.Replace(good, digits, "ab", 1) + `]}`, -1},
		"too many":          {200, `{"jobs":[` + strings.Repeat(good+",", 10_000) + good + `]}`, -1},
	} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.HandleFunc("GET /v1/jobs", func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "Bearer secret-token" {
					t.Error("asked without the token")
				}
				w.WriteHeader(c.status)
				w.Write([]byte(c.body))
			})
			jobs, err := client(t, mux).Pending(t.Context())
			if (err != nil) != (c.want < 0) || len(jobs) != max(c.want, 0) {
				t.Errorf("got %d jobs and %v, want %d", len(jobs), err, c.want)
			}
		})
	}
}
