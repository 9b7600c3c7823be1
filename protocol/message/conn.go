package message

import (
	"net"
	"time"

	"anchorhold/protocol/frame"
)

// Conn carries messages and data frames over a connection. One goroutine may send while another
// receives; two may not send, nor two receive. After an error other than one of Encode the
// connection is of no further use: close it.
type Conn struct {
	conn net.Conn
	r    *frame.Reader // owned by the receiving goroutine
	w    *frame.Writer // owned by the sending goroutine
}

// NewConn returns a Conn over c, which it closes with Close.
func NewConn(c net.Conn) *Conn {
	return &Conn{conn: c, r: frame.NewReader(c), w: frame.NewWriter(c)}
}

// Send writes one control message.
func (c *Conn) Send(m Message) error {
	b, err := Encode(m)
	if err != nil {
		return err
	}
	return c.w.Write(frame.Control, b)
}

// SendData writes p as frames of the given kind, as few as possible, and none when p is empty.
func (c *Conn) SendData(k frame.Kind, p []byte) error {
	for len(p) > 0 {
		n := min(len(p), frame.MaxBody)
		if err := c.w.Write(k, p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// Receive returns the next message and frame.Control, or nil, the kind and the bytes of a data
// frame, which are valid until the next Receive. The error is io.EOF only when the peer closed
// between two frames.
func (c *Conn) Receive() (Message, frame.Kind, []byte, error) {
	k, b, err := c.r.Next()
	if err != nil {
		return nil, 0, nil, err
	}
	if k != frame.Control {
		return nil, k, b, nil
	}
	m, err := Decode(b)
	if err != nil {
		return nil, 0, nil, err
	}
	return m, k, nil, nil
}

// NetConn returns the connection beneath, for its addresses. Do not read from it: see Raw.
func (c *Conn) NetConn() net.Conn { return c.conn }

// SetDeadline sets the deadline of both directions.
func (c *Conn) SetDeadline(t time.Time) error { return c.conn.SetDeadline(t) }

// SetReadDeadline sets the deadline of Receive.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.conn.SetReadDeadline(t) }

// SetWriteDeadline sets the deadline of Send and SendData.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.conn.SetWriteDeadline(t) }

// Close closes the connection beneath and so ends a Receive or Send that waits.
func (c *Conn) Close() error { return c.conn.Close() }
