package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"anchorhold/parent/e2e/stage"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/jobfile"
	"anchorhold/protocol/result"
)

// sealer seals messages under one data key, as an SDK with data key caching does: the enclave's
// cache then answers for all but the first.
type sealer struct {
	arn       string
	claims    envelope.Job
	key, blob []byte
	reply     *result.PrivateKey
}

func newSealer(ctx context.Context, s *stage.Stage) (*sealer, error) {
	image, err := pinnedImage(s)
	if err != nil {
		return nil, err
	}
	reply, err := result.GenerateKey()
	if err != nil {
		return nil, err
	}
	claims := envelope.Job{
		Image: image, Tenant: stage.Tenant, Pipeline: stage.Pipeline, ContentType: envelope.ContentRecords,
		Reply: sha256.Sum256(reply.PublicKey()), NotAfter: time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 2),
	}
	client, err := kmsClient(s)
	if err != nil {
		return nil, err
	}
	out, err := client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId: aws.String(s.KeyARN), EncryptionContext: claims.Context(), NumberOfBytes: aws.Int32(32),
	})
	if err != nil {
		return nil, err
	}
	return &sealer{arn: s.KeyARN, claims: claims, key: out.Plaintext, blob: out.CiphertextBlob, reply: reply}, nil
}

// kmsClient acts as the data owner's sealing role.
func kmsClient(s *stage.Stage) (*kms.Client, error) {
	env := map[string]string{}
	for _, e := range s.Sealer().Environment {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	pem, err := os.ReadFile(s.TLSRoot())
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("the stage's TLS root holds no certificate")
	}
	return kms.New(kms.Options{
		Region: env["AWS_REGION"], BaseEndpoint: aws.String(s.KMSURL),
		HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: env["AWS_ACCESS_KEY_ID"], SecretAccessKey: env["AWS_SECRET_ACCESS_KEY"]}, nil
		}),
	}), nil
}

// sealed is a message that lies in memory or in a file, and what its owner keeps to check a
// receipt.
type sealed struct {
	id     [32]byte
	digest digest.Stream
	size   uint64
	bytes  []byte // of a small message
	path   string // of a large one
	plain  int64  // bytes of records
}

// message seals what write writes, to out.
func (s *sealer) message(out io.Writer, write func(io.Writer) error) (*sealed, error) {
	sum := &summed{w: out, hash: digest.NewStream()}
	w, err := envelope.NewWriter(sum, envelope.Params{
		Context: maps.Clone(s.claims.Context()), DataKey: bytes.Clone(s.key),
		Keys: []envelope.EncryptedKey{{Provider: "aws-kms", Info: s.arn, Ciphertext: s.blob}},
	})
	if err != nil {
		return nil, err
	}
	plain := &summed{w: w}
	if err := write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	m := &sealed{digest: digest.Stream(sum.hash.Sum(nil)), size: sum.size, plain: int64(plain.size)}
	header, err := envelope.ReadHeader(bytes.NewReader(sum.head), envelope.Limits{MaxKeys: 1, MaxFrameLength: 1 << 30})
	if err != nil {
		return nil, err
	}
	m.id = header.MessageID
	return m, nil
}

// small seals one small message.
func (s *sealer) small(records []byte) (*sealed, error) {
	var b bytes.Buffer
	m, err := s.message(&b, func(w io.Writer) error { _, err := w.Write(records); return err })
	if err == nil {
		m.bytes = b.Bytes()
	}
	return m, err
}

// large seals a message into a file.
func (s *sealer) large(path string, write func(io.Writer) error) (*sealed, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	m, err := s.message(f, write)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	m.path = path
	return m, nil
}

// submission is one job file: a header with a nonce of its own, and a message, which other
// submissions may share.
type submission struct {
	*sealed
	nonce    [32]byte
	header   digest.Digest
	head     []byte
	sealedAt time.Time
}

func (s *sealer) submission(m *sealed) (*submission, error) {
	j := &submission{sealed: m, sealedAt: time.Now()}
	rand.Read(j.nonce[:]) // never fails since Go 1.24
	h := jobfile.Header{Nonce: j.nonce, ReplyKey: s.reply.PublicKey(), SealedAt: uint64(j.sealedAt.UnixMilli())}
	var err error
	if j.head, err = h.Encode(); err == nil {
		j.header = digest.Sum(j.head)
	}
	return j, err
}

// summed counts what passes, hashes it if it has a hash, and keeps the first bytes.
type summed struct {
	w    io.Writer
	hash hash.Hash
	size uint64
	head []byte
}

const keptHead = 64 << 10

func (s *summed) Write(p []byte) (int, error) {
	if s.hash != nil {
		s.hash.Write(p)
		s.head = append(s.head, p[:min(len(p), keptHead-len(s.head))]...)
	}
	s.size += uint64(len(p))
	return s.w.Write(p)
}
