package e2e_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"anchorhold/parent/e2e/stage"
)

// kmsName is the name under which the enclave knows the local KMS, from its policy.
const kmsName = "kms.us-east-1.anchorhold.test"

// faultyKMS stands between the parent's relay and the local KMS, with a certificate that the
// enclave trusts: what it does is what KMS itself might do. Only Decrypt is disturbed.
type faultyKMS struct {
	proxy *httputil.ReverseProxy
	good  tls.Certificate

	mu    sync.Mutex
	fault fault // guarded by mu
	asked int   // guarded by mu: Decrypt calls since the fault was set
}

// fault is what happens to Decrypt. The zero value is none.
type fault struct {
	status  int                            // with kind: an answer that is an error
	kind    string                         // KMS's name for it
	first   int                            // only the first so many calls; zero: all
	hangUp  bool                           // the connection ends without an answer
	change  func(m map[string]any)         // edits an honest answer
	body    []byte                         // in place of an honest answer
	foreign *tls.Certificate               // in place of the certificate that the enclave trusts
	policy  func(*testing.T, *stage.Stage) // changes the key's policy: then KMS itself refuses
}

// disturb puts a faulty KMS in the way of the stage.
func disturb(t *testing.T, s *stage.Stage) *faultyKMS {
	t.Helper()
	target, err := url.Parse(s.KMSURL)
	check(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(read(t, s.TLSRoot()))
	wire := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(wire.CloseIdleConnections)
	authority, err := tls.LoadX509KeyPair(s.TLSRoot(), s.Path("ca", "tls-root-key.pem"))
	check(t, err)
	k := &faultyKMS{good: issue(t, authority)}
	k.proxy = &httputil.ReverseProxy{
		Transport: wire, ModifyResponse: k.answer,
		// The signature covers the host: it stays the one that was asked for.
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
	}
	server := httptest.NewUnstartedServer(k)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{k.good}, GetCertificate: k.certificate}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that a test makes fail
	server.StartTLS()
	t.Cleanup(server.Close)
	s.KMSURL = server.URL
	check(t, s.StartParent(t.Context()))
	return k
}

// issue makes a certificate for the local KMS's name.
func issue(t *testing.T, authority tls.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "faulty KMS"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: []string{kmsName}, IPAddresses: loopback,
	}
	parent, signer := template, any(key)
	if authority.PrivateKey != nil {
		parent, signer = authority.Leaf, authority.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	check(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (k *faultyKMS) set(f fault) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fault, k.asked = f, 0
}

func (k *faultyKMS) current() fault {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.fault
}

func (k *faultyKMS) certificate(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
	// Only the enclave asks for KMS by name; the owner's tool has the address.
	if f := k.current(); f.foreign != nil && h.ServerName == kmsName {
		return f.foreign, nil
	}
	return &k.good, nil
}

// ServeHTTP passes on what is not disturbed.
func (k *faultyKMS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := k.current()
	if r.Header.Get("X-Amz-Target") != "TrentService.Decrypt" {
		k.proxy.ServeHTTP(w, r)
		return
	}
	k.mu.Lock()
	k.asked++
	over := f.first > 0 && k.asked > f.first
	k.mu.Unlock()
	switch {
	case over:
	case f.hangUp:
		panic(http.ErrAbortHandler)
	case f.kind != "":
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.Header().Set("X-Amzn-Requestid", "00000000-0000-4000-8000-000000000000")
		w.WriteHeader(f.status)
		fmt.Fprintf(w, `{"__type":%q,"message":"made up"}`, f.kind)
		return
	}
	k.proxy.ServeHTTP(w, r)
}

// answer edits an honest answer of KMS.
func (k *faultyKMS) answer(res *http.Response) error {
	f := k.current()
	if res.Request.Header.Get("X-Amz-Target") != "TrentService.Decrypt" || (f.change == nil && f.body == nil) {
		return nil
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if b = bytes.Clone(b); f.change != nil {
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			return err
		}
		f.change(m)
		if b, err = json.Marshal(m); err != nil {
			return err
		}
	}
	if f.body != nil {
		b = f.body
	}
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	res.Header.Set("Content-Length", strconv.Itoa(len(b)))
	return nil
}
