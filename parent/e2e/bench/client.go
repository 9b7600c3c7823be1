package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"anchorhold/parent/e2e/stage"
)

// client is one kept-alive connection to the parent. It speaks just enough HTTP to post a job and
// read the answer: a whole HTTP client would take as much of the two cores as the program that is
// measured.
type client struct {
	host, token string
	conn        net.Conn
	in          *bufio.Reader
}

const jobTime = 5 * time.Minute

func dial(s *stage.Stage) (*client, error) {
	token, err := os.ReadFile(s.TokenFile())
	if err != nil {
		return nil, err
	}
	host := strings.TrimPrefix(s.ParentURL, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	return &client{host: host, token: string(token), conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}, nil
}

func (c *client) close() { c.conn.Close() }

// request returns all bytes of a request but a body that lies in a file.
func (c *client) request(j *submission) []byte {
	b := fmt.Appendf(nil, "POST /v1/jobs HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", c.host, c.token, uint64(len(j.head))+j.size)
	return append(append(b, j.head...), j.bytes...)
}

// post sends a job and writes the sealed result to out. It returns the job's id.
func (c *client) post(j *submission, out io.Writer) (id string, err error) {
	var body *os.File
	if j.path != "" {
		if body, err = os.Open(j.path); err != nil {
			return "", err
		}
		defer body.Close()
	}
	return c.send(c.request(j), body, out)
}

// send posts a request that was made before, so that making it is not part of what is timed.
func (c *client) send(request []byte, body *os.File, out io.Writer) (id string, err error) {
	if err := c.conn.SetDeadline(time.Now().Add(jobTime)); err != nil {
		return "", err
	}
	if _, err := c.conn.Write(request); err != nil {
		return "", err
	}
	if body != nil {
		if _, err := io.Copy(c.conn, body); err != nil { // sendfile: costs the generator little
			return "", err
		}
	}
	return c.answer(out)
}

// answer reads one answer: its status must be 200.
func (c *client) answer(out io.Writer) (id string, err error) {
	status, err := c.line()
	if err != nil {
		return "", err
	}
	ok := bytes.HasPrefix(status, []byte("HTTP/1.1 200"))
	said := string(status)
	length := int64(-1)
	for {
		line, err := c.line()
		if err != nil {
			return "", err
		}
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch string(name) {
		case "Content-Length":
			if length, err = strconv.ParseInt(string(value), 10, 64); err != nil {
				return "", err
			}
		case "Anchorhold-Job":
			id = string(value)
		}
	}
	if !ok || length < 0 {
		detail, _ := io.ReadAll(io.LimitReader(c.in, max(length, 0)))
		return "", fmt.Errorf("the parent answers %s %s", said, detail)
	}
	if _, err := io.CopyN(out, c.in, length); err != nil {
		return "", err
	}
	return id, nil
}

func (c *client) line() ([]byte, error) {
	b, err := c.in.ReadSlice('\n')
	return bytes.TrimRight(b, "\r\n"), err
}

// fetchReceipt reads a job's receipt file. It is not part of what is timed.
func fetchReceipt(s *stage.Stage, id string) ([]byte, error) {
	token, err := os.ReadFile(s.TokenFile())
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodGet, s.ParentURL+"/v1/jobs/"+id+"/receipt", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+string(token))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New("no receipt: " + resp.Status)
	}
	return b, err
}
