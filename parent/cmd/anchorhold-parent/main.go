// Command anchorhold-parent runs on the parent instance: it takes sealed jobs over HTTP, keeps
// them, runs them on enclaves, and carries the enclaves' TLS bytes to AWS KMS. It sees no plaintext
// and no key. See parent/OPERATING.md.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"anchorhold/parent/internal/program"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	os.Exit(program.Run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
