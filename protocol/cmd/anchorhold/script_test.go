package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"anchorhold/protocol/protocoltest/standin"
)

// The tests run the real binary: this one, started again under the name anchorhold.
func TestMain(m *testing.M) {
	testscript.Main(withDeskKMS{m}, map[string]func(){"anchorhold": main})
}

// deskKMS is the KMS of tests that run commands in this process. There is one for all, since Go
// reads HTTPS_PROXY once.
var deskKMS *standin.Front

type withDeskKMS struct{ *testing.M }

func (m withDeskKMS) Run() int {
	deskKMS = standin.NewFront(kmsHost)
	defer deskKMS.Close()
	if err := os.Setenv("HTTPS_PROXY", deskKMS.URL); err != nil {
		panic(err)
	}
	return m.M.Run()
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":     exits,
			"world":     startWorld,
			"mode":      setMode,
			"cut":       cutFile,
			"flip":      flipByte,
			"message":   extractMessage,
			"esdk":      makeMessage,
			"challenge": challenge,
			"log":       writeLog,
			"asked":     asked,
			"entries":   entries,
		},
	})
}

// exits runs a command and wants this exit code: exits 3 anchorhold open …
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

// entries wants exactly these names in a folder, hidden ones included: entries DIR name…
func entries(ts *testscript.TestScript, neg bool, args []string) {
	found, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "*"))
	ts.Check(err)
	hidden, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), ".*.partial"))
	ts.Check(err)
	got := map[string]bool{}
	for _, f := range append(found, hidden...) {
		got[filepath.Base(f)] = true
	}
	for _, want := range args[1:] {
		if !got[want] {
			ts.Fatalf("%s lacks %s", args[0], want)
		}
		delete(got, want)
	}
	if len(got) > 0 {
		ts.Fatalf("%s holds more than wanted: %v", args[0], got)
	}
}
