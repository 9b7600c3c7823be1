package main

import (
	"crypto/x509"
	"fmt"
	"time"

	"anchorhold/protocol/cli"

	"github.com/spf13/cobra"
)

const signHelp = `Sign writes the image with a signature section as nitro-cli does: the hypervisor takes PCR8 from its certificate. Key and certificate are
ECDSA on P-384; the signature is deterministic, so a signed image can be rebuilt by anyone who has the key. Sign on a machine that is not the enclave's
host: anyone who has the key can sign any image.`

func (a *app) sign() *cobra.Command {
	var keyFile, certFile, out string
	cmd := &cobra.Command{
		Use:     "sign --key FILE --certificate FILE -o FILE FILE",
		Short:   "Add or replace the signature (PCR8)",
		Long:    signHelp,
		Example: "  anchorhold-eif sign --key key.pem --certificate cert.pem -o signed.eif anchorhold.eif",
		Args:    cli.ExactArgs("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			i, err := readImage(args[0])
			if err != nil {
				return err
			}
			certPEM, _, err := readCertificate(certFile)
			if err != nil {
				return err
			}
			key, err := readKey(keyFile)
			if err != nil {
				return err
			}
			signed, err := i.Sign(key, certPEM, a.now())
			if err != nil {
				return fmt.Errorf("signing with %s: %w", certFile, err)
			}
			if err := writeImage(out, signed); err != nil {
				return err
			}
			return a.printMeasurements(out, signed, false)
		},
	}
	cmd.Flags().StringVar(&keyFile, "key", "", "private key `FILE` (PEM)")
	cmd.Flags().StringVar(&certFile, "certificate", "", "certificate `FILE` (PEM)")
	cmd.Flags().StringVarP(&out, "out", "o", "", "image `FILE` to write")
	cli.Required(cmd, "key", "certificate", "out")
	return cmd
}

const verifyHelp = `Verify-signature measures the image, builds what must have been signed from the measurement, and checks the signature over it. What the
signature section says was signed is not believed.

Without --certificate this shows only that somebody signed: anyone can sign any image with a certificate of their own. Give the certificate that you
expect, or compare PCR8.

ES256, ES384 and ES512 are verified, as in AWS's library; the certificate is the first of the section, also of a chain. A key of another kind is
reported as unsupported: that says nothing about the signature.`

func (a *app) verifySignature() *cobra.Command {
	var certFile string
	cmd := &cobra.Command{
		Use:     "verify-signature FILE",
		Short:   "Check the signature against the measured image",
		Long:    verifyHelp,
		Example: "  anchorhold-eif verify-signature --certificate cert.pem signed.eif",
		Args:    cli.ExactArgs("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			i, err := readImage(args[0])
			if err != nil {
				return err
			}
			var want *x509.Certificate
			if certFile != "" {
				if _, want, err = readCertificate(certFile); err != nil {
					return err
				}
			}
			cert, pcr8, err := i.Verify(want, a.now())
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			fmt.Fprintf(a.out, "signature holds for PCR0 %s\ncertificate %q, until %s\nPCR8 %s\n", i.Measure().PCR0, cert.Subject, cert.NotAfter.UTC().Format(time.RFC3339), pcr8)
			if note := ignored(i); note != "" {
				fmt.Fprintln(a.out, note)
			}
			if want == nil {
				fmt.Fprintln(a.out, "anyone can make such a certificate: give --certificate, or compare PCR8")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&certFile, "certificate", "", "certificate `FILE` (PEM) that must have signed")
	return cmd
}
