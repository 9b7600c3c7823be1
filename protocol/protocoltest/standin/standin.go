// Package standin plays KMS, an enclave and its parent in one process, for tests of the owner's
// side only: the formats, the envelope and the receipts are the real ones, signed by a software NSM
// under a test root; the pipeline keeps every record that has a resource type and rejects every
// other. Modes make its parent or its enclave an attacker.
package standin

import (
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/policysource"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/protocoltest/testca"
)

// Key is the KMS key of the tenant clinic.
const Key = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-4000-8000-000000000001"

// moduleID is one: batches of two modules are no history of one boot.
const moduleID = "i-0123456789abcdef0-enc0123456789abcdef"

// PolicyYAML is a policy of one tenant and one pipeline.
const PolicyYAML = `anchorhold: policy/v1
tenants:
  - name: clinic
    keys: [` + Key + `]
    pipelines: [deid]
pipelines:
  - name: deid
    preset: safe-harbor
    content-types: [application/fhir+ndjson, application/fhir+json]
`

// Mode is what the other side does.
type Mode string

// The modes.
const (
	Honest     Mode = ""            // does what it should
	Fail       Mode = "fail"        // the job fails inside: a failure leaf is served as receipt
	OtherImage Mode = "other-image" // another program runs, and says that it is the approved one
	Debug      Mode = "debug"       // the enclave runs in debug mode
	// the NSM is newer: its documents hold a field that we do not know
	Newer     Mode = "newer"
	Forge     Mode = "forge"      // the parent seals records of its own to the reply key
	Miscount  Mode = "miscount"   // the report counts records that are not there
	Escape    Mode = "escape"     // a record's type is a path
	KMSDenies Mode = "kms-denies" // KMS denies the data key
	KMSSwaps  Mode = "kms-swaps"  // KMS answers for another key
	Refuse    Mode = "refuse"     // the parent refuses the job
	Slow      Mode = "slow"       // the parent answers 202 and breaks off the download
)

// World is the other side. It is safe for concurrent use.
type World struct {
	CA     *testca.CA
	Policy []byte // compiled
	Image  measure.Image

	boot [16]byte
	mu   sync.Mutex
	mode Mode                // guarded by mu
	keys map[string][]byte   // plaintext by ciphertext; guarded by mu
	asks []map[string]string // contexts of GenerateDataKey; guarded by mu
	jobs map[string]*outcome // by id; guarded by mu
	next uint64              // batch number; guarded by mu
	head digest.Digest       // of the last batch; guarded by mu
	log  []logged            // guarded by mu
}

// New starts a world whose enclave holds the compiled policy.
func New(compiled []byte) *World {
	w := &World{
		CA: testca.New(time.Now), Policy: compiled, Image: measure.DevImage([]byte("stand-in program"), compiled),
		keys: make(map[string][]byte), jobs: make(map[string]*outcome),
	}
	rand.Read(w.boot[:])
	return w
}

// CompilePolicy compiles YAML with rules that nobody runs.
func CompilePolicy(yaml string) ([]byte, error) {
	return policysource.Compile([]byte(yaml), func(string) ([]byte, error) { return []byte("rules: none\n"), nil }, nil)
}

// SetMode changes what the other side does from now on.
func (w *World) SetMode(m Mode) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mode = m
}

func (w *World) getMode() Mode {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mode
}

// Pins returns pins of the image that expire on the day.
func (w *World) Pins(expires time.Time) *appraise.Pins {
	return &appraise.Pins{
		Layout: appraise.LayoutAnchorhold, Expires: expires.UTC().Truncate(24 * time.Hour),
		Images: []appraise.Image{{Name: "stand-in", PCR0: w.Image.PCR0, PCR1: w.Image.PCR1, PCR2: w.Image.PCR2}},
	}
}

// Contexts returns the encryption contexts that KMS was asked with.
func (w *World) Contexts() []map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]map[string]string(nil), w.asks...)
}

// DataKey makes a data key as KMS does, without the network.
func (w *World) DataKey(context map[string]string) (plaintext, ciphertext []byte) {
	plaintext, ciphertext = make([]byte, 32), make([]byte, 184)
	rand.Read(plaintext)
	rand.Read(ciphertext)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys[string(ciphertext)] = append([]byte(nil), plaintext...)
	w.asks = append(w.asks, context)
	return plaintext, ciphertext
}

func (w *World) decrypt(ciphertext []byte) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key, ok := w.keys[string(ciphertext)]
	if !ok {
		return nil, fmt.Errorf("no such data key")
	}
	return key, nil
}

// nsm is the module of the enclave that runs under a mode.
func (w *World) nsm(m Mode) *softnsm.NSM {
	image := w.Image
	switch m {
	case OtherImage:
		image = measure.DevImage([]byte("another program"), w.Policy)
	case Debug:
		image = measure.Image{}
	}
	return softnsm.New(softnsm.Config{CA: w.CA, ModuleID: moduleID, Image: image, Now: time.Now, Newer: m == Newer})
}
