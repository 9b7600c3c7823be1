// Command deid-score measures how well a tool de-identifies FHIR R4 records; see
// enclave/deid/score/README.md. It is a tool for desks: no enclave links it, and its records are
// synthetic.
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
