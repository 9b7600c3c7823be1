package attest

import (
	"bytes"
	"fmt"
	"regexp"
	"time"

	"anchorhold/protocol/digest"
)

const (
	maxDocument = 0x3000 // NSM response limit, nsm-api
	// public_key, user_data and nonce: AWS's texts contradict each other, the hypervisor signs so
	// much
	maxField     = 1024
	maxCert      = 1024 // AWS attestation process: bytes of each certificate in cabundle
	maxCerts     = 8    // AWS sends 4 in cabundle; bounds the work for a stranger's bytes
	maxPCRs      = 32
	maxModuleID  = 128
	maxTime      = 1 << 53 // ms; far beyond any certificate, keeps the conversion from overflowing
	signatureLen = 96      // r and s of P-384
)

// ProtectedHeader is the only protected header: {1: -35}, ES384. Compared as bytes, so no other
// algorithm, key id or critical list passes.
const ProtectedHeader = "\xa1\x01\x38\x22"

var (
	// Enclaves only: NitroTPM documents chain to the same root, and their module ids end in -tpm….
	moduleID = regexp.MustCompile(`^i-[0-9a-f]{1,32}-enc[0-9a-f]{1,32}$`)
	tpmID    = regexp.MustCompile(`-tpm[0-9a-f]*$`)
)

// ParseSigned reads COSE_Sign1, tagged or not, and its payload. Errors: as of Parse.
func ParseSigned(raw []byte) (*Signed, error) {
	if len(raw) > maxDocument {
		return nil, malformed("%d bytes, the limit is %d", len(raw), maxDocument)
	}
	// Our own copy: the caller may reuse its buffer, and what was verified must not change
	// afterwards.
	r := &reader{bytes.Clone(raw)}
	r.next(tagSign1)
	n, err := r.head(majorArray)
	if err != nil {
		return nil, err
	}
	if n != 4 {
		return nil, malformed("%d elements, want 4", n)
	}
	protected, err := r.bytes(0, maxDocument)
	if err != nil {
		return nil, err
	}
	if string(protected) != ProtectedHeader {
		return nil, fmt.Errorf("%w: protected header", ErrAlgorithm)
	}
	// Unprotected content is not signed: whatever stood here would be the parent's.
	if n, err := r.head(majorMap); err != nil || n != 0 {
		return nil, fmt.Errorf("%w: unprotected header is not empty", ErrAlgorithm)
	}
	s := &Signed{}
	if s.Payload, err = r.bytes(1, maxDocument); err != nil {
		return nil, err
	}
	if s.Signature, err = r.bytes(signatureLen, signatureLen); err != nil {
		return nil, err
	}
	if len(r.b) != 0 {
		return nil, malformed("trailing bytes")
	}
	if s.Document, err = parsePayload(s.Payload); err != nil {
		return nil, err
	}
	return s, nil
}

// parsePayload reads the payload map: all mandatory keys, in any order, and none twice.
func parsePayload(payload []byte) (*Document, error) {
	r, d, seen := &reader{payload}, &Document{}, map[string]bool{}
	err := r.pairs(6, 9+maxUnknown, func() error {
		key, err := r.text(1, maxUnknownName)
		if err != nil {
			return err
		}
		if seen[key] {
			return malformed("duplicate key")
		}
		seen[key] = true
		return d.field(key, r)
	})
	if err != nil {
		return nil, err
	}
	if len(r.b) != 0 {
		return nil, malformed("trailing bytes in the payload")
	}
	for _, key := range []string{"module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle"} {
		if !seen[key] {
			return nil, malformed("%s is missing", key)
		}
	}
	return d, nil
}

// field reads the value of one payload key.
func (d *Document) field(key string, r *reader) (err error) {
	switch key {
	case "module_id":
		return d.readModuleID(r)
	case "digest":
		name, err := r.text(1, 16)
		if err != nil {
			return err
		}
		if name != "SHA384" {
			return malformed("digest is not SHA384")
		}
		return nil
	case "timestamp":
		n, err := r.head(majorUint)
		if err != nil {
			return err
		}
		if n == 0 || n > maxTime {
			return malformed("timestamp is %d", n)
		}
		d.Timestamp = time.UnixMilli(int64(n)).UTC()
		return nil
	case "pcrs":
		return d.readPCRs(r)
	case "certificate":
		d.Certificate, err = r.bytes(1, maxCert)
	case "cabundle":
		return d.readBundle(r)
	case "public_key":
		d.PublicKey, err = r.optional(maxField)
	case "user_data":
		d.UserData, err = r.optional(maxField)
	case "nonce":
		d.Nonce, err = r.optional(maxField)
	case "nitrotpm_pcrs":
		return fmt.Errorf("%w: a NitroTPM document", ErrNotEnclave)
	default:
		if d.Ignored++; d.Ignored > maxUnknown {
			return malformed("more than %d unknown fields", maxUnknown)
		}
		return r.skipUnknown()
	}
	return err
}

func (d *Document) readModuleID(r *reader) (err error) {
	if d.ModuleID, err = r.text(1, maxModuleID); err != nil {
		return err
	}
	if tpmID.MatchString(d.ModuleID) {
		return fmt.Errorf("%w: module id of a NitroTPM", ErrNotEnclave)
	}
	if !moduleID.MatchString(d.ModuleID) {
		return fmt.Errorf("%w: module id", ErrNotEnclave)
	}
	return nil
}

func (d *Document) readPCRs(r *reader) error {
	d.PCRs = make(map[int][]byte, 16)
	return r.pairs(1, maxPCRs, func() error {
		i, err := r.head(majorUint)
		if err != nil {
			return err
		}
		if i >= maxPCRs {
			return malformed("pcr index is %d", i)
		}
		if _, dup := d.PCRs[int(i)]; dup {
			return malformed("duplicate pcr %d", i)
		}
		// AWS documents 32, 48 and 64 bytes; with digest SHA384 only 48 can be.
		d.PCRs[int(i)], err = r.bytes(digest.Size, digest.Size)
		return err
	})
}

func (d *Document) readBundle(r *reader) error {
	return r.elements(1, maxCerts, func() error {
		c, err := r.bytes(1, maxCert)
		d.CABundle = append(d.CABundle, c)
		return err
	})
}
