package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/cli"
	"anchorhold/protocol/internal/outfile"
	"anchorhold/protocol/keypolicy"
	"anchorhold/protocol/ownerkey"
)

const keyPolicyHelp = `Key-policy writes the policy of your KMS key from pins: the parent's role may decrypt, attested as a pinned image (PCR0, 1 and 2, and 3, 4, 8
where pinned), and only what was sealed for that image and your tenant. Sealers may make data keys for pinned images. Administrators may
change the policy, and neither seal nor open. Everything that leads around attestation is denied to everyone: re-encryption, grants,
replicas, imported key material, key pairs.

One key serves one tenant. For several tenants make a key for each, in the account of its owner, and a policy for each key.

kms:Encrypt is denied to everyone. An AWS Encryption SDK needs it for a key that is a child of a multi-keyring, next to another generator.
Make the tenant's key the generator, or, if it must be a child, give --sealers-may-encrypt: sealers may then call Encrypt as narrowly as
GenerateDataKey, for pinned images and your tenant.

It prints the policy, or what it means in words (--explain); you apply it:

  aws kms put-key-policy --key-id ARN --policy file://key-policy.json

Whoever may change the policy can give the key away: keep few administrators, and an alarm on PutKeyPolicy in CloudTrail. If all of them are
deleted, only AWS Support can get at the policy again: name two.`

// keyPolicyFlags say who may do what; key-policy and rollout share them.
type keyPolicyFlags struct {
	tenant                   string
	admins, sealers, parents []string
	sealersEncrypt           bool
}

func (f *keyPolicyFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.tenant, "tenant", "", "tenant `NAME`, as in the policy of the enclave")
	flags.StringSliceVar(&f.admins, "admin", nil, "role `ARN` that changes the policy; of your account, may be repeated")
	flags.StringSliceVar(&f.sealers, "sealer", nil, "role `ARN` that seals; of your account, may be repeated")
	flags.BoolVar(&f.sealersEncrypt, "sealers-may-encrypt", false, "let sealers call kms:Encrypt too, with the same conditions (see --help)")
	flags.StringSliceVar(&f.parents, "parent", nil, "role `ARN` of the parent instance, of the operator's account, may be repeated")
}

func (f *keyPolicyFlags) plan(images []ownerkey.Image) *ownerkey.Plan {
	return &ownerkey.Plan{Tenant: f.tenant, Administrators: f.admins, Sealers: f.sealers, Parents: f.parents, Images: images, SealersEncrypt: f.sealersEncrypt}
}

func (a *app) keyPolicy() *cobra.Command {
	var f keyPolicyFlags
	var pins, out string
	var explain bool
	cmd := &cobra.Command{
		Use:   "key-policy --pins FILE --tenant NAME --admin ARN --sealer ARN --parent ARN",
		Short: "Write the policy of your KMS key from pins; judge one (lint)",
		Long:  keyPolicyHelp,
		Example: `  anchorhold key-policy --pins release.pins --tenant clinic --admin arn:aws:iam::111122223333:role/key-admin \
                        --sealer arn:aws:iam::111122223333:role/sealing --parent arn:aws:iam::444455556666:role/parent \
                        -o key-policy.json --explain`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return cli.Usage("unknown command %q: expected lint, or flags", args[0])
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error { return a.writeKeyPolicy(f, pins, out, explain) },
	}
	f.register(cmd)
	cmd.Flags().StringVar(&pins, "pins", "", "pins `FILE`: the images that you accept")
	cmd.Flags().StringVarP(&out, "out", "o", "", "`FILE` to write the policy to (default: print it)")
	cmd.Flags().BoolVar(&explain, "explain", false, "say in words who may do what, instead of printing the policy")
	cli.Required(cmd, "pins", "tenant")
	cmd.AddCommand(a.keyPolicyLint())
	return cmd
}

func (a *app) writeKeyPolicy(f keyPolicyFlags, pinsFile, out string, explain bool) error {
	pins, err := readPins(pinsFile)
	if err != nil {
		return err
	}
	if !a.now().Before(pins.Expires.AddDate(0, 0, 1)) {
		return refuse(fmt.Errorf("%s: %w", pinsFile, appraise.ErrPinsExpired))
	}
	text, err := f.plan(ownerkey.Images(pins)).Policy()
	if err != nil {
		return cli.Usage("%w", err)
	}
	if out != "" {
		if err := outfile.Write(out, text, 0o644); err != nil {
			return err
		}
	}
	switch {
	case explain:
		return a.explainPolicy(text)
	case out == "":
		_, err = a.out.Write(text)
	}
	return err
}

// explainPolicy prints a policy in words, one line for each statement.
func (a *app) explainPolicy(text []byte) error {
	policy, err := keypolicy.Parse(text)
	if err != nil {
		return err
	}
	for _, line := range ownerkey.Explain(policy) {
		fmt.Fprintln(a.out, harmless(line))
	}
	return nil
}
