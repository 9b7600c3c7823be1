// Package boot brings the enclave up and keeps it: memory that does not leak, an NSM that answers,
// a policy that parses, and then the services over them.
//
// The main call is [Run]. It refuses to serve without an NSM, in a debug enclave, with a policy
// that was not measured, and under one that it cannot fulfil. What comes before it in an enclave
// (mounts, composition check, heartbeat) is in package pid1.
//
// Keys are zeroed after use as far as Go allows. It does not where the standard library holds
// copies: key schedules of AES and HPKE contexts, crypto/rsa's own form of the recipient key, and
// what the collector has moved when a slice or a stack grew. Those bytes stay in the enclave's
// memory until it is used again; there is no swap, no core dump and no debug console to read them
// from.
package boot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"runtime/debug"
	"time"

	"anchorhold/enclave/deid/engine"
	"anchorhold/enclave/deid/stream"
	"anchorhold/enclave/internal/compose"
	"anchorhold/enclave/internal/job"
	"anchorhold/enclave/internal/keycache"
	"anchorhold/enclave/internal/kms"
	"anchorhold/enclave/internal/nsm"
	"anchorhold/enclave/internal/receipts"
	"anchorhold/protocol/code"
	"anchorhold/protocol/event"
	"anchorhold/protocol/policy"
	"anchorhold/protocol/transport"
)

// Version is told to the parent. It identifies nothing: measurements do.
const Version = "0.1.0"

const (
	// maxKeys bounds the key cache.
	maxKeys = 1024
	// startTimeout bounds what must work before the enclave serves.
	startTimeout = 30 * time.Second
)

// Config is what the program was told. None of it can weaken attestation.
type Config struct {
	// Policy is the compiled policy, as ReadPolicy returns it. Trusted: it is measured. Bytes and
	// not a path, or what is measured and what is served could be two readings of a file.
	Policy []byte
	// Engines are those of the program. A policy that needs another is refused.
	Engines engine.Set
	// Layout is that of the image. In our own PCR2 must be that of the policy.
	Layout compose.Layout
	// Listen, Relay and Credentials are addresses. The parent is at the other end whatever they
	// say.
	Listen, Relay, Credentials string
	// NSM is the module. Run closes it.
	NSM *nsm.Client
	// Log gets lines of fixed words and codes, each after Prefix.
	Log    io.Writer
	Prefix string
	// Event, if set, is called with each stage that is reached.
	Event func(event.Code)
	// Ready, if set, is called once with the address that accepts connections.
	Ready func(address string)
}

// Run serves until ctx ends, and returns nil then. It returns an error when the enclave must not or
// cannot serve; event.Of has its code.
func Run(ctx context.Context, c Config) error {
	defer c.NSM.Close()
	logger := log.New(c.Log, c.Prefix, 0)
	locked, err := harden()
	if err != nil {
		return event.Fault(event.HardenFailed, fmt.Errorf("harden the process: %w", err))
	}
	if !locked {
		logger.Print("memory is not locked: swap must be off")
	}
	startCtx, cancel := context.WithTimeout(ctx, startTimeout)
	id, err := identify(startCtx, c)
	cancel()
	if err != nil {
		return err
	}
	c.reached(event.Identified)
	if id.policy.NotAWS() {
		logger.Print("policy is NOT AWS: it names a test KMS")
	}
	return serve(ctx, c, id, logger)
}

func (c *Config) reached(e event.Code) {
	if c.Event != nil {
		c.Event(e)
	}
}

// serve assembles the services, from the ground up, and takes them down in the opposite order.
func serve(ctx context.Context, c Config, id *identity, logger *log.Logger) error {
	kmsConfig, err := id.kmsConfig(c)
	if err != nil {
		return err
	}
	engines, err := compile(c.Engines, id.policy)
	if err != nil {
		return event.Fault(event.PolicyInvalid, err)
	}
	client := kms.New(kmsConfig)
	defer client.Close()
	keys := cachedKeys{cache: keycache.New(maxKeys, keycache.TTL), kms: client}
	defer keys.cache.Close()
	signer := receipts.New(receipts.Config{Attest: id.attestReceipts, Boot: id.boot, Policy: id.policy.Digest()})
	defer signer.Close()
	memory := machineMemory()
	if memory > 0 {
		// The collector works harder before the kernel ends the process: there is no swap.
		debug.SetMemoryLimit(int64(memory / 4 * 3))
	}
	service, err := job.New(job.Config{
		Version: Version, Boot: id.boot, Image: id.image, Policy: id.policy, Compiled: id.compiled,
		Engines: engines, Keys: keys, Receipts: signer,
		Challenge: id.attestChallenge, Healthy: c.NSM.Healthy, Now: c.NSM.Now, Memory: memory,
		Log: func(e job.Event, k code.Code) { logEvent(logger, e, k) },
	})
	if err != nil {
		return err
	}
	listener, err := transport.Listen(c.Listen)
	if err != nil {
		return event.Fault(event.ListenFailed, fmt.Errorf("listen for jobs: %w", err))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	beat := startHeartbeat(ctx, id)
	defer beat.Wait()
	defer cancel()
	if c.Ready != nil {
		c.Ready(c.Listen)
	}
	logger.Print("serving")
	c.reached(event.Serving)
	return service.Serve(ctx, listener)
}

// logEvent writes one line. Codes are of a fixed set; nothing else that came from a peer is ever in
// a line.
func logEvent(l *log.Logger, e job.Event, c code.Code) {
	if c == "" {
		l.Print(string(e))
		return
	}
	l.Print(string(e) + ": " + string(c))
}

// rules is a compiled pipeline, as package job runs it.
type rules struct{ engine stream.Engine }

func (r rules) Process(ctx context.Context, in io.Reader, out io.Writer, o stream.Options) (*stream.Report, error) {
	return stream.Process(ctx, r.engine, in, out, o)
}

// compile makes the engine of each pipeline.
func compile(set engine.Set, p *policy.Policy) (map[string]job.Engine, error) {
	engines := make(map[string]job.Engine, len(p.Pipelines))
	for _, pipeline := range p.Pipelines {
		e, err := set.Compile(pipeline.Rules)
		if err != nil {
			return nil, fmt.Errorf("pipeline %q: %w", pipeline.Name, err)
		}
		engines[pipeline.Name] = rules{e}
	}
	return engines, nil
}

// ReadPolicy reads the compiled policy, of at most 16 MiB.
func ReadPolicy(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the policy: %w", err)
	}
	defer f.Close()
	compiled, err := io.ReadAll(io.LimitReader(f, compose.MaxPolicy+1))
	if err != nil {
		return nil, fmt.Errorf("read the policy: %w", err)
	}
	if len(compiled) > compose.MaxPolicy {
		return nil, errors.New("policy is too long")
	}
	return compiled, nil
}
