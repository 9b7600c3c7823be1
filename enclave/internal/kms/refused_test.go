package kms_test

import (
	"slices"
	"sync/atomic"
	"testing"

	"anchorhold/enclave/internal/cloudtest"
	"anchorhold/enclave/internal/devkms"
	"anchorhold/protocol/code"
	"anchorhold/protocol/message"
)

// The error codes with which AWS refuses credentials lead to renew-credentials, and to a code of
// their own when the parent has no others.
func TestRefusedCredentialsHaveTheirCode(t *testing.T) {
	var fail atomic.Pointer[devkms.Error]
	var calls atomic.Int32
	b := newBench(t, func(op string, next func() (devkms.Answer, error)) (devkms.Answer, error) {
		if e := fail.Load(); op == "Decrypt" && e != nil {
			calls.Add(1)
			return nil, e
		}
		return next()
	})
	for _, name := range []string{
		"ExpiredTokenException", "IncompleteSignature", "IncompleteSignatureException", "InvalidClientTokenId", "InvalidClientTokenIdException",
		"InvalidSignatureException", "MissingAuthenticationToken", "MissingAuthenticationTokenException", "UnrecognizedClientException",
	} {
		t.Run(name, func(t *testing.T) {
			fail.Store(&devkms.Error{Type: name, Message: "PEER-FREE-TEXT"})
			calls.Store(0)
			before := len(b.Renewals())
			b.refused(t, code.CredentialsRefused)
			if got := len(b.Renewals()) - before; got != 1 {
				t.Errorf("got %d renew-credentials, want 1", got)
			}
			// The parent has the same credentials still: another call would be refused too.
			if got := calls.Load(); got != 1 {
				t.Errorf("got %d calls of KMS, want 1", got)
			}
		})
	}
	fail.Store(&devkms.Error{Type: "AccessDeniedException"})
	before := len(b.Renewals())
	b.refused(t, code.KMSDenied)
	if got := len(b.Renewals()) - before; got != 0 {
		t.Errorf("got %d renew-credentials after a denial by policy, want none", got)
	}
}

// wrong are credentials with the right id, because the SDK keeps keys that it derived by id.
func wrong(n string) message.Credentials {
	c := cloudtest.Role()
	c.SecretAccessKey += n
	return c
}

// The parent has replaced the credentials that the enclave still holds: the call under way gets the
// new ones and is done.
func TestRefusedCredentialsAreRenewedOnce(t *testing.T) {
	b := newBench(t, nil)
	b.OnCredentials(func() message.Message { return wrong("x") })
	b.OnRenew(func() message.Message { return cloudtest.Role() })
	if _, _, err := b.decrypt(t); err != nil {
		t.Fatalf("got %v, want the renewed credentials to be used", err)
	}
	want := []message.RenewCredentials{{Refused: wrong("x").Digest()}}
	if got := b.Renewals(); !slices.Equal(got, want) {
		t.Errorf("got %d renew-credentials, want one with the digest of those refused", len(got))
	}
	if _, _, err := b.decrypt(t); err != nil || len(b.Renewals()) != 1 || b.Asked() != 1 {
		t.Errorf("got %v, %d questions and %d renewals, want the renewed credentials to be kept", err, b.Asked(), len(b.Renewals()))
	}
}

// Attack: a parent answers every renewal with other credentials that are wrong too. KMS is called
// twice and no more.
func TestRenewalsAreBounded(t *testing.T) {
	b := newBench(t, nil)
	b.OnCredentials(func() message.Message { return wrong("x") })
	b.OnRenew(func() message.Message { return wrong("y") })
	b.refused(t, code.CredentialsRefused)
	if got := len(b.Renewals()); got != 1 {
		t.Errorf("got %d renew-credentials, want 1", got)
	}
}

// Whatever the parent makes of a renewal, refused credentials are not used again: the next call
// asks anew.
func TestRefusedCredentialsAreForgotten(t *testing.T) {
	for name, answer := range map[string]message.Message{
		"the same":         wrong("x"),
		"failed":           message.Failed{Code: code.CredentialsRefused},
		"another message":  message.End{},
		"an older parent":  nil, // it closes the connection on an unknown message
		"a malformed kind": message.Credentials{AccessKeyID: "A\r\nX-Evil: 1", SecretAccessKey: "s"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			b.OnCredentials(func() message.Message { return wrong("x") })
			b.OnRenew(func() message.Message { return answer })
			b.refused(t, code.CredentialsRefused)
			b.OnCredentials(nil) // replaced
			if _, _, err := b.decrypt(t); err != nil {
				t.Errorf("got %v, want the new credentials to be used", err)
			}
		})
	}
}
