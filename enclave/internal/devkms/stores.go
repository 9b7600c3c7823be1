package devkms

// Origins of key material (API reference, KeyMetadata).
const (
	originKMS      = "AWS_KMS"
	originImported = "EXTERNAL"
	originCluster  = "AWS_CLOUDHSM"
	originManager  = "EXTERNAL_KEY_STORE"
)

// A Store is a custom key store: a CloudHSM cluster, or the key manager behind an external key
// store's proxy. Somebody else runs it. Both calls name a key of the store and take what KMS
// authenticates beside the text.
//
// A cluster holds the material of its keys, so it sees what KMS encrypts and gives back. A key
// manager gets what KMS has encrypted before with material of its own: it sees no plaintext, and
// can refuse (KMS Developer Guide, "Custom key stores"; "External key stores", on double
// encryption).
type Store interface {
	Encrypt(key string, plaintext, authenticated []byte) ([]byte, error)
	Decrypt(key string, ciphertext, authenticated []byte) ([]byte, error)
}

// inStore tells whether a request for a key in a custom key store is complete.
func (in *createKeyInput) inStore(stores map[string]Store) bool {
	external := in.Origin == originManager && in.XksKeyId != ""
	cluster := in.Origin == originCluster && in.XksKeyId == ""
	return (external || cluster) && stores[in.CustomKeyStoreId] != nil && !in.MultiRegion && oneOf(in.KeySpec, algorithmName)
}

// storeKey is the name that a key has in its store.
func (k *key) storeKey() string {
	if k.StoreKey != "" {
		return k.StoreKey
	}
	return k.ID
}

// connected is the store of a key; after a restart it may be gone.
func (s *Server) connected(k *key) (Store, error) {
	if store := s.stores[k.Store]; store != nil {
		return store, nil
	}
	return nil, noAnswer()
}

func noAnswer() error { return invalidState("the custom key store does not answer") }

// seal makes the ciphertext of a key, wherever its material lies.
func (s *Server) seal(k *key, plaintext []byte, context map[string]string) ([]byte, error) {
	if k.Store == "" {
		return k.seal(plaintext, context), nil
	}
	if k.origin() == originManager {
		plaintext = k.seal(plaintext, context)
	}
	store, err := s.connected(k)
	if err != nil {
		return nil, err
	}
	sealed, err := store.Encrypt(k.storeKey(), plaintext, k.aad(context))
	if err != nil {
		return nil, noAnswer()
	}
	// The nonce is the store's: ours is empty.
	return append(append(append([]byte{blobVersion}, parseUUID(k.ID)...), make([]byte, 12)...), sealed...), nil
}

// open is the reverse of seal.
func (s *Server) open(k *key, blob []byte, context map[string]string) ([]byte, error) {
	if k.Store == "" {
		return k.open(blob, context)
	}
	store, err := s.connected(k)
	if err != nil {
		return nil, err
	}
	inner, err := store.Decrypt(k.storeKey(), blob[blobPrefix+12:], k.aad(context))
	if err != nil {
		return nil, noAnswer()
	}
	if k.origin() != originManager {
		return inner, nil
	}
	if len(inner) < blobMin {
		return nil, invalidCiphertext()
	}
	return k.open(inner, context)
}
