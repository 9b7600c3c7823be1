package submit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"anchorhold/protocol/code"
)

// tries is how often in a row a question or a download may fail before we give up.
const tries = 6

// Wait returns when the job is done. A job that failed gives a *Refusal.
func (j *Job) Wait(ctx context.Context) error {
	if j.body != nil {
		return nil
	}
	failures := 0
	for wait := j.c.pause(); ; wait = min(2*wait, 16*j.c.pause()) {
		j.c.notify(Waiting, 0, -1)
		done, again, err := j.ask(ctx)
		var refused *Refusal
		switch {
		case done:
			return nil
		case errors.As(err, &refused) && !refused.temporary():
			return err
		case ctx.Err() != nil:
			// Not err, which is nil when the caller gave up right behind an answer: nil would mean
			// that the job is done.
			return ctx.Err()
		case err != nil:
			if failures++; failures == tries {
				return err
			}
		default:
			failures = 0
		}
		if err := sleep(ctx, max(wait, again)); err != nil {
			return err
		}
	}
}

// status is the answer to GET of a job; other members are ignored.
type status struct {
	Status string    `json:"status"`
	Code   code.Code `json:"code"`
}

// ask asks once. A running job gives no error; again is how long the parent wants us to wait.
func (j *Job) ask(ctx context.Context) (done bool, again time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, j.c.idle())
	defer cancel()
	res, err := j.get(ctx, "", 0)
	if err != nil {
		return false, 0, err
	}
	defer res.Body.Close()
	again = retryAfter(res)
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusAccepted {
		return false, again, j.c.refusal(res)
	}
	var s status
	if err := json.NewDecoder(io.LimitReader(res.Body, maxStatus)).Decode(&s); err != nil {
		return false, again, errors.New("malformed answer about the job")
	}
	switch s.Status {
	case "done":
		return true, 0, nil
	case "failed":
		refused := &Refusal{Status: http.StatusOK}
		if known(s.Code) {
			refused.Code = s.Code
		}
		return false, 0, refused
	}
	return false, again, nil
}

// Result writes the sealed result to w. A download that breaks is resumed where it broke.
func (j *Job) Result(ctx context.Context, w io.Writer) error { return j.download(ctx, "/result", w) }

// Crosswalk writes the sealed crosswalk to w.
func (j *Job) Crosswalk(ctx context.Context, w io.Writer) error {
	return j.download(ctx, "/crosswalk", w)
}

// Receipt returns the receipt file, UNVERIFIED. The hypervisor may sign it a moment after the
// result is there.
func (j *Job) Receipt(ctx context.Context) ([]byte, error) {
	for attempt, wait := 1, j.c.pause(); ; attempt, wait = attempt+1, 2*wait {
		b, err := j.receipt(ctx)
		if err == nil || attempt == tries || ctx.Err() != nil {
			return b, err
		}
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

func (j *Job) receipt(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, j.c.idle())
	defer cancel()
	res, err := j.get(ctx, "/receipt", 0)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, j.c.refusal(res)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxReceipt+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxReceipt {
		return nil, fmt.Errorf("receipt is over %d bytes", maxReceipt)
	}
	return b, nil
}

// download fetches one file and asks for the rest each time the connection breaks. Bytes of another
// file than before would show in the receipt's digest.
func (j *Job) download(ctx context.Context, path string, w io.Writer) error {
	var have int64
	body, size := j.body, j.size
	if path != "/result" {
		body = nil
	} else {
		j.body = nil
	}
	for failures, wait := 0, j.c.pause(); ; wait = min(2*wait, 16*j.c.pause()) {
		if body == nil {
			var err error
			if body, size, err = j.resume(ctx, path, have); err != nil {
				var refused *Refusal
				if errors.As(err, &refused) && !refused.temporary() || ctx.Err() != nil {
					return err
				}
			}
		}
		if body != nil {
			n, err := j.copy(ctx, w, body, have, size)
			body = nil
			have += n
			if err == nil {
				return nil
			}
			var local *localError
			if errors.As(err, &local) || ctx.Err() != nil {
				return err
			}
			if n > 0 {
				failures = 0
			}
		}
		if failures++; failures == tries {
			return fmt.Errorf("download broke off %d times after %d bytes", tries, have)
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// resume asks for the bytes from have on and returns the size of the whole, -1 when the parent does
// not say.
func (j *Job) resume(ctx context.Context, path string, have int64) (io.ReadCloser, int64, error) {
	res, err := j.get(ctx, path, have)
	if err != nil {
		return nil, 0, err
	}
	switch {
	case res.StatusCode == http.StatusOK && have == 0:
		return res.Body, res.ContentLength, nil
	case res.StatusCode == http.StatusPartialContent && have > 0:
		var first, last, size int64
		if n, _ := fmt.Sscanf(res.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &size); n != 3 || first != have || last != size-1 {
			res.Body.Close()
			return nil, 0, &Refusal{Status: res.StatusCode}
		}
		return res.Body, size, nil
	case res.StatusCode == http.StatusOK:
		// The whole again: skip what we have.
		if err := j.skip(ctx, res.Body, have); err != nil {
			res.Body.Close()
			return nil, 0, err
		}
		return res.Body, res.ContentLength, nil
	}
	return nil, 0, j.c.refusal(res)
}

// skip passes over n bytes. Waits are bounded as in copy.
func (j *Job) skip(ctx context.Context, body io.ReadCloser, n int64) error {
	timer := time.AfterFunc(j.c.idle(), func() { body.Close() })
	defer timer.Stop()
	stop := context.AfterFunc(ctx, func() { body.Close() })
	defer stop()
	const step = 128 << 10
	for ; n > 0; n -= step {
		if _, err := io.CopyN(io.Discard, body, min(n, step)); err != nil {
			return err
		}
		timer.Reset(j.c.idle())
	}
	return nil
}

// localError is a fault of our own disk: no reason to ask the parent again.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

// copy copies until the end, which must be at size when that is known. It closes body.
func (j *Job) copy(ctx context.Context, w io.Writer, body io.ReadCloser, have, size int64) (n int64, err error) {
	defer body.Close()
	// A parent that holds the connection and sends nothing must not hold us for ever.
	timer := time.AfterFunc(j.c.idle(), func() { body.Close() })
	defer timer.Stop()
	stop := context.AfterFunc(ctx, func() { body.Close() })
	defer stop()
	buffer := make([]byte, 128<<10)
	for {
		got, err := body.Read(buffer)
		timer.Reset(j.c.idle())
		if have+n+int64(got) > j.max {
			return n, &localError{fmt.Errorf("the parent sends more than %d bytes for this job", j.max)}
		}
		if _, err := w.Write(buffer[:got]); err != nil {
			return n, &localError{err}
		}
		n += int64(got)
		j.c.notify(Downloading, have+n, size)
		switch {
		case errors.Is(err, io.EOF) && (size < 0 || have+n == size):
			return n, nil
		case errors.Is(err, io.EOF):
			return n, io.ErrUnexpectedEOF
		case err != nil:
			return n, err
		}
	}
}

func (j *Job) get(ctx context.Context, path string, from int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, j.url.String()+path, nil)
	if err != nil {
		return nil, err
	}
	if from > 0 {
		req.Header.Set("Range", "bytes="+strconv.FormatInt(from, 10)+"-")
	}
	// Compression would change what a range counts.
	req.Header.Set("Accept-Encoding", "identity")
	return j.c.do(req)
}
