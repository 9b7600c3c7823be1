package submit

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"anchorhold/protocol/code"
)

// Refusal is a parent's answer that is not what we asked for. Of its text only the fixed code is
// kept: the rest is the adversary's prose.
type Refusal struct {
	Status int       // of HTTP
	Code   code.Code // empty when there is none that we know
}

func (r *Refusal) Error() string {
	if r.Code != "" {
		return fmt.Sprintf("%s: %s", r.Code, Meaning(r.Code))
	}
	if r.Status == http.StatusOK {
		return "the job failed, and the parent gave no known code"
	}
	return fmt.Sprintf("the parent answered %d %s", r.Status, http.StatusText(r.Status))
}

// temporary says whether asking again may help.
func (r *Refusal) temporary() bool {
	return r.Status == http.StatusTooManyRequests || r.Status >= 500 || r.Status == http.StatusConflict || r.Status == http.StatusTooEarly
}

// refusal reads an RFC 9457 problem and closes the body, in the time of one wait for all of it: a
// parent that refuses a byte at a time must not hold us for ever.
func (c *Client) refusal(res *http.Response) *Refusal {
	defer res.Body.Close()
	defer time.AfterFunc(c.idle(), func() { res.Body.Close() }).Stop()
	var problem struct {
		Code code.Code `json:"code"`
	}
	r := &Refusal{Status: res.StatusCode}
	if json.NewDecoder(io.LimitReader(res.Body, maxStatus)).Decode(&problem) == nil && known(problem.Code) {
		r.Code = problem.Code
	}
	return r
}

// retryAfter reads the header's seconds, at most a minute.
func retryAfter(res *http.Response) time.Duration {
	seconds, err := strconv.Atoi(res.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return time.Millisecond
	}
	return max(time.Millisecond, min(time.Duration(seconds)*time.Second, time.Minute))
}
