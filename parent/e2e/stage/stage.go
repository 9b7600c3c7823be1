// Package stage runs the whole of Anchorhold on one machine, as the processes that it is made of: a
// local KMS, an enclave over the software NSM, and a parent, joined by loopback and unix sockets.
// The demo, the end-to-end tests and the benchmarks stand on it.
//
// It is INSECURE by construction: the attestation root is made here and the key never leaves this
// machine.
package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"anchorhold/protocol/transport"
)

// Account numbers of the two sides: the key lives in the owner's account, the parent's role is a
// cross-account principal.
const (
	OwnerAccount  = "111122223333"
	ParentAccount = "444455556666"
	region        = "us-east-1"
	kmsHost       = "kms.us-east-1.anchorhold.test"

	Tenant   = "clinic"
	Pipeline = "deid"

	// firstEnclave is the one that the stage starts.
	firstEnclave = "one"
)

// Options chooses what a stage runs.
type Options struct {
	// Bin is the folder with the binaries of `make build`.
	Bin string
	// Dir holds every file of the stage. Its path must be short: unix socket paths end at 107
	// bytes.
	Dir string
	// OnReject is the pipeline's on-reject; "count" when empty.
	OnReject string
	// Guest, when set, makes the enclave a virtual machine.
	Guest *Guest
	// Limits is YAML for the policy's limits, in flow style such as "{replays: 9}"; defaults when
	// empty.
	Limits string
	// Two lets the parent know a second place for an enclave, which is empty at first: see
	// StartEnclaveIn.
	Two bool
	// CredentialsFile has the parent read its credentials from a file: see WriteCredentials.
	CredentialsFile bool
}

// Stage is a running set of processes. Stop ends them.
type Stage struct {
	Options
	KeyARN    string
	KMSURL    string
	ParentURL string

	users   users
	kms     *process
	enclave *process
	second  *process
	parent  *process
}

// Start sets everything up and returns when the parent is ready to take jobs. On error nothing is
// left running.
func Start(ctx context.Context, o Options) (*Stage, error) {
	if o.OnReject == "" {
		o.OnReject = "count"
	}
	s := &Stage{Options: o}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"test roots", s.makeRoots},
		{"local KMS", s.startKMS},
		{"key", s.createKey},
		{"policy", func(ctx context.Context) error { return s.CompilePolicy(ctx, "policy", "2026-12-31") }},
		{"pins", func(ctx context.Context) error { return s.WritePins(ctx, "policy") }},
		{"key policy", func(ctx context.Context) error { return s.PutKeyPolicy(ctx, "policy") }},
		{"enclave", func(ctx context.Context) error {
			return s.unlessCold(ctx, func(ctx context.Context) error { return s.StartEnclave(ctx, "policy") })
		}},
		{"parent", func(ctx context.Context) error { return s.unlessCold(ctx, s.StartParent) }},
		{"reply key", func(ctx context.Context) error { return s.run(ctx, "anchorhold", "keygen", "--out", s.Path("reply")) }},
	} {
		if err := step.do(ctx); err != nil {
			s.Stop()
			return nil, fmt.Errorf("stage: %s: %w", step.name, err)
		}
	}
	return s, nil
}

func (s *Stage) unlessCold(ctx context.Context, start func(context.Context) error) error {
	if s.Guest != nil && s.Guest.Cold {
		return nil
	}
	return start(ctx)
}

// Path returns the path of a file of the stage.
func (s *Stage) Path(elem ...string) string {
	return filepath.Join(append([]string{s.Dir}, elem...)...)
}

// Stop ends all processes and waits for them.
func (s *Stage) Stop() error {
	var errs []error
	for _, p := range []*process{s.parent, s.enclave, s.second, s.kms} {
		errs = append(errs, p.stop())
	}
	s.parent, s.enclave, s.second, s.kms = nil, nil, nil, nil
	return errors.Join(errs...)
}

func (s *Stage) makeRoots(ctx context.Context) error {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	return s.run(ctx, "anchorhold-dev", "ca", "--out", s.Path("ca"))
}

func (s *Stage) startKMS(ctx context.Context) error {
	if err := s.writeUsers(); err != nil {
		return err
	}
	p, ready, err := s.spawn(ctx, "kms", nil, "anchorhold-dev", "kms", "--ca", s.Path("ca"), "--users", s.Path("users.yaml"),
		"--listen", "127.0.0.1:0", "--host", kmsHost, "--state", s.Path("kms.state"), "--events", s.EventsFile())
	s.kms, s.KMSURL = p, ready
	return err
}

// EventsFile is where the local KMS writes its CloudTrail-shaped events, one JSON object a line.
func (s *Stage) EventsFile() string { return s.Path("kms.events") }

// StartEnclave starts the enclave process on the compiled policy of that name, ending the one that
// ran before.
func (s *Stage) StartEnclave(ctx context.Context, policy string) error {
	if err := s.enclave.stop(); err != nil {
		return err
	}
	var p *process
	var err error
	if s.Guest == nil {
		p, _, err = s.spawn(ctx, "enclave", nil, devProgram, s.enclaveArgs("jobs", policy)...)
	} else if err = s.BuildImage(ctx, policy); err == nil {
		p, _, err = s.spawn(ctx, "enclave", nil, "anchorhold-eif", s.GuestArgs(s.Image(policy), firstEnclave)...)
	}
	s.enclave = p
	return err
}

func (s *Stage) enclaveArgs(socket, policy string) []string {
	return []string{
		"enclave", "--listen", s.socket(socket), "--relay", s.socket("relay"), "--credentials", s.socket("credentials"),
		"--policy", s.Path(policy + ".cbor"), "--ca", s.Path("ca"),
	}
}

// StopEnclave ends the enclave.
func (s *Stage) StopEnclave() error {
	err := s.enclave.stop()
	s.enclave = nil
	return err
}

// StartParent starts the parent, ending the one that ran before; its spool stays.
func (s *Stage) StartParent(ctx context.Context) error {
	if err := s.parent.stop(); err != nil {
		return err
	}
	if err := s.writeParentConfig(); err != nil {
		return err
	}
	p, ready, err := s.spawn(ctx, "parent", s.users.parent.environment(), "anchorhold-parent", "--config", s.Path("parent.yaml"))
	s.parent, s.ParentURL = p, ready
	return err
}

// socket is the address of one of the ways between enclave and parent: jobs, relay or credentials.
func (s *Stage) socket(name string) string {
	if s.Guest != nil {
		return s.guestSocket(firstEnclave, ports[name])
	}
	return "unix://" + s.Path(name+".sock")
}

var ports = map[string]int{"jobs": transport.JobPort, "relay": transport.RelayPort, "credentials": transport.CredentialsPort}

// KillEnclave ends the enclave without notice, as a crash would.
func (s *Stage) KillEnclave() { s.enclave.kill() }

// KillParent ends the parent without notice.
func (s *Stage) KillParent() { s.parent.kill() }

// ParentPID is the process id of the parent, for tests that read its memory.
func (s *Stage) ParentPID() int { return s.parent.cmd.Process.Pid }

// EnclavePID is the process id of the enclave, for tests that stop or measure it.
func (s *Stage) EnclavePID() int { return s.enclave.cmd.Process.Pid }

// Logs returns what the process (kms, enclave or parent) has written to standard error.
func (s *Stage) Logs(process string) ([]byte, error) { return os.ReadFile(s.Path(process + ".log")) }
