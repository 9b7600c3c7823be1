package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/frame"
	"anchorhold/protocol/message"
)

const (
	askTime     = 15 * time.Second // for an attestation document or a policy
	maxPolicy   = 16 << 20         // bytes of a compiled policy with its rules and roots
	maxPolicies = 16               // kept; there is one for each image at most
)

// ErrNoEnclave says that no enclave that fits answers.
var ErrNoEnclave = errors.New("no enclave answers")

// Attest asks an enclave with that image, or any when image is nil, for a document over nonce. It
// returns the document and the enclave's name. A refusal of the enclave is a *code.Error.
func (f *Fleet) Attest(ctx context.Context, image *digest.Digest, nonce []byte) ([]byte, string, error) {
	var document []byte
	e, err := f.ask(ctx, image, func(c *message.Conn) error {
		if err := c.Send(message.Attest{Nonce: nonce}); err != nil {
			return err
		}
		m, _, _, err := c.Receive()
		switch m := m.(type) {
		case message.Attestation:
			document = m.Document
			return nil
		case message.Failed:
			return code.New(m.Code, nil)
		case nil:
			return errors.Join(err, errProtocol)
		default:
			return errProtocol
		}
	})
	if err != nil {
		return nil, "", err
	}
	return document, e.name, nil
}

// Policy returns the compiled policy of an enclave with that image, or of any when image is nil,
// and its digest.
func (f *Fleet) Policy(ctx context.Context, image *digest.Digest) ([]byte, digest.Digest, error) {
	e := f.pick(image)
	if e == nil {
		return nil, digest.Digest{}, ErrNoEnclave
	}
	d, _, _, _ := e.state()
	f.mu.Lock()
	policy, ok := f.policies[d.Policy]
	f.mu.Unlock()
	if ok {
		return policy, d.Policy, nil
	}
	if _, err := f.ask(ctx, &d.PCR0, func(c *message.Conn) (err error) {
		policy, err = getPolicy(c)
		return err
	}); err != nil {
		return nil, digest.Digest{}, err
	}
	// The owner recomputes it too; a policy that is not the described one is refused here so that
	// nobody wonders why.
	if digest.Sum(policy) != d.Policy {
		return nil, digest.Digest{}, fmt.Errorf("%w: policy differs from its digest", errProtocol)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.policies) >= maxPolicies {
		clear(f.policies)
	}
	f.policies[d.Policy] = policy
	return policy, d.Policy, nil
}

func getPolicy(c *message.Conn) ([]byte, error) {
	if err := c.Send(message.GetPolicy{}); err != nil {
		return nil, err
	}
	var policy []byte
	for {
		m, kind, data, err := c.Receive()
		if err != nil {
			return nil, err
		}
		switch m.(type) {
		case message.End:
			return policy, nil
		case nil:
			if kind != frame.Data || len(policy)+len(data) > maxPolicy {
				return nil, errProtocol
			}
			policy = append(policy, data...)
		default:
			return nil, errProtocol
		}
	}
}

// pick returns an enclave that answers and has the image.
func (f *Fleet) pick(image *digest.Digest) *enclave {
	for _, e := range f.enclaves {
		if d, _, up, _ := e.state(); up && (image == nil || d.PCR0 == *image) {
			return e
		}
	}
	return nil
}

// ask runs one short exchange; on a dead pooled connection it tries a fresh one.
func (f *Fleet) ask(ctx context.Context, image *digest.Digest, exchange func(*message.Conn) error) (*enclave, error) {
	e := f.pick(image)
	if e == nil {
		return nil, ErrNoEnclave
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	for fresh := false; ; fresh = true {
		l, err := e.lease(ctx, fresh)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoEnclave, err)
		}
		stop := context.AfterFunc(ctx, func() { l.conn.Close() })
		err = exchange(l.conn)
		coded := new(code.Error)
		inOrder := err == nil || errors.As(err, &coded)
		if stop() && inOrder {
			e.keep(l)
		} else {
			e.drop(l)
		}
		if inOrder || !l.pooled || ctx.Err() != nil {
			return e, err
		}
	}
}
