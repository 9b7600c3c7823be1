package kms

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestRedirectsAreNotFollowed looks inside: devkms redirects nobody. A redirect would carry the
// signed request, with credentials' token and context, to a host that no policy names.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var elsewhere atomic.Int32
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			elsewhere.Add(1)
			return
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	c := &Client{transport: server.Client().Transport.(*http.Transport)}
	defer c.transport.CloseIdleConnections()
	res, err := c.httpClient().Post(server.URL, "application/x-amz-json-1.1", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusTemporaryRedirect || elsewhere.Load() != 0 {
		t.Errorf("got status %d and %d requests elsewhere, want the redirect itself", res.StatusCode, elsewhere.Load())
	}
}
