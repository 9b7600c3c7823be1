package boot_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hf/nsm/request"
	"github.com/hf/nsm/response"
	"go.uber.org/goleak"

	"anchorhold/enclave/deid"
	"anchorhold/enclave/deid/engines"
	"anchorhold/enclave/internal/boot"
	"anchorhold/enclave/internal/cloudtest"
	"anchorhold/enclave/internal/nsm"
	"anchorhold/protocol/audit"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/frame"
	"anchorhold/protocol/jobfile"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/message"
	"anchorhold/protocol/policy"
	"anchorhold/protocol/policysource"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/receipt"
	"anchorhold/protocol/result"
	"anchorhold/protocol/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is an enclave program over a software NSM, a local KMS and a parent, all of them real.
type bench struct {
	*cloudtest.Cloud
	config   boot.Config
	compiled []byte
	image    measure.Image
	log      *syncBuffer
}

func newBench(t testing.TB) *bench {
	t.Helper()
	return newBenchOf(t, "replays: 1000, concurrent-jobs: 64")
}

// newBenchOf is newBench with the limits of its policy.
func newBenchOf(t testing.TB, limits string) *bench {
	t.Helper()
	b := &bench{Cloud: cloudtest.New(t, nil), log: &syncBuffer{}}
	source := fmt.Sprintf(`
anchorhold: policy/v1
tenants:
  - {name: clinic, keys: [%q], pipelines: [deid]}
pipelines:
  - {name: deid, preset: safe-harbor, content-types: [application/fhir+ndjson]}
limits: {%s}
test:
  kms-host: %s
  tls-roots: %q
`, b.KeyARN, limits, cloudtest.Host, b.TLSRoots)
	var err error
	b.compiled, err = policysource.Compile([]byte(source), deid.Preset, nil)
	check(t, err)
	dir := cloudtest.SocketDir(t)
	b.image = measure.DevImage([]byte("program"), b.compiled)
	b.Allow(t, b.KeyARN, map[string]map[string]string{
		"StringEqualsIgnoreCase": {
			"kms:RecipientAttestation:PCR0": b.image.PCR0.String(),
			"kms:RecipientAttestation:PCR1": b.image.PCR1.String(),
			"kms:RecipientAttestation:PCR2": b.image.PCR2.String(),
		},
		"StringEquals": {"kms:EncryptionContext:anchorhold:image": b.image.PCR0.String()},
	})
	b.config = boot.Config{
		Engines: engines.All(), Policy: b.compiled, Listen: "unix://" + filepath.Join(dir, "jobs"), Relay: b.Relay, Credentials: b.Credentials,
		Log: b.log, Prefix: "INSECURE ",
	}
	return b
}

func (b *bench) module(image measure.Image) *softnsm.NSM {
	return softnsm.New(softnsm.Config{CA: b.CA, Image: image})
}

// start runs the program until the test ends.
func (b *bench) start(t testing.TB) {
	t.Helper()
	b.startOver(t, nsm.New(b.module(b.image)))
}

func (b *bench) startOver(t testing.TB, client *nsm.Client) {
	t.Helper()
	b.config.NSM = client
	ready := make(chan string, 1)
	b.config.Ready = func(address string) { ready <- address }
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	ended := make(chan error, 1)
	running.Go(func() { ended <- boot.Run(ctx, b.config) })
	t.Cleanup(func() { cancel(); running.Wait() })
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("Run: %v", err)
	}
}

// job seals records as the owner does.
func (b *bench) job(t testing.TB, reply *result.PrivateKey, records string) (file []byte, header jobfile.Header) {
	t.Helper()
	claims := envelope.Job{
		Image: b.image.PCR0, Tenant: "clinic", Pipeline: "deid", ContentType: envelope.ContentRecords,
		Reply:    sha256.Sum256(reply.PublicKey()),
		NotAfter: time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1), ReferenceDate: "2026-06-30",
	}
	key, blob := b.DataKey(t, b.KeyARN, claims.Context())
	var sealed bytes.Buffer
	w, err := envelope.NewWriter(&sealed, envelope.Params{
		Context: claims.Context(), DataKey: key,
		Keys: []envelope.EncryptedKey{{Provider: "aws-kms", Info: b.KeyARN, Ciphertext: blob}},
	})
	check(t, err)
	_, err = io.WriteString(w, records)
	check(t, err)
	check(t, w.Close())
	header = jobfile.Header{ReplyKey: reply.PublicKey(), SealedAt: uint64(time.Now().UnixMilli()), Nonce: [32]byte{1}}
	head, err := header.Encode()
	check(t, err)
	return append(head, sealed.Bytes()...), header
}

// submit sends a job and returns the sealed result and the last message.
func submit(t testing.TB, c *message.Conn, file []byte) ([]byte, message.Message) {
	t.Helper()
	check(t, c.Send(message.Job{}))
	// An enclave that fails a job answers before all of it has been sent; the connection is free
	// when both directions have ended.
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() {
		_ = c.SendData(frame.Data, file)
		_ = c.Send(message.End{})
	})
	var sealed []byte
	for {
		m, _, body, err := c.Receive()
		check(t, err)
		if m != nil {
			return sealed, m
		}
		sealed = append(sealed, body...)
	}
}

func (b *bench) dial(t testing.TB) *message.Conn {
	t.Helper()
	nc, err := transport.Dial(context.Background(), b.config.Listen)
	check(t, err)
	check(t, nc.SetDeadline(time.Now().Add(time.Minute)))
	t.Cleanup(func() { nc.Close() })
	return message.NewConn(nc)
}

// TestWholeWay runs jobs over KMS, NSM and pipeline as they are, and shows that the second needs no
// KMS.
func TestWholeWay(t *testing.T) {
	b := newBench(t)
	b.start(t)
	reply, err := result.GenerateKey()
	check(t, err)
	const record = `{"resourceType":"Patient","id":"p1","gender":"female","name":[{"family":"MARKERNAME"}]}`
	file, header := b.job(t, reply, record)
	c := b.dial(t)
	var requests [2]string
	for i := range requests {
		sealed, m := submit(t, c, file)
		done, ok := m.(message.Done)
		if !ok {
			t.Fatalf("got %+v, want done", m)
		}
		f, err := receipt.ParseFile(done.Receipt)
		check(t, err)
		v, err := audit.Verify(f, b.CA.Roots(), time.Now())
		check(t, err)
		if v.Leaf == nil || v.Leaf.Output != digest.SumStream(sealed) || v.Leaf.Image != b.image.PCR0 {
			t.Fatalf("the receipt does not fit: %+v", v.Leaf)
		}
		requests[i] = v.Leaf.KMSRequests[0]
		records := open(t, reply, header, file, b, sealed)
		if !bytes.Contains(records, []byte(`"gender":"female"`)) || bytes.Contains(records, []byte("MARKER")) {
			t.Errorf("got records %s", records)
		}
	}
	decrypts := b.Decrypts(t)
	if len(decrypts) != 1 || decrypts[0]["requestID"] != requests[0] || requests[1] != requests[0] {
		t.Errorf("KMS answered %d times, the receipts name %v", len(decrypts), requests)
	}
	for _, line := range strings.Split(strings.TrimSpace(b.log.String()), "\n") {
		if !strings.HasPrefix(line, "INSECURE ") {
			t.Errorf("the line %q does not say INSECURE", line)
		}
	}
	if bytes.Contains(b.Carried(), []byte("MARKER")) || strings.Contains(b.log.String(), "MARKER") {
		t.Error("a record left the enclave")
	}
}

func open(t testing.TB, reply *result.PrivateKey, header jobfile.Header, file []byte, b *bench, sealed []byte) []byte {
	t.Helper()
	head, err := header.Encode()
	check(t, err)
	if !bytes.HasPrefix(file, head) {
		t.Fatal("the header is not the file's")
	}
	o, err := result.NewOpener(bytes.NewReader(sealed), result.Result, reply, result.Binding{
		Header: digest.Sum(head), Nonce: header.Nonce, Policy: policy.Digest(b.compiled),
	})
	check(t, err)
	var records []byte
	for {
		kind, p, err := o.Next()
		if err == io.EOF {
			return records
		}
		check(t, err)
		if kind == result.Records {
			records = append(records, p...)
		}
	}
}

// TestInvariant3_OtherPolicyIsOtherImage: an enclave whose policy differs by one limit is another
// image, to itself and to KMS. TestNewerNSM runs a job on a module whose documents hold an unknown
// field and maps of indefinite length: enclave, KMS and receipt read them all.
func TestNewerNSM(t *testing.T) {
	b := newBench(t)
	b.startOver(t, nsm.New(softnsm.New(softnsm.Config{CA: b.CA, Image: b.image, Newer: true})))
	reply, err := result.GenerateKey()
	check(t, err)
	file, _ := b.job(t, reply, "{}")
	_, m := submit(t, b.dial(t), file)
	done, ok := m.(message.Done)
	if !ok {
		t.Fatalf("got %+v, want done", m)
	}
	r, err := receipt.ParseFile(done.Receipt)
	check(t, err)
	v, err := audit.Verify(r, b.CA.Roots(), time.Now())
	check(t, err)
	if d := v.Attested.Document(); d.Ignored != 1 || v.Leaf == nil {
		t.Errorf("got %d ignored fields and leaf %v, want 1 and a leaf", d.Ignored, v.Leaf)
	}
	if n := len(b.Decrypts(t)); n != 1 {
		t.Errorf("KMS answered %d times, want once", n)
	}
}

func TestInvariant3_OtherPolicyIsOtherImage(t *testing.T) {
	b := newBench(t)
	reply, err := result.GenerateKey()
	check(t, err)
	file, _ := b.job(t, reply, "{}")
	other, err := policy.Parse(b.compiled)
	check(t, err)
	other.Limits.Replays--
	b.config.Policy, err = other.Encode()
	check(t, err)
	// what the NSM says; the job names the other
	b.image = measure.DevImage([]byte("program"), b.config.Policy)
	b.start(t)
	_, m := submit(t, b.dial(t), file)
	if f, _ := m.(message.Failed); f.Code != "image-mismatch" {
		t.Errorf("got %+v, want image-mismatch", m)
	}
	file, _ = b.job(t, reply, "{}") // sealed by an owner who believes the host: KMS still refuses
	_, m = submit(t, b.dial(t), file)
	if f, _ := m.(message.Failed); f.Code != "kms-denied" || f.Receipt != nil {
		t.Errorf("got %+v, want kms-denied without a receipt", m)
	}
}

func TestReadPolicy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.cbor")
	if b, err := boot.ReadPolicy(path); err == nil || b != nil {
		t.Errorf("got %x, %v for a missing file, want an error", b, err)
	}
	check(t, os.WriteFile(path, []byte("policy"), 0o400))
	if b, err := boot.ReadPolicy(path); err != nil || string(b) != "policy" {
		t.Errorf("got %q, %v, want the file's bytes", b, err)
	}
	// /dev/zero has no end: what does not end is not read into memory.
	if b, err := boot.ReadPolicy("/dev/zero"); err == nil || b != nil {
		t.Errorf("got %d bytes, %v for an endless file, want an error", len(b), err)
	}
}

// TestInvariant8_WedgedNSMShowsWithin10Seconds, also while no jobs run.
func TestInvariant8_WedgedNSMShowsWithin10Seconds(t *testing.T) {
	if testing.Short() {
		t.Skip("takes two heartbeats")
	}
	b := newBench(t)
	f := &wedge{NSM: b.module(b.image), release: make(chan struct{})}
	defer close(f.release)
	b.startOver(t, nsm.New(f))
	c := b.dial(t)
	capacity := func() uint64 {
		check(t, c.Send(message.Describe{}))
		m, _, _, err := c.Receive()
		check(t, err)
		return m.(message.Description).Capacity
	}
	if capacity() == 0 {
		t.Fatal("no capacity at the start")
	}
	f.wedged.Store(true)
	for started := time.Now(); capacity() != 0; time.Sleep(50 * time.Millisecond) {
		if time.Since(started) > 10*time.Second {
			t.Fatal("10 s after the NSM stopped answering, the enclave still offers room for jobs")
		}
	}
}

// wedge is a module that stops answering.
type wedge struct {
	*softnsm.NSM
	wedged  atomic.Bool
	release chan struct{}
}

func (w *wedge) Send(r request.Request) (response.Response, error) {
	if w.wedged.Load() {
		<-w.release
	}
	return w.NSM.Send(r)
}

// syncBuffer is a log.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
