package devkms

import "crypto/rand"

// Limits of the KMS API reference.
const (
	maxPlaintext  = 4096
	maxCiphertext = 6144
	maxRandom     = 1024
	maxContext    = 8192 // bytes of all keys and values of an encryption context
)

// A cryptoInput has the members of Encrypt, Decrypt, GenerateDataKey and
// GenerateDataKeyWithoutPlaintext; each operation refuses those that are not its own.
type cryptoInput struct {
	KeyId               string
	EncryptionContext   map[string]string
	EncryptionAlgorithm string
	GrantTokens         []string
	DryRun              bool
	Recipient           *recipientInfo
}

type encryptInput struct {
	cryptoInput
	Plaintext []byte
}

type decryptInput struct {
	cryptoInput
	CiphertextBlob  []byte
	DryRunModifiers []string
}

type dataKeyInput struct {
	cryptoInput
	KeySpec       string
	NumberOfBytes *int
}

// check refuses what an operation on a symmetric key can't have, and notes the rest in the event.
func (in *cryptoInput) check(s *Server, c *call) error {
	size := 0
	for name, value := range in.EncryptionContext {
		size += len(name) + len(value)
	}
	if size > maxContext {
		return validation("EncryptionContext is too long")
	}
	if !oneOf(in.EncryptionAlgorithm, algorithmName) {
		return &Error{Type: "InvalidKeyUsageException", Message: "the key does not support this encryption algorithm"}
	}
	if err := s.checkTokens(in.GrantTokens); err != nil {
		return err
	}
	c.event.request("keyId", in.KeyId)
	c.event.context(in.EncryptionContext)
	return nil
}

// dryRun ends a request that passed every check.
func (in *cryptoInput) dryRun() error {
	if !in.DryRun {
		return nil
	}
	return dryRunPassed()
}

func dryRunPassed() error {
	return &Error{Type: "DryRunOperationException", Message: "The request would have succeeded, but the DryRun option is set."}
}

// checkTokens wants tokens of grants that exist. They open nothing: here a grant acts at once.
func (s *Server) checkTokens(tokens []string) error {
	known := map[string]bool{}
	for _, k := range s.store.keys() {
		for _, g := range k.Grants {
			known[g.token()] = true
		}
	}
	for _, t := range tokens {
		if !known[t] {
			return &Error{Type: "InvalidGrantTokenException", Message: "a grant token is not valid"}
		}
	}
	return nil
}

// permit checks document, policy and dry run, in this order.
func (s *Server) permit(c *call, t *target, in *cryptoInput) (*recipient, error) {
	r, err := s.verifyRecipient(c, in.Recipient)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(c, t, use{context: in.EncryptionContext, crypto: true, recipient: r}); err != nil {
		return nil, err
	}
	if t.key.spec() != algorithmName {
		return nil, &Error{Type: "InvalidKeyUsageException", Message: "the key is no symmetric encryption key"}
	}
	if err := t.key.usable(); err != nil {
		return nil, err
	}
	if err := in.dryRun(); err != nil {
		return nil, err
	}
	return r, nil
}

func (s *Server) encrypt(c *call) (Answer, error) {
	in, err := parse[encryptInput](c)
	if err != nil {
		return nil, err
	}
	if err := in.check(s, c); err != nil {
		return nil, err
	}
	if n := len(in.Plaintext); n == 0 || n > maxPlaintext {
		return nil, validation("Plaintext must have 1 to 4096 bytes")
	}
	if in.Recipient != nil {
		return nil, validation("Encrypt takes no Recipient")
	}
	t, err := s.resolve(c, in.KeyId)
	if err != nil {
		return nil, err
	}
	if _, err := s.permit(c, t, &in.cryptoInput); err != nil {
		return nil, err
	}
	blob, err := s.seal(t.key, in.Plaintext, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return Answer{"CiphertextBlob": blob, "KeyId": s.keyARN(t.key), "EncryptionAlgorithm": algorithmName}, nil
}

func (s *Server) decrypt(c *call) (Answer, error) {
	in, err := parse[decryptInput](c)
	if err != nil {
		return nil, err
	}
	if err := in.check(s, c); err != nil {
		return nil, err
	}
	if n := len(in.CiphertextBlob); n == 0 || n > maxCiphertext {
		return nil, validation("CiphertextBlob must have 1 to 6144 bytes")
	}
	t, err := s.decryptionKey(c, in)
	if err != nil {
		return nil, err
	}
	r, err := s.permit(c, t, &in.cryptoInput)
	if err != nil {
		return nil, err
	}
	plaintext, err := s.open(t.key, in.CiphertextBlob, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return s.answer(Answer{
		"KeyId": s.keyARN(t.key), "EncryptionAlgorithm": algorithmName, "KeyMaterialId": t.key.MaterialID,
	}, r, plaintext)
}

// decryptionKey takes the key from the blob; a KeyId in the request must name the same one.
func (s *Server) decryptionKey(c *call, in *decryptInput) (*target, error) {
	id, ok := blobKeyID(in.CiphertextBlob)
	if !ok {
		return nil, invalidCiphertext()
	}
	if in.KeyId != "" {
		t, err := s.resolve(c, in.KeyId)
		if err != nil {
			return nil, err
		}
		if t.key.ID != id {
			return nil, &Error{
				Type:    "IncorrectKeyException",
				Message: "The key ID in the request does not identify a CMK that can perform this operation.",
			}
		}
		return t, nil
	}
	k, ok := s.store.key(id)
	if !ok || k.Region != "" {
		return nil, invalidCiphertext()
	}
	return &target{key: k}, nil
}

func (s *Server) generateDataKey(c *call) (Answer, error) {
	return s.dataKey(c, true)
}

func (s *Server) generateDataKeyWithoutPlaintext(c *call) (Answer, error) {
	return s.dataKey(c, false)
}

func (s *Server) dataKey(c *call, reveal bool) (Answer, error) {
	in, err := parse[dataKeyInput](c)
	if err != nil {
		return nil, err
	}
	if err := in.check(s, c); err != nil {
		return nil, err
	}
	n, err := in.length()
	if err != nil {
		return nil, err
	}
	c.event.request("keySpec", in.KeySpec)
	if in.EncryptionAlgorithm != "" || in.Recipient != nil && !reveal {
		return nil, validation("this operation takes no EncryptionAlgorithm, and without plaintext no Recipient")
	}
	t, err := s.resolve(c, in.KeyId)
	if err != nil {
		return nil, err
	}
	r, err := s.permit(c, t, &in.cryptoInput)
	if err != nil {
		return nil, err
	}
	plaintext := make([]byte, n)
	rand.Read(plaintext)
	blob, err := s.seal(t.key, plaintext, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	a := Answer{"CiphertextBlob": blob, "KeyId": s.keyARN(t.key), "KeyMaterialId": t.key.MaterialID}
	if !reveal {
		return a, nil
	}
	return s.answer(a, r, plaintext)
}

// length takes exactly one of KeySpec and NumberOfBytes.
func (in *dataKeyInput) length() (int, error) {
	switch {
	case in.KeySpec != "" && in.NumberOfBytes == nil:
		if n, ok := map[string]int{"AES_128": 16, "AES_256": 32}[in.KeySpec]; ok {
			return n, nil
		}
		return 0, validation("KeySpec must be AES_128 or AES_256")
	case in.KeySpec == "" && in.NumberOfBytes != nil:
		return checkBytes(in.NumberOfBytes)
	default:
		return 0, validation("Please specify either number of bytes or key spec.")
	}
}

func checkBytes(n *int) (int, error) {
	if n == nil || *n < 1 || *n > maxRandom {
		return 0, validation("NumberOfBytes must be 1 to 1024")
	}
	return *n, nil
}

type randomInput struct {
	CustomKeyStoreId string
	NumberOfBytes    *int
	Recipient        *recipientInfo
}

// generateRandom belongs to no key, so no key policy governs it.
func (s *Server) generateRandom(c *call) (Answer, error) {
	in, err := parse[randomInput](c)
	if err != nil {
		return nil, err
	}
	if in.CustomKeyStoreId != "" {
		return nil, unsupported("there are no custom key stores here")
	}
	n, err := checkBytes(in.NumberOfBytes)
	if err != nil {
		return nil, err
	}
	r, err := s.verifyRecipient(c, in.Recipient)
	if err != nil {
		return nil, err
	}
	plaintext := make([]byte, n)
	rand.Read(plaintext)
	return s.answer(Answer{}, r, plaintext)
}
