package kms

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"anchorhold/protocol/code"
	"anchorhold/protocol/message"
)

const (
	exchangeTimeout  = 10 * time.Second // one question to the parent
	handshakeTimeout = 10 * time.Second
	answerTimeout    = 15 * time.Second // until KMS's response header
	idleTimeout      = 60 * time.Second
	maxHeader        = 16 << 10 // bytes of a response header
	maxResponse      = 64 << 10 // bytes of a response body: a Decrypt answer has under 2 KiB
	idleConns        = 4
)

var errResponseTooLong = errors.New("kms response is too long")

// newTransport returns a transport whose connections run through the parent's relay and whose TLS
// ends here.
func (c *Client) newTransport() *http.Transport {
	return &http.Transport{
		Proxy:       nil, // no environment variable may redirect it
		DialContext: c.dialRelay,
		TLSClientConfig: &tls.Config{
			RootCAs:    c.config.Roots,
			MinVersion: tls.VersionTLS12,
			// The wall clock is not ours to trust: an old, leaked certificate could be made valid
			// again.
			Time: c.config.Now,
		},
		TLSHandshakeTimeout:    handshakeTimeout,
		ResponseHeaderTimeout:  answerTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConns:           idleConns,
		MaxIdleConnsPerHost:    idleConns,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true,
	}
}

// dialRelay asks the parent's relay for a connection to KMS. Whatever it connects to must prove
// itself in TLS.
func (c *Client) dialRelay(ctx context.Context, _, address string) (net.Conn, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, code.New(code.KMSUnavailable, err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, code.New(code.KMSUnavailable, err)
	}
	conn, answer, err := ask(ctx, c.config, c.config.Relay, message.Connect{Host: host, Port: uint16(port)})
	if err != nil {
		return nil, code.New(code.KMSUnavailable, err)
	}
	switch m := answer.(type) {
	case message.Connected:
		return conn.Raw(), nil
	case message.Failed:
		conn.Close()
		if m.Code == code.HostNotAllowed {
			return nil, code.New(code.HostNotAllowed, nil)
		}
	default:
		conn.Close()
	}
	return nil, code.New(code.KMSUnavailable, nil)
}

// ask sends one message to one of the parent's addresses and returns the answer. The connection is
// the caller's when err is nil.
func ask(ctx context.Context, c Config, address string, m message.Message) (*message.Conn, message.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	nc, err := c.Dial(ctx, address)
	if err != nil {
		return nil, nil, err
	}
	conn := message.NewConn(nc)
	// ends what waits
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	err = conn.Send(m)
	var answer message.Message
	if err == nil {
		answer, _, _, err = conn.Receive()
	}
	if !stop() && err == nil {
		err = context.Cause(ctx) // the deadline has passed: the connection is of no use
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, answer, nil
}

// httpClient bounds what a response makes the SDK read, and follows no redirect.
func (c *Client) httpClient() *http.Client {
	return &http.Client{
		Transport:     boundedTransport{c.transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type boundedTransport struct{ next http.RoundTripper }

func (t boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	res.Body = &boundedBody{ReadCloser: res.Body, left: maxResponse}
	return res, nil
}

// boundedBody fails instead of ending early: half an answer must not look like a whole one.
type boundedBody struct {
	io.ReadCloser
	left int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errResponseTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
