package devkms_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"anchorhold/enclave/internal/devkms"
)

func TestStateSurvives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	withState := func(c *devkms.Config) { c.State = path }
	ctx := context.Background()
	f := serve(t, withState)
	key := f.createKey(t, attestedPolicy())
	if _, err := f.owner().CreateAlias(ctx, &kms.CreateAliasInput{AliasName: new("alias/a"), TargetKeyId: &key}); err != nil {
		t.Fatal(err)
	}
	plaintext, blob := f.dataKey(t, key)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != fs.FileMode(0o600) {
		t.Errorf("got mode %v, want 0600", info.Mode())
	}
	ca := f.ca
	f = serve(t, func(c *devkms.Config) { withState(c); c.Roots = ca.Roots() })
	f.ca = ca
	out, err := f.parent().Decrypt(ctx, &kms.DecryptInput{
		KeyId: new("arn:aws:kms:us-east-1:" + account + ":alias/a"), CiphertextBlob: blob, EncryptionContext: encryptionContext(),
		Recipient: recipient(f.attestation(t, spki(t, recipientKey().Public()), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := readEnveloped(t, out.CiphertextForRecipient).open(t, recipientKey()); string(got) != string(plaintext) {
		t.Error("the key changed with the restart")
	}
	// And the policy is still enforced.
	_, err = f.parent().Decrypt(ctx, &kms.DecryptInput{KeyId: &key, CiphertextBlob: blob, EncryptionContext: encryptionContext()})
	wantCode(t, err, "AccessDeniedException")
}

// A change that can't be made durable did not happen.
func TestStateNotWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	f := serve(t, func(c *devkms.Config) { c.State = filepath.Join(dir, "state.json") })
	_, err := f.owner().CreateKey(context.Background(), &kms.CreateKeyInput{})
	wantCode(t, err, "KMSInternalException")
	out, err := f.owner().ListKeys(context.Background(), &kms.ListKeysInput{})
	if err != nil || len(out.Keys) != 0 {
		t.Errorf("got %v and %v, want no key", out, err)
	}
}

func TestBadState(t *testing.T) {
	users, err := devkms.ParseUsers([]byte(usersYAML))
	if err != nil {
		t.Fatal(err)
	}
	f := serve(t, nil)
	for name, content := range map[string]string{
		"empty":         ``,
		"no maps":       `{}`,
		"short key":     `{"keys":{"4b317771-c758-42a9-9e0b-d4ba78431788":{"id":"4b317771-c758-42a9-9e0b-d4ba78431788","material":"AAAA"}},"aliases":{}}`,
		"bad id":        `{"keys":{"x":{"id":"x","material":"c7CrkkZf+tG7bF1hyAH8z0Jj6IyvwyyBPYCtFFFqago="}},"aliases":{}}`,
		"no policy":     `{"keys":{"4b317771-c758-42a9-9e0b-d4ba78431788":{"id":"4b317771-c758-42a9-9e0b-d4ba78431788","material":"c7CrkkZf+tG7bF1hyAH8z0Jj6IyvwyyBPYCtFFFqago="}},"aliases":{}}`,
		"lost alias":    `{"keys":{},"aliases":{"alias/a":{"key_id":"x"}}}`,
		"null in a map": `{"keys":{"x":null},"aliases":{}}`,
	} {
		path := filepath.Join(t.TempDir(), "state.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := devkms.New(devkms.Config{Users: users, Roots: f.ca.Roots(), State: path})
		if err == nil {
			t.Errorf("%s: the state was accepted", name)
		} else if strings.Contains(err.Error(), "c7Crkk") {
			t.Errorf("%s: the error quotes key material", name)
		}
	}
}

func TestConfigIsRequired(t *testing.T) {
	if _, err := devkms.New(devkms.Config{}); err == nil {
		t.Error("a server without users and roots was made")
	}
}

func TestUsersRefused(t *testing.T) {
	good := usersYAML
	for name, src := range map[string]string{
		"empty":            "",
		"not yaml":         "{",
		"two documents":    good + "---\n" + good,
		"unknown key":      good + "admin: true\n",
		"account":          strings.Replace(good, `"111122223333"`, `"1111"`, 1),
		"region":           strings.Replace(good, "us-east-1", "nowhere", 1),
		"no users":         "account: \"111122223333\"\nregion: us-east-1\n",
		"principal":        strings.Replace(good, "role/owner", "root", 1),
		"wildcard":         strings.Replace(good, "role/owner", "role/*", 1),
		"short secret":     strings.Replace(good, "owner-secret-owner-secret", "owner", 1),
		"duplicate key id": strings.Replace(good, "AKIASTRANGER00000000", "AKIAOWNER00000000000", 1),
		"bad key id":       strings.Replace(good, "AKIASTRANGER00000000", "AKIA/x/y", 1),
	} {
		if _, err := devkms.ParseUsers([]byte(src)); err == nil {
			t.Errorf("%s: the users were accepted", name)
		} else if strings.Contains(err.Error(), "secret-owner") {
			t.Errorf("%s: the error quotes a secret", name)
		}
	}
}
