package submit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"anchorhold/protocol/digest"
)

const (
	// maxList bounds an answer: some thousand jobs, each of some hundred bytes.
	maxList = 4 << 20
	maxOpen = 10_000
)

// A Pending job is one of which the parent says that it waits or runs. Nothing vouches for that: a parent may leave jobs out, or make some up.
type Pending struct {
	ID       string        `json:"job"`
	Status   string        `json:"status"` // queued or running
	Image    digest.Digest `json:"image"`
	Header   digest.Digest `json:"header"` // of the job file
	Accepted time.Time     `json:"accepted"`
}

// Pending asks for the jobs of the token's tenant that have not ended.
func (c *Client) Pending(ctx context.Context) ([]Pending, error) {
	ctx, cancel := context.WithTimeout(ctx, c.idle())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Parent.String()+jobsPath, nil)
	if err != nil {
		return nil, err
	}
	res, err := c.do(req)
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, c.refusal(res)
	}
	defer res.Body.Close()
	var list struct {
		Jobs []Pending `json:"jobs"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxList)).Decode(&list); err != nil || list.Jobs == nil || len(list.Jobs) > maxOpen {
		return nil, errors.New("malformed list of jobs")
	}
	for _, j := range list.Jobs {
		if !idPattern.MatchString(j.ID) || j.Status != "queued" && j.Status != "running" {
			return nil, errors.New("malformed list of jobs")
		}
	}
	return list.Jobs, nil
}
