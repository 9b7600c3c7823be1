package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"anchorhold/parent/e2e/stage"
)

// cli drives the local KMS with the AWS CLI. Its checks build on each other: each uses the key that
// the first made.
type cli struct {
	*lab
	key string
}

const cliAlias = "alias/interop"

func (l *lab) cliChecks() []check {
	c := &cli{lab: l}
	var checks []check
	for _, one := range []struct {
		name string
		do   func(context.Context) (string, error)
	}{
		{"create-key, describe-key", c.createKey},
		{"list-keys, page by page", c.listKeys},
		{"create-alias, list-aliases, delete-alias", c.aliases},
		{"generate-data-key, decrypt", c.dataKey},
		{"generate-data-key-without-plaintext", c.dataKeyAlone},
		{"encrypt, decrypt, wrong context, wrong key", c.encrypt},
		{"generate-random", c.random},
		{"put-key-policy, get-key-policy", c.policies},
		{"decrypt without attestation is denied", c.denied},
		{"wrong secret, unknown key, unknown operation", c.refusals},
	} {
		checks = append(checks, check{"AWS CLI", one.name, one.do})
	}
	return checks
}

// reply has the members of all answers that the checks read.
type reply struct {
	KeyMetadata                        struct{ AWSAccountId, Arn, KeyId, KeyState, Description, CreationDate string }
	Keys                               []struct{ KeyArn, KeyId string }
	Aliases                            []struct{ AliasName, TargetKeyId string }
	Plaintext, CiphertextBlob          []byte
	KeyId, Policy, EncryptionAlgorithm string
}

// kms runs one operation as that role.
func (c *cli) kms(ctx context.Context, r stage.Role, operation string, args ...string) (*reply, error) {
	args = append([]string{"kms", operation, "--endpoint-url", c.KMSURL, "--output", "json", "--no-cli-pager"}, args...)
	cmd := exec.CommandContext(ctx, c.options.aws, args...)
	cmd.Env = r.Environment
	out, err := output(cmd, nil)
	if err != nil {
		return nil, err
	}
	var answer reply
	if len(out) == 0 {
		return &answer, nil
	}
	return &answer, json.Unmarshal(out, &answer)
}

// refused makes sure that an operation fails with that exception of KMS.
func (c *cli) refused(ctx context.Context, want string, r stage.Role, operation string, args ...string) error {
	_, err := c.kms(ctx, r, operation, args...)
	if err == nil {
		return fmt.Errorf("%s was allowed, want %s", operation, want)
	}
	if !strings.Contains(err.Error(), "("+want+")") {
		return fmt.Errorf("want %s: %w", want, err)
	}
	return nil
}

func (c *cli) createKey(ctx context.Context) (string, error) {
	made, err := c.kms(ctx, c.Administrator(), "create-key", "--description", "made by the AWS CLI", "--tags", "TagKey=purpose,TagValue=interop")
	if err != nil {
		return "", err
	}
	c.key = made.KeyMetadata.Arn
	for _, name := range []string{made.KeyMetadata.Arn, made.KeyMetadata.KeyId} {
		seen, err := c.kms(ctx, c.Administrator(), "describe-key", "--key-id", name)
		if err != nil {
			return "", err
		}
		if seen.KeyMetadata != made.KeyMetadata || seen.KeyMetadata.KeyState != "Enabled" || seen.KeyMetadata.AWSAccountId != stage.OwnerAccount {
			return "", fmt.Errorf("create-key says %+v, describe-key %+v", made.KeyMetadata, seen.KeyMetadata)
		}
	}
	return made.KeyMetadata.Arn, nil
}

func (c *cli) listKeys(ctx context.Context) (string, error) {
	all, err := c.kms(ctx, c.Administrator(), "list-keys")
	if err != nil {
		return "", err
	}
	paged, err := c.kms(ctx, c.Administrator(), "list-keys", "--page-size", "1")
	if err != nil {
		return "", err
	}
	if !slices.Equal(paged.Keys, all.Keys) {
		return "", fmt.Errorf("pages of one give %v, one page %v", paged.Keys, all.Keys)
	}
	var arns []string
	for _, k := range all.Keys {
		arns = append(arns, k.KeyArn)
	}
	for _, want := range []string{c.key, c.KeyARN, c.foreign, c.open.KeyARN} {
		if !slices.Contains(arns, want) {
			return "", fmt.Errorf("%s is not in the list", want)
		}
	}
	return fmt.Sprintf("%d keys", len(arns)), nil
}

func (c *cli) aliases(ctx context.Context) (string, error) {
	admin := c.Administrator()
	if _, err := c.kms(ctx, admin, "create-alias", "--alias-name", cliAlias, "--target-key-id", c.key); err != nil {
		return "", err
	}
	if err := c.refused(ctx, "AlreadyExistsException", admin, "create-alias", "--alias-name", cliAlias, "--target-key-id", c.key); err != nil {
		return "", err
	}
	for _, args := range [][]string{nil, {"--key-id", c.key}} {
		list, err := c.kms(ctx, admin, "list-aliases", args...)
		if err != nil {
			return "", err
		}
		if len(list.Aliases) != 1 || list.Aliases[0].AliasName != cliAlias || !strings.HasSuffix(c.key, "/"+list.Aliases[0].TargetKeyId) {
			return "", fmt.Errorf("list-aliases %v says %v", args, list.Aliases)
		}
	}
	seen, err := c.kms(ctx, admin, "describe-key", "--key-id", cliAlias)
	if err != nil {
		return "", err
	}
	if seen.KeyMetadata.Arn != c.key {
		return "", fmt.Errorf("the alias leads to %s, want %s", seen.KeyMetadata.Arn, c.key)
	}
	if _, err := c.kms(ctx, admin, "delete-alias", "--alias-name", cliAlias); err != nil {
		return "", err
	}
	return cliAlias, c.refused(ctx, "NotFoundException", admin, "describe-key", "--key-id", cliAlias)
}

// blob writes a ciphertext to a file, as `fileb://` wants it.
func (c *cli) blob(name string, content []byte) (string, error) {
	path := c.Path(name)
	return "fileb://" + path, os.WriteFile(path, content, 0o600)
}

func (c *cli) dataKey(ctx context.Context) (string, error) {
	admin := c.Administrator()
	made, err := c.kms(ctx, admin, "generate-data-key", "--key-id", c.key, "--key-spec", "AES_256", "--encryption-context", "a=1,b=2")
	if err != nil {
		return "", err
	}
	file, err := c.blob("cli-data-key", made.CiphertextBlob)
	if err != nil {
		return "", err
	}
	opened, err := c.kms(ctx, admin, "decrypt", "--ciphertext-blob", file, "--encryption-context", "b=2,a=1")
	if err != nil {
		return "", err
	}
	if len(made.Plaintext) != 32 || !bytes.Equal(opened.Plaintext, made.Plaintext) || opened.KeyId != c.key {
		return "", errors.New("decrypt gives another data key than generate-data-key gave")
	}
	return "32 bytes, context of two entries", nil
}

func (c *cli) dataKeyAlone(ctx context.Context) (string, error) {
	admin := c.Administrator()
	made, err := c.kms(ctx, admin, "generate-data-key-without-plaintext", "--key-id", c.key, "--number-of-bytes", "64")
	if err != nil {
		return "", err
	}
	if made.Plaintext != nil || made.KeyId != c.key {
		return "", errors.New("the answer holds a plaintext or names another key")
	}
	file, err := c.blob("cli-data-key-alone", made.CiphertextBlob)
	if err != nil {
		return "", err
	}
	opened, err := c.kms(ctx, admin, "decrypt", "--ciphertext-blob", file, "--key-id", c.key)
	if err != nil {
		return "", err
	}
	if len(opened.Plaintext) != 64 {
		return "", fmt.Errorf("got a data key of %d bytes, want 64", len(opened.Plaintext))
	}
	return "64 bytes", nil
}

func (c *cli) encrypt(ctx context.Context) (string, error) {
	admin := c.Administrator()
	const secret = "not a health record"
	sealed, err := c.kms(ctx, admin, "encrypt", "--key-id", c.key, "--plaintext", base64.StdEncoding.EncodeToString([]byte(secret)),
		"--encryption-context", `{"purpose":"ärztlich"}`)
	if err != nil {
		return "", err
	}
	file, err := c.blob("cli-encrypted", sealed.CiphertextBlob)
	if err != nil {
		return "", err
	}
	decrypt := func(more ...string) []string { return append([]string{"--ciphertext-blob", file}, more...) }
	opened, err := c.kms(ctx, admin, "decrypt", decrypt("--encryption-context", `{"purpose":"ärztlich"}`)...)
	if err != nil {
		return "", err
	}
	if string(opened.Plaintext) != secret || opened.EncryptionAlgorithm != "SYMMETRIC_DEFAULT" {
		return "", errors.New("decrypt gives another plaintext than encrypt took")
	}
	if err := c.refused(ctx, "InvalidCiphertextException", admin, "decrypt", decrypt()...); err != nil {
		return "", err
	}
	return "IncorrectKey, InvalidCiphertext", c.refused(ctx, "IncorrectKeyException", admin, "decrypt", decrypt("--key-id", c.foreign)...)
}

func (c *cli) random(ctx context.Context) (string, error) {
	a, err := c.kms(ctx, c.Administrator(), "generate-random", "--number-of-bytes", "40")
	if err != nil {
		return "", err
	}
	b, err := c.kms(ctx, c.Administrator(), "generate-random", "--number-of-bytes", "40")
	if err != nil {
		return "", err
	}
	if len(a.Plaintext) != 40 || len(b.Plaintext) != 40 || bytes.Equal(a.Plaintext, b.Plaintext) {
		return "", fmt.Errorf("got %d and %d bytes, equal: %v", len(a.Plaintext), len(b.Plaintext), bytes.Equal(a.Plaintext, b.Plaintext))
	}
	return "40 bytes", nil
}

func (c *cli) policies(ctx context.Context) (string, error) {
	admin := c.Administrator()
	policy, err := policyOf(allow("Administration", admin, "kms:PutKeyPolicy", "kms:GetKeyPolicy"), allow("Seal", c.Sealer(), "kms:Encrypt"))
	if err != nil {
		return "", err
	}
	if _, err := c.kms(ctx, admin, "put-key-policy", "--key-id", c.key, "--policy-name", "default", "--policy", policy); err != nil {
		return "", err
	}
	got, err := c.kms(ctx, admin, "get-key-policy", "--key-id", c.key, "--policy-name", "default")
	if err != nil {
		return "", err
	}
	if got.Policy != policy {
		return "", fmt.Errorf("got policy %q, want %q", got.Policy, policy)
	}
	if err := c.refused(ctx, "AccessDeniedException", admin, "generate-data-key", "--key-id", c.key, "--key-spec", "AES_256"); err != nil {
		return "", err
	}
	lockout, err := policyOf(allow("Seal", c.Sealer(), "kms:Encrypt"))
	if err != nil {
		return "", err
	}
	return "in force at once; lockout refused", c.refused(ctx, "MalformedPolicyDocumentException", admin, "put-key-policy", "--key-id", c.key, "--policy-name", "default", "--policy", lockout)
}
