package policy

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"anchorhold/protocol/envelope"
)

const (
	maxList  = 256 // entries of each list
	maxRules = miB // bytes of one pipeline's rules
	maxRoots = 64 * kiB
	maxHost  = 253 // RFC 1035, 2.3.4, without the final dot
)

var (
	namePattern        = regexp.MustCompile(`^[a-z0-9._-]{1,64}$`)
	contentTypePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9.+-]{0,62}/[a-z0-9][a-z0-9.+-]{0,62}$`)
	hostPattern        = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

// Fault is one thing wrong, and where: a path such as tenants[0].keys[1], in the words of the
// source.
type Fault struct{ Path, Text string }

func (f Fault) String() string {
	if f.Path == "" {
		return f.Text
	}
	return f.Path + ": " + f.Text
}

func joinFaults(faults []Fault) error {
	errs := make([]error, len(faults))
	for i, f := range faults {
		errs[i] = errors.New(f.String())
	}
	return errors.Join(errs...)
}

// validator collects faults.
type validator struct{ faults []Fault }

func (v *validator) add(path, format string, args ...any) {
	v.faults = append(v.faults, Fault{Path: path, Text: fmt.Sprintf(format, args...)})
}

// Faults returns everything wrong with the policy's meaning: nothing, when Parse gave it.
func (p *Policy) Faults() []Fault {
	var v validator
	v.list("pipelines", len(p.Pipelines))
	names := make(map[string]bool)
	for i := range p.Pipelines {
		v.pipeline(fmt.Sprintf("pipelines[%d]", i), &p.Pipelines[i], names)
	}
	v.list("tenants", len(p.Tenants))
	tenants := make(map[string]bool)
	for i := range p.Tenants {
		v.tenant(fmt.Sprintf("tenants[%d]", i), &p.Tenants[i], tenants, names)
	}
	for _, l := range limitTable {
		if n := *l.value(&p.Limits); n < 1 || n > l.max {
			v.add("limits."+l.name, "%d is out of range, want 1 to %d", n, l.max)
		}
	}
	if p.Test != nil {
		v.test(p.Test)
	}
	return v.faults
}

func (v *validator) list(path string, n int) {
	if n == 0 {
		v.add(path, "is missing or empty")
	}
	if n > maxList {
		v.add(path, "has %d entries, want at most %d", n, maxList)
	}
}

// name checks a name and that it is the first of its kind: of two tenants with one name, which
// one's keys count would depend on the reader.
func (v *validator) name(path, name string, seen map[string]bool) {
	if !namePattern.MatchString(name) {
		v.add(path, "is missing or malformed, want 1 to 64 of a-z 0-9 . _ -")
		return
	}
	if seen[name] {
		v.add(path, "%q is there twice", name)
	}
	seen[name] = true
}

func (v *validator) tenant(path string, t *Tenant, tenants, pipelines map[string]bool) {
	v.name(path+".name", t.Name, tenants)
	v.list(path+".keys", len(t.Keys))
	keys := make(map[string]bool)
	for i, k := range t.Keys {
		at := fmt.Sprintf("%s.keys[%d]", path, i)
		arn, err := ParseKeyARN(k)
		switch {
		case err != nil:
			v.add(at, "%v", err)
		case arn.MultiRegion():
			v.add(at, "is a multi-Region key: each replica has a key policy of its own, so one replica without the "+
				"attestation condition would open every job; use a single-Region key")
		case keys[k]:
			v.add(at, "is there twice")
		}
		keys[k] = true
	}
	v.list(path+".pipelines", len(t.Pipelines))
	seen := make(map[string]bool)
	for i, name := range t.Pipelines {
		at := fmt.Sprintf("%s.pipelines[%d]", path, i)
		if !pipelines[name] {
			v.add(at, "no pipeline has this name")
		} else if seen[name] {
			v.add(at, "%q is there twice", name)
		}
		seen[name] = true
	}
}

func (v *validator) pipeline(path string, p *Pipeline, seen map[string]bool) {
	v.name(path+".name", p.Name, seen)
	if p.Preset != "" && !namePattern.MatchString(p.Preset) {
		v.add(path+".preset", "malformed, want 1 to 64 of a-z 0-9 . _ -")
	}
	if n := len(p.Rules); n == 0 || n > maxRules {
		v.add(path+".rules", "%d bytes of rules, want 1 to %d", n, maxRules)
	}
	v.list(path+".content-types", len(p.ContentTypes))
	types := make(map[string]bool)
	for i, t := range p.ContentTypes {
		at := fmt.Sprintf("%s.content-types[%d]", path, i)
		switch {
		case !contentTypePattern.MatchString(t):
			v.add(at, "malformed, want lower case TYPE/SUBTYPE")
		case t == envelope.ContentParameters:
			// Secrets of a parameters message would come out as records.
			v.add(at, "parameters are never accepted as records")
		case types[t]:
			v.add(at, "is there twice")
		}
		types[t] = true
	}
	if p.ReferenceDate != "" && !validDay(p.ReferenceDate) {
		v.add(path+".reference-date", "is not a day, want YYYY-MM-DD")
	}
}

func (v *validator) test(t *Test) {
	// The last label begins with a letter, so no IP address passes: certificates are checked for a
	// name.
	if len(t.KMSHost) > maxHost || !hostPattern.MatchString(t.KMSHost) {
		v.add("test.kms-host", "is missing or no lower-case DNS name")
	}
	if err := checkRoots(t.TLSRoots); err != nil {
		v.add("test.tls-roots", "%v", err)
	}
}

// checkRoots accepts certificates and white space only: a key pasted along would be published with
// the policy.
func checkRoots(roots string) error {
	if len(roots) > maxRoots {
		return fmt.Errorf("%d bytes, want at most %d", len(roots), maxRoots)
	}
	rest, n := []byte(roots), 0
	for {
		if rest = []byte(strings.TrimSpace(string(rest))); len(rest) == 0 {
			break
		}
		block, after := pem.Decode(rest)
		if block == nil || block.Type != "CERTIFICATE" || len(block.Headers) > 0 || !strings.HasPrefix(string(rest), "-----BEGIN") {
			return errors.New("holds something besides PEM certificates")
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("certificate %d does not parse", n+1)
		}
		rest, n = after, n+1
	}
	if n == 0 {
		return errors.New("holds no certificate")
	}
	return nil
}

func validDay(s string) bool {
	const day = "2006-01-02"
	t, err := time.Parse(day, s)
	return err == nil && t.Format(day) == s
}
