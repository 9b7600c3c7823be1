package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"anchorhold/eif/image"
	"anchorhold/protocol/measure"
)

// probe is the guest that says what its NSM shows, built once.
func probe(t testing.TB) []byte {
	t.Helper()
	b, err := builtProbe()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var builtProbe = sync.OnceValues(func() ([]byte, error) { return buildGuest("probe") })

// buildGuest builds one of the programs of eif/emulate that run as /init.
func buildGuest(name string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "ahguest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, name)
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "anchorhold/eif/emulate/"+name)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return os.ReadFile(path)
}

// probeImage is the probe in our layout, under a policy that is none.
func probeImage(t testing.TB, kernel string, program []byte) *image.Image {
	t.Helper()
	k, err := os.ReadFile(kernel)
	if err != nil {
		t.Fatal(err)
	}
	i, err := image.New(image.Parts{Kernel: k, Program: program, Policy: []byte("no policy"), CommandLine: measure.CommandLine})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func writeEIF(t testing.TB, path string, i *image.Image) string {
	t.Helper()
	b, err := i.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// signedImage signs with a certificate made here.
func signedImage(t *testing.T, i *image.Image) *image.Image {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "signer"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	check(t, err)
	signed, err := i.Sign(key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), time.Now())
	check(t, err)
	return signed
}

// QEMU parses the image and computes the registers with code that is not ours: they are those that
// `measure` computes.
func TestBootedRegistersAreQEMUs(t *testing.T) {
	t.Parallel()
	kernel := needQEMU(t)
	program := probe(t)
	two := probeImage(t, kernel, program)
	one := *two
	one.Sections = one.Sections[:len(one.Sections)-1]
	for name, i := range map[string]*image.Image{"one ramdisk": &one, "two ramdisks": two, "signed": signedImage(t, two)} {
		t.Run(name, func(t *testing.T) {
			dir := shortDir(t)
			path := writeEIF(t, filepath.Join(dir, "probe.eif"), i)
			console := filepath.Join(dir, "console")
			e := emulate(t, path, "--machine", "nitro-enclave", "--sockets", filepath.Join(dir, "vm"), "--console", console)
			e.wait("heartbeat")
			check(t, e.stop())
			var measured struct{ Measurements map[string]string }
			check(t, json.Unmarshal([]byte(tool(t, "measure", "--json", path)), &measured))
			shown := string(read(t, console))
			for _, register := range []string{"PCR0", "PCR1", "PCR2", "PCR8"} {
				want := measured.Measurements[register]
				if want == "" {
					want = strings.Repeat("0", 96)
				}
				if !strings.Contains(shown, fmt.Sprintf("%s %s true", register, want)) {
					t.Errorf("%s: QEMU does not show %s\n%s", register, want, shown)
				}
			}
			t.Logf("PCR0, 1, 2 and 8 as measured: %.16s… %.16s… %.16s… %.16s…", measured.Measurements["PCR0"], measured.Measurements["PCR1"],
				measured.Measurements["PCR2"], measured.Measurements["PCR8"])
		})
	}
}

// The emulator's other machine shows the same registers.
func TestBootedRegistersAreTheSoftwareNSMs(t *testing.T) {
	t.Parallel()
	kernel := needQEMU(t)
	dir := shortDir(t)
	authority(t, dir)
	i := signedImage(t, probeImage(t, kernel, probe(t)))
	path := writeEIF(t, filepath.Join(dir, "probe.eif"), i)
	e := microvm(t, dir, path)
	e.wait("heartbeat")
	check(t, e.stop())
	shown := string(read(t, filepath.Join(dir, "console")))
	for line := range strings.Lines(tool(t, "measure", path)) {
		if !strings.Contains(shown, strings.TrimSpace(line)+" true") {
			t.Errorf("the guest does not show %q\n%s", line, shown)
		}
	}
}
