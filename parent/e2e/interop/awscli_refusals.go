package main

import (
	"context"
	"encoding/json"
	"strings"
)

// denied: the key of a real job opens to nobody by the CLI, whoever asks, and with the right
// context.
func (c *cli) denied(ctx context.Context) (string, error) {
	h, err := header(c.Path("JavaScript-2-0.message"))
	if err != nil {
		return "", err
	}
	encryptionContext, err := json.Marshal(h.Context)
	if err != nil {
		return "", err
	}
	file, err := c.blob("cli-denied", h.Keys[0].Ciphertext)
	if err != nil {
		return "", err
	}
	args := []string{"--ciphertext-blob", file, "--key-id", c.KeyARN, "--encryption-context", string(encryptionContext)}
	if err := c.refused(ctx, "AccessDeniedException", c.Sealer(), "decrypt", args...); err != nil {
		return "", err
	}
	// The parent's own role, the one that the policy names: without Recipient its conditions have
	// nothing to match.
	return "sealing role and the parent's role", c.refused(ctx, "AccessDeniedException", c.Parent(), "decrypt", args...)
}

func (c *cli) refusals(ctx context.Context) (string, error) {
	forger := c.Administrator()
	for i, v := range forger.Environment {
		if strings.HasPrefix(v, "AWS_SECRET_ACCESS_KEY=") {
			forger.Environment[i] = "AWS_SECRET_ACCESS_KEY=another-secret-of-nobody"
		}
	}
	if err := c.refused(ctx, "InvalidSignatureException", forger, "list-keys"); err != nil {
		return "", err
	}
	admin := c.Administrator()
	if err := c.refused(ctx, "NotFoundException", admin, "describe-key", "--key-id", "00000000-0000-0000-0000-000000000000"); err != nil {
		return "", err
	}
	return "refused by name", c.refused(ctx, "UnknownOperationException", admin, "update-key-description", "--key-id", c.key, "--description", "x")
}
