// Package job serves the exchanges of SPEC 2.2 in the enclave: describe, get-policy, attest,
// get-log and job.
//
// The main call is [Service.Serve]. The peer is the parent, the adversary: every byte it sends is
// checked against the message's own authentication, the measured policy and this enclave's PCR0,
// and all that it learns is sealed, a code of SPEC 9, a digest or an attestation. A job's steps are
// in run.go, its checks in check.go.
//
// The package does not promise that a job ends well while the parent misbehaves; it promises that
// it ends, with a code, and that the enclave goes on. A panic in a job is recovered at the job's
// boundary: its keys are zeroed, its code is internal, its connection is closed, and the other jobs
// go on. Package stream does the same for its goroutines; a panic in any other one ends the
// process, and with it the enclave.
package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"anchorhold/enclave/deid/stream"
	"anchorhold/enclave/internal/receipts"
	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/policy"
)

// Engine turns records into records. It reads in to its end, and has stopped using in and out when
// it returns.
type Engine interface {
	Process(ctx context.Context, in io.Reader, out io.Writer, o stream.Options) (*stream.Report, error)
}

// Keys decrypts data keys.
type Keys interface {
	// Key writes the data key that encrypted holds under this ARN and context to key, and returns
	// the id of the KMS request that released it. Errors carry a code. Should KMS release the key
	// after ctx has ended, late is called with the id of the request.
	Key(ctx context.Context, arn string, encrypted []byte, encryptionContext map[string]string, key *[32]byte, late func(requestID string)) (requestID string, err error)
}

// Receipts signs leaves and keeps the log.
type Receipts interface {
	Sign(ctx context.Context, leaf receipts.Leaf) (file []byte, err error)
	Log(from uint64, max int) []receipts.Batch
	Batches() uint64
}

// Config is what a Service works with. All fields but Memory are required.
type Config struct {
	Version  string
	Boot     [16]byte
	Image    measure.Image
	Policy   *policy.Policy
	Compiled []byte            // the policy's bytes
	Engines  map[string]Engine // by name of the pipeline
	Keys     Keys
	Receipts Receipts
	// Challenge returns an attestation document over the parent's nonce.
	Challenge func(ctx context.Context, nonce []byte) ([]byte, error)
	// Healthy tells whether the NSM answers: an enclave that cannot sign receipts has no room for
	// jobs.
	Healthy func() bool
	// Memory is that of the machine in bytes; 0: unknown, and then the policy alone bounds
	// identifiers, and fixed numbers the records under way.
	Memory uint64
	// Now is the NSM's clock.
	Now func() time.Time
	// Log gets fixed words and codes, never anything from a peer.
	Log func(event Event, c code.Code)
}

// Event is one of the things worth a line of log.
type Event string

// The events.
const (
	JobDone       Event = "job done"
	JobFailed     Event = "job failed"
	JobPanicked   Event = "job panicked"
	LeafUnsigned  Event = "failure leaf not signed"
	BadConnection Event = "connection ended: malformed"
	TooManyPeers  Event = "connection refused: too many"
)

// Service serves one enclave. It is safe for concurrent use.
type Service struct {
	config  Config
	digest  digest.Digest // of the policy
	most    uint64        // identifiers of a job
	room    *stream.Room  // memory for the records of all jobs
	slots   chan struct{} // one token for each job that runs
	peers   chan struct{} // one token for each connection
	replays *replays
}

// New returns a service, or an error that names what the policy needs and the configuration lacks.
func New(c Config) (*Service, error) {
	if c.Policy == nil || c.Keys == nil || c.Receipts == nil || c.Challenge == nil || c.Healthy == nil || c.Now == nil || c.Log == nil {
		return nil, errors.New("job configuration is incomplete")
	}
	for _, p := range c.Policy.Pipelines {
		if c.Engines[p.Name] == nil {
			return nil, fmt.Errorf("no engine for pipeline %q", p.Name)
		}
	}
	jobs := min(c.Policy.Limits.ConcurrentJobs, maxConcurrentJobs)
	return &Service{
		config:  c,
		digest:  c.Policy.Digest(),
		most:    identifiers(c.Policy.Limits.Identifiers, c.Memory, jobs),
		slots:   make(chan struct{}, jobs),
		peers:   make(chan struct{}, jobs*peersPerJob+sparePeers),
		room:    stream.NewRoom(c.Memory, jobs),
		replays: newReplays(c.Policy.Limits.Replays, maxReplayEntries),
	}, nil
}

// identifierBytes is what a distinct identifier takes at most: 64 in the table while it grows, as
// much for one of an earlier crosswalk.
const identifierBytes = 128

// identifiers returns how many distinct identifiers a job may have: the policy's limit, or an equal
// part of half of the memory. Without it the jobs of one tenant could end the process, and in it
// those of all others, again and again: a job that was lost is run anew.
func identifiers(limit, memory, jobs uint64) uint64 {
	if memory == 0 {
		return limit
	}
	return min(limit, max(memory/2/identifierBytes/jobs, 1))
}
