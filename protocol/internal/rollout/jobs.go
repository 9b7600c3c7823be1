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
	"anchorhold/protocol/jobfile"
)

// jobSuffix is how job files are named; results and receipts lie beside them.
const jobSuffix = ".ahjob"

// wide are limits for files of any policy.
var wide = envelope.Limits{MaxKeys: 1 << 10, MaxFrameLength: 1<<32 - 1}

// An OpenJob is a sealed job whose result has not been fetched and whose last day has not passed.
type OpenJob struct {
	File     string        `json:"file"`
	Image    digest.Digest `json:"image"`
	NotAfter string        `json:"not_after"`
}

// OpenJobs lists the open jobs of a folder that were sealed for other images than those named: they would be lost with their images. A job
// has ended when its result and receipt lie beside it. A file that is no job is an error: it could be one that was cut.
func OpenJobs(dir string, stays []digest.Digest, now time.Time) ([]OpenJob, error) {
	entries, err := os.ReadDir(dir) // fails for a folder that is not there: its jobs would count as ended
	if err != nil {
		return nil, err
	}
	var list []OpenJob
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) != jobSuffix {
			continue
		}
		file := filepath.Join(dir, entry.Name())
		job, err := readJob(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if slices.Contains(stays, job.Image) || job.Expired(now) || ended(file) {
			continue
		}
		list = append(list, OpenJob{file, job.Image, job.NotAfter.Format("2006-01-02")})
	}
	return list, nil
}

func readJob(file string) (*envelope.Job, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, _, err := jobfile.ReadHeader(f); err != nil {
		return nil, err
	}
	header, err := envelope.ReadHeader(f, wide)
	if err != nil {
		return nil, err
	}
	return envelope.ParseContext(header.Context)
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
