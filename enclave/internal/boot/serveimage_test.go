package boot_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"anchorhold/eif/image"
	"anchorhold/enclave/deid/engines"
	"anchorhold/enclave/internal/boot"
	"anchorhold/enclave/internal/nsm"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/protocoltest/testca"
	"anchorhold/protocol/transport"
)

// TestServeImage is no test but a process of the end-to-end tests: it serves as the image
// policy.eif of a stage's folder would, over a software NSM that shows the image's registers, so
// that what a booted image gives for a message can be compared. It lives here because no program
// may set registers.
func TestServeImage(t *testing.T) {
	dir := os.Getenv("ANCHORHOLD_SERVE")
	if dir == "" {
		t.Skip("not called by the end-to-end tests")
	}
	b, err := os.ReadFile(filepath.Join(dir, "policy.eif"))
	if err != nil {
		t.Fatal(err)
	}
	i, err := image.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	_, _, policy, err := i.Layout()
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.ReadFile(filepath.Join(dir, "ca", "attestation-root-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := testca.ParsePEM(root, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	at := func(port int) string { return fmt.Sprintf("unix://%s/one_%d", dir, port) }
	err = boot.Run(ctx, boot.Config{
		Engines: engines.All(), Policy: policy, NSM: nsm.New(softnsm.New(softnsm.Config{CA: ca, Image: i.Measure(), Now: time.Now})), Log: os.Stderr,
		Listen: at(transport.JobPort), Relay: at(transport.RelayPort), Credentials: at(transport.CredentialsPort),
		Ready: func(address string) { fmt.Printf("\nready %s\n", address) },
	})
	if err != nil {
		t.Fatal(err)
	}
}
