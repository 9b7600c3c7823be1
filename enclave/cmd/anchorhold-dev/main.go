// Command anchorhold-dev stands in for AWS on a developer's machine: a local KMS, an attestation
// root whose key is a file, and the enclave program over a software NSM. INSECURE: it proves
// nothing about where code runs, and it is never part of an EIF.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
