package stage

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"anchorhold/protocol/transport"
)

// user is one principal of the local KMS.
type user struct{ arn, id, secret string }

type users struct {
	admin, owner, parent user
	nobody               user // another role of the parent's account
	unpermitted          user // the parent's role, to which IAM allows Decrypt only
}

// environment returns the variables that the AWS SDK reads.
func (u user) environment() []string {
	return []string{"AWS_ACCESS_KEY_ID=" + u.id, "AWS_SECRET_ACCESS_KEY=" + u.secret, "AWS_REGION=" + region}
}

func newUser(account, role string) user {
	return user{
		arn:    "arn:aws:iam::" + account + ":role/" + role,
		id:     "AKIA" + strings.ToUpper(rand.Text()[:16]),
		secret: rand.Text() + rand.Text(),
	}
}

func (s *Stage) writeUsers() error {
	s.users = users{
		admin:  newUser(OwnerAccount, "key-admin"),
		owner:  newUser(OwnerAccount, "sealing"),
		parent: newUser(ParentAccount, "anchorhold-parent"),
		nobody: newUser(ParentAccount, "nobody"),
	}
	s.users.unpermitted = newUser(ParentAccount, "anchorhold-parent")
	var b bytes.Buffer
	fmt.Fprintf(&b, "account: %q\nregion: %s\nusers:\n", OwnerAccount, region)
	for _, u := range []user{s.users.admin, s.users.owner, s.users.parent, s.users.nobody} {
		fmt.Fprintf(&b, "  - arn: %s\n    access-key-id: %s\n    secret-access-key: %s\n", u.arn, u.id, u.secret)
	}
	u := s.users.unpermitted
	fmt.Fprintf(&b, "  - arn: %s\n    access-key-id: %s\n    secret-access-key: %s\n    identity: [\"kms:Decrypt\"]\n", u.arn, u.id, u.secret)
	return os.WriteFile(s.Path("users.yaml"), b.Bytes(), 0o600)
}

// CompilePolicy writes NAME.yaml and NAME.cbor. The reference date is part of the policy, so
// another date is another policy.
func (s *Stage) CompilePolicy(ctx context.Context, name, referenceDate string) error {
	roots, err := os.ReadFile(s.Path("ca", "tls-root.pem"))
	if err != nil {
		return err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "anchorhold: policy/v1\ntenants:\n  - name: %s\n    keys: [%s]\n    pipelines: [%s]\n", Tenant, s.KeyARN, Pipeline)
	fmt.Fprintf(&b, "pipelines:\n  - name: %s\n    preset: safe-harbor\n    content-types: [application/fhir+ndjson, application/fhir+json]\n    on-reject: %s\n    reference-date: %s\n", Pipeline, s.OnReject, referenceDate)
	if s.Limits != "" {
		fmt.Fprintf(&b, "limits: %s\n", s.Limits)
	}
	fmt.Fprintf(&b, "test:\n  kms-host: %s\n  tls-roots: |\n", kmsHost)
	for line := range strings.Lines(string(roots)) {
		b.WriteString("    " + line)
	}
	if err := os.WriteFile(s.Path(name+".yaml"), b.Bytes(), 0o600); err != nil {
		return err
	}
	return s.run(ctx, "anchorhold", "policy", "compile", "-o", s.Path(name+".cbor"), s.Path(name+".yaml"))
}

// WritePins writes NAME.pins: the measurements of the enclave program with that policy, computed,
// never read from the enclave.
func (s *Stage) WritePins(ctx context.Context, policy string) error {
	if s.Guest != nil {
		return s.writeImagePins(ctx, policy)
	}
	return s.WritePinsOf(ctx, devProgram, policy)
}

func (s *Stage) writeParentConfig() error {
	token, err := os.ReadFile(s.TokenFile())
	if err != nil {
		token = []byte(rand.Text())
		if err := os.WriteFile(s.TokenFile(), token, 0o600); err != nil {
			return err
		}
	}
	hash := sha256.Sum256(token)
	kms := strings.TrimPrefix(s.KMSURL, "https://")
	var b bytes.Buffer
	fmt.Fprintf(&b, "listen: 127.0.0.1:0\nspool: %s\n", s.SpoolDir())
	fmt.Fprintf(&b, "tenants:\n  - name: %s\n    token-sha256: [%s]\n", Tenant, hex.EncodeToString(hash[:]))
	if err := s.writeEnclaves(&b); err != nil {
		return err
	}
	fmt.Fprintf(&b, "relay:\n  listen: %s\n  dial:\n    %q: %q\n", s.socket("relay"), kmsHost+":443", kms)
	source := "environment"
	if s.CredentialsFile {
		source = "file\n  file: " + s.Path("credentials.json")
	}
	fmt.Fprintf(&b, "credentials:\n  listen: %s\n  source: %s\n  region: %s\n", s.socket("credentials"), source, region)
	return os.WriteFile(s.Path("parent.yaml"), b.Bytes(), 0o600)
}

// WriteCredentials replaces the file of Options.CredentialsFile, valid for an hour: with the
// parent's credentials, or with an access key id that KMS does not know.
func (s *Stage) WriteCredentials(known bool) error {
	c := map[string]any{
		"Version": 1, "AccessKeyId": s.users.parent.id, "SecretAccessKey": s.users.parent.secret,
		"Expiration": time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
	}
	if !known {
		c["AccessKeyId"] = "AKIAUNKNOWN000000000"
	}
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.Path("credentials.new"), b, 0o600); err != nil {
		return err
	}
	return os.Rename(s.Path("credentials.new"), s.Path("credentials.json"))
}

// writeEnclaves writes the part of the configuration that names the enclaves.
func (s *Stage) writeEnclaves(b *bytes.Buffer) error {
	fmt.Fprintf(b, "enclaves:\n  - name: %s\n    address: %s\n", firstEnclave, s.socket("jobs"))
	if s.Two {
		fmt.Fprintf(b, "  - name: two\n    address: %s\n", s.socket("jobs2"))
	}
	if s.Guest == nil {
		return nil
	}
	if s.Guest.Replace {
		args := append([]string{filepath.Join(s.Bin, "anchorhold-eif")}, s.GuestArgs(s.Image("policy"), firstEnclave)...)
		fmt.Fprintf(b, "    replace: [%s]\n", strings.Join(append(args, "--replace"), ", "))
	}
	for _, name := range s.Guest.Names {
		fmt.Fprintf(b, "  - name: %s\n    address: %s\n", name, s.guestSocket(name, transport.JobPort))
		if err := s.linkGuest(name, transport.RelayPort, transport.CredentialsPort); err != nil {
			return err
		}
	}
	return nil
}

// TokenFile holds the tenant's bearer token for the parent's API.
func (s *Stage) TokenFile() string { return s.Path("token") }

// SpoolDir is the parent's disk.
func (s *Stage) SpoolDir() string { return s.Path("spool") }
