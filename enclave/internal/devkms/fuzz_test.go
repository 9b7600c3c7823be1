package devkms_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"anchorhold/enclave/internal/devkms"
)

// FuzzAuthorization gives the verifier headers that nobody signed: it must not panic, and never let
// one in.
func FuzzAuthorization(f *testing.F) {
	fix := serve(f, nil)
	genuine := fix.signed(f, listKeys, `{}`, ownerKeys, time.Now(), "kms@us-east-1").Header
	f.Add(genuine.Get("Authorization"), genuine.Get("X-Amz-Date"), "")
	f.Add("AWS4-HMAC-SHA256 Credential=AKIAOWNER00000000000/20260101/us-east-1/kms/aws4_request, SignedHeaders=, Signature=", "20260101T000000Z", "x")
	f.Add("AWS4-HMAC-SHA256 Credential=////, SignedHeaders=host;x-amz-date, Signature="+strings.Repeat("0", 64), "", "")
	f.Add("AWS4-HMAC-SHA256 ,,,", "20260101T000000Z", "")
	const forged = `{"Limit":7}` // not the body that the seed was signed for
	f.Fuzz(func(t *testing.T, authorization, date, token string) {
		r, err := http.NewRequest(http.MethodPost, fix.endpoint+"/", strings.NewReader(forged))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Target", listKeys)
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		r.Header.Set("Authorization", authorization)
		r.Header.Set("X-Amz-Date", date)
		if token != "" {
			r.Header.Set("X-Amz-Security-Token", token)
		}
		r.Body = io.NopCloser(strings.NewReader(forged))
		w := &answer{header: http.Header{}}
		fix.server.ServeHTTP(w, r)
		if w.status != http.StatusBadRequest {
			t.Errorf("got status %d for an unsigned request, want 400", w.status)
		}
	})
}

// FuzzUsers: what is accepted must be usable as it stands.
func FuzzUsers(f *testing.F) {
	f.Add([]byte(usersYAML))
	f.Add([]byte("account: 1\nusers: [{}]"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, src []byte) {
		users, err := devkms.ParseUsers(src)
		if err != nil {
			return
		}
		if len(users.Users) == 0 || len(users.Account) != 12 {
			t.Errorf("accepted %d users of account %q", len(users.Users), users.Account)
		}
		for _, u := range users.Users {
			if len(u.SecretAccessKey) < 16 || !strings.HasSuffix(u.ARN, ".amazonaws.com") && len(strings.Split(u.ARN, ":")) < 6 {
				t.Errorf("accepted user %q", u.ARN)
			}
		}
	})
}
