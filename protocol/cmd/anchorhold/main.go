// Command anchorhold is the tool of a data owner and of a reviewer: it seals health records to a
// pinned enclave image, submits them, verifies receipts and opens results. It trusts AWS KMS, the
// Nitro hypervisor and the measurements that it is given; it trusts nothing that the parent
// instance says.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal kills, should something not listen to the first
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
