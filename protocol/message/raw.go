package message

import "net"

// Raw returns the connection for the raw bytes that follow Connected. Its Read first hands over
// what Receive had already read ahead; without that the first bytes of TLS would be lost. The Conn
// must not be used after.
func (c *Conn) Raw() net.Conn {
	return &rawConn{Conn: c.conn, ahead: c.r.Buffered()}
}

// rawConn is read by one goroutine at a time, which owns ahead.
type rawConn struct {
	net.Conn
	ahead []byte
}

var _ net.Conn = (*rawConn)(nil)

func (c *rawConn) Read(p []byte) (int, error) {
	if len(c.ahead) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.ahead)
	c.ahead = c.ahead[n:]
	return n, nil
}

// CloseWrite ends the sending direction where the connection can, and is otherwise Close: a relay
// that could not pass the end on would keep both ends waiting.
func (c *rawConn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return c.Close()
}
