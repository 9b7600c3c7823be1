package envelope

import (
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"anchorhold/protocol/digest"
)

// Content types of SPEC 3.1. A parameters message is never accepted as records, nor records as
// parameters.
const (
	ContentRecords    = "application/fhir+ndjson"
	ContentMessage    = "application/fhir+json" // one resource or one Bundle
	ContentParameters = "application/vnd.anchorhold.parameters"
)

// Keys of the encryption context (SPEC 3.1).
const (
	KeyImage         = contextPrefix + "image"
	KeyTenant        = contextPrefix + "tenant"
	KeyPipeline      = contextPrefix + "pipeline"
	KeyContentType   = contextPrefix + "content-type"
	KeyReply         = contextPrefix + "reply"
	KeyNotAfter      = contextPrefix + "not-after"
	KeyReferenceDate = contextPrefix + "reference-date"
	KeyParameters    = contextPrefix + "parameters"
	KeyCrosswalk     = contextPrefix + "crosswalk"
	KeyEarlier       = contextPrefix + "earlier-crosswalk"

	contextPrefix = "anchorhold:"
)

const day = "2006-01-02"

var (
	namePattern        = regexp.MustCompile(`^[a-z0-9._-]{1,64}$`) // SPEC 8
	contentTypePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9.+-]{0,62}/[a-z0-9][a-z0-9.+-]{0,62}$`)
)

// Job is what the encryption context says about a job (SPEC 3.1). It is a claim of whoever sealed
// the message: authenticated by KMS and Open, and still to be compared with the enclave and its
// policy.
type Job struct {
	Image       digest.Digest // PCR0 of the approved image
	Tenant      string
	Pipeline    string
	ContentType string
	Reply       [32]byte // SHA-256 of the reply public key
	// 00:00 UTC of the last day on which the job may be decrypted; see Expired
	NotAfter      time.Time
	ReferenceDate string    // YYYY-MM-DD, or empty
	Parameters    *[32]byte // SHA-256 of the parameters message, or nil
	Crosswalk     *[32]byte // SHA-256 of the crosswalk public key, or nil
	// bytes of the plaintext, from its beginning, that are an earlier job's crosswalk; 0: none
	Earlier uint64
}

// Expired reports whether the job's last day is over at now.
func (j *Job) Expired(now time.Time) bool { return !now.Before(j.NotAfter.AddDate(0, 0, 1)) }

// ParseContext reads the anchorhold entries of an encryption context. It refuses unknown ones, so
// that an instruction which this version does not know is never silently ignored, and every
// spelling but the one of SPEC 3.1: IAM does not tell condition keys apart by case, so beside
// anchorhold:image a key policy would also read Anchorhold:image. Other entries are left to KMS. No
// error holds a value.
func ParseContext(c map[string]string) (*Job, error) {
	p := contextParser{left: make(map[string]string)}
	for k, v := range c {
		if strings.HasPrefix(strings.ToLower(k), contextPrefix) {
			p.left[k] = v
		}
	}
	var j Job
	p.hex(KeyImage, j.Image[:])
	if p.err == nil && j.Image == (digest.Digest{}) {
		// A debug enclave shows a zero PCR0: its memory is open to its host.
		p.fail(KeyImage, "zero")
	}
	j.Tenant = p.match(KeyTenant, namePattern)
	j.Pipeline = p.match(KeyPipeline, namePattern)
	j.ContentType = p.match(KeyContentType, contentTypePattern)
	p.hex(KeyReply, j.Reply[:])
	_, j.NotAfter = p.date(KeyNotAfter)
	if p.has(KeyReferenceDate) {
		j.ReferenceDate, _ = p.date(KeyReferenceDate)
	}
	j.Parameters = p.optionalHash(KeyParameters)
	j.Crosswalk = p.optionalHash(KeyCrosswalk)
	if p.has(KeyEarlier) {
		j.Earlier = p.size(KeyEarlier)
	}
	if p.err == nil && len(p.left) > 0 {
		p.err = errors.New("unknown anchorhold entry in encryption context")
	}
	if p.err != nil {
		return nil, p.err
	}
	return &j, nil
}

// Context returns the entries that ParseContext reads back as j.
func (j *Job) Context() map[string]string {
	c := map[string]string{
		KeyImage:       hex.EncodeToString(j.Image[:]),
		KeyTenant:      j.Tenant,
		KeyPipeline:    j.Pipeline,
		KeyContentType: j.ContentType,
		KeyReply:       hex.EncodeToString(j.Reply[:]),
		KeyNotAfter:    j.NotAfter.UTC().Format(day),
	}
	if j.ReferenceDate != "" {
		c[KeyReferenceDate] = j.ReferenceDate
	}
	if j.Parameters != nil {
		c[KeyParameters] = hex.EncodeToString(j.Parameters[:])
	}
	if j.Crosswalk != nil {
		c[KeyCrosswalk] = hex.EncodeToString(j.Crosswalk[:])
	}
	if j.Earlier != 0 {
		c[KeyEarlier] = strconv.FormatUint(j.Earlier, 10)
	}
	return c
}

// contextParser takes entries out of left and keeps the first fault. After a fault its results mean
// nothing.
type contextParser struct {
	left map[string]string
	err  error
}

func (p *contextParser) fail(key, why string) {
	if p.err == nil {
		p.err = fmt.Errorf("context entry %s is %s", key, why)
	}
}

func (p *contextParser) has(key string) bool {
	_, ok := p.left[key]
	return ok
}

func (p *contextParser) take(key string) string {
	v, ok := p.left[key]
	if !ok {
		p.fail(key, "missing")
	}
	delete(p.left, key)
	return v
}

func (p *contextParser) match(key string, pattern *regexp.Regexp) string {
	v := p.take(key)
	if !pattern.MatchString(v) {
		p.fail(key, "malformed")
	}
	return v
}

// hex fills dst. Only lower case: key policies compare these strings, and one digest must have one
// spelling.
func (p *contextParser) hex(key string, dst []byte) {
	v := p.take(key)
	b, err := hex.DecodeString(v)
	if err != nil || len(b) != len(dst) || strings.ToLower(v) != v {
		p.fail(key, "malformed")
		return
	}
	copy(dst, b)
}

func (p *contextParser) optionalHash(key string) *[32]byte {
	if !p.has(key) {
		return nil
	}
	var h [32]byte
	p.hex(key, h[:])
	return &h
}

// size reads a number of bytes, not zero, in the one spelling that it has.
func (p *contextParser) size(key string) uint64 {
	v := p.take(key)
	n, err := strconv.ParseUint(v, 10, 63)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != v {
		p.fail(key, "malformed")
	}
	return n
}

// date reads a day that the calendar has.
func (p *contextParser) date(key string) (string, time.Time) {
	v := p.take(key)
	t, err := time.Parse(day, v)
	if err != nil || t.Format(day) != v {
		p.fail(key, "malformed")
	}
	return v, t
}
