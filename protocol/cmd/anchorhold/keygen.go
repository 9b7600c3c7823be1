package main

import (
	"crypto/sha256"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"anchorhold/protocol/cli"
	"anchorhold/protocol/internal/outfile"
	"anchorhold/protocol/result"
)

func (a *app) keygen() *cobra.Command {
	var out string
	var crosswalk, asJSON bool
	cmd := &cobra.Command{
		Use:   "keygen --out NAME",
		Short: "Make a key pair that results are sealed to",
		Long: `Keygen writes NAME.key.pem, which only you may read and which opens results, and NAME.pub.pem, which goes into jobs.
Lose the private key and results sealed to it are lost; whoever has it reads them.

With --crosswalk the pair is for the crosswalk stream (surrogate to original), which other people should hold.`,
		Example: "  anchorhold keygen --out clinic-2026",
		Args:    cli.ExactArgs(),
		RunE: func(*cobra.Command, []string) error {
			stream := result.Result
			if crosswalk {
				stream = result.Crosswalk
			}
			return a.makeKeys(out, stream, asJSON)
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "`NAME` of the two files, without .key.pem and .pub.pem")
	cmd.Flags().BoolVar(&crosswalk, "crosswalk", false, "a pair for the crosswalk stream instead of results")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the summary as JSON")
	cli.Required(cmd, "out")
	return cmd
}

func (a *app) makeKeys(name string, stream result.Stream, asJSON bool) error {
	private, public := name+".key.pem", name+".pub.pem"
	for _, path := range []string{private, public} {
		if err := outfile.Free(path); err != nil {
			return err
		}
	}
	key, err := result.GenerateKey()
	if err != nil {
		return err
	}
	secret, err := key.MarshalPEM(stream)
	if err != nil {
		return err
	}
	defer clear(secret)
	shown, err := result.MarshalPublicKey(stream, key.PublicKey())
	if err != nil {
		return err
	}
	if err := outfile.Write(private, secret, 0o600); err != nil {
		return err
	}
	if err := outfile.Write(public, shown, 0o644); err != nil {
		os.Remove(private) // half a pair helps nobody
		return err
	}
	hash := fmt.Sprintf("%x", sha256.Sum256(key.PublicKey()))
	if asJSON {
		return cli.WriteJSON(a.out, map[string]string{"private": private, "public": public, "sha256": hash, "kind": streamName(stream)})
	}
	fmt.Fprintf(a.out, "%s key pair %s\n", streamName(stream), hash)
	a.table([][]string{{"private", private, "keep it: it opens results"}, {"public", public, "goes into jobs"}})
	return nil
}
