package job

import (
	"context"
	"errors"
	"time"

	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/jobfile"
	"anchorhold/protocol/message"
	"anchorhold/protocol/receipt"
)

// leafTimeout bounds the signing of a failure leaf, which outlives its job's time.
const leafTimeout = 10 * time.Second

var errPanic = errors.New("job panicked")

// run is one job under way. It belongs to the goroutine of its connection.
type run struct {
	s       *Service
	conn    *message.Conn
	in      *input
	message *digesting // the message, behind the job file's header

	file     *jobfile.Header
	fileSum  digest.Digest // header digest
	header   *envelope.Header
	claims   *claims
	date     string   // reference date
	requests []string // KMS requests whose answers were used: not empty once a key was released
	started  time.Time
}

// job runs one job and answers it. An error means that the connection is of no further use.
func (s *Service) job(ctx context.Context, conn *message.Conn) error {
	limit := s.config.Policy.Limits.JobBytes
	select {
	case s.slots <- struct{}{}:
	default:
		return s.fail(ctx, newInput(ctx, conn, limit), message.Failed{Code: code.Busy})
	}
	allowed := s.jobTime()
	jobCtx, cancel := context.WithTimeout(ctx, allowed)
	r := &run{s: s, conn: conn, in: newInput(jobCtx, conn, limit), started: s.stamp()}
	file, err := r.protect(jobCtx)
	cancel()
	<-s.slots // before the answer: a parent that sends the next job on it must find room
	if err == nil {
		s.config.Log(JobDone, "")
		return r.answer(message.Done{Receipt: file})
	}
	failed := message.Failed{Code: code.Of(err), Receipt: s.failureLeaf(ctx, code.Of(err), r.fileSum, r.requests)}
	s.config.Log(JobFailed, failed.Code)
	if errors.Is(err, errPanic) {
		_ = r.answer(failed)
		return err // whatever panicked may have left the connection in the middle of something
	}
	return s.fail(ctx, r.in, failed)
}

// jobTime is the policy's job-seconds.
func (s *Service) jobTime() time.Duration {
	const longest = 7 * 24 * time.Hour
	return time.Duration(min(s.config.Policy.Limits.JobSeconds, uint64(longest/time.Second))) * time.Second
}

// stamp is the time by the NSM's clock as leaves have it: in whole milliseconds.
func (s *Service) stamp() time.Time { return s.config.Now().Truncate(time.Millisecond) }

// protect runs the job's steps and turns a panic into an error: one job must not take the others
// with it. Keys are zeroed by deferred calls on the way.
func (r *run) protect(ctx context.Context) (file []byte, err error) {
	defer func() {
		if recover() != nil { // its value may hold anything and goes nowhere
			r.s.config.Log(JobPanicked, "")
			file, err = nil, code.New(code.Internal, errPanic)
		}
	}()
	if file, err = r.steps(ctx); err != nil {
		return nil, coded(err)
	}
	return file, nil
}

// failureLeaf has a failure leaf signed when a key had been released, and returns its receipt file,
// or nil.
func (s *Service) failureLeaf(ctx context.Context, c code.Code, header digest.Digest, requests []string) []byte {
	if len(requests) == 0 {
		return nil
	}
	// The job's own time may be over, and the parent gone: the leaf is for the log.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leafTimeout)
	defer cancel()
	f := receipt.Failure{Code: c, Header: header, KMSRequests: requests, Finished: s.stamp()}
	file, err := s.config.Receipts.Sign(ctx, func(sequence uint64) ([]byte, error) {
		f.Sequence = sequence
		return f.Encode()
	})
	if err != nil {
		s.config.Log(LeafUnsigned, "")
		return nil
	}
	return file
}

// answer sends the last message of the job.
func (r *run) answer(m message.Message) error {
	if err := r.conn.SetWriteDeadline(time.Now().Add(frameTimeout)); err != nil {
		return err
	}
	return r.conn.Send(m)
}

// fail sends the failure at once, so that the parent can stop, and then discards what still arrives
// until it does.
func (s *Service) fail(ctx context.Context, in *input, m message.Failed) error {
	if err := in.conn.SetWriteDeadline(time.Now().Add(frameTimeout)); err != nil {
		return err
	}
	if err := in.conn.Send(m); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.jobTime())
	defer cancel()
	return in.discard(ctx)
}
