package kms

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"

	"anchorhold/enclave/internal/devkms"
	"anchorhold/protocol/code"
)

// White-box: devkms gives no answers of this kind.

const openARN = "arn:aws:kms:us-east-1:111122223333:key/aaaaaaaa-0000-0000-0000-000000000000"

// answerOf returns KMS's answer with these n bytes as the plaintext.
func answerOf(t *testing.T, n int, requestID string) *awskms.DecryptOutput {
	t.Helper()
	sealed, err := devkms.Envelop(&testKey().PublicKey, bytes.Repeat([]byte{7}, n), devkms.Primitive)
	if err != nil {
		t.Fatal(err)
	}
	out := &awskms.DecryptOutput{KeyId: aws.String(openARN), CiphertextForRecipient: sealed}
	middleware.SetRequestIDMetadata(&out.ResultMetadata, requestID)
	return out
}

// TestInvariant2_AnswerHoldsOneWholeKey: a shorter secret would be padded with zeros that everybody
// knows.
func TestInvariant2_AnswerHoldsOneWholeKey(t *testing.T) {
	const id = "0a1b2c3d-0000-4000-8000-000000000000"
	for _, n := range []int{1, 16, 31, 32, 33, 64} {
		var key [keySize]byte
		_, err := open(answerOf(t, n, id), openARN, testKey(), &key)
		if (err == nil) != (n == keySize) || (err != nil && code.Of(err) != code.KMSAnswerInvalid) || (key != [keySize]byte{}) != (n == keySize) {
			t.Errorf("%d bytes: got %v and key %x", n, err, key)
		}
	}
}

// TestInvariant5_RequestIDsAreNoText: they go into leaves, which the parent reads.
func TestInvariant5_RequestIDsAreNoText(t *testing.T) {
	for _, id := range []string{"", "two words", "line\nbreak", "quote\"", strings.Repeat("a", maxRequestID+1), "\u00e9"} {
		var key [keySize]byte
		if got, err := open(answerOf(t, keySize, id), openARN, testKey(), &key); code.Of(err) != code.KMSAnswerInvalid || got != "" || key != [keySize]byte{} {
			t.Errorf("%q: got %q and %v, want %s and no key", id, got, err, code.KMSAnswerInvalid)
		}
	}
}

// TestInvariant1_RecipientKeysAreZeroed, also when their Decrypt fails: with one, whoever recorded
// KMS's answer could open it.
func TestInvariant1_RecipientKeysAreZeroed(t *testing.T) {
	k, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		t.Fatal(err)
	}
	secrets := [][]big.Word{k.D.Bits(), k.Primes[0].Bits(), k.Primes[1].Bits(), k.Precomputed.Dp.Bits()}
	pool := &keyPool{ready: make(chan *rsa.PrivateKey, 1)}
	pool.ready <- k
	c := &Client{keys: pool, config: Config{Attest: func(context.Context, []byte) ([]byte, error) { return nil, errors.New("no") }}}
	var key [keySize]byte
	if _, err := c.Decrypt(context.Background(), Request{ARN: openARN}, &key); code.Of(err) != code.NSMFailed {
		t.Fatalf("got %v, want %s", err, code.NSMFailed)
	}
	for i, words := range secrets {
		for _, w := range words {
			if w != 0 {
				t.Errorf("number %d of the private key is still in memory", i)
				break
			}
		}
	}
}

// A Decrypt that finds no key ready and every processor at work on one waits for the next and makes
// none beside it; its context ends the wait, and the code says that KMS was not reached.
func TestWaitForARecipientKey(t *testing.T) {
	k, err := rsa.GenerateKey(rand.Reader, rsaBits) // its own: it is cleared
	if err != nil {
		t.Fatal(err)
	}
	pool := &keyPool{ready: make(chan *rsa.PrivateKey), slots: make(chan struct{}, 1)}
	pool.slots <- struct{}{}
	c := &Client{keys: pool, config: Config{Attest: func(context.Context, []byte) ([]byte, error) { return nil, errors.New("no") }}}
	decrypt := func(ctx context.Context) error {
		var key [keySize]byte
		_, err := c.Decrypt(ctx, Request{ARN: openARN}, &key)
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- decrypt(ctx) }()
	select {
	case pool.ready <- k:
	case err := <-ended:
		t.Fatalf("got %v, want a wait", err)
	}
	if err := <-ended; code.Of(err) != code.NSMFailed { // it had its key, and went on
		t.Errorf("got %v, want %s", err, code.NSMFailed)
	}
	go func() { ended <- decrypt(ctx) }()
	cancel()
	if err := <-ended; code.Of(err) != code.KMSUnavailable {
		t.Errorf("got %v, want %s", err, code.KMSUnavailable)
	}
	<-pool.slots // a processor is free: it makes its own
	if err := decrypt(context.Background()); code.Of(err) != code.NSMFailed {
		t.Errorf("got %v, want %s", err, code.NSMFailed)
	}
}
