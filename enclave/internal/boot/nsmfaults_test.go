package boot_test

import (
	"bytes"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hf/nsm/request"
	"github.com/hf/nsm/response"

	"anchorhold/enclave/internal/nsm"
	"anchorhold/protocol/audit"
	"anchorhold/protocol/message"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/receipt"
	"anchorhold/protocol/result"
)

// moody is a module whose documents take their time, or fail, as a test says.
type moody struct {
	*softnsm.NSM
	delay   atomic.Int64 // nanoseconds for each document
	purpose atomic.Value // receipt.Purpose of the documents that fail; "" for none
	made    atomic.Int64 // documents for receipts
}

func (m *moody) Send(r request.Request) (response.Response, error) {
	a, ok := r.(*request.Attestation)
	if !ok {
		return m.NSM.Send(r)
	}
	time.Sleep(time.Duration(m.delay.Load()))
	u, err := receipt.ParseUserData(a.UserData)
	if err == nil && u.Purpose == receipt.PurposeReceipts {
		m.made.Add(1)
	}
	if bad, _ := m.purpose.Load().(receipt.Purpose); err == nil && bad != "" && u.Purpose == bad {
		return response.Response{Error: response.ECInternalError}, nil
	}
	return m.NSM.Send(r)
}

const oneRecord = `{"resourceType":"Patient","id":"p1","gender":"female"}`

// An NSM that errs, for KMS or for receipts, costs the jobs of that time and no others; a job
// without a receipt is no success.
func TestNSMErrors(t *testing.T) {
	b := newBench(t)
	m := &moody{NSM: b.module(b.image)}
	b.startOver(t, nsm.New(m))
	reply, err := result.GenerateKey()
	check(t, err)
	c := b.dial(t)
	for _, purpose := range []receipt.Purpose{receipt.PurposeKMS, receipt.PurposeReceipts} {
		file, _ := b.job(t, reply, oneRecord)
		m.purpose.Store(purpose)
		if _, last := submit(t, c, file); !failedWith(last, "nsm-failed") {
			t.Errorf("no documents for %s: got %+v, want nsm-failed without a receipt", purpose, last)
		}
		m.purpose.Store(receipt.Purpose(""))
		if _, last := submit(t, c, file); !isDone(last) {
			t.Errorf("after %s: got %+v, want the same job done", purpose, last)
		}
	}
}

func failedWith(last message.Message, c string) bool {
	f, ok := last.(message.Failed)
	return ok && string(f.Code) == c && f.Receipt == nil
}

func isDone(last message.Message) bool {
	_, ok := last.(message.Done)
	return ok
}

// A slow NSM makes jobs wait, not fail, and does not sign them one by one: while it is busy the
// next batch gathers.
func TestSlowNSM(t *testing.T) {
	b := newBench(t)
	m := &moody{NSM: b.module(b.image)}
	b.startOver(t, nsm.New(m))
	reply, err := result.GenerateKey()
	check(t, err)
	const jobs = 12
	file, header := b.job(t, reply, oneRecord)
	// The data key is in the cache before the NSM becomes slow: this is about receipts.
	if _, last := submit(t, b.dial(t), file); !isDone(last) {
		t.Fatalf("got %+v, want done", last)
	}
	const delay = 200 * time.Millisecond
	m.delay.Store(int64(delay))
	made, began := m.made.Load(), time.Now()
	var running sync.WaitGroup
	for range jobs {
		c := b.dial(t)
		running.Go(func() {
			sealed, last := submit(t, c, file)
			done, ok := last.(message.Done)
			if !ok {
				t.Errorf("got %+v, want done", last)
				return
			}
			f, err := receipt.ParseFile(done.Receipt)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := audit.Verify(f, b.CA.Roots(), time.Now()); err != nil {
				t.Error(err)
			}
			if records := open(t, reply, header, file, b, sealed); !bytes.Contains(records, []byte("female")) {
				t.Errorf("got records %s", records)
			}
		})
	}
	running.Wait()
	took, batches := time.Since(began), m.made.Load()-made
	t.Logf("%d jobs, %d batches, %v", jobs, batches, took.Round(time.Millisecond))
	if batches >= jobs || took >= jobs*delay {
		t.Errorf("%d jobs took %d documents and %v: they waited for each other", jobs, batches, took)
	}
}
