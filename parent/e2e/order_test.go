package e2e_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"anchorhold/parent/e2e/stage"
	"anchorhold/protocol/code"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/frame"
	"anchorhold/protocol/jobfile"
	"anchorhold/protocol/message"
	"anchorhold/protocol/result"
	"anchorhold/protocol/transport"
)

// order is a job that the owner's tool would refuse to make: its parts are changed before it is
// sealed, or after. An official SDK, or somebody who means harm, makes such jobs, and the enclave
// must refuse them by itself.
type order struct {
	claims  envelope.Job
	extra   map[string]string // further entries of the encryption context
	arn     string
	more    []envelope.EncryptedKey // before the one that fits
	file    jobfile.Header
	frame   uint32
	records []byte
	message []byte // set by seal
}

const goodRecord = `{"resourceType":"Patient","id":"good","gender":"female"}` + "\n"

// newOrder is a good job for an image.
func newOrder(t *testing.T, s *stage.Stage) *order {
	t.Helper()
	key, err := result.ParsePublicKey(read(t, s.Path("reply.pub.pem")), result.Result)
	check(t, err)
	o := &order{
		claims: envelope.Job{
			Image: readPins(t, s.Path("policy.pins")).Images[0].PCR0, Tenant: stage.Tenant, Pipeline: stage.Pipeline,
			ContentType: envelope.ContentRecords, Reply: sha256.Sum256(key), NotAfter: day(1),
		},
		extra: map[string]string{}, arn: s.KeyARN, file: jobfile.Header{ReplyKey: key, SealedAt: uint64(time.Now().UnixMilli())},
		frame: 4096, records: []byte(goodRecord),
	}
	rand.Read(o.file.Nonce[:])
	return o
}

// day is 00:00 UTC of a day relative to today.
func day(n int) time.Time { return time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, n) }

func (o *order) context() map[string]string {
	c := o.claims.Context()
	for name, value := range o.extra {
		c[name] = value
	}
	return c
}

// seal makes the message. KMS gives a data key to the stage's tenant only; for the rest any will
// do, they are refused without it.
func (o *order) seal(t *testing.T, s *stage.Stage) *order {
	t.Helper()
	plain, blob := make([]byte, 32), []byte("not of KMS")
	if o.claims.Tenant == stage.Tenant {
		plain, blob = dataKey(t, s, o.context())
	}
	var out bytes.Buffer
	w, err := envelope.NewWriter(&out, envelope.Params{
		Context: o.context(), DataKey: plain, FrameLength: o.frame,
		Keys: append(slices.Clone(o.more), envelope.EncryptedKey{Provider: "aws-kms", Info: o.arn, Ciphertext: blob}),
	})
	check(t, err)
	_, err = w.Write(o.records)
	check(t, err)
	check(t, w.Close())
	o.message = out.Bytes()
	return o
}

// job returns the job file.
func (o *order) job(t *testing.T) []byte {
	t.Helper()
	head, err := o.file.Encode()
	check(t, err)
	return append(head, o.message...)
}

// dataKey has KMS make a data key for the sealing role.
func dataKey(t *testing.T, s *stage.Stage, encryptionContext map[string]string) (plain, blob []byte) {
	t.Helper()
	credentials := aws.Credentials{}
	for _, entry := range s.Sealer().Environment {
		switch name, value, _ := strings.Cut(entry, "="); name {
		case "AWS_ACCESS_KEY_ID":
			credentials.AccessKeyID = value
		case "AWS_SECRET_ACCESS_KEY":
			credentials.SecretAccessKey = value
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(read(t, s.TLSRoot()))
	wire := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer wire.CloseIdleConnections()
	client := kms.New(kms.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(s.KMSURL), HTTPClient: &http.Client{Transport: wire},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return credentials, nil }),
	})
	out, err := client.GenerateDataKey(t.Context(), &kms.GenerateDataKeyInput{
		KeyId: aws.String(s.KeyARN), EncryptionContext: encryptionContext, KeySpec: types.DataKeySpecAes256,
	})
	check(t, err)
	return out.Plaintext, out.CiphertextBlob
}

// hand gives a job file to the enclave itself, as a parent does that checks nothing, and returns
// its code, "" for done.
func hand(t *testing.T, s *stage.Stage, file []byte) (refusal code.Code, sealed []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	nc, err := transport.Dial(ctx, "unix://"+s.Path("jobs.sock"))
	check(t, err)
	defer nc.Close()
	check(t, nc.SetDeadline(time.Now().Add(time.Minute)))
	conn := message.NewConn(nc)
	check(t, conn.Send(message.Job{}))
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_ = conn.SendData(frame.Data, file) // the enclave's answer says what came of it
		_ = conn.Send(message.End{})
	}()
	defer func() { <-sent }()
	for {
		m, _, body, err := conn.Receive()
		check(t, err)
		switch m := m.(type) {
		case message.Failed:
			return m.Code, sealed
		case message.Done:
			return "", sealed
		}
		sealed = append(sealed, body...)
	}
}
