package telemetry_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"anchorhold/parent/internal/telemetry"
)

// stuck is a client that reads nothing.
type stuck struct {
	*httptest.ResponseRecorder
	writing *sync.WaitGroup
	release chan struct{}
	once    sync.Once
}

func (s *stuck) Write(p []byte) (int, error) {
	s.once.Do(s.writing.Done)
	<-s.release
	return len(p), nil
}

// Attack: clients ask for the metrics and do not read them. The scraper still gets its answer.
func TestSlowReadersOfMetrics(t *testing.T) {
	zero := func() float64 { return 0 }
	h := telemetry.New(zero, zero).Handler()
	ask := func() *http.Request { return httptest.NewRequest(http.MethodGet, "/metrics", nil) }
	var writing, all sync.WaitGroup
	release := make(chan struct{})
	for range 20 {
		writing.Add(1)
		all.Go(func() {
			h.ServeHTTP(&stuck{ResponseRecorder: httptest.NewRecorder(), writing: &writing, release: release}, ask())
		})
		writing.Wait()
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, ask())
	if rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "anchorhold_spool_bytes") || !strings.HasPrefix(rec.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("got %d, %s, %.80q, want the metrics", rec.Code, rec.Header().Get("Content-Type"), rec.Body.String())
	}
	close(release)
	all.Wait()
}
