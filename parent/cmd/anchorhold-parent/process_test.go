// Package main_test runs anchorhold-parent as a process, against fake enclaves.
package main_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"anchorhold/parent/internal/enclavetest"
	"anchorhold/protocol/digest"
)

var (
	binary string
	image  = digest.Digest{3}
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "parent")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "anchorhold-parent")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Stderr = os.Stderr
	status := 1
	if build.Run() == nil {
		status = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(status)
}

const token = "a token"

// writeConfig returns the configuration file of a parent in dir with one enclave.
func writeConfig(t *testing.T, dir string, e *enclavetest.Enclave, more string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(token))
	text := fmt.Sprintf(`
spool: %[1]s/spool
tenants: [{name: clinic, token-sha256: [%[2]s]}]
enclaves: [{name: one, address: "%[3]s"}]
relay: {listen: "unix://%[1]s/r"}
credentials: {listen: "unix://%[1]s/c", source: environment}
%[4]s`, dir, hex.EncodeToString(sum[:]), e.Address, more)
	path := filepath.Join(dir, "parent.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// process is a running parent.
type process struct {
	cmd    *exec.Cmd
	url    string
	stderr *bytes.Buffer
	rest   chan string // what it printed to stdout after the first line
}

func start(t *testing.T, config string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(binary, "--config", config), stderr: &bytes.Buffer{}, rest: make(chan string, 1)}
	p.cmd.Stderr = p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill(); p.cmd.Wait() })
	r := bufio.NewReader(out)
	line, err := r.ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	if err != nil || !ok {
		p.cmd.Wait()
		t.Fatalf("got %q, want a ready line; stderr: %s", line, p.stderr)
	}
	p.url = url
	go func() {
		b, _ := io.ReadAll(r)
		p.rest <- string(b)
	}()
	return p
}

// stop ends the process with SIGTERM and checks that it ended well.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.ended(t)
}

// ended checks that the process ends well by itself.
func (p *process) ended(t *testing.T) {
	t.Helper()
	if rest := <-p.rest; rest != "" {
		t.Errorf("got %q on stdout after the ready line, want nothing", rest)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("got %v after SIGTERM, want a clean end; stderr: %s", err, p.stderr)
	}
}

func (p *process) post(t *testing.T, body []byte, prefer string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/v1/jobs", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Prefer", prefer)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, b
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// Killed in the middle of a job, and again after its result: what was accepted is done, what is
// done stays.
func TestKilledMidJob(t *testing.T) {
	e := enclavetest.New(t, image).Start(t)
	release := make(chan struct{})
	e.Handle(enclavetest.Block(release))
	config := writeConfig(t, t.TempDir(), e, "listen: 127.0.0.1:0")
	body := enclavetest.JobFile(t, "clinic", image, 1<<20)

	p := start(t, config)
	res, _ := p.post(t, body, "respond-async")
	if res.StatusCode != http.StatusAccepted {
		t.Fatalf("got %d, want 202", res.StatusCode)
	}
	until(t, "job runs", func() bool { return e.Running.Load() == 1 })
	p.cmd.Process.Kill()
	p.cmd.Wait()
	close(release)

	p = start(t, config)
	again, result := p.post(t, body, "")
	if again.StatusCode != http.StatusOK || !bytes.Equal(result, enclavetest.Inverted(body)) {
		t.Fatalf("got %d with %d bytes, want the result", again.StatusCode, len(result))
	}
	if got, want := again.Header.Get("Location"), res.Header.Get("Location"); got != want {
		t.Errorf("got job %s, want %s, which was accepted before the crash", got, want)
	}
	p.cmd.Process.Kill()
	p.cmd.Wait()

	runs := e.Total.Load()
	p = start(t, config)
	if res, kept := p.post(t, body, ""); res.StatusCode != http.StatusOK || !bytes.Equal(kept, result) || e.Total.Load() != runs {
		t.Errorf("got %d with %d bytes after %d more runs, want the kept result", res.StatusCode, len(kept), e.Total.Load()-runs)
	}
	p.stop(t)
}

// SIGTERM: who waits is told where the job is; the job runs on at the next start.
func TestTerminatedWhileAClientWaits(t *testing.T) {
	e := enclavetest.New(t, image).Start(t)
	release := make(chan struct{})
	e.Handle(enclavetest.Block(release))
	config := writeConfig(t, t.TempDir(), e, "listen: 127.0.0.1:0\nlimits: {drain: 100ms}")
	body := enclavetest.JobFile(t, "clinic", image, 1000)
	p := start(t, config)
	go func() {
		until(t, "job runs", func() bool { return e.Running.Load() == 1 })
		p.cmd.Process.Signal(syscall.SIGTERM)
	}()
	if res, _ := p.post(t, body, ""); res.StatusCode != http.StatusAccepted {
		t.Errorf("got %d, want 202", res.StatusCode)
	}
	p.ended(t) // a second signal would end it at once
	close(release)
	p = start(t, config)
	if res, _ := p.post(t, body, ""); res.StatusCode != http.StatusOK {
		t.Errorf("got %d after the restart, want 200", res.StatusCode)
	}
	p.stop(t)
	if strings.Contains(p.stderr.String(), token) {
		t.Error("the token is in the log")
	}
}

func TestSecondParentOnOneSpool(t *testing.T) {
	e := enclavetest.New(t, image)
	dir := t.TempDir()
	p := start(t, writeConfig(t, dir, e, "listen: 127.0.0.1:0"))
	other := t.TempDir()
	second := writeConfig(t, other, e, "listen: 127.0.0.1:0")
	b, _ := os.ReadFile(second)
	os.WriteFile(second, bytes.Replace(b, []byte("spool: "+other), []byte("spool: "+dir), 1), 0o600)
	out, err := exec.Command(binary, "--config", second).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "in use by another process") {
		t.Errorf("got %v, %s, want it refused", err, out)
	}
	p.stop(t)
}

func TestFaultsOfTheCommandLine(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("listen: 0.0.0.0:80\ncolour: red\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args []string
		want []string
	}{
		"none":    {nil, []string{"usage:"}},
		"unknown": {[]string{"--weaken"}, []string{"weaken"}},
		"absent":  {[]string{"--config", bad + "x"}, []string{"no such file"}},
		"faults":  {[]string{"--config", bad}, []string{"colour", "not loopback", "tenants: none", "spool:"}},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(binary, tc.args...)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err == nil || cmd.ProcessState.ExitCode() != 2 || len(out) != 0 {
				t.Errorf("got %v with %q on stdout, want exit 2 and nothing", err, out)
			}
			for _, want := range tc.want {
				if !strings.Contains(stderr.String(), want) {
					t.Errorf("got %q, want %q in it", &stderr, want)
				}
			}
		})
	}
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	pool := certificate(t, dir)
	p := start(t, writeConfig(t, dir, enclavetest.New(t, image), fmt.Sprintf("listen: 127.0.0.1:0\ntls: {cert: %[1]s/c.pem, key: %[1]s/k.pem}", dir)))
	if !strings.HasPrefix(p.url, "https://") {
		t.Fatalf("got %s, want https", p.url)
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
	res, err := client.Get(p.url + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("got %d, want 200", res.StatusCode)
	}
	p.stop(t)
}

// certificate writes c.pem and k.pem for 127.0.0.1.
func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"c.pem": {Type: "CERTIFICATE", Bytes: der}, "k.pem": {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return pool
}
