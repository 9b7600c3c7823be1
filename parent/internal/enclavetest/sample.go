package enclavetest

import (
	"bytes"
	"crypto/rand"
	"testing"
	"time"

	"anchorhold/protocol/digest"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/jobfile"
)

// JobFile returns a well-formed job file of a tenant for an image, around size bytes of plaintext.
// Each is another job.
func JobFile(t testing.TB, tenant string, image digest.Digest, size int) []byte {
	t.Helper()
	return Wrap(t, Message(t, tenant, image, size))
}

// Message returns the message of a job file.
func Message(t testing.TB, tenant string, image digest.Digest, size int) []byte {
	t.Helper()
	job := &envelope.Job{
		Image: image, Tenant: tenant, Pipeline: "deid", ContentType: envelope.ContentRecords,
		NotAfter: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	key := make([]byte, 32)
	rand.Read(key)
	var message bytes.Buffer
	w, err := envelope.NewWriter(&message, envelope.Params{
		Context: job.Context(), DataKey: key, FrameLength: 4096,
		Keys: []envelope.EncryptedKey{{Provider: "aws-kms", Info: "arn:aws:kms:us-east-1:111122223333:key/k", Ciphertext: []byte("c")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return message.Bytes()
}

// Wrap returns a job file around a message, under a fresh nonce.
func Wrap(t testing.TB, message []byte) []byte {
	t.Helper()
	h := jobfile.Header{ReplyKey: make([]byte, jobfile.KeySize), SealedAt: 1}
	rand.Read(h.Nonce[:])
	b, err := h.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return append(b, message...)
}

// Inverted is what Echo makes of b.
func Inverted(b []byte) []byte {
	out := bytes.Clone(b)
	for i := range out {
		out[i] ^= 0xff
	}
	return out
}
