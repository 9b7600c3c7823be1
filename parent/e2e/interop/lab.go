package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"anchorhold/parent/e2e/stage"
)

// A lab is a running stage with what the checks share. Checks run one after another, so nothing in
// it is locked.
type lab struct {
	*stage.Stage
	options options
	sdks    []sdk
	inputs  map[string]*input
	foreign string // ARN of a key that the policy gives to no tenant
	// the stage with a key that the sealer may use to decrypt without attestation: this test's
	// policy alone
	open *stage.Stage
	jobs []*job // those that came back, for later checks
}

// newLab starts the stage. On error nothing is left running.
func newLab(ctx context.Context, o options) (*lab, error) {
	// Not below the source folder: a unix socket's path must stay under 108 bytes.
	dir, err := os.MkdirTemp("", "ahi")
	if err != nil {
		return nil, err
	}
	s, err := stage.Start(ctx, stage.Options{Bin: o.bin, Dir: dir})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	l := &lab{Stage: s, options: o, sdks: sdks(o, s)}
	for _, step := range []func(context.Context) error{l.makeKeys, l.makeInputs} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, l.close())
		}
	}
	return l, nil
}

func (l *lab) close() error {
	return errors.Join(l.Stop(), os.RemoveAll(l.Dir))
}

// statement is one of an IAM policy.
type statement struct {
	Sid, Effect string
	Principal   map[string]string
	Action      []string
	Resource    string
	Condition   map[string]map[string]string `json:",omitempty"`
}

func allow(sid string, r stage.Role, actions ...string) statement {
	return statement{Sid: sid, Effect: "Allow", Principal: map[string]string{"AWS": r.ARN}, Action: actions, Resource: "*"}
}

func policyOf(statements ...any) (string, error) {
	b, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	return string(b), err
}

// makeKeys makes the two further keys, and lets the sealer use the tenant's key as a further key of
// a message.
func (l *lab) makeKeys(ctx context.Context) error {
	administration := allow("Administration", l.Administrator(), "kms:DescribeKey", "kms:GetKeyPolicy", "kms:PutKeyPolicy")
	policy, err := policyOf(administration, allow("Seal", l.Sealer(), "kms:GenerateDataKey", "kms:Encrypt"))
	if err != nil {
		return err
	}
	if l.foreign, err = l.CreateKey(ctx, policy); err != nil {
		return err
	}
	if policy, err = policyOf(administration, allow("SealAndRead", l.Sealer(), "kms:GenerateDataKey", "kms:Decrypt")); err != nil {
		return err
	}
	arn, err := l.CreateKey(ctx, policy)
	if err != nil {
		return err
	}
	l.open = l.WithKey(arn)
	if err := l.open.CompilePolicy(ctx, "open", "2026-12-31"); err != nil {
		return err
	}
	if err := l.open.WritePins(ctx, "open"); err != nil {
		return err
	}
	return l.addStatement(ctx, allow("FurtherKey", l.Sealer(), "kms:Encrypt"))
}

// addStatement adds to the policy of the tenant's key, which keeps all others.
func (l *lab) addStatement(ctx context.Context, s statement) error {
	text, err := l.KeyPolicy(ctx)
	if err != nil {
		return err
	}
	var old struct{ Statement []json.RawMessage }
	if err := json.Unmarshal([]byte(text), &old); err != nil {
		return err
	}
	var statements []any
	for _, raw := range old.Statement {
		statements = append(statements, raw)
	}
	if text, err = policyOf(append(statements, s)...); err != nil {
		return err
	}
	return l.SetKeyPolicy(ctx, text)
}

// output runs a program to its end and returns what it wrote; the error holds standard error, for
// records here are made up.
func output(cmd *exec.Cmd, stdin io.Reader) ([]byte, error) {
	var out, complaint bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &complaint
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, bytes.TrimSpace(complaint.Bytes()))
	}
	return out.Bytes(), nil
}

// owner runs the owner's tool.
func (l *lab) owner(ctx context.Context, args ...string) error {
	_, err := output(l.Owner(ctx, args...), nil)
	return err
}

// events counts what the local KMS has recorded of successful operations of that name.
func (l *lab) events(operation string) (int, error) {
	b, err := os.ReadFile(l.EventsFile())
	if err != nil {
		return 0, err
	}
	n := 0
	for line := range bytes.Lines(b) {
		var e struct{ EventName, ErrorCode string }
		if err := json.Unmarshal(line, &e); err != nil {
			return 0, err
		}
		if e.EventName == operation && e.ErrorCode == "" {
			n++
		}
	}
	return n, nil
}

// files returns the sorted paths that match, at least one.
func files(elem ...string) ([]string, error) {
	pattern := filepath.Join(elem...)
	names, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no file %s", filepath.Base(pattern))
	}
	slices.Sort(names)
	return names, nil
}
