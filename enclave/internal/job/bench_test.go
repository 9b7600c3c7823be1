package job_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"anchorhold/enclave/deid"
	"anchorhold/enclave/internal/cloudtest"
	"anchorhold/enclave/internal/job"
	"anchorhold/enclave/internal/nsm"
	"anchorhold/enclave/internal/receipts"
	"anchorhold/protocol/attest"
	"anchorhold/protocol/code"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/message"
	"anchorhold/protocol/policy"
	"anchorhold/protocol/policysource"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/protocoltest/testca"
	"anchorhold/protocol/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	keyA = "arn:aws:kms:us-east-1:111122223333:key/aaaaaaaa-0000-0000-0000-000000000000"
	keyB = "arn:aws:kms:us-east-1:444455556666:key/bbbbbbbb-0000-0000-0000-000000000000"
)

const policySource = `
anchorhold: policy/v1
tenants:
  - {name: clinic, keys: ["` + keyA + `"], pipelines: [deid, raise, fixed]}
  - {name: other, keys: ["` + keyB + `"], pipelines: [theirs]}
  - {name: twin, keys: ["` + keyA + `"], pipelines: [deid]}
pipelines:
  - {name: deid, preset: safe-harbor, content-types: [application/fhir+ndjson, application/fhir+json, application/x-other]}
  - {name: raise, preset: safe-harbor, content-types: [application/fhir+ndjson], on-reject: raise}
  - {name: fixed, preset: safe-harbor, content-types: [application/fhir+ndjson], reference-date: 2026-12-31}
  - {name: theirs, preset: safe-harbor, content-types: [application/fhir+ndjson]}
limits:
  job-bytes: %d
  record-bytes: 65536
  records: 5000
  frame-length: 65536
  encrypted-keys: 2
  concurrent-jobs: 2
  job-seconds: %d
`

// bench is a service over a software NSM and a table of keys instead of KMS.
type bench struct {
	address  string
	compiled []byte
	policy   *policy.Policy
	image    measure.Image
	ca       *testca.CA
	keys     *fakeKeys
	signer   *signed
	log      *lines
	offset   atomic.Int64 // added to the clock
	sick     atomic.Bool  // the NSM signs nothing
}

// options change a bench.
type options struct {
	jobBytes   uint64
	jobSeconds int
	engine     job.Engine // in place of deid's
	memory     uint64
}

func newBench(t testing.TB, o options) *bench {
	t.Helper()
	if o.jobBytes == 0 {
		o.jobBytes = 4 << 20
	}
	if o.jobSeconds == 0 {
		o.jobSeconds = 60
	}
	b := &bench{ca: testca.New(time.Now), keys: newFakeKeys(), log: &lines{}}
	var err error
	b.compiled, err = policysource.Compile(fmt.Appendf(nil, policySource, o.jobBytes, o.jobSeconds), deid.Preset, nil)
	check(t, err)
	b.policy, err = policy.Parse(b.compiled)
	check(t, err)
	b.image = measure.DevImage([]byte("program"), b.compiled)
	module := nsm.New(softnsm.New(softnsm.Config{CA: b.ca, Image: b.image}))
	t.Cleanup(func() { module.Close() })
	b.signer = &signed{Signer: receipts.New(receipts.Config{Boot: boot, Policy: b.policy.Digest(), Attest: func(ctx context.Context, userData []byte) ([]byte, error) {
		if b.sick.Load() {
			return nil, net.ErrClosed
		}
		return module.Attest(ctx, userData, nil, nil)
	}})}
	t.Cleanup(func() { b.signer.Close() })
	service, err := job.New(job.Config{
		Version: "test", Boot: boot, Image: b.image, Policy: b.policy, Compiled: b.compiled,
		Engines: b.engines(t, o), Keys: b.keys, Receipts: b.signer,
		Challenge: func(ctx context.Context, nonce []byte) ([]byte, error) { return b.challenge(ctx, module, nonce) },
		Healthy:   func() bool { return !b.sick.Load() }, Memory: o.memory,
		Now: func() time.Time { return time.Now().Add(time.Duration(b.offset.Load())) },
		Log: b.log.add,
	})
	check(t, err)
	b.serve(t, service)
	return b
}

var boot = [16]byte{7}

func (b *bench) engines(t testing.TB, o options) map[string]job.Engine {
	t.Helper()
	engines := map[string]job.Engine{}
	for _, p := range b.policy.Pipelines {
		if engines[p.Name] = o.engine; o.engine == nil {
			e, err := deid.Compile(p.Rules)
			check(t, err)
			engines[p.Name] = e
		}
	}
	return engines
}

func (b *bench) challenge(ctx context.Context, module *nsm.Client, nonce []byte) ([]byte, error) {
	if b.sick.Load() {
		return nil, net.ErrClosed
	}
	u := attest.UserData{Purpose: attest.PurposeChallenge, Boot: boot, Policy: b.policy.Digest()}
	data, err := u.Encode()
	if err != nil {
		return nil, err
	}
	return module.Attest(ctx, data, nonce, nil)
}

// serve runs the service until the test ends.
func (b *bench) serve(t testing.TB, service *job.Service) {
	t.Helper()
	b.address = "unix://" + filepath.Join(cloudtest.SocketDir(t), "jobs")
	l, err := transport.Listen(b.address)
	check(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := service.Serve(ctx, l); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
}

// dial connects as the parent, and keeps every byte that the enclave sends.
func (b *bench) dial(t testing.TB) *peer {
	t.Helper()
	nc, err := transport.Dial(context.Background(), b.address)
	check(t, err)
	p := &peer{recorder: &recorder{Conn: nc}}
	p.conn = message.NewConn(p.recorder)
	check(t, p.conn.SetDeadline(time.Now().Add(20*time.Second)))
	t.Cleanup(func() { p.conn.Close() })
	return p
}

// recorder keeps what was read.
type recorder struct {
	net.Conn
	mu   sync.Mutex
	seen bytes.Buffer // guarded by mu
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen.Write(p[:n])
	return n, err
}

func (r *recorder) bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.seen.Bytes())
}

// signed keeps the leaves that were signed.
type signed struct {
	*receipts.Signer
	mu     sync.Mutex
	leaves [][]byte // guarded by mu
}

func (s *signed) Sign(ctx context.Context, leaf receipts.Leaf) ([]byte, error) {
	var encoded []byte
	file, err := s.Signer.Sign(ctx, func(sequence uint64) (b []byte, err error) {
		encoded, err = leaf(sequence)
		return encoded, err
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.leaves = append(s.leaves, encoded)
	}
	return file, err
}

func (s *signed) copy() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.leaves)
}

// lines is the log.
type lines struct {
	mu  sync.Mutex
	all []string // guarded by mu
}

func (l *lines) add(e job.Event, c code.Code) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, string(e)+": "+string(c))
}

func (l *lines) copy() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.all...)
}

// failed counts the jobs that have failed so far.
func (b *bench) failed() int {
	n := 0
	for _, line := range b.log.copy() {
		if strings.HasPrefix(line, string(job.JobFailed)) {
			n++
		}
	}
	return n
}

// fakeKeys stands for KMS and cache: it knows the data keys by their blob, ARN and context.
type fakeKeys struct {
	mu    sync.Mutex
	keys  map[[32]byte][32]byte // guarded by mu
	calls int                   // guarded by mu
	given []*[32]byte           // guarded by mu: where keys were written to
	err   error                 // guarded by mu
	gate  func()                // guarded by mu; called first by Key, without the lock
	slow  bool                  // guarded by mu; keys are released when the job is over
}

func newFakeKeys() *fakeKeys { return &fakeKeys{keys: map[[32]byte][32]byte{}} }

func question(arn string, encrypted []byte, c map[string]string) [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%q %x %q", arn, encrypted, c))
}

// seal makes a data key and its blob.
func (k *fakeKeys) seal(arn string, c map[string]string) (key [32]byte, blob []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	rand.Read(key[:])
	blob = make([]byte, 64)
	rand.Read(blob)
	k.keys[question(arn, blob, c)] = key
	return key, blob
}

func (k *fakeKeys) Key(ctx context.Context, arn string, encrypted []byte, c map[string]string, key *[32]byte, late func(string)) (string, error) {
	k.mu.Lock()
	if k.slow {
		k.mu.Unlock()
		<-ctx.Done()
		go late("request-late")
		return "", ctx.Err()
	}
	if gate := k.gate; gate != nil {
		k.mu.Unlock()
		gate()
		k.mu.Lock()
	}
	defer k.mu.Unlock()
	k.calls++
	if k.err != nil {
		return "", k.err
	}
	found, ok := k.keys[question(arn, encrypted, c)]
	if !ok {
		return "", code.New(code.KMSDenied, nil)
	}
	*key = found
	k.given = append(k.given, key)
	return fmt.Sprintf("request-%d", k.calls), nil
}

func (k *fakeKeys) asked() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.calls
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
