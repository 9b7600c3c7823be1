package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"anchorhold/protocol/attest"
	"anchorhold/protocol/cli"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/jobfile"
	"anchorhold/protocol/pinsfile"
	"anchorhold/protocol/policy"
	"anchorhold/protocol/receipt"
	"anchorhold/protocol/result"
)

const inspectHelp = `Inspect says what a file claims: a job file, an AWS Encryption SDK message, a sealed result or crosswalk, a receipt, an attestation
document, a compiled policy, pins or a key file. It proves nothing: everything that it prints is UNVERIFIED.`

// inspectLimits are wide: the file may be of another policy, or of none.
var inspectLimits = envelope.Limits{MaxKeys: 1 << 10, MaxFrameLength: 1<<32 - 1}

// errUnknown says that a file is none of the kinds that we know.
var errUnknown = errors.New("unknown kind of file")

func hash256(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

func (a *app) inspect() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "inspect FILE",
		Short:   "Say what a file claims, without proof",
		Long:    inspectHelp,
		Example: "  anchorhold inspect job.ahjob",
		Args:    cli.ExactArgs("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			kind, f, err := inspectFile(args[0])
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if asJSON {
				return cli.WriteJSON(a.out, map[string]any{"file": args[0], "kind": kind, "verified": false, "claims": f.object()})
			}
			fmt.Fprintf(a.out, "%s: %s. UNVERIFIED: this is what it claims.\n", safe(args[0]), kind)
			a.table(f.rows())
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}

// inspectFile finds the kind of a file by its content.
func inspectFile(path string) (kind string, f fields, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", nil, err
	}
	defer file.Close()
	head := make([]byte, 8)
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return "", nil, err
	}
	head = head[:n]
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", nil, err
	}
	switch {
	case string(head) == "AHJOB1\r\n":
		return inspectJob(file)
	case string(head) == "AHRES1\r\n":
		return inspectSealed("sealed result", file)
	case string(head) == "AHXWK1\r\n":
		return inspectSealed("sealed crosswalk", file)
	case bytes.HasPrefix(head, []byte{0x02, 0x04, 0x78}), bytes.HasPrefix(head, []byte{0x02, 0x05, 0x78}):
		h, err := envelope.ReadHeader(file, inspectLimits)
		if err != nil {
			return "", nil, err
		}
		return "AWS Encryption SDK message", describeMessage(h), nil
	}
	b, err := readSmall(path)
	if err != nil {
		return "", nil, err
	}
	return inspectSmall(b)
}

// inspectSmall tries the kinds that are read whole.
func inspectSmall(b []byte) (string, fields, error) {
	if r, err := receipt.ParseFile(b); err == nil {
		return inspectReceipt(r)
	}
	if p, err := policy.Parse(b); err == nil {
		return "compiled policy", describePolicy(p), nil
	}
	if d, err := attest.Parse(b); err == nil {
		return "attestation document", describeDocument(d), nil
	}
	if p, err := pinsfile.Parse(b); err == nil {
		return "pins", describePins(p), nil
	}
	if block, _ := pem.Decode(b); block != nil {
		return inspectKey(b)
	}
	if yamlPolicy.Match(b) {
		return "", nil, fmt.Errorf("a policy's source: compile it first (anchorhold policy compile)")
	}
	return "", nil, fmt.Errorf("%w: expected a job, message, result, receipt, document, compiled policy, pins or key", errUnknown)
}

func inspectJob(file *os.File) (string, fields, error) {
	header, sum, err := jobfile.ReadHeader(file)
	if err != nil {
		return "", nil, err
	}
	f := describeJob(header)
	f.add("header digest", "%s", sum)
	input, size, err := hashRest(file)
	if err != nil {
		return "", nil, err
	}
	f.add("input digest", "%s, %d bytes", input, size)
	if _, err := file.Seek(-size, io.SeekEnd); err != nil {
		return "", nil, err
	}
	msg, err := envelope.ReadHeader(file, inspectLimits)
	if err != nil {
		return "", nil, fmt.Errorf("message: %w", err)
	}
	return "job file", append(f, describeMessage(msg)...), nil
}

// inspectSealed can only measure: what is inside takes the private key.
func inspectSealed(kind string, file *os.File) (string, fields, error) {
	sum, size, err := hashRest(file)
	if err != nil {
		return "", nil, err
	}
	var f fields
	f.add("digest", "%s", sum)
	f.add("size", "%d bytes", size)
	chunks := size - result.HeadSize
	if chunks <= 0 || chunks%result.SealedChunkSize != 0 {
		f.add("chunks", "cut off: the size is not that of whole chunks")
		return kind, f, nil
	}
	f.add("chunks", "%d of %d bytes", chunks/result.SealedChunkSize, result.SealedChunkSize)
	return kind, f, nil
}

// hashRest hashes from where the file stands to its end.
func hashRest(file *os.File) (digest.Stream, int64, error) {
	hash := digest.NewStream()
	n, err := io.Copy(hash, file)
	if err != nil {
		return digest.Stream{}, 0, err
	}
	return digest.Stream(hash.Sum(nil)), n, nil
}

func inspectReceipt(r *receipt.File) (string, fields, error) {
	leaf, failure, err := receipt.ParseLeaf(r.Leaf)
	if err != nil {
		return "", nil, err
	}
	doc, err := attest.Parse(r.Document)
	if err != nil {
		return "", nil, err
	}
	if failure != nil {
		return "failure leaf", append(describeFailure(failure), describeDocument(doc)...), nil
	}
	return "receipt", append(describeLeaf(leaf), describeDocument(doc)...), nil
}

// inspectKey names a key file and prints no secret.
func inspectKey(b []byte) (string, fields, error) {
	for _, s := range []result.Stream{result.Result, result.Crosswalk} {
		var f fields
		if key, err := result.ParsePublicKey(b, s); err == nil {
			f.add("sha256", "%s", hash256(key))
			return streamName(s) + " public key", f, nil
		}
		if key, err := result.ParsePrivateKey(b, s); err == nil {
			f.add("sha256 of its public key", "%s", hash256(key.PublicKey()))
			return streamName(s) + " private key: keep it", f, nil
		}
	}
	return "", nil, errUnknown
}
