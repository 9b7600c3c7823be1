package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
)

// sealChecks has messages of our own seal decrypted by official SDKs.
func (l *lab) sealChecks() []check {
	var checks []check
	for _, k := range l.sdks {
		for i, r := range []struct {
			name, input string
			more        []string
		}{
			{"default frame length", "whole", nil},
			{"whole number of frames", "padded", []string{"--frame-length", "4096"}},
			{"frames of one byte", "one", []string{"--frame-length", "1"}},
			{"one record", "one", nil},
		} {
			name := fmt.Sprintf("seal-%s-%d", k.name, i)
			checks = append(checks, check{"seal", k.name + " decrypts: " + r.name, func(ctx context.Context) (string, error) {
				return l.runSeal(ctx, k, l.job(name), l.inputs[r.input], r.more)
			}})
		}
		checks = append(checks, check{"seal", k.name + " may not decrypt a real job", func(ctx context.Context) (string, error) {
			return l.refuseUnattested(ctx, k)
		}})
	}
	return checks
}

func (l *lab) runSeal(ctx context.Context, k sdk, j *job, in *input, more []string) (string, error) {
	if err := l.seal(ctx, l.open, "open", j, in, more...); err != nil {
		return "", err
	}
	_, message, err := splitJob(j.path(".ahjob"))
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(j.path(".message"), message, 0o600); err != nil {
		return "", err
	}
	a, err := k.do(ctx, task{Op: "decrypt", Keys: []string{l.open.KeyARN}, Input: j.path(".message"), Outputs: []string{j.path(".plain")}})
	if err != nil {
		return "", err
	}
	got, err := os.ReadFile(j.path(".plain"))
	if err != nil {
		return "", err
	}
	want, err := os.ReadFile(in.path)
	if err != nil {
		return "", err
	}
	if !bytes.Equal(got, want) {
		return "", fmt.Errorf("%d bytes came out that are not the %d that went in", len(got), len(want))
	}
	h, err := header(j.path(".message"))
	if err != nil {
		return "", err
	}
	if !maps.Equal(a.Context, h.Context) {
		return "", errors.New("the SDK authenticated another encryption context than the message's")
	}
	return fmt.Sprintf("%s; %d bytes, frame length %d", a.SDK, len(got), h.FrameLength), nil
}

// refuseUnattested: under the key policy of a real deployment, holding an official SDK and the
// sealing role opens nothing.
func (l *lab) refuseUnattested(ctx context.Context, k sdk) (string, error) {
	j := l.job("our-one")
	_, message, err := splitJob(j.path(".ahjob"))
	if err != nil {
		return "", err
	}
	name := l.Path(k.name + "-refused")
	if err := os.WriteFile(name+".message", message, 0o600); err != nil {
		return "", err
	}
	_, err = k.do(ctx, task{Op: "decrypt", Keys: []string{l.KeyARN}, Input: name + ".message", Outputs: []string{name + ".plain"}})
	if err == nil {
		return "", errors.New("decrypted without attestation")
	}
	if !strings.Contains(err.Error(), "is not authorized to perform: kms:Decrypt") {
		return "", fmt.Errorf("want a refusal by KMS: %w", err)
	}
	return "AccessDenied by the key policy", nil
}

// splitJob reads SPEC 4 by itself, so that the protocol's own reader is not asked about its own
// work.
func splitJob(path string) (head, message []byte, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	const fixed = 12
	if len(b) < fixed || string(b[:8]) != "AHJOB1\r\n" {
		return nil, nil, errors.New("not a job file")
	}
	n := fixed + int64(binary.BigEndian.Uint32(b[8:]))
	if n > int64(len(b)) {
		return nil, nil, errors.New("the job file is shorter than its header")
	}
	return b[:n], b[n:], nil
}
