package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"debug/elf"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"anchorhold/eif/image"
	"anchorhold/protocol/measure"
)

// commands are the programs of the scripts: the real binary is this one, started again under its
// name.
var commands = map[string]func(){"anchorhold-eif": main}

func TestMain(m *testing.M) { testscript.Main(m, commands) }

// scriptCommands are those of the scripts' own language.
var scriptCommands = map[string]func(*testscript.TestScript, bool, []string){
	"exits":  exits,
	"elf":    writeELF,
	"signer": writeSigner,
	"flip":   flipByte,
	"shift":  shiftBoundary,

	"kernel":  writeKernel,
	"section": writeSection,
	"append":  appendFile,
	"pins":    parsePins,
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds:                scriptCommands,
	})
}

// exits runs a command and wants this exit code: exits 1 anchorhold-eif diff …
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE command args…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var failed *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &failed):
		got = failed.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code: got %d, want %d", got, want)
	}
}

// writeELF writes the least that passes for an executable: elf FILE static|dynamic|arm64 [filler]
func writeELF(ts *testscript.TestScript, _ bool, args []string) {
	machine, segment := elf.EM_X86_64, elf.PT_LOAD
	switch args[1] {
	case "dynamic":
		segment = elf.PT_INTERP
	case "arm64":
		machine = elf.EM_AARCH64
	}
	b := make([]byte, 64+56)
	copy(b, "\x7fELF\x02\x01\x01")
	binary.LittleEndian.PutUint16(b[16:], uint16(elf.ET_EXEC))
	binary.LittleEndian.PutUint16(b[18:], uint16(machine))
	binary.LittleEndian.PutUint32(b[20:], 1)
	binary.LittleEndian.PutUint64(b[32:], 64) // program headers
	binary.LittleEndian.PutUint16(b[52:], 64)
	binary.LittleEndian.PutUint16(b[54:], 56)
	binary.LittleEndian.PutUint16(b[56:], 1)
	binary.LittleEndian.PutUint16(b[58:], 64)
	binary.LittleEndian.PutUint32(b[64:], uint32(segment))
	for _, filler := range args[2:] {
		b = append(b, filler...)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o755))
}

// writeSigner writes NAME.key.pem and NAME.cert.pem: signer NAME [expired|p256]
func writeSigner(ts *testscript.TestScript, _ bool, args []string) {
	curve, until := elliptic.P384(), time.Now().Add(time.Hour)
	for _, a := range args[1:] {
		switch a {
		case "expired":
			until = time.Now().Add(-time.Hour)
		case "p256":
			curve = elliptic.P256()
		}
	}
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	ts.Check(err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: args[0]}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	ts.Check(err)
	keyDER, err := x509.MarshalECPrivateKey(k)
	ts.Check(err)
	write := func(suffix, kind string, der []byte) {
		ts.Check(os.WriteFile(ts.MkAbs(args[0]+suffix), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	}
	write(".cert.pem", "CERTIFICATE", der)
	write(".key.pem", "EC PRIVATE KEY", keyDER)
}

// flipByte changes the byte in the middle of a file: flip FILE
func flipByte(ts *testscript.TestScript, _ bool, args []string) {
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	b[len(b)/2] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o644))
}

// shiftBoundary writes an image with equal PCRs whose command line lost its first byte to the
// kernel: shift IN OUT
func shiftBoundary(ts *testscript.TestScript, _ bool, args []string) {
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	i, err := image.Parse(b)
	ts.Check(err)
	i.Sections[0].Data = append([]byte(string(i.Sections[0].Data)), measure.CommandLine[0])
	i.Sections[1].Data = i.Sections[1].Data[1:]
	b, err = i.Encode()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o644))
}
