package job

import (
	"bytes"
	"context"
	"io"

	"anchorhold/protocol/canonical"
	"anchorhold/protocol/code"
	"anchorhold/protocol/envelope"
)

const (
	parametersLabel = "anchorhold/v1 parameters" // SPEC 3.4
	maxParameters   = 1 << 20                    // bytes of plaintext, SPEC 3.4
)

// parameters opens the job's parameters message and returns its values, which the caller clears;
// nil when there is none. Its hash is in the job's context, so its owner is the job's.
func (r *run) parameters(ctx context.Context) (map[string][]byte, error) {
	if r.claims.Parameters == nil {
		return nil, nil
	}
	in := bytes.NewReader(r.file.Parameters)
	h, err := envelope.ReadHeader(in, r.s.envelopeLimits())
	if err != nil {
		return nil, code.New(code.ParametersMalformed, err)
	}
	c, err := r.s.check(h)
	if err != nil {
		return nil, err
	}
	if err := r.claims.checkParameters(c); err != nil {
		return nil, err
	}
	var key [32]byte
	defer clear(key[:])
	if err := r.release(ctx, h, c, &key); err != nil {
		return nil, err
	}
	plain, err := h.Open(key[:], in)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(plain, maxParameters+1))
	defer clear(content)
	if err != nil {
		return nil, err // what was read is not authentic as a whole
	}
	if len(content) > maxParameters {
		return nil, code.New(code.ParametersMalformed, nil)
	}
	var p struct {
		Label  string            `cbor:"label"`
		Values map[string][]byte `cbor:"values"`
	}
	if err := canonical.Unmarshal(content, &p); err != nil || p.Label != parametersLabel {
		clearValues(p.Values)
		return nil, code.New(code.ParametersMalformed, err)
	}
	return p.Values, nil
}

func clearValues(values map[string][]byte) {
	for _, v := range values {
		clear(v)
	}
}
