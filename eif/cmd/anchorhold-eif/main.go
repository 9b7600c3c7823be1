// Command anchorhold-eif builds, measures, compares and signs enclave images (EIF), and writes pins
// for them. It reads strangers' images: what it prints about one is what the bytes say, measured by
// itself. Its emulate command boots them in QEMU and is INSECURE.
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
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
