package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"anchorhold/enclave/internal/devkms"
	"anchorhold/protocol/protocoltest/testca"
)

// Files of a development CA folder.
const (
	attestationRoot = "attestation-root.pem"
	// certificate and key, as the software NSM wants them
	attestationRootKey = "attestation-root-key.pem"
	tlsRoot            = "tls-root.pem"
	tlsRootKey         = "tls-root-key.pem"
)

func newCA() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "ca --out DIR",
		Short: "Make an attestation root and a TLS root, with their keys",
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "out"); err != nil {
				return err
			}
			return makeCA(out)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "folder for the files; made when missing")
	return cmd
}

func makeCA(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	attestation := testca.New(time.Now)
	tls, err := devkms.NewTLSRoot(time.Now())
	if err != nil {
		return fmt.Errorf("making the TLS root: %w", err)
	}
	tlsKey, err := tls.KeyPEM()
	if err != nil {
		return fmt.Errorf("encoding the TLS root's key: %w", err)
	}
	for _, file := range []struct {
		name    string
		content []byte
		mode    os.FileMode
	}{
		{attestationRoot, attestation.RootPEM(), 0o644},
		{attestationRootKey, attestation.MarshalPEM(), 0o600},
		{tlsRoot, tls.CertificatePEM(), 0o644},
		{tlsRootKey, tlsKey, 0o600},
	} {
		if err := writeNew(filepath.Join(dir, file.name), file.content, file.mode); err != nil {
			return fmt.Errorf("writing the CA: %w", err)
		}
	}
	return nil
}
