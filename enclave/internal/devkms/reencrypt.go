package devkms

import "errors"

type reEncryptInput struct {
	CiphertextBlob                                            []byte
	SourceKeyId, DestinationKeyId                             string
	SourceEncryptionContext, DestinationEncryptionContext     map[string]string
	SourceEncryptionAlgorithm, DestinationEncryptionAlgorithm string
	GrantTokens, DryRunModifiers                              []string
	DryRun                                                    bool
}

// reEncrypt needs leave twice, from the key that opens and from the key that seals. It takes no
// Recipient: attestation never limits it.
func (s *Server) reEncrypt(c *call) (Answer, error) {
	in, err := parse[reEncryptInput](c)
	if err != nil {
		return nil, err
	}
	opening := &decryptInput{
		CiphertextBlob: in.CiphertextBlob,
		cryptoInput: cryptoInput{
			KeyId: in.SourceKeyId, EncryptionContext: in.SourceEncryptionContext, EncryptionAlgorithm: in.SourceEncryptionAlgorithm, GrantTokens: in.GrantTokens,
		},
	}
	sealing := cryptoInput{
		KeyId: in.DestinationKeyId, EncryptionContext: in.DestinationEncryptionContext, EncryptionAlgorithm: in.DestinationEncryptionAlgorithm,
	}
	if err := sealing.check(s, c); err != nil {
		return nil, err
	}
	if err := opening.check(s, c); err != nil {
		return nil, err
	}
	from, err := s.decryptionKey(c, opening)
	if err != nil {
		return nil, err
	}
	to, err := s.resolve(c, in.DestinationKeyId)
	if err != nil {
		return nil, err
	}
	same := map[string][]string{"kms:ReEncryptOnSameKey": {boolText(from.key == to.key)}}
	if _, err := s.decide(c, from, use{action: "ReEncryptFrom", context: in.SourceEncryptionContext, crypto: true, extra: same}); err != nil {
		return nil, err
	}
	if _, err := s.decide(c, to, use{action: "ReEncryptTo", context: in.DestinationEncryptionContext, crypto: true, extra: same}); err != nil {
		return nil, err
	}
	if err := errors.Join(from.key.usable(), to.key.usable()); err != nil {
		return nil, err
	}
	if in.DryRun {
		return nil, dryRunPassed()
	}
	plaintext, err := s.open(from.key, in.CiphertextBlob, in.SourceEncryptionContext)
	if err != nil {
		return nil, err
	}
	defer clear(plaintext)
	blob, err := s.seal(to.key, plaintext, in.DestinationEncryptionContext)
	if err != nil {
		return nil, err
	}
	return Answer{
		"CiphertextBlob": blob, "KeyId": s.keyARN(to.key), "SourceKeyId": s.keyARN(from.key),
		"SourceEncryptionAlgorithm": algorithmName, "DestinationEncryptionAlgorithm": algorithmName,
	}, nil
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}
