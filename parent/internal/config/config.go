// Package config reads the parent's configuration file. Load reports every fault at once, each with
// what was expected, so that an operator fixes a file in one round. The reference is
// parent/OPERATING.md.
//
// Nothing here can weaken the enclave: whoever edits this file can deny service, learn what the
// parent learns anyway (sizes, timing, counts) and, by the token list, decide who may submit. No
// field releases a key.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"anchorhold/protocol/transport"
)

const maxFile = 1 << 20 // a configuration is a page; a device given by mistake must not fill memory

// Config is the whole file. Fields that are absent get the default named at each.
type Config struct {
	// Host and port of the API; default 127.0.0.1:8080. Beyond loopback needs TLS.
	Listen string `yaml:"listen"`
	// Certificate of the API; absent: plain HTTP on loopback.
	TLS *TLS `yaml:"tls"`
	// Who may submit. Trusted: who edits this can act as a tenant, but cannot open results.
	Tenants  []Tenant  `yaml:"tenants"`
	Enclaves []Enclave `yaml:"enclaves"` // Where jobs run.
	// Directory for job files, results and state; absolute.
	Spool       string      `yaml:"spool"`
	Limits      Limits      `yaml:"limits"`      // Bounds of everything.
	Relay       Relay       `yaml:"relay"`       // Way from the enclave to AWS KMS.
	Credentials Credentials `yaml:"credentials"` // AWS credentials handed to the enclave.
	Events      Events      `yaml:"events"`      // Where enclaves tell how they start and end.
	Metrics     Metrics     `yaml:"metrics"`     // Who may read /metrics from afar.
	LogLevel    string      `yaml:"log-level"`   // debug, info, warn or error; default info.
}

// TLS names PEM files.
type TLS struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// Tenant is a name as in the policy and the SHA-256 digests of its bearer tokens; several permit
// rotation.
type Tenant struct {
	Name   string   `yaml:"name"`
	Tokens []Digest `yaml:"token-sha256"`
}

// Enclave is one running enclave. Replace is run, without a shell, when it has stopped answering.
// StopFile exists while the operator is stopping the enclave.
type Enclave struct {
	Name     string   `yaml:"name"`
	Address  string   `yaml:"address"`
	Replace  []string `yaml:"replace"`
	StopFile string   `yaml:"stop-file"`
}

// Limits bounds bytes, jobs and time.
type Limits struct {
	JobBytes Bytes `yaml:"job-bytes"` // Largest job file; default 16GiB.
	// Bytes of bodies in the spool, room for results included; default 64GiB.
	SpoolBytes Bytes    `yaml:"spool-bytes"`
	QueuedJobs int      `yaml:"queued-jobs"` // Jobs of one tenant that wait or run; default 256.
	Uploads    int      `yaml:"uploads"`     // Uploads at once; default 32.
	Retention  Duration `yaml:"retention"`   // How long a finished job is kept; default 72h.
	// How long a job may wait for an enclave; default 24h.
	QueueTime Duration `yaml:"queue-time"`
	// How long an enclave may take for one job; default 65m.
	JobTime Duration `yaml:"job-time"`
	// Silence on a connection after which it is given up; default 5m.
	IdleTime Duration `yaml:"idle-time"`
	// How long POST /v1/jobs waits for the result; default 5m.
	Wait Duration `yaml:"wait"`
	// How long running jobs may go on after SIGTERM; default 30s.
	Drain Duration `yaml:"drain"`
	// Tries of one job when enclaves fail; default 3, as an enclave caps replays.
	Attempts    int `yaml:"attempts"`
	Connections int `yaml:"connections"` // HTTP connections at once; default 512.
	// Of these, connections of clients that have not authenticated; 0: an eighth.
	Strangers int `yaml:"unauthenticated-connections"`
	// Of these, connections of one tenant; 0: an equal share of the rest.
	TenantConnections int `yaml:"tenant-connections"`
}

// Relay carries TLS bytes to KMS and nowhere else.
type Relay struct {
	Listen string `yaml:"listen"` // Default vsock://any:9102.
	// host:443 to HOST:PORT. For test hosts and VPC endpoints; also permits the host.
	Dial map[string]string `yaml:"dial"`
	// Further hosts that may be reached, on port 443.
	Hosts       []string `yaml:"hosts"`
	Connections int      `yaml:"connections"` // At once; default 64.
}

// Credentials says where AWS credentials come from. Who reads them can call KMS in the parent's
// role, which is useless without attestation.
type Credentials struct {
	Listen string `yaml:"listen"` // Default vsock://any:9103.
	Source string `yaml:"source"` // imds (default), environment or file.
	// For source file: JSON as a credential_process prints it; mode 0600.
	File   string `yaml:"file"`
	Region string `yaml:"region"` // When given, the relay permits this Region's KMS only.
}

// Events are codes of a fixed set; who sends false ones misleads the operator and nobody else.
type Events struct {
	// Default vsock://any:9104 when the relay listens on vsock too, else nothing listens.
	Listen string `yaml:"listen"`
}

// Metrics guards /metrics, which loopback may always read.
type Metrics struct {
	// Bearer tokens of scrapers elsewhere; none: loopback only.
	Tokens []Digest `yaml:"token-sha256"`
}

// Default returns what an empty file means.
func Default() Config {
	return Config{
		Listen:      "127.0.0.1:8080",
		LogLevel:    "info",
		Relay:       Relay{Listen: "vsock://any:9102", Connections: 64},
		Credentials: Credentials{Listen: "vsock://any:9103", Source: "imds"},
		Limits: Limits{
			JobBytes: 16 << 30, SpoolBytes: 64 << 30, QueuedJobs: 256, Uploads: 32, Connections: 512, Attempts: 3,
			Retention: Duration(72 * time.Hour), QueueTime: Duration(24 * time.Hour), JobTime: Duration(65 * time.Minute),
			IdleTime: Duration(5 * time.Minute), Wait: Duration(5 * time.Minute), Drain: Duration(30 * time.Second),
		},
	}
}

// Load reads and checks the file at path. The error joins one error per fault.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(src) > maxFile {
		return nil, fmt.Errorf("%s is over %d bytes, want a configuration file", path, maxFile)
	}
	return Parse(src)
}

// Parse reads and checks a configuration. The error joins one error per fault.
func Parse(src []byte) (*Config, error) {
	c := Default()
	var faults []error
	dec := yaml.NewDecoder(bytes.NewReader(src))
	dec.KnownFields(true)
	if err := dec.Decode(&c); err != nil {
		var typed *yaml.TypeError
		switch {
		case errors.Is(err, io.EOF):
		case errors.As(err, &typed):
			// The decoder goes on after such a fault, so what else it read is checked too.
			for _, e := range typed.Errors {
				faults = append(faults, errors.New(e))
			}
		default:
			return nil, err
		}
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		faults = append(faults, errors.New("more than one YAML document, want one"))
	}
	if c.Events.Listen == "" && strings.HasPrefix(c.Relay.Listen, "vsock://") {
		c.Events.Listen = fmt.Sprintf("vsock://any:%d", transport.EventPort)
	}
	c.shareConnections()
	faults = append(faults, c.check()...)
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return &c, nil
}

// shareConnections fills in the shares that the file leaves open.
func (c *Config) shareConnections() {
	l := &c.Limits
	if l.Strangers == 0 {
		l.Strangers = max(1, l.Connections/8)
	}
	if l.TenantConnections == 0 && len(c.Tenants) > 0 {
		l.TenantConnections = (l.Connections - l.Strangers) / len(c.Tenants)
	}
}
