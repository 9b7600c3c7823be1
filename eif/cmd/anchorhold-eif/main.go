// Command anchorhold-eif builds, measures, compares and signs enclave images (EIF), and writes pins for them. It reads strangers'
// images: what it prints about one is what the bytes say, measured by itself.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}
