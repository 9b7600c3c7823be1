// Package nsm asks the Nitro Secure Module for attestation documents, PCRs and random bytes, one
// request at a time and each with a deadline, and keeps the enclave's clock by the times of those
// documents.
//
// The main call is [Client.Attest]. The requests are those of the NSM API; github.com/hf/nsm
// carries them to /dev/nsm. The package does not verify documents: what /dev/nsm answers is the
// hypervisor's word.
package nsm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hf/nsm/request"
	"github.com/hf/nsm/response"

	"anchorhold/protocol/digest"
)

// Field limits that the NSM enforces or announces (AWS attestation process, 3.2.2.2). Longer fields
// could be signed today and refused tomorrow.
const (
	MaxUserData  = 512
	MaxNonce     = 512
	MaxPublicKey = 1024
)

// Response limits: maxDocument is NSM_RESPONSE_MAX_SIZE of nsm-api.
const (
	maxDocument = 0x3000
	maxRandom   = 0x3000
)

// Timeout bounds one request, waiting for earlier ones included. The kernel's own limit is 120 s:
// too long for an enclave that must be noticed as wedged within 10 s.
const Timeout = 5 * time.Second

var (
	errClosed  = errors.New("nsm session is closed")
	errTimeout = errors.New("nsm did not answer in time")
	errAnswer  = errors.New("nsm answer is invalid")
	errRefused = errors.New("nsm refused the request")
)

// Sender carries one request to a security module. The session of hf/nsm and the software module
// are such.
type Sender interface {
	Send(request.Request) (response.Response, error)
}

// Client serialises requests to a module. It is safe for concurrent use. Close it.
type Client struct {
	work    chan *exchange
	done    chan struct{} // closed by Close
	closing sync.Once
	timeout time.Duration
	clock   clock
	sick    atomic.Bool // the latest request failed or got no answer
}

// exchange is one request on its way. answer has room for one, so that a late answer never blocks
// the worker.
type exchange struct {
	ctx    context.Context
	req    request.Request
	answer chan result
}

type result struct {
	res response.Response
	err error
}

// New returns a client of s, which it alone uses from now on and closes, when it is an io.Closer,
// after the last request.
func New(s Sender) *Client { return NewTimeout(s, Timeout) }

// NewTimeout is New with another limit for one request.
func NewTimeout(s Sender, timeout time.Duration) *Client {
	c := &Client{work: make(chan *exchange), done: make(chan struct{}), timeout: timeout}
	// The worker ends after Close. A module that never answers keeps it, and only it, for good:
	// nobody can interrupt an ioctl.
	go c.serve(s)
	return c
}

// serve is the only caller of s: Close of an hf/nsm session beside a Send would panic.
func (c *Client) serve(s Sender) {
	if closer, ok := s.(io.Closer); ok {
		defer closer.Close()
	}
	for {
		select {
		case <-c.done:
			return
		case x := <-c.work:
			if x.ctx.Err() != nil { // its caller has gone
				continue
			}
			res, err := send(s, x.req)
			x.answer <- result{res, err}
		}
	}
}

// send turns a panic into an error: hf/nsm slices by a length that the driver wrote.
func send(s Sender, req request.Request) (res response.Response, err error) {
	defer func() {
		if recover() != nil {
			res, err = response.Response{}, errAnswer
		}
	}()
	return s.Send(req)
}

// Close ends the client. Requests under way fail.
func (c *Client) Close() error {
	c.closing.Do(func() { close(c.done) })
	return nil
}

// Healthy reports whether the latest request was answered. It is true before the first one.
func (c *Client) Healthy() bool { return !c.sick.Load() }

// do sends one request and returns its answer, which is not an NSM error.
func (c *Client) do(ctx context.Context, req request.Request) (response.Response, error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	res, err := c.exchange(ctx, req)
	if err == nil && res.Error != "" { // before any field: an error leaves them nil
		res, err = response.Response{}, errRefused
	}
	if caller.Err() == nil { // a caller that gives up says nothing about the module
		c.sick.Store(err != nil)
	}
	return res, err
}

// exchange hands one request to the worker and waits for the answer.
func (c *Client) exchange(ctx context.Context, req request.Request) (response.Response, error) {
	x := &exchange{ctx: ctx, req: req, answer: make(chan result, 1)}
	select {
	case c.work <- x:
	case <-c.done:
		return response.Response{}, errClosed
	case <-ctx.Done():
		return response.Response{}, errTimeout
	}
	select {
	case r := <-x.answer:
		if r.err != nil {
			return response.Response{}, fmt.Errorf("nsm request failed: %w", r.err)
		}
		return r.res, nil
	case <-c.done:
		return response.Response{}, errClosed
	case <-ctx.Done():
		return response.Response{}, errTimeout
	}
}

// Attest returns a fresh attestation document with these fields, nil for absent, and sets the clock
// by it.
func (c *Client) Attest(ctx context.Context, userData, nonce, publicKey []byte) ([]byte, error) {
	if len(userData) > MaxUserData || len(nonce) > MaxNonce || len(publicKey) > MaxPublicKey {
		return nil, fmt.Errorf("attestation field too long: user_data %d, nonce %d, public_key %d bytes",
			len(userData), len(nonce), len(publicKey))
	}
	res, err := c.do(ctx, &request.Attestation{UserData: userData, Nonce: nonce, PublicKey: publicKey})
	if err != nil {
		return nil, err
	}
	if res.Attestation == nil || len(res.Attestation.Document) == 0 || len(res.Attestation.Document) > maxDocument {
		return nil, errAnswer // `{}` and nulls come back as success
	}
	if err := c.clock.set(res.Attestation.Document); err != nil {
		return nil, err
	}
	return res.Attestation.Document, nil
}

// PCR returns the value of a register and whether it is locked.
func (c *Client) PCR(ctx context.Context, index uint16) (digest.Digest, bool, error) {
	res, err := c.do(ctx, &request.DescribePCR{Index: index})
	if err != nil {
		return digest.Digest{}, false, err
	}
	if res.DescribePCR == nil || len(res.DescribePCR.Data) != digest.Size {
		return digest.Digest{}, false, errAnswer
	}
	return digest.Digest(res.DescribePCR.Data), res.DescribePCR.Lock, nil
}

// Describe returns the module's id and version, checked to be one that measures with SHA-384.
func (c *Client) Describe(ctx context.Context) (response.DescribeNSM, error) {
	res, err := c.do(ctx, &request.DescribeNSM{})
	if err != nil {
		return response.DescribeNSM{}, err
	}
	if res.DescribeNSM == nil || res.DescribeNSM.ModuleID == "" || res.DescribeNSM.Digest != response.DigestSHA384 {
		return response.DescribeNSM{}, errAnswer
	}
	return *res.DescribeNSM, nil
}

// Random returns n random bytes of the module.
func (c *Client) Random(ctx context.Context, n int) ([]byte, error) {
	out := make([]byte, 0, n)
	for len(out) < n {
		res, err := c.do(ctx, &request.GetRandom{})
		if err != nil {
			return nil, err
		}
		if res.GetRandom == nil || len(res.GetRandom.Random) == 0 || len(res.GetRandom.Random) > maxRandom {
			return nil, errAnswer
		}
		out = append(out, res.GetRandom.Random[:min(n-len(out), len(res.GetRandom.Random))]...)
	}
	return out, nil
}

// Now returns the time by the module's clock: that of its latest document, carried on by the
// monotonic clock. It is the zero time before the first document.
func (c *Client) Now() time.Time { return c.clock.now() }
