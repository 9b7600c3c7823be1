package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"anchorhold/protocol/cli"
	"anchorhold/protocol/internal/outfile"
	"anchorhold/protocol/internal/sealing"
	"anchorhold/protocol/result"
)

const wrapHelp = `Wrap makes a job file around a message that an official AWS Encryption SDK wrote, in any language: format version 2, suite 0x0478
or 0x0578, framed. The message's encryption context must hold the anchorhold: entries of SPEC 3.1; inspect shows them.

Make the tenant's KMS key the generator of the SDK's keyring. As a child of a multi-keyring it needs kms:Encrypt, which the key policy denies
unless key-policy --sealers-may-encrypt wrote it. Anyone who may use another key of the message opens it without the enclave; wrap names such keys.

Wrap refuses, exit code 3, what the enclave would refuse by what stands in the clear. Whether the message decrypts only KMS and
the enclave can tell. With --pins the image is checked too.`

func (a *app) wrap() *cobra.Command {
	var policyFile, pins, reply, crosswalk, parameters, out string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "wrap --policy FILE --reply FILE -o JOB MESSAGE",
		Short: "Make a job file around a message of an official AWS Encryption SDK",
		Long:  wrapHelp,
		Example: `  anchorhold wrap --policy policy.cbor --pins pins.yaml --reply clinic-2026.pub.pem \
                  -o job.ahjob records.encrypted`,
		Args: cli.ExactArgs("MESSAGE"),
		RunE: func(_ *cobra.Command, args []string) error {
			w := sealing.Wrapping{Now: a.now()}
			var err error
			compiled, pol, err := readPolicy(policyFile)
			if err != nil {
				return err
			}
			if w.Policy = compiled; pol.NotAWS() {
				a.warnNotAWS()
			}
			if pins != "" {
				if w.Pins, err = readPins(pins); err != nil {
					return err
				}
			}
			if w.Reply, err = readPublicKey(reply, result.Result); err != nil {
				return err
			}
			if w.Crosswalk, err = readPublicKey(crosswalk, result.Crosswalk); err != nil {
				return err
			}
			if parameters != "" {
				if w.Parameters, err = readSmall(parameters); err != nil {
					return err
				}
			}
			return a.wrapMessage(w, args[0], out, asJSON)
		},
	}
	f := cmd.Flags()
	f.StringVar(&policyFile, "policy", "", "compiled policy `FILE`")
	f.StringVar(&pins, "pins", "", "pins `FILE`, to check that the message names an image that you accept")
	f.StringVar(&reply, "reply", "", "public key `FILE` that the message's anchorhold:reply is the SHA-256 of")
	f.StringVar(&crosswalk, "crosswalk", "", "public key `FILE` that anchorhold:crosswalk is the SHA-256 of")
	f.StringVar(&parameters, "parameters", "", "parameters message `FILE`, made by the same SDK")
	f.StringVarP(&out, "out", "o", "", "job `FILE` to write")
	f.BoolVar(&asJSON, "json", false, "print the summary as JSON")
	cli.Required(cmd, "policy", "reply", "out")
	return cmd
}

func (a *app) wrapMessage(w sealing.Wrapping, message, out string, asJSON bool) error {
	in, err := os.Open(message)
	if err != nil {
		return err
	}
	defer in.Close()
	file, err := outfile.Create(out, 0o600)
	if err != nil {
		return err
	}
	defer file.Abort()
	sealed, err := w.Wrap(bufio.NewReader(in), file)
	if err != nil {
		return fmt.Errorf("%s: %w", message, err)
	}
	if err := file.Commit(); err != nil {
		return err
	}
	id := hex.EncodeToString(sealed.MessageID[:])
	if asJSON {
		return cli.WriteJSON(a.out, map[string]any{"job": out, "size": sealed.Size, "message_id": id, "context": sealed.Context, "image_checked": w.Pins != nil, "other_keys": append([]string{}, sealed.OtherKeys...)})
	}
	fmt.Fprintf(a.out, "wrapped message %s into %s (%s)\n", id, out, bytesText(sealed.Size))
	for _, key := range sealed.OtherKeys {
		fmt.Fprintf(a.out, "anyone who may use %s opens it too, without the enclave\n", safe(key))
	}
	if w.Pins == nil {
		fmt.Fprintln(a.out, "whether you accept its image was not checked: give --pins")
	}
	return nil
}
