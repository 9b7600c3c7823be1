package sealing

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"

	"anchorhold/protocol/digest"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/jobfile"
)

// provider is the provider id of KMS keys in an envelope (SPEC 3.2).
const provider = "aws-kms"

// DataKey is a fresh data key in both forms. Plaintext is cleared by who uses it.
type DataKey struct{ Plaintext, Ciphertext []byte }

// KeyMaker asks KMS for a data key under the key arn and the whole encryption context. It returns a
// 32-byte plaintext, or an error, and must have checked that the answer comes from that very key.
type KeyMaker interface {
	DataKey(ctx context.Context, arn string, context map[string]string) (*DataKey, error)
}

// Sealed describes a job file that was written.
type Sealed struct {
	Context   map[string]string // as KMS and the message authenticate it
	MessageID [32]byte
	Header    digest.Digest
	Size      int64 // bytes of the job file
	// of a wrapped message: encrypted data keys that are not under a KMS key of the tenant's
	OtherKeys []string
}

// Seal encrypts what records gives and writes the whole job file to out. On any error what was
// written is of no use. The data key is cleared before Seal returns; copies that the KMS client
// made while parsing are the garbage collector's.
func (a *Approved) Seal(ctx context.Context, kms KeyMaker, records io.Reader, out io.Writer) (*Sealed, error) {
	job := a.Job
	header := jobfile.Header{ReplyKey: a.plan.Reply, CrosswalkKey: a.plan.Crosswalk, SealedAt: uint64(a.plan.Now.UnixMilli())}
	rand.Read(header.Nonce[:]) // never fails since Go 1.24
	if a.plan.Parameters != nil {
		message, err := a.sealParameters(ctx, kms)
		if err != nil {
			return nil, fmt.Errorf("parameters: %w", err)
		}
		header.Parameters = message
		hash := sha256.Sum256(message)
		job.Parameters = &hash
	}
	if a.plan.Earlier != nil && a.plan.EarlierSize > 0 {
		job.Earlier = uint64(a.plan.EarlierSize)
		records = io.MultiReader(&exactly{a.plan.Earlier, a.plan.EarlierSize}, records)
	}
	head, err := header.Encode()
	if err != nil {
		return nil, err
	}
	limited := &limitWriter{w: out, left: a.Policy.Limits.JobBytes, limit: a.Policy.Limits.JobBytes}
	if _, err := limited.Write(head); err != nil {
		return nil, err
	}
	tee := &headKeeper{w: limited}
	if err := a.encrypt(ctx, kms, job.Context(), records, tee); err != nil {
		return nil, err
	}
	sealed := &Sealed{Context: job.Context(), Header: digest.Sum(head), Size: int64(limited.limit - limited.left)}
	copy(sealed.MessageID[:], tee.head[idOffset:])
	return sealed, nil
}

// encrypt writes one message. The data key lives only here.
func (a *Approved) encrypt(ctx context.Context, kms KeyMaker, encryptionContext map[string]string, in io.Reader, out io.Writer) error {
	key, err := kms.DataKey(ctx, a.Key, maps.Clone(encryptionContext))
	if err != nil {
		return err
	}
	defer clear(key.Plaintext)
	w, err := envelope.NewWriter(out, envelope.Params{
		Context:     encryptionContext,
		Keys:        []envelope.EncryptedKey{{Provider: provider, Info: a.Key, Ciphertext: key.Ciphertext}},
		DataKey:     key.Plaintext,
		FrameLength: a.frame,
	})
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, &cancelReader{ctx, in}); err != nil {
		return err
	}
	return w.Close()
}

// exactly gives left bytes of r: as many as the context says, whatever becomes of the file
// meanwhile.
type exactly struct {
	r    io.Reader
	left int64
}

func (e *exactly) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	if e.left -= int64(n); errors.Is(err, io.EOF) && e.left > 0 {
		err = errors.New("the earlier crosswalk has become shorter while it was read")
	}
	return n, err
}

// ErrTooLarge says that the job file would be over the policy's job-bytes.
var ErrTooLarge = errors.New("the job is larger than the policy's job-bytes")

// limitWriter ends a job file that the enclave would refuse for its size.
type limitWriter struct {
	w           io.Writer
	left, limit uint64
}

func (l *limitWriter) Write(p []byte) (int, error) {
	if uint64(len(p)) > l.left {
		return 0, fmt.Errorf("%w (%d): split the export, or raise the limit in the policy", ErrTooLarge, l.limit)
	}
	l.left -= uint64(len(p))
	return l.w.Write(p)
}

// idOffset is where the message id stands: behind version and suite (AWS Encryption SDK message
// format, version 2).
const idOffset = 3

// headKeeper keeps the first bytes of a message, which hold its id.
type headKeeper struct {
	w    io.Writer
	head [idOffset + 32]byte
	n    int
}

func (h *headKeeper) Write(p []byte) (int, error) {
	if h.n < len(h.head) {
		h.n += copy(h.head[h.n:], p)
	}
	return h.w.Write(p)
}

// cancelReader ends a copy when ctx ends.
type cancelReader struct {
	ctx context.Context
	in  io.Reader
}

func (c *cancelReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.in.Read(p)
}
