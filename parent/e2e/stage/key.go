package stage

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"anchorhold/protocol/pinsfile"
)

// admin is a KMS client with the key administrator's credentials: it may write policies and use no
// key.
func (s *Stage) admin() (*kms.Client, error) {
	pem, err := os.ReadFile(s.Path("ca", "tls-root.pem"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("tls-root.pem holds no certificate")
	}
	u := s.users.admin
	return kms.New(kms.Options{
		Region:       region,
		BaseEndpoint: aws.String(s.KMSURL),
		HTTPClient:   &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: u.id, SecretAccessKey: u.secret}, nil
		}),
	}), nil
}

func (s *Stage) createKey(ctx context.Context) error {
	client, err := s.admin()
	if err != nil {
		return err
	}
	policy, err := json.Marshal(document{Version: "2012-10-17", Statement: []statement{s.administration()}})
	if err != nil {
		return err
	}
	out, err := client.CreateKey(ctx, &kms.CreateKeyInput{Policy: aws.String(string(policy))})
	if err != nil {
		return err
	}
	s.KeyARN = aws.ToString(out.KeyMetadata.Arn)
	return nil
}

// document and statement are the parts of the IAM policy language that the stage writes.
type document struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid       string
	Effect    string
	Principal map[string]string
	Action    []string
	Resource  string
	Condition map[string]map[string]string `json:",omitempty"`
}

func (s *Stage) administration() statement {
	return statement{
		Sid: "Administration", Effect: "Allow", Principal: map[string]string{"AWS": s.users.admin.arn}, Resource: "*",
		Action: []string{"kms:DescribeKey", "kms:GetKeyPolicy", "kms:PutKeyPolicy"},
	}
}

// PutKeyPolicy lets the parent's role decrypt for exactly the images of the named pins, each paired
// with its own encryption context.
func (s *Stage) PutKeyPolicy(ctx context.Context, pinNames ...string) error {
	doc := document{Version: "2012-10-17", Statement: []statement{s.administration(), {
		Sid: "Seal", Effect: "Allow", Principal: map[string]string{"AWS": s.users.owner.arn}, Resource: "*",
		Action:    []string{"kms:GenerateDataKey"},
		Condition: map[string]map[string]string{"StringEquals": {"kms:EncryptionContext:anchorhold:tenant": Tenant}},
	}}}
	for _, name := range pinNames {
		source, err := os.ReadFile(s.Path(name + ".pins"))
		if err != nil {
			return err
		}
		pins, err := pinsfile.Parse(source)
		if err != nil {
			return err
		}
		for i, image := range pins.Images {
			doc.Statement = append(doc.Statement, statement{
				Sid: fmt.Sprintf("Decrypt%s%d", name, i), Effect: "Allow", Principal: map[string]string{"AWS": s.users.parent.arn}, Resource: "*",
				Action: []string{"kms:Decrypt"},
				Condition: map[string]map[string]string{
					"StringEqualsIgnoreCase": {
						"kms:RecipientAttestation:PCR0": image.PCR0.String(),
						"kms:RecipientAttestation:PCR1": image.PCR1.String(),
						"kms:RecipientAttestation:PCR2": image.PCR2.String(),
					},
					"StringEquals": {
						"kms:EncryptionContext:anchorhold:image":  image.PCR0.String(),
						"kms:EncryptionContext:anchorhold:tenant": Tenant,
					},
				},
			})
		}
	}
	policy, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	client, err := s.admin()
	if err != nil {
		return err
	}
	_, err = client.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: aws.String(s.KeyARN), Policy: aws.String(string(policy))})
	return err
}
