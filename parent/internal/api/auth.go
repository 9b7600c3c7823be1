package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Token is the SHA-256 of a bearer token and the tenant it stands for.
type Token struct {
	SHA256 [sha256.Size]byte
	Tenant string
}

type tenantKey struct{}

// tenantOf returns the authenticated tenant. Handlers behind auth may rely on it.
func tenantOf(ctx context.Context) string {
	t, _ := ctx.Value(tenantKey{}).(string)
	return t
}

// bearer returns the digest of the request's bearer token.
func bearer(r *http.Request) (sum [sha256.Size]byte, ok bool) {
	scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " ")
	if !found || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return sum, false
	}
	return sha256.Sum256([]byte(token)), true
}

// match compares with every token, so that neither the place of a token in the list nor its first
// bytes show in the time.
func match(tokens []Token, sum [sha256.Size]byte) (string, bool) {
	found := -1
	for i := range tokens {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(tokens[i].SHA256[:], sum[:]), i, found)
	}
	if found < 0 {
		return "", false
	}
	return tokens[found].Tenant, true
}

// auth answers 401 without a tenant's token and hands the tenant on otherwise.
func (s *Server) auth(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sum, ok := bearer(r)
		var tenant string
		if ok {
			tenant, ok = match(s.opts.Tokens, sum)
		}
		if !ok {
			w.Header().Set("WWW-Authenticate", `Bearer realm="anchorhold"`)
			problem(codeUnauthorized, "want a tenant's bearer token").write(w)
			return
		}
		if s.opts.Bind != nil && !s.opts.Bind(r.Context(), tenant) {
			refuseUpload(w, r, problem(codeTooManyConnections, "all of the tenant's connections are in use"))
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), tenantKey{}, tenant)))
	})
}

// scraper lets loopback through, and others with a metrics token: tenants' names and loads are not
// everybody's business.
func (s *Server) scraper(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sum, ok := bearer(r)
		if ok {
			_, ok = match(s.opts.MetricsTokens, sum)
		}
		if !ok && !fromLoopback(r) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="anchorhold metrics"`)
			problem(codeUnauthorized, "want a metrics token").write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// fromLoopback: a proxy on this machine connects from loopback for everybody, and says so in a
// header.
func fromLoopback(r *http.Request) bool {
	if r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != "" {
		return false
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}
