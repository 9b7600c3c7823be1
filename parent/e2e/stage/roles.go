package stage

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// Role is a principal of the local KMS, for tests that write key policies of their own or run other
// programs against it.
type Role struct {
	ARN string
	// Environment is all that a program run as this role gets: its credentials, the local KMS and
	// its root, nothing of the caller's AWS configuration.
	Environment []string
}

// Administrator may create keys, and write the policy of the stage's key.
func (s *Stage) Administrator() Role { return s.role(s.users.admin) }

// Sealer is the data owner's sealing role.
func (s *Stage) Sealer() Role { return s.role(s.users.owner) }

// Parent is the role of the parent instance.
func (s *Stage) Parent() Role { return s.role(s.users.parent) }

// Nobody is a role of the parent's account that no key policy names.
func (s *Stage) Nobody() Role { return s.role(s.users.nobody) }

// Unpermitted is the parent's role when its IAM policy allows kms:Decrypt and nothing else.
func (s *Stage) Unpermitted() Role { return s.role(s.users.unpermitted) }

func (s *Stage) role(u user) Role {
	env := append(baseEnvironment(), u.environment()...)
	return Role{ARN: u.arn, Environment: append(env, s.endpoints()...)}
}

// endpoints are the variables by which a program finds the local KMS, and the STS at the same
// address.
func (s *Stage) endpoints() []string {
	return []string{"AWS_ENDPOINT_URL_KMS=" + s.KMSURL, "AWS_ENDPOINT_URL_STS=" + s.KMSURL, "AWS_CA_BUNDLE=" + s.TLSRoot()}
}

// TLSRoot is the file with the certificate that clients of the local KMS trust.
func (s *Stage) TLSRoot() string { return s.Path("ca", "tls-root.pem") }

// CreateKey makes a further key with that key policy and returns its ARN.
func (s *Stage) CreateKey(ctx context.Context, policy string) (arn string, err error) {
	client, err := s.admin()
	if err != nil {
		return "", err
	}
	out, err := client.CreateKey(ctx, &kms.CreateKeyInput{Policy: aws.String(policy)})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.KeyMetadata.Arn), nil
}

// WithKey returns the same running stage with another key in its place, for CompilePolicy,
// WritePins and PutKeyPolicy. Only the original may be stopped or restarted.
func (s *Stage) WithKey(arn string) *Stage {
	other := *s
	other.KeyARN, other.kms, other.enclave, other.second, other.parent = arn, nil, nil, nil, nil
	return &other
}

// KeyPolicy returns the text of the key's policy; SetKeyPolicy puts another in its place.
func (s *Stage) KeyPolicy(ctx context.Context) (string, error) {
	client, err := s.admin()
	if err != nil {
		return "", err
	}
	out, err := client.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: aws.String(s.KeyARN)})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.Policy), nil
}

// SetKeyPolicy puts the policy's text in place of the key's own.
func (s *Stage) SetKeyPolicy(ctx context.Context, policy string) error {
	client, err := s.admin()
	if err != nil {
		return err
	}
	_, err = client.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: aws.String(s.KeyARN), Policy: aws.String(policy)})
	return err
}
