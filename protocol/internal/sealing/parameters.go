package sealing

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"

	"anchorhold/protocol/canonical"
	"anchorhold/protocol/envelope"
)

const (
	parametersLabel = "anchorhold/v1 parameters" // SPEC 3.4
	parametersFile  = "anchorhold: parameters/v1"
	maxParameters   = 1 << 20 // SPEC 3.4
)

// parameters is the plaintext of a parameters message (SPEC 3.4).
type parameters struct {
	Label  string            `cbor:"label"`
	Values map[string][]byte `cbor:"values"`
}

// parameterValue is one value in the author's file: exactly one of its fields is set.
type parameterValue struct {
	Text   *string `yaml:"text"`
	Base64 *string `yaml:"base64"`
	File   *string `yaml:"file"`
}

// ParseParameters reads the author's YAML: `anchorhold: parameters/v1`, then `values`, a map from
// name to one of `text`, `base64` or `file`. readFile gets the paths as written. No error holds a
// value: they are secrets.
func ParseParameters(src []byte, readFile func(string) ([]byte, error)) (map[string][]byte, error) {
	var file struct {
		Kind   string                    `yaml:"anchorhold"`
		Values map[string]parameterValue `yaml:"values"`
	}
	d := yaml.NewDecoder(bytes.NewReader(src))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		// The decoder's text quotes values: it stays out.
		return nil, fmt.Errorf("malformed parameters: expected %q and values, each with text, base64 or file", parametersFile)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("malformed parameters: more than one YAML document")
	}
	if "anchorhold: "+file.Kind != parametersFile {
		return nil, fmt.Errorf("malformed parameters: the first line must be %q", parametersFile)
	}
	if len(file.Values) == 0 {
		return nil, errors.New("malformed parameters: values is empty")
	}
	values := make(map[string][]byte, len(file.Values))
	for name, v := range file.Values {
		value, err := v.bytes(readFile)
		if err != nil {
			return nil, fmt.Errorf("parameter %q: %w", name, err)
		}
		values[name] = value
	}
	return values, nil
}

func (v parameterValue) bytes(readFile func(string) ([]byte, error)) ([]byte, error) {
	switch {
	case v.Text != nil && v.Base64 == nil && v.File == nil:
		return []byte(*v.Text), nil
	case v.Base64 != nil && v.Text == nil && v.File == nil:
		b, err := base64.StdEncoding.DecodeString(*v.Base64)
		if err != nil {
			return nil, errors.New("malformed base64")
		}
		return b, nil
	case v.File != nil && v.Text == nil && v.Base64 == nil:
		return readFile(*v.File)
	}
	return nil, errors.New("expected exactly one of text, base64 and file")
}

// sealParameters makes the parameters message: a data key of its own, the same image, tenant,
// pipeline and reply.
func (a *Approved) sealParameters(ctx context.Context, kms KeyMaker) ([]byte, error) {
	plain, err := canonical.Marshal(parameters{Label: parametersLabel, Values: a.plan.Parameters})
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	if len(plain) > maxParameters {
		return nil, fmt.Errorf("%d bytes, at most %d are allowed", len(plain), maxParameters)
	}
	job := envelope.Job{
		Image: a.Job.Image, Tenant: a.Job.Tenant, Pipeline: a.Job.Pipeline, ContentType: envelope.ContentParameters,
		Reply: a.Job.Reply, NotAfter: a.Job.NotAfter,
	}
	var message bytes.Buffer
	if err := a.encrypt(ctx, kms, job.Context(), bytes.NewReader(plain), &message); err != nil {
		return nil, err
	}
	return message.Bytes(), nil
}
