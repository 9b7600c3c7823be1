package config

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"anchorhold/protocol/transport"
)

var (
	nameForm   = regexp.MustCompile(`^[a-z0-9._-]{1,64}$`) // SPEC 8: tenant names
	hostForm   = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)
	regionForm = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]{1,2}$`)
)

// faults collects what is wrong.
type faults []error

func (f *faults) add(format string, args ...any) { *f = append(*f, fmt.Errorf(format, args...)) }

func (c *Config) check() []error {
	var f faults
	c.checkListen(&f)
	c.checkTenants(&f)
	c.checkEnclaves(&f)
	c.checkLimits(&f)
	c.checkRelay(&f)
	c.checkCredentials(&f)
	c.checkEvents(&f)
	if !filepath.IsAbs(c.Spool) {
		f.add("spool: got %q, want an absolute directory", c.Spool)
	}
	switch c.LogLevel {
	case "debug", "info", "warn", "error":
	default:
		f.add("log-level: got %q, want debug, info, warn or error", c.LogLevel)
	}
	return f
}

func (c *Config) checkListen(f *faults) {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil || !validPort(port, 0) {
		f.add("listen: got %q, want HOST:PORT", c.Listen)
		return
	}
	if c.TLS != nil {
		if c.TLS.Cert == "" || c.TLS.Key == "" {
			f.add("tls: want both cert and key")
		}
		return
	}
	// A bearer token in the clear on a network is a token given away.
	if !loopback(host) {
		f.add("listen: %q is not loopback, want tls: {cert, key} with it", c.Listen)
	}
}

// loopback takes no other host names than localhost: a name may resolve to anything by the time it
// is listened on.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

func (c *Config) checkTenants(f *faults) {
	if len(c.Tenants) == 0 {
		f.add("tenants: none, want at least one")
	}
	names, tokens := map[string]bool{}, map[Digest]bool{}
	for i, t := range c.Tenants {
		if !nameForm.MatchString(t.Name) {
			f.add("tenants[%d].name: got %q, want 1 to 64 of a-z 0-9 . _ -", i, t.Name)
		}
		if names[t.Name] {
			f.add("tenants[%d].name: %q is there twice", i, t.Name)
		}
		names[t.Name] = true
		if len(t.Tokens) == 0 {
			f.add("tenants[%d].token-sha256: none, want at least one digest", i)
		}
		for _, d := range t.Tokens {
			// One token for two tenants would make the tenant depend on the order of this file.
			if tokens[d] {
				f.add("tenants[%d].token-sha256: a digest is there twice", i)
			}
			tokens[d] = true
		}
	}
	for _, d := range c.Metrics.Tokens {
		if tokens[d] {
			f.add("metrics.token-sha256: a digest is a tenant's, want one of its own")
		}
	}
}

func (c *Config) checkEnclaves(f *faults) {
	if len(c.Enclaves) == 0 {
		f.add("enclaves: none, want at least one")
	}
	names, addrs := map[string]bool{}, map[string]bool{}
	for i, e := range c.Enclaves {
		if !nameForm.MatchString(e.Name) {
			f.add("enclaves[%d].name: got %q, want 1 to 64 of a-z 0-9 . _ -", i, e.Name)
		}
		if names[e.Name] || addrs[e.Address] {
			f.add("enclaves[%d]: name or address is there twice", i)
		}
		names[e.Name], addrs[e.Address] = true, true
		if !validAddress(e.Address, false) {
			f.add("enclaves[%d].address: got %q, want unix:///PATH or vsock://CID:PORT", i, e.Address)
		}
		if e.StopFile != "" && !filepath.IsAbs(e.StopFile) {
			f.add("enclaves[%d].stop-file: got %q, want an absolute path", i, e.StopFile)
		}
		if len(e.Replace) > 0 && !filepath.IsAbs(e.Replace[0]) {
			f.add("enclaves[%d].replace: got %q, want an absolute program path and its arguments", i, e.Replace[0])
		}
	}
}

func (c *Config) checkLimits(f *faults) {
	l := c.Limits
	positive := func(name string, v int64) {
		if v <= 0 {
			f.add("limits.%s: got %d, want more than zero", name, v)
		}
	}
	positive("job-bytes", int64(l.JobBytes))
	positive("queued-jobs", int64(l.QueuedJobs))
	positive("uploads", int64(l.Uploads))
	positive("attempts", int64(l.Attempts))
	positive("connections", int64(l.Connections))
	positive("unauthenticated-connections", int64(l.Strangers))
	// Shares that come to more than there is would be shares of nothing: one tenant could take
	// another's.
	if n := len(c.Tenants); n > 0 && (l.TenantConnections < 1 || l.TenantConnections > (l.Connections-l.Strangers)/n) {
		f.add("limits.connections: got %d, want at least unauthenticated-connections (%d) and tenant-connections (%d, want one or more) for each of %d tenants",
			l.Connections, l.Strangers, l.TenantConnections, n)
	}
	// A job holds its size twice: once for itself, once for its result.
	if l.SpoolBytes/2 < l.JobBytes {
		f.add("limits.spool-bytes: got %d, want at least twice job-bytes (%d)", l.SpoolBytes, l.JobBytes)
	}
	for _, d := range []struct {
		name string
		v    Duration
		max  time.Duration
	}{
		{"retention", l.Retention, 366 * 24 * time.Hour},
		{"queue-time", l.QueueTime, 366 * 24 * time.Hour},
		{"job-time", l.JobTime, 48 * time.Hour},
		{"idle-time", l.IdleTime, time.Hour},
		{"wait", l.Wait, 24 * time.Hour},
		{"drain", l.Drain, time.Hour},
	} {
		if d.v.D() <= 0 || d.v.D() > d.max {
			f.add("limits.%s: got %s, want more than 0s and at most %s", d.name, d.v.D(), d.max)
		}
	}
}

func (c *Config) checkRelay(f *faults) {
	if !validAddress(c.Relay.Listen, true) {
		f.add("relay.listen: got %q, want unix:///PATH or vsock://any:PORT", c.Relay.Listen)
	}
	if c.Relay.Connections <= 0 {
		f.add("relay.connections: got %d, want more than zero", c.Relay.Connections)
	}
	for _, h := range c.Relay.Hosts {
		if !hostForm.MatchString(h) {
			f.add("relay.hosts: got %q, want a host name in lower case without port", h)
		}
	}
	for from, to := range c.Relay.Dial {
		host, port, err := net.SplitHostPort(from)
		if err != nil || port != "443" || !hostForm.MatchString(host) {
			f.add("relay.dial: got key %q, want HOST:443", from)
		}
		if _, port, err := net.SplitHostPort(to); err != nil || !validPort(port, 1) {
			f.add("relay.dial[%q]: got %q, want HOST:PORT", from, to)
		}
	}
}

func (c *Config) checkCredentials(f *faults) {
	if !validAddress(c.Credentials.Listen, true) {
		f.add("credentials.listen: got %q, want unix:///PATH or vsock://any:PORT", c.Credentials.Listen)
	}
	if c.Credentials.Listen == c.Relay.Listen {
		f.add("credentials.listen: same as relay.listen, want another address")
	}
	switch c.Credentials.Source {
	case "imds", "environment":
		if c.Credentials.File != "" {
			f.add("credentials.file: given, want it only with source file")
		}
	case "file":
		if !filepath.IsAbs(c.Credentials.File) {
			f.add("credentials.file: got %q, want an absolute path", c.Credentials.File)
		}
	default:
		f.add("credentials.source: got %q, want imds, environment or file", c.Credentials.Source)
	}
	if r := c.Credentials.Region; r != "" && !regionForm.MatchString(r) {
		f.add("credentials.region: got %q, want a Region such as us-east-1", r)
	}
}

func (c *Config) checkEvents(f *faults) {
	l := c.Events.Listen
	if l != "" && !validAddress(l, true) {
		f.add("events.listen: got %q, want unix:///PATH or vsock://any:PORT", l)
	}
	if l != "" && (l == c.Relay.Listen || l == c.Credentials.Listen) {
		f.add("events.listen: same as relay.listen or credentials.listen, want another address")
	}
}

func validPort(s string, least int) bool {
	p, err := strconv.Atoi(s)
	return err == nil && p >= least && p <= 65535
}

// validAddress checks the forms of SPEC 2.1, and that the kernel takes a unix path.
func validAddress(s string, listen bool) bool {
	const maxPath = 107 // sun_path without its final zero, unix(7)
	path, _ := strings.CutPrefix(s, "unix://")
	return transport.Check(s, listen) == nil && len(path) <= maxPath
}
