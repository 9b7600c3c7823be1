package standin

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"
)

// A Front serves a handler under a host name of AWS's, for programs that take no other: they reach
// it through the proxy at URL, as HTTPS_PROXY, and trust Root, as AWS_CA_BUNDLE. Other hosts are
// refused.
type Front struct {
	URL  string
	Root []byte // PEM

	host    string
	handler atomic.Pointer[http.Handler]
	server  *httptest.Server
	proxy   *httptest.Server
}

// NewFront starts a server for one host name. It panics when it cannot, as it is for tests only.
func NewFront(host string) *Front {
	f := &Front{host: host}
	f.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := f.handler.Load(); h != nil {
			(*h).ServeHTTP(w, r)
			return
		}
		http.Error(w, "no handler", http.StatusServiceUnavailable)
	}))
	cert := selfSigned(host)
	f.server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	f.server.StartTLS()
	f.Root = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	f.proxy = httptest.NewServer(http.HandlerFunc(f.connect))
	f.URL = f.proxy.URL
	return f
}

// Serve puts a handler in place of the one before.
func (f *Front) Serve(h http.Handler) { f.handler.Store(&h) }

// Close ends both servers.
func (f *Front) Close() {
	f.proxy.CloseClientConnections()
	f.proxy.Close()
	f.server.CloseClientConnections()
	f.server.Close()
}

func (f *Front) connect(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect || r.Host != f.host+":443" {
		http.Error(w, "not "+f.host, http.StatusForbidden)
		return
	}
	server, err := net.Dial("tcp", f.server.Listener.Addr().String())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer server.Close()
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer client.Close()
	if _, err := io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(server, buffered) // a connection that breaks ends both ways
		server.Close()
	}()
	_, _ = io.Copy(client, server)
	client.Close()
	<-done
}

func selfSigned(host string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "NOT AWS"}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
