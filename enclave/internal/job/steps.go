package job

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"hash"
	"io"
	"math"

	"anchorhold/enclave/deid/stream"
	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/jobfile"
	"anchorhold/protocol/receipt"
	"anchorhold/protocol/result"
)

// surrogateLabel derives the key of a message's pseudonyms (SPEC 3.3).
const surrogateLabel = "anchorhold/v1 surrogates"

// digesting takes the input digest of all bytes of the message as they pass.
type digesting struct {
	r    io.Reader
	hash hash.Hash
	size uint64
}

func (d *digesting) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	d.hash.Write(p[:n])
	d.size += uint64(n)
	return n, err
}

// steps is the way of a job in the enclave: judge, have the key released, authenticate, transform,
// attest. It returns the receipt.
func (r *run) steps(ctx context.Context) ([]byte, error) {
	if err := r.judge(); err != nil {
		return nil, first(r.in.failure(), err)
	}
	var key [32]byte
	defer clear(key[:])
	if err := r.release(ctx, r.header, r.claims, &key); err != nil {
		return nil, err
	}
	plain, err := r.header.Open(key[:], r.message)
	if err != nil {
		return nil, first(r.in.failure(), err)
	}
	// From here on the header is authentic. Counted before anything is made of it.
	id := identifyReplay(r.claims.Tenant, r.header.MessageID)
	if err := r.s.replays.spend(id, r.claims.NotAfter, r.s.config.Now()); err != nil {
		return nil, err
	}
	values, err := r.parameters(ctx)
	if err != nil {
		return nil, err
	}
	defer clearValues(values)
	options := r.options(values)
	options.SurrogateKey = r.header.Derive(key[:], surrogateLabel)
	defer clear(options.SurrogateKey[:])
	clear(key[:]) // the envelope has what it needs
	leaf, err := r.transform(ctx, plain, options)
	if err != nil {
		return nil, err
	}
	return r.s.config.Receipts.Sign(ctx, func(sequence uint64) ([]byte, error) {
		leaf.Sequence = sequence
		return leaf.Encode()
	})
}

// judge reads both headers and makes every check that needs no key.
func (r *run) judge() (err error) {
	if r.file, r.fileSum, err = jobfile.ReadHeader(r.in); err != nil {
		return code.New(code.JobMalformed, err)
	}
	for _, key := range [][]byte{r.file.ReplyKey, r.file.CrosswalkKey} {
		if key == nil {
			continue // the reply key is there, or the header would not have parsed
		}
		if err := result.CheckPublicKey(key); err != nil {
			return code.New(code.JobMalformed, err)
		}
	}
	r.message = &digesting{r: r.in, hash: digest.NewStream()}
	if r.header, err = envelope.ReadHeader(r.message, r.s.envelopeLimits()); err != nil {
		return err
	}
	if r.claims, err = r.s.check(r.header); err != nil {
		return err
	}
	if err := r.claims.checkRecords(r.file); err != nil {
		return err
	}
	if r.date, err = r.claims.referenceDate(); err != nil {
		return err
	}
	return r.s.replays.allowed(identifyReplay(r.claims.Tenant, r.header.MessageID))
}

func (s *Service) envelopeLimits() envelope.Limits {
	l := s.config.Policy.Limits
	return envelope.Limits{
		MaxKeys:        int(min(l.EncryptedKeys, math.MaxUint16)),
		MaxFrameLength: uint32(min(l.FrameLength, math.MaxInt32)),
	}
}

// release has KMS, or the cache of its answers, release the message's data key.
func (r *run) release(ctx context.Context, h *envelope.Header, c *claims, key *[32]byte) error {
	s, sum := r.s, r.fileSum
	// KMS has answered, and the job is over: its key goes nowhere, but who compares CloudTrail with
	// the log must find the request there.
	late := func(request string) { s.failureLeaf(ctx, code.Of(coded(ctx.Err())), sum, []string{request}) }
	request, err := s.config.Keys.Key(ctx, c.key.Info, c.key.Ciphertext, h.Context, key, late)
	if err != nil {
		return err
	}
	r.requests = append(r.requests, request)
	return nil
}

// options are the transformer's settings, of the measured policy and the message alone.
func (r *run) options(values map[string][]byte) stream.Options {
	l := r.s.config.Policy.Limits
	return stream.Options{
		ReferenceDate:  r.date,
		Message:        r.claims.ContentType == envelope.ContentMessage,
		Raise:          r.claims.pipeline.Raise,
		MaxRecord:      int(min(l.RecordBytes, math.MaxInt32)),
		MaxNesting:     int(min(l.Nesting, math.MaxInt32)),
		MaxRecords:     int64(min(l.Records, math.MaxInt64)),
		MaxIdentifiers: int64(min(r.s.most, math.MaxInt64)),
		Room:           r.s.room,
		Values:         values,
	}
}

// transform streams the records through the pipeline and the sealers, and returns the leaf. The
// last chunks are sealed only after the last byte of input has authenticated itself.
func (r *run) transform(ctx context.Context, plain io.Reader, options stream.Options) (*receipt.Leaf, error) {
	out, err := r.sealed(ctx, result.Result)
	if err != nil {
		return nil, err
	}
	source := &watched{r: plain}
	var walk *sealed
	if r.claims.Crosswalk != nil {
		if walk, err = r.sealed(ctx, result.Crosswalk); err != nil {
			return nil, err
		}
		options.Crosswalk = walk
	}
	if options.Earlier, err = r.earlier(source, options.Values); err != nil {
		return nil, err
	}
	report, err := r.s.config.Engines[r.claims.Pipeline].Process(ctx, source, out, options)
	if err := first(r.in.failure(), out.failure(), walk.failure(), source.err, err); err != nil {
		return nil, err
	}
	// Whatever the pipeline says: no success before the whole message is authentic.
	if !source.eof || !r.in.atEnd() {
		return nil, code.New(code.Internal, nil)
	}
	encoded, err := json.Marshal(report)
	if err != nil {
		return nil, err
	}
	if err := out.report(encoded); err != nil {
		return nil, err
	}
	if err := walk.close(); err != nil {
		return nil, err
	}
	leaf := r.leaf(out.output, report)
	if walk != nil {
		sum := walk.digest()
		leaf.Crosswalk = &sum
	}
	return leaf, nil
}

// leaf fills the receipt (SPEC 7.1). The parent reads it: counts are bucketed.
func (r *run) leaf(out *output, report *stream.Report) *receipt.Leaf {
	leaf := &receipt.Leaf{
		Image:  r.s.config.Image.PCR0,
		Tenant: r.claims.Tenant, Pipeline: r.claims.Pipeline, Key: r.claims.key.Info,
		KMSRequests: r.requests,
		MessageID:   r.header.MessageID, Nonce: r.file.Nonce,
		Header: r.fileSum, Input: digest.Stream(r.message.hash.Sum(nil)), Output: out.digest(),
		InputSize: r.message.size, OutputSize: out.size,
		Policy: r.s.digest, Reply: sha256.Sum256(r.file.ReplyKey),
		Parameters:      r.claims.Parameters,
		ReferenceDate:   r.date,
		RecordsIn:       receipt.Bucket(uint64(report.RecordsIn)),
		RecordsOut:      receipt.Bucket(uint64(report.RecordsOut)),
		RecordsRejected: receipt.Bucket(uint64(report.RecordsRejected)),
		Started:         r.started,
		Finished:        r.s.stamp(),
	}
	// The clock is set anew by each document and may step back a little.
	if leaf.Finished.Before(leaf.Started) {
		leaf.Finished = leaf.Started
	}
	return leaf
}
