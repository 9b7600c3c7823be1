package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"anchorhold/protocol/audit"
	"anchorhold/protocol/cli"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/internal/canary"
	"anchorhold/protocol/jobfile"
	"anchorhold/protocol/policy"
	"anchorhold/protocol/receipt"
)

const canaryHelp = `Canary shows that the key opens for the enclave and for nobody else. Run it with the credentials of the
parent's role, on a job file that was sealed for it just now, from synthetic records.

First STS is asked whose the credentials are: they must be those of --role. Then the parent runs the job,
and the receipt proves that the enclave opened its data key. Then the same ciphertext is tried in every
way that leads around attestation: Decrypt without a document, with a genuine one that holds no key, with
forged ones; ReEncrypt, CreateGrant, key generation, DeriveSharedSecret, ReplicateKey, PutKeyPolicy.

An attempt is refused as it should be when AWS names the key policy as what refused it (a resource-based
policy, in its words). A refusal for want of an IAM permission, by another policy or for a reason that is
not known proves nothing about the key, and is inconclusive. So allow the role kms:* on the key in its
IAM policy for the time of the run: the key policy must refuse without IAM's help. Attempts with forged
documents are also refused as they should be when KMS rejects the document.

Nothing is changed, also where a way is open: the grant is a dry run, and the policies sent are such that
KMS never takes. What cannot be tried without harm (disabling or deleting the key, importing material) is
not tried; key-policy lint judges it.

--document brings a genuine attestation document that must not open, with a public key in it: of a debug
enclave, of another image, an old one. The role can have such made on its instance; the canary cannot.

--own-key names a key that the role may encrypt under: without it, ReEncrypt is tried towards the same
key, which a policy may deny for that reason alone.

Exit codes: 0 the enclave opened the job and the key policy refuses every attempt; 1 the credentials are
not the role's, the enclave did not open the job, or KMS or STS could not be asked; 3 ALARM: a way is
open; 4 something was refused for another reason than expected: find out which before you rely on it; 5
inconclusive: no way was found open, and at least one attempt proves nothing. Of 3, 4 and 5 the first
that holds.

` + endpointHelp + ` With --root the run is NOT AWS, and any endpoint is used.`

type canaryFlags struct {
	submitFlags
	awsFlags
	role, ownKey, root string
	documents          []string
	asJSON             bool
}

func (a *app) canary() *cobra.Command {
	var f canaryFlags
	cmd := &cobra.Command{
		Use:     "canary --parent URL --role ARN JOB",
		Short:   "Try every way around attestation with the parent's role",
		Long:    canaryHelp,
		Example: "  anchorhold canary --parent https://parent.example --token-file token --role arn:aws:iam::444455556666:role/parent canary.ahjob",
		Args:    cli.ExactArgs("JOB"),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.runCanary(cmd.Context(), f, args[0]) },
	}
	f.submitFlags.register(cmd)
	f.awsFlags.register(cmd)
	cmd.Flags().StringVar(&f.role, "role", "", "`ARN` of the parent's role, whose credentials are used")
	cmd.Flags().StringVar(&f.ownKey, "own-key", "", "`ARN` of a key that the role may encrypt under, for ReEncrypt")
	cmd.Flags().StringVar(&f.root, "root", "", "root certificate `FILE`, PEM or DER, instead of AWS's: NOT AWS, for tests")
	cmd.Flags().StringSliceVar(&f.documents, "document", nil, "attestation document `FILE` that must not open, may be repeated")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print the outcomes as JSON")
	cli.Required(cmd, "parent", "role")
	return cmd
}

// canaryJob is what the canary needs of a job file.
type canaryJob struct {
	header  digest.Digest
	key     envelope.EncryptedKey
	context map[string]string
}

func readCanaryJob(path string) (*canaryJob, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	_, header, err := jobfile.ReadHeader(file)
	if err != nil {
		return nil, fmt.Errorf("%s: expected a job file of anchorhold seal: %w", path, err)
	}
	message, err := envelope.ReadHeader(file, inspectLimits)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(message.Keys) != 1 {
		return nil, fmt.Errorf("%s: expected one encrypted data key, got %d", path, len(message.Keys))
	}
	return &canaryJob{header, message.Keys[0], message.Context}, nil
}

func (a *app) runCanary(ctx context.Context, f canaryFlags, path string) error {
	job, err := readCanaryJob(path)
	if err != nil {
		return err
	}
	var documents [][]byte
	for _, file := range f.documents {
		text, err := readSmall(file)
		if err != nil {
			return err
		}
		documents = append(documents, text)
	}
	client, caller, err := a.canaryClients(ctx, f, job.key.Info)
	if err != nil {
		return err
	}
	document, err := a.openedByEnclave(ctx, f, path, job.header)
	if err != nil {
		return fmt.Errorf("the enclave has not opened the job, so refusals would prove nothing: %w", err)
	}
	target := canary.Target{
		Client: client.client, Key: job.key.Info, Ciphertext: job.key.Ciphertext, Context: job.context, Role: f.role, OwnKey: f.ownKey, Document: document,
		Refused: documents,
	}
	outcomes, err := target.Attempts(ctx)
	if err != nil {
		return err
	}
	if err := a.printCanary(f, caller, target.Key, outcomes); err != nil {
		return err
	}
	switch canary.Worst(outcomes) {
	case canary.Open:
		return refuse(errors.New("ALARM: the key opens without attestation, or is governed by the parent's role"))
	case canary.Odd:
		return errFindings
	case canary.Inconclusive:
		return errUnproven
	}
	return nil
}

// canaryClients makes the client for KMS, once STS has said that the credentials are the role's.
func (a *app) canaryClients(ctx context.Context, f canaryFlags, arn string) (client *awsKMS, caller string, err error) {
	key, err := policy.ParseKeyARN(arn)
	if err != nil {
		return nil, "", err
	}
	rules := a.endpoints(f.awsFlags, f.root != "")
	identifier, err := rules.STS(ctx, key)
	if err != nil {
		return nil, "", err
	}
	if caller, err = canary.CheckCaller(ctx, identifier, f.role); err != nil {
		return nil, "", err
	}
	client, err = newKMS(ctx, arn, rules)
	return client, caller, err
}

// openedByEnclave has the parent run the job and returns the document that signs its receipt. A
// receipt of an earlier run says nothing about the key policy of today.
func (a *app) openedByEnclave(ctx context.Context, f canaryFlags, path string, header digest.Digest) (document []byte, err error) {
	roots, err := readRoots(f.root)
	if err != nil {
		return nil, err
	}
	client, err := a.client(f.submitFlags)
	if err != nil {
		return nil, err
	}
	size, _, err := jobSize(path)
	if err != nil {
		return nil, err
	}
	begun := a.now()
	running, err := client.Post(ctx, size, func() (io.ReadCloser, error) { return os.Open(path) })
	if err != nil {
		return nil, err
	}
	if err := running.Wait(ctx); err != nil {
		return nil, err
	}
	text, err := running.Receipt(ctx)
	if err != nil {
		return nil, err
	}
	file, err := receipt.ParseFile(text)
	if err != nil {
		return nil, err
	}
	verified, err := audit.Verify(file, roots, a.now())
	switch {
	case err != nil:
		return nil, err
	case verified.Leaf == nil:
		return nil, audit.ErrFailed
	case verified.Leaf.Header != header:
		return nil, errors.New("the parent showed the receipt of another job")
	case verified.Leaf.Started.Before(begun.Add(-time.Minute)):
		return nil, errors.New("the job ran before: seal a new one for the canary")
	}
	return file.Document, nil
}

// printCanary prints what was shown: that the enclave opened the job, and how each attempt ended.
func (a *app) printCanary(f canaryFlags, caller, key string, outcomes []canary.Outcome) error {
	counts := canary.Count(outcomes)
	if f.asJSON {
		return cli.WriteJSON(a.out, map[string]any{
			"key": key, "caller": caller, "not_aws": f.root != "", "enclave": "opened", "verdict": canary.Worst(outcomes), "counts": counts, "outcomes": outcomes,
		})
	}
	rows := [][]string{{"opened", "Decrypt by the enclave, as its attested receipt of this job shows", ""}}
	for _, o := range outcomes {
		code := safe(o.Code)
		if o.By != "" {
			code += " by " + o.By
		}
		rows = append(rows, []string{string(o.Verdict), o.Attempt, code})
	}
	a.table(rows)
	verdict := fmt.Sprintf("%s: the enclave opened the job; of %d attempts %d refused by the key policy or the document check, %d inconclusive, %d odd, %d open",
		canary.Worst(outcomes), len(outcomes), counts[canary.Refused], counts[canary.Inconclusive], counts[canary.Odd], counts[canary.Open])
	if f.root != "" {
		verdict += "; NOT AWS"
	}
	_, err := fmt.Fprintln(a.out, verdict)
	return err
}
