package rollout

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"anchorhold/protocol/digest"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/internal/submit"
	"anchorhold/protocol/jobfile"
)

// jobSuffix is how job files are named; results and receipts lie beside them.
const jobSuffix = ".ahjob"

// wide are limits for files of any policy.
var wide = envelope.Limits{MaxKeys: 1 << 10, MaxFrameLength: 1<<32 - 1}

// An OpenJob is a sealed job whose result has not been fetched and whose last day has not passed,
// or one that only the parent knows of.
type OpenJob struct {
	File     string        `json:"file,omitempty"` // empty: not in a folder that was named
	Image    digest.Digest `json:"image"`
	NotAfter string        `json:"not_after,omitempty"`
	Header   digest.Digest `json:"header"` // of the job file
	// queued or running, as the parent says; empty: it says nothing of the job
	Parent string `json:"parent,omitempty"`
}

// Join adds to the open jobs of folders what a parent says of the jobs of images that go. The
// parent's word makes a job open and never ends one: it may leave out what it likes.
func Join(files []OpenJob, pending []submit.Pending, stays []digest.Digest) []OpenJob {
	list := slices.Clone(files)
	for _, p := range pending {
		i := slices.IndexFunc(list, func(o OpenJob) bool { return o.Header == p.Header })
		switch {
		case i >= 0:
			list[i].Parent = p.Status
		case !slices.Contains(stays, p.Image):
			list = append(list, OpenJob{Image: p.Image, Header: p.Header, Parent: p.Status})
		}
	}
	return list
}

// OpenJobs lists the open jobs of a folder that were sealed for other images than those named: they
// would be lost with their images. A job has ended when its result and receipt lie beside it. A
// file that is no job is an error: it could be one that was cut.
func OpenJobs(dir string, stays []digest.Digest, now time.Time) ([]OpenJob, error) {
	// fails for a folder that is not there: its jobs would count as ended
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list []OpenJob
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) != jobSuffix {
			continue
		}
		file := filepath.Join(dir, entry.Name())
		job, header, err := readJob(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if slices.Contains(stays, job.Image) || job.Expired(now) || ended(file) {
			continue
		}
		list = append(list, OpenJob{File: file, Image: job.Image, NotAfter: job.NotAfter.Format("2006-01-02"), Header: header})
	}
	return list, nil
}

func readJob(file string) (*envelope.Job, digest.Digest, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, digest.Digest{}, err
	}
	defer f.Close()
	_, sum, err := jobfile.ReadHeader(f)
	if err != nil {
		return nil, digest.Digest{}, err
	}
	header, err := envelope.ReadHeader(f, wide)
	if err != nil {
		return nil, digest.Digest{}, err
	}
	job, err := envelope.ParseContext(header.Context)
	return job, sum, err
}

func ended(job string) bool {
	base := strings.TrimSuffix(job, filepath.Ext(job))
	for _, ext := range []string{".ahres", ".receipt"} {
		if _, err := os.Stat(base + ext); err != nil {
			return false
		}
	}
	return true
}
