package nsm_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hf/nsm/request"
	"github.com/hf/nsm/response"
	"go.uber.org/goleak"

	"anchorhold/enclave/internal/nsm"
	"anchorhold/protocol/attest"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/protocoltest/testca"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var image = measure.Compute([]byte("kernel"), "cmdline", []byte("rd0"), []byte("rd1"))

func module(now func() time.Time) *softnsm.NSM {
	return softnsm.New(softnsm.Config{CA: testca.New(now), Image: image, Now: now})
}

// sender is a module that does what its function says.
type sender func(request.Request) (response.Response, error)

func (s sender) Send(r request.Request) (response.Response, error) { return s(r) }

func client(t *testing.T, s nsm.Sender) *nsm.Client {
	t.Helper()
	c := nsm.NewTimeout(s, time.Second)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestRequests(t *testing.T) {
	c, ctx := client(t, module(time.Now)), context.Background()
	b, err := c.Attest(ctx, []byte("user data"), []byte("nonce"), []byte("key"))
	if err != nil {
		t.Fatalf("Attest: %v", err)
	}
	d, err := attest.Parse(b)
	if err != nil || string(d.UserData) != "user data" || string(d.Nonce) != "nonce" || string(d.PublicKey) != "key" {
		t.Errorf("got %+v, %v, want the fields that were sent", d, err)
	}
	b, err = c.Attest(ctx, []byte("user data"), nil, nil)
	if err != nil {
		t.Fatalf("Attest: %v", err)
	}
	if d, err = attest.Parse(b); err != nil || d.Nonce != nil || d.PublicKey != nil {
		t.Errorf("got nonce %x and key %x, %v, want them absent", d.Nonce, d.PublicKey, err)
	}
	if got, locked, err := c.PCR(ctx, 0); err != nil || !locked || got != image.PCR0 {
		t.Errorf("PCR0: got %s, %v, %v, want %s, locked", got, locked, err, image.PCR0)
	}
	if _, locked, err := c.PCR(ctx, 20); err != nil || locked {
		t.Errorf("PCR20: got locked %v, %v, want unlocked", locked, err)
	}
	if _, _, err := c.PCR(ctx, 99); err == nil {
		t.Error("PCR99: got no error")
	}
	if d, err := c.Describe(ctx); err != nil || !strings.Contains(d.ModuleID, "-enc") {
		t.Errorf("Describe: got %+v, %v", d, err)
	}
	for _, n := range []int{0, 1, 255, 256, 257, 1000} {
		if b, err := c.Random(ctx, n); err != nil || len(b) != n || (n > 16 && bytes.Equal(b, make([]byte, n))) {
			t.Errorf("Random(%d): got %d bytes, %v", n, len(b), err)
		}
	}
}

func TestFieldLimits(t *testing.T) {
	var sent atomic.Int32
	c := client(t, sender(func(request.Request) (response.Response, error) {
		sent.Add(1)
		return response.Response{}, nil
	}))
	for name, f := range map[string][3]int{"user data": {513, 0, 0}, "nonce": {0, 513, 0}, "public key": {0, 0, 1025}} {
		if _, err := c.Attest(context.Background(), make([]byte, f[0]), make([]byte, f[1]), make([]byte, f[2])); err == nil {
			t.Errorf("%s over its limit: got no error", name)
		}
	}
	if sent.Load() != 0 {
		t.Errorf("%d requests reached the module", sent.Load())
	}
}

// TestInvalidAnswers: hf/nsm gives `{}` and nulls back as success, and panics on what the driver
// should not write.
func TestInvalidAnswers(t *testing.T) {
	for name, answer := range map[string]sender{
		"empty":  func(request.Request) (response.Response, error) { return response.Response{}, nil },
		"error":  func(request.Request) (response.Response, error) { return response.Response{}, errors.New("ioctl") },
		"panic":  func(request.Request) (response.Response, error) { panic("slice bounds") },
		"nested": func(request.Request) (response.Response, error) { return nested, nil },
		"error beside fields": func(request.Request) (response.Response, error) {
			r := full
			r.Error = response.ECInternalError
			return r, nil
		},
		"long": func(request.Request) (response.Response, error) {
			return response.Response{
				Attestation: &response.Attestation{Document: make([]byte, 0x3001)},
				GetRandom:   &response.GetRandom{Random: make([]byte, 0x3001)},
				DescribePCR: &response.DescribePCR{Data: make([]byte, 64)},
				DescribeNSM: &response.DescribeNSM{ModuleID: "i-0-enc0", Digest: response.DigestSHA256},
			}, nil
		},
		"no document": func(request.Request) (response.Response, error) { return full, nil },
	} {
		c, ctx := client(t, answer), context.Background()
		if b, err := c.Attest(ctx, nil, nil, nil); err == nil || b != nil {
			t.Errorf("%s: Attest accepted it", name)
		}
		if name == "no document" {
			continue // the other fields are good
		}
		if _, _, err := c.PCR(ctx, 0); err == nil {
			t.Errorf("%s: PCR accepted it", name)
		}
		if _, err := c.Describe(ctx); err == nil {
			t.Errorf("%s: Describe accepted it", name)
		}
		if _, err := c.Random(ctx, 8); err == nil {
			t.Errorf("%s: Random accepted it", name)
		}
	}
}

// full has every field set, its document being none.
var full = response.Response{
	Attestation: &response.Attestation{Document: []byte("document")},
	GetRandom:   &response.GetRandom{Random: make([]byte, 8)},
	DescribePCR: &response.DescribePCR{Data: make([]byte, 48), Lock: true},
	DescribeNSM: &response.DescribeNSM{ModuleID: "i-0-enc0", Digest: response.DigestSHA384},
}

// nested has every struct and nothing in them.
var nested = response.Response{
	Attestation: &response.Attestation{}, GetRandom: &response.GetRandom{},
	DescribePCR: &response.DescribePCR{}, DescribeNSM: &response.DescribeNSM{},
}

// TestInvariant8_HungModuleIsNoticed: a module that never answers must not hold callers, and must
// show.
func TestInvariant8_HungModuleIsNoticed(t *testing.T) {
	release := make(chan struct{})
	soft := module(time.Now)
	var hang atomic.Bool
	c := nsm.NewTimeout(sender(func(r request.Request) (response.Response, error) {
		if hang.Load() {
			<-release
		}
		return soft.Send(r)
	}), time.Second) // an honest answer takes milliseconds, more on a busy machine
	defer c.Close()
	if _, err := c.Attest(context.Background(), nil, nil, nil); err != nil || !c.Healthy() {
		t.Fatalf("got %v, healthy %v", err, c.Healthy())
	}
	hang.Store(true)
	var callers sync.WaitGroup
	for range 5 {
		callers.Go(func() {
			if _, err := c.Attest(context.Background(), nil, nil, nil); err == nil {
				t.Error("a hung module answered")
			}
		})
	}
	callers.Wait()
	if c.Healthy() {
		t.Error("a hung module counts as healthy")
	}
	hang.Store(false)
	close(release)
	deadline := time.Now().Add(5 * time.Second)
	for !c.Healthy() && time.Now().Before(deadline) {
		_, _ = c.Attest(context.Background(), nil, nil, nil)
	}
	if !c.Healthy() {
		t.Error("the module has recovered and does not count as healthy")
	}
}

func TestCallerThatGivesUpSaysNothingAboutTheModule(t *testing.T) {
	c := client(t, module(time.Now))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Attest(ctx, nil, nil, nil); err == nil {
		t.Error("got a document for a context that has ended")
	}
	if !c.Healthy() {
		t.Error("the module counts as sick")
	}
}

func TestOneRequestAtATime(t *testing.T) {
	var inside atomic.Int32
	soft := module(time.Now)
	c := client(t, sender(func(r request.Request) (response.Response, error) {
		if inside.Add(1) != 1 {
			t.Error("two requests at once")
		}
		time.Sleep(time.Millisecond)
		inside.Add(-1)
		return soft.Send(r)
	}))
	var callers sync.WaitGroup
	for range 10 {
		callers.Go(func() {
			if _, err := c.Random(context.Background(), 8); err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait()
}

func TestClosedClientRefuses(t *testing.T) {
	c := nsm.New(module(time.Now))
	c.Close()
	c.Close()
	if _, err := c.Attest(context.Background(), nil, nil, nil); err == nil {
		t.Error("a closed client answered")
	}
}

func TestClockFollowsDocuments(t *testing.T) {
	base := time.Date(2030, 5, 6, 7, 8, 9, 0, time.UTC)
	var offset atomic.Int64
	c := client(t, module(func() time.Time { return base.Add(time.Duration(offset.Load())) }))
	if got := c.Now(); !got.IsZero() {
		t.Errorf("got %v before the first document, want zero", got)
	}
	for _, add := range []time.Duration{0, time.Hour, 30 * time.Minute} {
		offset.Store(int64(add))
		if _, err := c.Attest(context.Background(), nil, nil, nil); err != nil {
			t.Fatal(err)
		}
		if d := c.Now().Sub(base.Add(add)); d < 0 || d > time.Minute {
			t.Errorf("got %v off the module's clock", d)
		}
	}
	before := c.Now()
	time.Sleep(5 * time.Millisecond)
	if d := c.Now().Sub(before); d < 5*time.Millisecond || d > time.Minute {
		t.Errorf("the clock moved %v in 5ms", d)
	}
}
