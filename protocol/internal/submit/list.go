package submit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"anchorhold/protocol/digest"
)

const (
	// maxList bounds a page: some thousand jobs, each of some hundred bytes.
	maxList = 4 << 20
	// maxOpen bounds the jobs of all pages, and with them the pages.
	maxOpen   = 10_000
	maxCursor = 4 << 10
)

// A Pending job is one of which the parent says that it waits or runs. Nothing vouches for that: a
// parent may leave jobs out, or make some up.
type Pending struct {
	ID       string        `json:"job"`
	Status   string        `json:"status"` // queued or running
	Image    digest.Digest `json:"image"`
	Header   digest.Digest `json:"header"` // of the job file
	Accepted time.Time     `json:"accepted"`
}

// Pending asks for the jobs of the token's tenant that have not ended, page by page.
func (c *Client) Pending(ctx context.Context) ([]Pending, error) {
	jobs := []Pending{}
	for cursor := ""; ; {
		page, next, err := c.page(ctx, cursor)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, page...)
		// A parent that hands out pages without end, empty ones even, must not keep us for ever.
		if len(jobs) > maxOpen || next != "" && len(page) == 0 {
			return nil, errList
		}
		if next == "" {
			return jobs, nil
		}
		cursor = next
	}
}

var errList = errors.New("malformed list of jobs")

// page asks for one page, from a cursor that the parent gave, or the first.
func (c *Client) page(ctx context.Context, cursor string) (jobs []Pending, next string, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.idle())
	defer cancel()
	address := c.Parent.String() + jobsPath
	if cursor != "" {
		address += "?cursor=" + url.QueryEscape(cursor)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, "", err
	}
	res, err := c.do(req)
	if err != nil {
		return nil, "", fmt.Errorf("list jobs: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, "", c.refusal(res)
	}
	defer res.Body.Close()
	var list struct {
		Jobs []Pending `json:"jobs"`
		Next string    `json:"next"` // absent on the last page, and from parents that have no pages
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxList)).Decode(&list); err != nil || list.Jobs == nil || len(list.Next) > maxCursor {
		return nil, "", errList
	}
	for _, j := range list.Jobs {
		if !idPattern.MatchString(j.ID) || j.Status != "queued" && j.Status != "running" {
			return nil, "", errList
		}
	}
	return list.Jobs, list.Next, nil
}
