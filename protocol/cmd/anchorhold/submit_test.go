package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// A parent that has no room, then does not know the token: a person learns of both in words, of
// each once.
func TestSubmitSaysWhyItWaits(t *testing.T) {
	d := newDesk(t)
	for _, args := range [][]string{
		{"keygen", "--out", "@me"},
		{"seal", "--policy", "@policy.cbor", "--pins", "@pins.yaml", "--reply", "@me.pub.pem", "-o", "@job.ahjob", "@a.ndjson"},
	} {
		if code, out := d.owner(t.Context(), nil, args...); code != exitFine {
			t.Fatal(out)
		}
	}
	var posts atomic.Int32
	parent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		status, code := http.StatusUnauthorized, "unauthorized"
		if posts.Add(1) < 3 {
			w.Header().Set("Retry-After", "0")
			status, code = http.StatusTooManyRequests, "queue-full"
		}
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"code":%q,"detail":"the adversary's prose"}`, code)
	}))
	defer parent.Close()
	code, out := d.owner(t.Context(), nil, "submit", "--parent", parent.URL, "@job.ahjob")
	if code != exitFailed {
		t.Errorf("got exit code %d, want %d", code, exitFailed)
	}
	if got := strings.Count(out, "waiting, the parent does not take the job yet: queue-full: too many of your jobs wait"); got != 1 {
		t.Errorf("queue-full is explained %d times, want once:\n%s", got, out)
	}
	if !strings.Contains(out, "unauthorized: the parent does not know the token") || strings.Contains(out, "prose") {
		t.Errorf("got %s", out)
	}
}

// A crosswalk that is there already must show before the job is posted, not after an hour of work.
func TestSubmitLooksForItsOutputsFirst(t *testing.T) {
	d := newDesk(t)
	for _, args := range [][]string{
		{"keygen", "--out", "@me"},
		{"keygen", "--crosswalk", "--out", "@walk"},
		{"seal", "--policy", "@policy.cbor", "--pins", "@pins.yaml", "--reply", "@me.pub.pem", "--crosswalk", "@walk.pub.pem", "-o", "@job.ahjob", "@a.ndjson"},
		{"keygen", "--out", "@taken"},
	} {
		if code, out := d.owner(t.Context(), nil, args...); code != exitFine {
			t.Fatal(out)
		}
	}
	var requests atomic.Int32
	parent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	defer parent.Close()
	for _, flag := range []string{"--crosswalk", "--receipt", "--out"} {
		code, out := d.owner(t.Context(), nil, "submit", "--parent", parent.URL, flag, "@taken.key.pem", "@job.ahjob")
		if code != exitFailed || !strings.Contains(out, "already exists") {
			t.Errorf("%s: got exit code %d and %s, want %d and that it exists", flag, code, out, exitFailed)
		}
	}
	if n := requests.Load(); n != 0 {
		t.Errorf("got %d requests, want none", n)
	}
}
