package devkms_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/protocoltest/testca"
)

// The job's own way: the parent's credentials, a fresh document, the whole context. Both BER forms
// come in turn.
func TestAttestedDecrypt(t *testing.T) {
	f := serve(t, nil)
	key := f.createKey(t, attestedPolicy())
	plaintext, blob := f.dataKey(t, key)
	forms := make(map[byte]bool)
	for range 4 {
		out, err := f.parent().Decrypt(context.Background(), &kms.DecryptInput{
			KeyId: &key, CiphertextBlob: blob, EncryptionContext: encryptionContext(),
			Recipient: recipient(f.attestation(t, spki(t, recipientKey().Public()), nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		if out.Plaintext != nil {
			t.Error("the answer to a Recipient holds the plaintext")
		}
		if *out.KeyId != key {
			t.Errorf("got key %s, want %s", *out.KeyId, key)
		}
		message := readEnveloped(t, out.CiphertextForRecipient)
		if got := message.open(t, recipientKey()); !bytes.Equal(got, plaintext) {
			t.Error("the data key that came back is another")
		}
		forms[message.form] = true
	}
	if !forms[0x80] || !forms[0xa0] {
		t.Errorf("got forms %v, want both", forms)
	}
}

// Every operation that takes a Recipient answers to it alone.
func TestRecipientOfGeneratedSecrets(t *testing.T) {
	f := serve(t, nil)
	key := f.createKey(t, attestedPolicy())
	document := f.attestation(t, spki(t, recipientKey().Public()), nil)
	random, err := f.stranger().GenerateRandom(context.Background(), &kms.GenerateRandomInput{NumberOfBytes: new(int32(1024)), Recipient: recipient(document)})
	if err != nil {
		t.Fatal(err)
	}
	if random.Plaintext != nil {
		t.Error("GenerateRandom answered in clear")
	}
	if n := len(readEnveloped(t, random.CiphertextForRecipient).open(t, recipientKey())); n != 1024 {
		t.Errorf("got %d random bytes, want 1024", n)
	}
	data, err := f.owner().GenerateDataKey(context.Background(), &kms.GenerateDataKeyInput{
		KeyId: &key, KeySpec: types.DataKeySpecAes128, Recipient: recipient(document),
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(readEnveloped(t, data.CiphertextForRecipient).open(t, recipientKey())); data.Plaintext != nil || n != 16 {
		t.Errorf("got plaintext %v and %d bytes, want none and 16", data.Plaintext != nil, n)
	}
}

// Larger keys are as good, by nitro's documentation.
func TestRecipientKeySizes(t *testing.T) {
	f := serve(t, nil)
	for bits, code := range map[int]string{3072: "", 1024: "ValidationException"} {
		t.Setenv("GODEBUG", "rsa1024min=0")
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		out, err := f.owner().GenerateRandom(context.Background(), &kms.GenerateRandomInput{
			NumberOfBytes: new(int32(32)), Recipient: recipient(f.attestation(t, spki(t, key.Public()), nil)),
		})
		if code != "" {
			wantCode(t, err, code)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if n := len(readEnveloped(t, out.CiphertextForRecipient).open(t, key)); n != 32 {
			t.Errorf("%d bits: got %d bytes, want 32", bits, n)
		}
	}
}

// Within five minutes a document may come again: KMS knows no nonce, which is why the TLS must end
// inside the enclave.
func TestYoungDocument(t *testing.T) {
	f := serve(t, nil)
	document := f.attestation(t, spki(t, recipientKey().Public()), func(c *softnsm.Config) {
		c.Now = func() time.Time { return time.Now().Add(-4 * time.Minute) }
	})
	for range 2 {
		_, err := f.owner().GenerateRandom(context.Background(), &kms.GenerateRandomInput{NumberOfBytes: new(int32(1)), Recipient: recipient(document)})
		if err != nil {
			t.Error(err)
		}
	}
}

// attack changes an attested Decrypt that would succeed.
type attack struct {
	name   string
	change func(t *testing.T, f *fixture, in *kms.DecryptInput)
	code   string
}

// document replaces the attestation document by one of another module.
func document(change func(*softnsm.Config)) func(*testing.T, *fixture, *kms.DecryptInput) {
	return func(t *testing.T, f *fixture, in *kms.DecryptInput) {
		in.Recipient = recipient(f.attestation(t, spki(t, recipientKey().Public()), change))
	}
}

func contextValue(name, value string) func(*testing.T, *fixture, *kms.DecryptInput) {
	return func(_ *testing.T, _ *fixture, in *kms.DecryptInput) {
		if value == "" {
			delete(in.EncryptionContext, name)
			return
		}
		in.EncryptionContext[name] = value
	}
}

var attacks = []attack{
	{"no Recipient", func(_ *testing.T, _ *fixture, in *kms.DecryptInput) { in.Recipient = nil }, "AccessDeniedException"},
	{"other program", document(func(c *softnsm.Config) { c.Image = measure.DevImage([]byte("other"), []byte("policy")) }), "AccessDeniedException"},
	{"other policy", document(func(c *softnsm.Config) { c.Image = measure.DevImage([]byte("program"), []byte("other")) }), "AccessDeniedException"},
	{"only PCR0 right", document(func(c *softnsm.Config) { c.Image.PCR1, c.Image.PCR2 = measure.PCR{1}, measure.PCR{2} }), "AccessDeniedException"},
	{"debug enclave", document(func(c *softnsm.Config) { c.Image = measure.Image{} }), "AccessDeniedException"},
	{"foreign root", document(func(c *softnsm.Config) { c.CA = testca.New(time.Now) }), "ValidationException"},
	{"old document", document(func(c *softnsm.Config) { c.Now = func() time.Time { return time.Now().Add(-6 * time.Minute) } }), "ValidationException"},
	{"document from the future", document(func(c *softnsm.Config) { c.Now = func() time.Time { return time.Now().Add(10 * time.Minute) } }), "ValidationException"},
	{"swapped public key", swapPublicKey, "ValidationException"},
	{"no public key", func(t *testing.T, f *fixture, in *kms.DecryptInput) {
		in.Recipient = recipient(f.attestation(t, nil, nil))
	}, "ValidationException"},
	{"elliptic public key", func(t *testing.T, f *fixture, in *kms.DecryptInput) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		in.Recipient = recipient(f.attestation(t, spki(t, key.Public()), nil))
	}, "ValidationException"},
	{"public key with trailing bytes", func(t *testing.T, f *fixture, in *kms.DecryptInput) {
		in.Recipient = recipient(f.attestation(t, append(spki(t, recipientKey().Public()), 0), nil))
	}, "ValidationException"},
	{"document cut short", func(_ *testing.T, _ *fixture, in *kms.DecryptInput) {
		in.Recipient.AttestationDocument = in.Recipient.AttestationDocument[:100]
	}, "ValidationException"},
	{"empty document", func(_ *testing.T, _ *fixture, in *kms.DecryptInput) { in.Recipient.AttestationDocument = []byte{} }, "ValidationException"},
	{"document too long", func(_ *testing.T, _ *fixture, in *kms.DecryptInput) {
		in.Recipient.AttestationDocument = make([]byte, 262145)
	}, "ValidationException"},
	{"old key encryption", func(_ *testing.T, _ *fixture, in *kms.DecryptInput) {
		in.Recipient.KeyEncryptionAlgorithm = "RSAES_OAEP_SHA_1"
	}, "ValidationException"},
	{"no context", func(_ *testing.T, _ *fixture, in *kms.DecryptInput) { in.EncryptionContext = nil }, "AccessDeniedException"},
	{"other image in the context", contextValue("anchorhold:image", measure.PCR{7}.String()), "AccessDeniedException"},
	{"image in upper case", contextValue("anchorhold:image", "ABCDEF"), "AccessDeniedException"},
	{"other tenant", contextValue("anchorhold:tenant", "other"), "InvalidCiphertextException"},
	{"tenant missing", contextValue("anchorhold:tenant", ""), "InvalidCiphertextException"},
	{"extra entry", contextValue("x", "y"), "InvalidCiphertextException"},
	// The condition key's name has no case, so the policy is content; the ciphertext knows better.
	{"context key in other case", func(_ *testing.T, _ *fixture, in *kms.DecryptInput) {
		in.EncryptionContext["Anchorhold:Image"] = in.EncryptionContext["anchorhold:image"]
		delete(in.EncryptionContext, "anchorhold:image")
	}, "InvalidCiphertextException"},
	{"changed ciphertext", func(_ *testing.T, _ *fixture, in *kms.DecryptInput) { in.CiphertextBlob[len(in.CiphertextBlob)-1] ^= 1 }, "InvalidCiphertextException"},
	{"ciphertext of nothing", func(_ *testing.T, _ *fixture, in *kms.DecryptInput) { in.CiphertextBlob = []byte{1} }, "InvalidCiphertextException"},
	{"ciphertext too long", func(_ *testing.T, _ *fixture, in *kms.DecryptInput) { in.CiphertextBlob = make([]byte, 6145) }, "ValidationException"},
	{"other key named", func(t *testing.T, f *fixture, in *kms.DecryptInput) { in.KeyId = new(f.createKey(t, attestedPolicy())) }, "IncorrectKeyException"},
	{"blob of another key", func(t *testing.T, f *fixture, in *kms.DecryptInput) {
		_, in.CiphertextBlob = f.dataKey(t, f.createKey(t, attestedPolicy()))
	}, "IncorrectKeyException"},
	{"key id relabelled in the blob", func(t *testing.T, f *fixture, in *kms.DecryptInput) {
		_, other := f.dataKey(t, f.createKey(t, attestedPolicy()))
		copy(in.CiphertextBlob[1:17], other[1:17])
		in.KeyId = nil
	}, "InvalidCiphertextException"},
	{"bare key id from another account", func(_ *testing.T, _ *fixture, in *kms.DecryptInput) {
		in.KeyId = new((*in.KeyId)[len("arn:aws:kms:us-east-1:111122223333:key/"):])
	}, "NotFoundException"},
}

func swapPublicKey(t *testing.T, _ *fixture, in *kms.DecryptInput) {
	own, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	have := spki(t, recipientKey().Public())
	swapped := bytes.Replace(in.Recipient.AttestationDocument, have, spki(t, own.Public()), 1)
	if bytes.Equal(swapped, in.Recipient.AttestationDocument) {
		t.Fatal("the document does not hold the key")
	}
	in.Recipient.AttestationDocument = swapped
}

func TestDecryptAttacks(t *testing.T) {
	f := serve(t, nil)
	key := f.createKey(t, attestedPolicy())
	_, blob := f.dataKey(t, key)
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			in := &kms.DecryptInput{
				KeyId: &key, CiphertextBlob: bytes.Clone(blob), EncryptionContext: encryptionContext(),
				Recipient: recipient(f.attestation(t, spki(t, recipientKey().Public()), nil)),
			}
			a.change(t, f, in)
			out, err := f.parent().Decrypt(context.Background(), in)
			wantCode(t, err, a.code)
			if out != nil {
				t.Error("got an answer beside the error")
			}
		})
	}
	in := &kms.DecryptInput{
		KeyId: &key, CiphertextBlob: blob, EncryptionContext: encryptionContext(),
		Recipient: recipient(f.attestation(t, spki(t, recipientKey().Public()), nil)),
	}
	for name, client := range map[string]*kms.Client{"stranger": f.stranger(), "owner": f.owner()} {
		if _, err := client.Decrypt(context.Background(), in); err == nil {
			t.Errorf("%s: decrypted with the enclave's document, want a refusal", name)
		} else {
			wantCode(t, err, "AccessDeniedException")
		}
	}
	if _, err := f.parent().Decrypt(context.Background(), in); err != nil {
		t.Errorf("the unchanged request failed: %v", err)
	}
}
