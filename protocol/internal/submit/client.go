// Package submit is the owner's client of a parent's API: it posts a job file, waits, and fetches
// the sealed result and the receipt. The parent is the adversary: nothing of what it answers is
// believed here beyond codes, and all of it is bounded. Whether the result is genuine: see opening.
package submit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

const (
	jobsPath = "/v1/jobs"

	// ContentType is that of a job file.
	ContentType = "application/vnd.anchorhold.job"

	// for an answer to begin: a parent waits for the result before it gives one
	answerTime = 10 * time.Minute

	maxStatus  = 64 << 10  // bytes of a JSON answer
	maxReceipt = 256 << 10 // a document of 12 KiB, a leaf, eight path nodes, and room
)

// Client talks to one parent.
type Client struct {
	// Parent is the base URL. A path in it is kept.
	Parent *url.URL
	// Token is sent as bearer token; empty: none. Never logged.
	Token string
	// HTTP is the transport; nil: NewHTTP.
	HTTP *http.Client
	// Idle bounds each wait for bytes; zero: 2 minutes.
	Idle time.Duration
	// Pause is the first wait between two questions; it doubles up to 16 times itself. Zero: 250
	// ms.
	Pause time.Duration
	// Notify is told what happens; nil: nobody. Bytes are those so far and in all, -1 when unknown.
	Notify func(stage Stage, done, total int64)
	// Busy is told each time the parent asks to come again, and why; nil: nobody.
	Busy func(why *Refusal)
}

// Stage is what the client is doing.
type Stage string

// The stages, in order.
const (
	Uploading   Stage = "uploading"
	Waiting     Stage = "waiting"
	Downloading Stage = "downloading"
)

// NewHTTP returns a client that follows no redirect: one could lead the token and the job to
// another host.
func NewHTTP() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout:   30 * time.Second,
			ExpectContinueTimeout: 2 * time.Second,
			ResponseHeaderTimeout: answerTime,
			ForceAttemptHTTP2:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// New checks the parent's address. Over plain http a token is refused unless the host is this
// machine.
func New(parent, token string) (*Client, error) {
	u, err := url.Parse(parent)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, errors.New("the parent's address must be http://HOST or https://HOST")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("the parent's address must not hold a user, a query or a fragment")
	}
	if ip := net.ParseIP(u.Hostname()); token != "" && u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, errors.New("the token would travel in the clear: use https")
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	return &Client{Parent: u, Token: token, HTTP: NewHTTP()}, nil
}

// Job is a job that the parent has taken.
type Job struct {
	c    *Client
	url  *url.URL
	max  int64         // most bytes of a sealed stream that we take
	body io.ReadCloser // the result when the parent answered with it, else nil
	size int64
}

// Body opens the job file from its start; it is called again when the parent was busy.
type Body func() (io.ReadCloser, error)

// Post sends a job file of size bytes. Posting the same file again joins the same job, so a Post
// that failed may be repeated.
func (c *Client) Post(ctx context.Context, size int64, open Body) (*Job, error) {
	for wait := c.pause(); ; wait = min(2*wait, 16*c.pause()) {
		job, again, err := c.postOnce(ctx, size, open)
		if again == 0 {
			return job, err
		}
		c.notify(Waiting, 0, -1)
		if err := sleep(ctx, max(wait, again)); err != nil {
			return nil, err
		}
	}
}

// postOnce returns a pause when the parent is busy.
func (c *Client) postOnce(ctx context.Context, size int64, open Body) (job *Job, again time.Duration, err error) {
	f, err := open()
	if err != nil {
		return nil, 0, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer func() {
		if job == nil || job.body == nil {
			stop(nil) // else with the body
		}
	}()
	watch := newWatch(c.idle(), func() { stop(errStalled) })
	body := &progress{r: f, watch: watch, each: func(n int64) { c.notify(Uploading, n, size) }}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Parent.String()+jobsPath, body)
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	req.ContentLength = size
	req.Header.Set("Content-Type", ContentType)
	// The parent can refuse a tenant or a token before gigabytes travel.
	req.Header.Set("Expect", "100-continue")
	res, err := c.do(req)
	watch.end()
	switch {
	case errors.Is(context.Cause(ctx), errStalled):
		return nil, 0, fmt.Errorf("post job: %w", errStalled)
	case err != nil:
		return nil, 0, fmt.Errorf("post job: %w", err)
	}
	job = &Job{c: c, max: maxResult(size), size: -1}
	switch res.StatusCode {
	case http.StatusOK:
		job.body, job.size = stopping{res.Body, stop}, res.ContentLength
	case http.StatusAccepted, http.StatusCreated:
		res.Body.Close()
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		err := c.refusal(res)
		if res.Header.Get("Retry-After") == "" {
			return nil, 0, err
		}
		if c.Busy != nil {
			c.Busy(err)
		}
		return nil, retryAfter(res), nil
	default:
		return nil, 0, c.refusal(res)
	}
	if job.url, err = c.location(res); err != nil {
		res.Body.Close()
		return nil, 0, err
	}
	return job, 0, nil
}

// idPattern is what may stand in a path; it has no dots and no slashes.
var idPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// location finds out which job it is. Only the id is taken from the answer, never a host or a path:
// the token goes there.
func (c *Client) location(res *http.Response) (*url.URL, error) {
	_, id, _ := strings.Cut(res.Header.Get("Location"), jobsPath+"/")
	if !idPattern.MatchString(id) {
		return nil, errors.New("the parent took the job and did not say which it is")
	}
	return c.Parent.JoinPath(jobsPath, id), nil
}

// maxResult bounds what we take: more than any pipeline makes of a job of that size.
func maxResult(job int64) int64 { return 4*job + 64<<20 }

func (c *Client) do(req *http.Request) (*http.Response, error) {
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	req.Header.Set("User-Agent", "anchorhold")
	client := c.HTTP
	if client == nil {
		client = NewHTTP()
	}
	return client.Do(req)
}

func (c *Client) notify(stage Stage, done, total int64) {
	if c.Notify != nil {
		c.Notify(stage, done, total)
	}
}

func (c *Client) pause() time.Duration {
	if c.Pause > 0 {
		return c.Pause
	}
	return 250 * time.Millisecond
}

func (c *Client) idle() time.Duration {
	if c.Idle > 0 {
		return c.Idle
	}
	return 2 * time.Minute
}

// sleep waits, or returns ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stopping is a body with what its request holds.
type stopping struct {
	io.ReadCloser
	stop context.CancelCauseFunc
}

func (s stopping) Close() error {
	defer s.stop(nil)
	return s.ReadCloser.Close()
}

// progress reports bytes of an upload as they pass.
type progress struct {
	r     io.ReadCloser
	n     int64
	each  func(int64)
	watch *watch
}

func (p *progress) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.n += int64(n)
	p.each(p.n)
	if err == nil {
		p.watch.next(0)
	} else {
		p.watch.next(answerTime) // all is on its way
	}
	return n, err
}

func (p *progress) Close() error { return p.r.Close() }
