package receipts_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"anchorhold/enclave/internal/nsm"
	"anchorhold/enclave/internal/receipts"
	"anchorhold/protocol/audit"
	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/protocoltest/testca"
	"anchorhold/protocol/receipt"
	"anchorhold/protocol/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a signer over a software module that tests can slow down or break.
type bench struct {
	*receipts.Signer
	ca   *testca.CA
	hold atomic.Pointer[chan struct{}]
	fail atomic.Bool
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{ca: testca.New(time.Now)}
	module := nsm.New(softnsm.New(softnsm.Config{CA: b.ca, Image: measure.Compute(nil, "c", []byte("0"), []byte("1"))}))
	b.Signer = receipts.New(receipts.Config{
		Boot: [16]byte{1, 2, 3}, Policy: digest.Sum([]byte("policy")),
		Attest: func(ctx context.Context, userData []byte) ([]byte, error) {
			if hold := b.hold.Load(); hold != nil {
				<-*hold
			}
			if b.fail.Load() {
				return nil, errors.New("nsm is gone")
			}
			return module.Attest(ctx, userData, nil, nil)
		},
	})
	t.Cleanup(func() { b.Close(); module.Close() })
	return b
}

func failure(sequence uint64) ([]byte, error) {
	f := receipt.Failure{Sequence: sequence, Code: code.Truncated, KMSRequests: []string{"id"}, Finished: time.UnixMilli(1)}
	return f.Encode()
}

func (b *bench) sign(t *testing.T) *audit.Verified {
	t.Helper()
	file, err := b.Sign(context.Background(), failure)
	if err != nil {
		t.Fatalf("Sign: %v", err)
	}
	return b.verify(t, file)
}

func (b *bench) verify(t *testing.T, file []byte) *audit.Verified {
	t.Helper()
	f, err := receipt.ParseFile(file)
	if err != nil {
		t.Fatalf("ParseFile: %v", err)
	}
	v, err := audit.Verify(f, b.ca.Roots(), time.Now())
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	return v
}

// TestLeavesThatWaitShareADocument holds the NSM up, so that leaves gather.
func TestLeavesThatWaitShareADocument(t *testing.T) {
	b := newBench(t)
	hold := make(chan struct{})
	b.hold.Store(&hold)
	const jobs = 300 // more than one batch
	files := make([][]byte, jobs)
	var waiting sync.WaitGroup
	for i := range files {
		waiting.Go(func() {
			var err error
			if files[i], err = b.Sign(context.Background(), failure); err != nil {
				t.Errorf("Sign: %v", err)
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	close(hold)
	waiting.Wait()
	sequences := map[uint64]bool{}
	for i, file := range files {
		f, err := receipt.ParseFile(file)
		if err != nil {
			t.Fatalf("ParseFile: %v", err)
		}
		_, x, err := receipt.ParseLeaf(f.Leaf)
		if err != nil || x == nil {
			t.Fatalf("ParseLeaf: %v", err)
		}
		sequences[x.Sequence] = true
		if i%30 > 0 { // signatures take long under the race detector, and a batch has but one
			continue
		}
		if v := b.verify(t, file); v.UserData.Batch.Size > receipt.MaxBatch {
			t.Errorf("a batch has %d leaves, want at most %d", v.UserData.Batch.Size, receipt.MaxBatch)
		}
	}
	if len(sequences) != jobs {
		t.Errorf("got %d sequence numbers for %d leaves", len(sequences), jobs)
	}
	if n := b.Batches(); n < 2 || n > 10 {
		t.Errorf("got %d batches for %d leaves", n, jobs)
	}
	b.checkLog(t, jobs)
}

// checkLog verifies the whole log as one chain.
func (b *bench) checkLog(t *testing.T, leaves int) {
	t.Helper()
	var documents []*verify.Attested
	total := 0
	for _, batch := range b.Log(0, 1000) {
		v, err := verify.Document(batch.Document, b.ca.Roots(), time.Now())
		if err != nil {
			t.Fatalf("batch %d: %v", batch.Number, err)
		}
		if _, err := audit.VerifyBatch(v, batch.Leaves); err != nil {
			t.Errorf("batch %d: %v", batch.Number, err)
		}
		documents, total = append(documents, v), total+len(batch.Leaves)
	}
	if total != leaves {
		t.Errorf("the log has %d leaves, want %d", total, leaves)
	}
	if _, err := audit.VerifyChain(documents...); err != nil {
		t.Errorf("VerifyChain: %v", err)
	}
}

// TestFailedBatchLeavesNoGap: "failed" and "failed but happened" look the same here, since no
// document arrives.
func TestFailedBatchLeavesNoGap(t *testing.T) {
	b := newBench(t)
	b.sign(t)
	b.fail.Store(true)
	file, err := b.Sign(context.Background(), failure)
	if code.Of(err) != code.NSMFailed || file != nil {
		t.Errorf("got %v, want %s and no file", err, code.NSMFailed)
	}
	b.fail.Store(false)
	if v := b.sign(t); v.Failure.Sequence != 1 || v.UserData.Batch.Number != 1 {
		t.Errorf("got sequence %d in batch %d, want 1 in 1", v.Failure.Sequence, v.UserData.Batch.Number)
	}
	b.checkLog(t, 2)
}

func TestLeafThatCannotBeEncodedFailsAlone(t *testing.T) {
	b := newBench(t)
	if _, err := b.Sign(context.Background(), func(uint64) ([]byte, error) { return nil, errors.New("bad leaf") }); code.Of(err) != code.Internal {
		t.Errorf("got %v, want %s", err, code.Internal)
	}
	if v := b.sign(t); v.Failure.Sequence != 0 {
		t.Errorf("got sequence %d, want 0", v.Failure.Sequence)
	}
}

func TestWaiterLeavesWithItsContext(t *testing.T) {
	b := newBench(t)
	hold := make(chan struct{})
	b.hold.Store(&hold)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	if _, err := b.Sign(ctx, failure); code.Of(err) != code.Timeout {
		t.Errorf("got %v, want %s", err, code.Timeout)
	}
	close(hold)
	b.sign(t)
}

func TestLog(t *testing.T) {
	b := newBench(t)
	if got := b.Log(0, 10); len(got) != 0 {
		t.Errorf("got %d batches before the first leaf", len(got))
	}
	for range 5 {
		b.sign(t)
	}
	for _, c := range []struct {
		from  uint64
		max   int
		first uint64
		count int
	}{{0, 10, 0, 5}, {0, 2, 0, 2}, {3, 10, 3, 2}, {5, 10, 0, 0}, {1 << 63, 10, 0, 0}} {
		got := b.Log(c.from, c.max)
		if len(got) != c.count || (c.count > 0 && got[0].Number != c.first) {
			t.Errorf("Log(%d, %d): got %d batches, want %d from %d", c.from, c.max, len(got), c.count, c.first)
		}
	}
	b.checkLog(t, 5)
}

func TestClosedSignerRefuses(t *testing.T) {
	b := newBench(t)
	b.Close()
	if _, err := b.Sign(context.Background(), failure); code.Of(err) != code.NSMFailed {
		t.Errorf("got %v, want %s", err, code.NSMFailed)
	}
}

func BenchmarkSign(b *testing.B) {
	module := nsm.New(softnsm.New(softnsm.Config{CA: testca.New(time.Now), Image: measure.Compute(nil, "c", []byte("0"), []byte("1"))}))
	defer module.Close()
	s := receipts.New(receipts.Config{Attest: func(ctx context.Context, userData []byte) ([]byte, error) {
		return module.Attest(ctx, userData, nil, nil)
	}})
	defer s.Close()
	b.SetParallelism(32)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := s.Sign(context.Background(), failure); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/float64(s.Batches()), "leaves/batch")
}
