package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"

	"anchorhold/parent/e2e/stage"
)

// frame is the frame length that all AWS Encryption SDKs write unless told otherwise.
const frame = 4096

// An input is a file of records with the output that it must give.
type input struct {
	path string
	want []byte // normalised output of the job that our own seal made
}

// makeInputs writes the records three times: as they are; padded with white space to a whole number
// of frames, where SDKs differ in how they end a message; and one record alone, a message without a
// regular frame. Each is run once as our own seal makes it.
func (l *lab) makeInputs(ctx context.Context) error {
	sample := l.Path("sample")
	if _, err := output(exec.CommandContext(ctx, filepath.Join(l.options.bin, "anchorhold-dev"), "sample", "--out", sample), nil); err != nil {
		return err
	}
	names, err := files(sample, "*.ndjson")
	if err != nil {
		return err
	}
	var all []byte
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		all = append(all, b...)
	}
	body := bytes.TrimSuffix(all, []byte("}\n"))
	padding := bytes.Repeat([]byte(" "), frame-len(all)%frame)
	one, _, _ := bytes.Cut(all, []byte("\n"))
	l.inputs = make(map[string]*input)
	for name, content := range map[string][]byte{
		"whole":  all,
		"padded": append(append(bytes.Clone(body), padding...), "}\n"...),
		"one":    append(bytes.Clone(one), '\n'),
	} {
		in := &input{path: l.Path(name + ".ndjson")}
		l.inputs[name] = in
		if err := os.WriteFile(in.path, content, 0o600); err != nil {
			return err
		}
		j := l.job("our-" + name)
		if err := l.seal(ctx, l.Stage, "policy", j, in); err != nil {
			return err
		}
		if in.want, err = l.process(ctx, j); err != nil {
			return err
		}
	}
	return nil
}

// A job names the files of one job.
type job struct {
	name string
	base string
}

func (l *lab) job(name string) *job { return &job{name, l.Path(name)} }

func (j *job) path(suffix string) string { return j.base + suffix }

// seal makes a job with our own tool under the key and policy of s.
func (l *lab) seal(ctx context.Context, s *stage.Stage, policy string, j *job, in *input, more ...string) error {
	args := []string{
		"seal", "--key", s.KeyARN, "--policy", s.Path(policy + ".cbor"), "--pins", s.Path(policy + ".pins"), "--reply", s.Path("reply.pub.pem"),
		"-o", j.path(".ahjob"),
	}
	return l.owner(ctx, append(append(args, more...), in.path)...)
}

// wrap makes a job around a message and makes sure that the message is in it, byte for byte.
func (l *lab) wrap(ctx context.Context, j *job, more ...string) error {
	args := []string{
		"wrap", "--policy", l.Path("policy.cbor"), "--pins", l.Path("policy.pins"), "--reply", l.Path("reply.pub.pem"), "-o", j.path(".ahjob"),
	}
	if err := l.owner(ctx, append(append(args, more...), j.path(".message"))...); err != nil {
		return err
	}
	message, err := os.ReadFile(j.path(".message"))
	if err != nil {
		return err
	}
	_, rest, err := splitJob(j.path(".ahjob"))
	if err != nil {
		return err
	}
	if !bytes.Equal(rest, message) {
		return errors.New("wrap changed the message")
	}
	return nil
}

// process submits a job, opens its result and returns the normalised records. No record may be
// rejected: open says so by its exit code.
func (l *lab) process(ctx context.Context, j *job) ([]byte, error) {
	if err := l.owner(ctx, "submit", "--parent", l.ParentURL, "--token-file", l.TokenFile(), "-o", j.path(".ahres"), "--receipt", j.path(".receipt"),
		j.path(".ahjob")); err != nil {
		return nil, err
	}
	if err := l.owner(ctx, "open", "--job", j.path(".ahjob"), "--result", j.path(".ahres"), "--receipt", j.path(".receipt"),
		"--policy", l.Path("policy.cbor"), "--pins", l.Path("policy.pins"), "--key", l.Path("reply.key.pem"),
		"--root", l.Path("ca", "attestation-root.pem"), "--out", j.path(".out")); err != nil {
		return nil, err
	}
	l.jobs = append(l.jobs, j)
	names, err := files(j.path(".out"), "*.ndjson")
	if err != nil {
		return nil, err
	}
	var all []byte
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		all = append(all, b...)
	}
	return normalise(all), nil
}

// surrogates are made of the data key and the message id, so two messages of the same records
// differ in them and in nothing else.
var surrogates = regexp.MustCompile(`[b-df-hj-np-t]{32}`)

// normalise numbers surrogates in order of appearance: equal results then mean equal records, and
// references that join the same ones.
func normalise(records []byte) []byte {
	numbers := make(map[string]int)
	return surrogates.ReplaceAllFunc(records, func(s []byte) []byte {
		n, ok := numbers[string(s)]
		if !ok {
			n = len(numbers)
			numbers[string(s)] = n
		}
		return fmt.Appendf(nil, "surrogate-%d", n)
	})
}
