// Package softnsm is a software Nitro Secure Module, for tests and development only: requests,
// errors, limits, PCRs and locks are those of the real one (nsm-api 0.5.1; where that is silent,
// QEMU's emulation). Its documents are signed under a test root, so no verifier of production
// accepts them. Its PCRs are computed from an image; no request and no field sets them.
package softnsm

import (
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/hf/nsm/request"
	"github.com/hf/nsm/response"

	"anchorhold/protocol/digest"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/testca"
)

const (
	// MaxRequest and MaxResponse are the limits of the ioctl, nsm-api src/driver.
	MaxRequest  = 0x1000
	MaxResponse = 0x3000

	maxPCRs     = 32
	bootPCRs    = 16   // PCRs 0 to 15 are locked at boot
	maxField    = 1024 // what the hypervisor signs, whatever AWS's texts say
	randomBytes = 256
)

// Config says what the module attests.
type Config struct {
	CA                 *testca.CA
	ModuleID           string // empty: made from InstanceID and the start time
	Image              measure.Image
	RoleARN            string // empty: PCR3 zero, as without a role
	InstanceID         string // empty: i-0123456789abcdef0
	SigningCertificate []byte // DER; empty: PCR8 zero, as of an unsigned image
	Now                func() time.Time
	Definite           bool // documents with a definite-length payload map, as until 2025
	Newer              bool // documents as a newer NSM may make them, see Fields
}

// NSM is a software module. It is safe for concurrent use.
type NSM struct {
	config Config

	mu     sync.Mutex
	pcrs   [maxPCRs]digest.Digest // guarded by mu
	locked [maxPCRs]bool          // guarded by mu
	issued *testca.Issued         // guarded by mu
}

// New starts a module.
func New(c Config) *NSM {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.InstanceID == "" {
		c.InstanceID = "i-0123456789abcdef0"
	}
	if c.ModuleID == "" {
		c.ModuleID = fmt.Sprintf("%s-enc%016x", c.InstanceID, uint64(c.Now().UnixMilli())<<16)
	}
	n := &NSM{config: c}
	n.pcrs[0], n.pcrs[1], n.pcrs[2] = c.Image.PCR0, c.Image.PCR1, c.Image.PCR2
	if c.RoleARN != "" {
		n.pcrs[3] = measure.RolePCR3(c.RoleARN)
	}
	n.pcrs[4] = measure.InstancePCR4(c.InstanceID)
	if len(c.SigningCertificate) > 0 {
		n.pcrs[8] = measure.CertificatePCR8(c.SigningCertificate)
	}
	for i := range bootPCRs {
		n.locked[i] = true
	}
	return n
}

// Send answers one request of hf/nsm, through the same bytes as Exchange.
func (n *NSM) Send(r request.Request) (response.Response, error) {
	var res response.Response
	b, err := cbor.Marshal(r.Encoded())
	if err != nil {
		return response.Response{}, fmt.Errorf("encode request: %w", err)
	}
	if err := cbor.Unmarshal(n.Exchange(b), &res); err != nil {
		return response.Response{}, fmt.Errorf("decode response: %w", err)
	}
	return res, nil
}

func (n *NSM) describe() any {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := response.DescribeNSM{
		VersionMajor: 1, ModuleID: n.config.ModuleID, MaxPCRs: maxPCRs, Digest: response.DigestSHA384, LockedPCRs: []uint16{},
	}
	for i, l := range n.locked {
		if l {
			d.LockedPCRs = append(d.LockedPCRs, uint16(i))
		}
	}
	return map[string]any{"DescribeNSM": d}
}

func (n *NSM) random() any {
	b := make([]byte, randomBytes)
	rand.Read(b) // never fails
	return map[string]any{"GetRandom": response.GetRandom{Random: b}}
}

func (n *NSM) describePCR(index uint16) any {
	if index >= maxPCRs {
		return failure(invalidIndex)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return map[string]any{"DescribePCR": response.DescribePCR{Lock: n.locked[index], Data: n.pcrs[index][:]}}
}

func (n *NSM) extendPCR(index uint16, data []byte) any {
	if index >= maxPCRs {
		return failure(invalidIndex)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.locked[index] {
		return failure(response.ECReadOnlyIndex)
	}
	n.pcrs[index] = measure.Extend(n.pcrs[index], data)
	value := n.pcrs[index]
	return map[string]any{"ExtendPCR": response.ExtendPCR{Data: value[:]}}
}

func (n *NSM) lockPCR(index uint16) any {
	if index >= maxPCRs {
		return failure(invalidIndex)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.locked[index] {
		return failure(response.ECReadOnlyIndex)
	}
	n.locked[index] = true
	return "LockPCR"
}

// lockPCRs locks [0, limit); those that are locked already stay so without error.
func (n *NSM) lockPCRs(limit uint16) any {
	if limit > maxPCRs {
		return failure(invalidIndex)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range limit {
		n.locked[i] = true
	}
	return "LockPCRs"
}

func (n *NSM) attest(userData, nonce, publicKey []byte) any {
	if len(userData) > maxField || len(nonce) > maxField || len(publicKey) > maxField {
		return failure(response.ECInvalidArgument)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.config.Now()
	if n.issued == nil || n.issued.Stale(now) {
		issued, err := n.config.CA.Issue(n.config.ModuleID)
		if err != nil {
			return failure(response.ECInternalError)
		}
		n.issued = issued
	}
	f := Fields{
		ModuleID: n.config.ModuleID, Digest: "SHA384", Timestamp: uint64(now.UnixMilli()), PCRs: map[int][]byte{},
		Certificate: n.issued.Leaf.Raw, CABundle: n.issued.CABundle, PublicKey: publicKey, UserData: userData, Nonce: nonce,
		Newer: n.config.Newer,
	}
	for i, l := range n.locked {
		if l { // an extended but unlocked PCR is not attested: it could still change
			f.PCRs[i] = n.pcrs[i][:]
		}
	}
	return map[string]any{"Attestation": response.Attestation{Document: Sign1(f.Payload(n.config.Definite), n.issued.Key)}}
}
