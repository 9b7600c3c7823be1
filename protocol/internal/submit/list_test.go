package submit_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// Attack: whatever a parent answers, only a list of jobs passes for one. In particular nothing at
// all must not count as no job.
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

// pager answers GET /v1/jobs with pages of n jobs each, as long as there are some left of all.
func pager(t *testing.T, n, all int) (mux *http.ServeMux, asked *int) {
	t.Helper()
	digits := strings.Repeat("ab", 48)
	asked = new(int)
	mux = http.NewServeMux()
	mux.HandleFunc("GET /v1/jobs", func(w http.ResponseWriter, r *http.Request) {
		want := ""
		if *asked > 0 {
			want = fmt.Sprintf("a+b/%d=", *asked)
		}
		if got := r.URL.Query().Get("cursor"); got != want {
			t.Errorf("got cursor %q, want %q", got, want)
		}
		var jobs []string
		for i := *asked * n; i < min((*asked+1)*n, all); i++ {
			jobs = append(jobs, fmt.Sprintf(`{"job":"j%d","status":"queued","image":"%s","header":"%s","accepted":"2026-01-02T03:04:05Z"}`, i, digits, digits))
		}
		*asked++
		next := ""
		if *asked*n < all {
			next = fmt.Sprintf(`,"next":"a+b/%d="`, *asked)
		}
		fmt.Fprintf(w, `{"jobs":[%s]%s}`, strings.Join(jobs, ","), next)
	})
	return mux, asked
}

// A job that is left out because its page was not asked for would count as drained.
func TestPendingFollowsPages(t *testing.T) {
	mux, asked := pager(t, 3, 8)
	jobs, err := client(t, mux).Pending(t.Context())
	if err != nil || len(jobs) != 8 || *asked != 3 {
		t.Fatalf("got %d jobs of %d pages, %v, want 8 of 3", len(jobs), *asked, err)
	}
	for i, j := range jobs {
		if want := fmt.Sprintf("j%d", i); j.ID != want {
			t.Errorf("got %s, want %s", j.ID, want)
		}
	}
}

// Attack: a parent hands out pages without end, of jobs or of none.
func TestPagesWithoutEndAreRefused(t *testing.T) {
	mux, asked := pager(t, 1000, 1<<40)
	if jobs, err := client(t, mux).Pending(t.Context()); err == nil || *asked > 11 {
		t.Errorf("got %d jobs after %d pages, want an error after 11", len(jobs), *asked)
	}
	empty, times := http.NewServeMux(), 0
	empty.HandleFunc("GET /v1/jobs", func(w http.ResponseWriter, _ *http.Request) {
		times++
		w.Write([]byte(`{"jobs":[],"next":"on"}`))
	})
	if _, err := client(t, empty).Pending(t.Context()); err == nil || times != 1 {
		t.Errorf("got %v after %d empty pages, want an error after one", err, times)
	}
	long := http.NewServeMux()
	long.HandleFunc("GET /v1/jobs", func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(`{"jobs":[],"next":"` + strings.Repeat("A", 1<<20) + `"}`))
	})
	if _, err := client(t, long).Pending(t.Context()); err == nil {
		t.Error("got no error for a cursor of a megabyte")
	}
}
