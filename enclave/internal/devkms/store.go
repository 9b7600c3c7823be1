package devkms

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"anchorhold/protocol/keypolicy"
)

// A key is never changed after it was stored: updates store a changed copy.
type key struct {
	ID string `json:"id"`
	// 32 bytes; of a key agreement key its private key in PKCS #8; none until it is imported
	Material    []byte    `json:"material"`
	MaterialID  string    `json:"material_id"` // 64 hex digits
	Description string    `json:"description"`
	Created     time.Time `json:"created"`
	Policy      string    `json:"policy"`
	Region      string    `json:"region,omitempty"`    // of a replica; empty: the server's own
	Spec        string    `json:"spec,omitempty"`      // empty: SYMMETRIC_DEFAULT
	Origin      string    `json:"origin,omitempty"`    // empty: AWS_KMS
	State       string    `json:"state,omitempty"`     // empty: Enabled, or PendingImport
	Imported    string    `json:"imported,omitempty"`  // id of the only material that the key takes
	Store       string    `json:"store,omitempty"`     // custom key store; empty: none
	StoreKey    string    `json:"store_key,omitempty"` // name of the key there; empty: the id
	Grants      []grant   `json:"grants,omitempty"`

	policy *keypolicy.Policy // of Policy
}

// place is where a state keeps the key: its id, behind the Region if it is a replica.
func (k *key) place() string {
	if k.Region == "" {
		return k.ID
	}
	return k.Region + "/" + k.ID
}

func (k *key) spec() string { return cmp.Or(k.Spec, algorithmName) }

func (k *key) usage() string {
	if k.Spec == "" {
		return "ENCRYPT_DECRYPT"
	}
	return "KEY_AGREEMENT"
}

func (k *key) origin() string { return cmp.Or(k.Origin, originKMS) }

func (k *key) multiRegion() bool { return strings.HasPrefix(k.ID, multiRegionPrefix) }

// A state is all that a KMS remembers.
type state struct {
	Keys    map[string]*key   `json:"keys"`    // by place
	Aliases map[string]*alias `json:"aliases"` // by name with its alias/ prefix
}

type alias struct {
	KeyID   string    `json:"key_id"`
	Created time.Time `json:"created"`
}

// A store holds the state and, when it has a path, a copy on disk.
type store struct {
	path string

	mu    sync.RWMutex
	state state // guarded by mu; its maps are replaced, never changed
}

// openStore reads the state file at path, if there is one. An empty path keeps everything in
// memory.
func openStore(path string) (*store, error) {
	s := &store{path: path, state: state{Keys: map[string]*key{}, Aliases: map[string]*alias{}}}
	if path == "" {
		return s, nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the state: %w", err)
	}
	var st state
	if err := json.Unmarshal(b, &st); err != nil {
		return nil, errors.New("malformed state file") // the JSON error would quote key material
	}
	if err := st.check(); err != nil {
		return nil, fmt.Errorf("state file: %w", err)
	}
	s.state = st
	return s, nil
}

// check refuses a state that later code would stumble over, and parses the policies.
func (st *state) check() error {
	if st.Keys == nil || st.Aliases == nil {
		return errors.New("keys or aliases missing")
	}
	for id, k := range st.Keys {
		if k == nil || k.place() != id || parseUUID(k.ID) == nil || k.Spec == "" && len(k.Material) != 32 && !(k.Origin == originImported && len(k.Material) == 0) {
			return errors.New("invalid key")
		}
		policy, err := keypolicy.Parse([]byte(k.Policy))
		if err != nil {
			return fmt.Errorf("key policy: %w", err)
		}
		k.policy = policy
	}
	for _, a := range st.Aliases {
		if a == nil || st.Keys[a.KeyID] == nil {
			return errors.New("alias without a key")
		}
	}
	return nil
}

func (s *store) key(id string) (*key, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	k, ok := s.state.Keys[id]
	return k, ok
}

func (s *store) alias(name string) (*alias, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	a, ok := s.state.Aliases[name]
	return a, ok
}

// keys returns all keys, ordered by id.
func (s *store) keys() []*key {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.SortedFunc(maps.Values(s.state.Keys), func(a, b *key) int { return cmp.Compare(a.place(), b.place()) })
}

// aliases returns the aliases and their names in order.
func (s *store) aliases() ([]string, map[string]*alias) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.state.Aliases)), s.state.Aliases
}

// update applies change to a copy of the state, makes it durable, then puts it in place: what a
// caller was told survives a crash, and a failed write leaves no half change.
func (s *store) update(change func(*state) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := state{Keys: maps.Clone(s.state.Keys), Aliases: maps.Clone(s.state.Aliases)}
	if err := change(&next); err != nil {
		return err
	}
	if s.path != "" {
		if err := writeState(s.path, &next); err != nil {
			return fmt.Errorf("writing the state: %w", err)
		}
	}
	s.state = next
	return nil
}

// writeState replaces the file in one step; nobody else may read it, as it holds keys.
func writeState(path string, st *state) error {
	b, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".state-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails after the rename, as it should
	if _, err := f.Write(b); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
