package credentials

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"anchorhold/protocol/message"
)

const maxFile = 64 << 10 // session tokens are some KiB

// IMDS is the role of the EC2 instance, by IMDSv2. The zero value asks the usual endpoint.
type IMDS struct {
	Endpoint string // for tests
}

// Fetch implements Source.
func (s IMDS) Fetch(ctx context.Context) (message.Credentials, error) {
	// IMDSv1 answers whoever makes this process fetch a URL; version 2 needs a token.
	client := imds.New(imds.Options{
		Endpoint:       s.Endpoint,
		EnableFallback: aws.FalseTernary,
		// Asked for in the configuration, so the SDK's switch in the environment does not turn it
		// off.
		ClientEnableState: imds.ClientEnabled,
	})
	provider := ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = client })
	c, err := provider.Retrieve(ctx)
	if err != nil {
		return message.Credentials{}, fmt.Errorf("instance role: %w", err)
	}
	out := message.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}
	if c.CanExpire {
		out.Expires = millis(c.Expires)
	}
	return out, nil
}

// Environment is AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.
type Environment struct{}

// Fetch implements Source.
func (Environment) Fetch(context.Context) (message.Credentials, error) {
	c := message.Credentials{
		AccessKeyID:     os.Getenv("AWS_ACCESS_KEY_ID"),
		SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
		SessionToken:    os.Getenv("AWS_SESSION_TOKEN"),
	}
	if c.AccessKeyID == "" || c.SecretAccessKey == "" {
		return message.Credentials{}, errors.New("environment: AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is not set")
	}
	return c, nil
}

// File is a JSON file as a credential_process prints it, read anew each time. Who writes it
// replaces it by rename.
type File struct {
	Path string
}

// Fetch implements Source.
func (s File) Fetch(context.Context) (message.Credentials, error) {
	f, err := os.Open(s.Path)
	if err != nil {
		return message.Credentials{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return message.Credentials{}, err
	}
	// As ssh does with keys: a secret that others can read is refused until somebody has noticed.
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return message.Credentials{}, fmt.Errorf("credentials file: got mode %s, want a regular file of mode 0600", info.Mode())
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return message.Credentials{}, err
	}
	return ParseFile(b)
}

// ParseFile reads the JSON that the AWS CLI calls credential_process output. No error repeats any
// of it.
func ParseFile(b []byte) (message.Credentials, error) {
	var v struct {
		Version         int
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string
		Expiration      *time.Time
	}
	if len(b) > maxFile || json.Unmarshal(b, &v) != nil {
		return message.Credentials{}, errors.New("malformed credentials file: want credential_process JSON")
	}
	if v.Version != 1 || v.AccessKeyID == "" || v.SecretAccessKey == "" {
		return message.Credentials{}, errors.New("invalid credentials file: want Version 1, AccessKeyId and SecretAccessKey")
	}
	c := message.Credentials{AccessKeyID: v.AccessKeyID, SecretAccessKey: v.SecretAccessKey, SessionToken: v.SessionToken}
	if v.Expiration != nil {
		c.Expires = millis(*v.Expiration)
	}
	return c, nil
}

// millis of a time before 1970 is 1: ended, and not never.
func millis(t time.Time) uint64 { return uint64(max(t.UnixMilli(), 1)) }
