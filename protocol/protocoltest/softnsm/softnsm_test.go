package softnsm_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/hf/nsm/request"
	"github.com/hf/nsm/response"

	"anchorhold/protocol/digest"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/protocoltest/testca"
	"anchorhold/protocol/verify"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock is a test clock.
type clock struct {
	mu sync.Mutex
	t  time.Time // guarded by mu
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }

func (c *clock) add(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.t = c.t.Add(d) }

func module(t testing.TB, change func(*softnsm.Config)) (*softnsm.NSM, *testca.CA, *clock) {
	t.Helper()
	c := &clock{t: start}
	ca := testca.NewSeeded("softnsm test", c.now)
	config := softnsm.Config{
		CA: ca, Image: measure.DevImage([]byte("program"), []byte("policy")), Now: c.now,
		RoleARN: "arn:aws:iam::111122223333:role/parent", InstanceID: "i-0123456789abcdef0",
	}
	if change != nil {
		change(&config)
	}
	return softnsm.New(config), ca, c
}

func send(t testing.TB, n *softnsm.NSM, r request.Request) response.Response {
	t.Helper()
	res, err := n.Send(r)
	if err != nil {
		t.Fatalf("%T: %v", r, err)
	}
	return res
}

func attestation(t testing.TB, n *softnsm.NSM, r *request.Attestation) []byte {
	t.Helper()
	res := send(t, n, r)
	if res.Error != "" || res.Attestation == nil {
		t.Fatalf("attestation: error %q", res.Error)
	}
	return res.Attestation.Document
}

func TestDocumentVerifies(t *testing.T) {
	for _, definite := range []bool{true, false} {
		n, ca, c := module(t, func(x *softnsm.Config) { x.Definite = definite })
		doc := attestation(t, n, &request.Attestation{UserData: []byte("data"), Nonce: []byte{}})
		v, err := verify.Document(doc, ca.Roots(), c.now())
		if err != nil {
			t.Fatalf("definite %v: %v", definite, err)
		}
		d := v.Document()
		image := measure.DevImage([]byte("program"), []byte("policy"))
		want := map[int]digest.Digest{
			0: image.PCR0, 1: image.PCR1, 2: image.PCR2, 4: measure.InstancePCR4("i-0123456789abcdef0"),
			3: measure.RolePCR3("arn:aws:iam::111122223333:role/parent"), 8: {},
		}
		for i, w := range want {
			if got, ok := d.PCR(i); !ok || got != w {
				t.Errorf("PCR%d is %s, want %s", i, got, w)
			}
		}
		if len(d.PCRs) != 16 || string(d.UserData) != "data" || d.Nonce == nil || d.PublicKey != nil || d.Debug() {
			t.Errorf("got %d PCRs, user data %q, nonce %v, public key %v, debug %v", len(d.PCRs), d.UserData, d.Nonce, d.PublicKey, d.Debug())
		}
		if !strings.HasPrefix(d.ModuleID, "i-0123456789abcdef0-enc") || !d.Timestamp.Equal(start) {
			t.Errorf("got %s at %s", d.ModuleID, d.Timestamp)
		}
		// Another machine's clock, and no other root.
		if _, err := verify.Document(doc, verify.AWSRoots(), c.now()); err == nil {
			t.Error("accepted under AWS's root")
		}
	}
}

func TestPCRsAndLocks(t *testing.T) {
	n, ca, c := module(t, nil)
	wantError := func(r request.Request, want response.ErrorCode) {
		t.Helper()
		if got := send(t, n, r).Error; got != want {
			t.Errorf("%T %+v: got error %q, want %q", r, r, got, want)
		}
	}
	wantError(&request.DescribePCR{Index: 32}, "InvalidIndex")
	wantError(&request.ExtendPCR{Index: 32, Data: []byte("x")}, "InvalidIndex")
	wantError(&request.ExtendPCR{Index: 0, Data: []byte("x")}, response.ECReadOnlyIndex)
	wantError(&request.LockPCR{Index: 0}, response.ECReadOnlyIndex)
	wantError(&request.LockPCR{Index: 15}, response.ECReadOnlyIndex)
	wantError(&request.LockPCR{Index: 32}, "InvalidIndex")
	wantError(&request.LockPCRs{Range: 33}, "InvalidIndex")

	want := measure.Extend(measure.Extend(digest.Digest{}, []byte("one")), []byte("two"))
	send(t, n, &request.ExtendPCR{Index: 16, Data: []byte("one")})
	res := send(t, n, &request.ExtendPCR{Index: 16, Data: []byte("two")})
	if res.ExtendPCR == nil || !bytes.Equal(res.ExtendPCR.Data, want[:]) {
		t.Fatalf("PCR16 is %+v, want %s", res.ExtendPCR, want)
	}
	pcrs := func() map[int][]byte {
		v, err := verify.Document(attestation(t, n, &request.Attestation{}), ca.Roots(), c.now())
		if err != nil {
			t.Fatal(err)
		}
		return v.Document().PCRs
	}
	if _, ok := pcrs()[16]; ok {
		t.Error("an unlocked PCR is attested: it could change after the document")
	}
	if res := send(t, n, &request.LockPCR{Index: 16}); res.LockPCR == nil {
		t.Errorf("LockPCR(16): error %q", res.Error)
	}
	if got := pcrs(); len(got) != 17 || !bytes.Equal(got[16], want[:]) {
		t.Errorf("after the lock: %d PCRs, PCR16 %x", len(got), got[16])
	}
	wantError(&request.ExtendPCR{Index: 16, Data: []byte("x")}, response.ECReadOnlyIndex)
	if res := send(t, n, &request.LockPCRs{Range: 32}); res.LockPCRs == nil {
		t.Errorf("LockPCRs(32): error %q", res.Error)
	}
	if res := send(t, n, &request.DescribePCR{Index: 31}); res.DescribePCR == nil || !res.DescribePCR.Lock {
		t.Errorf("PCR31 after LockPCRs(32): %+v", res.DescribePCR)
	}
	res = send(t, n, &request.DescribeNSM{})
	if d := res.DescribeNSM; d == nil || len(d.LockedPCRs) != 32 || d.MaxPCRs != 32 || d.Digest != response.DigestSHA384 {
		t.Errorf("DescribeNSM: %+v", d)
	}
}

func TestLimits(t *testing.T) {
	n, ca, c := module(t, nil)
	full := bytes.Repeat([]byte{1}, 1024)
	doc := attestation(t, n, &request.Attestation{UserData: full, Nonce: full, PublicKey: full})
	if _, err := verify.Document(doc, ca.Roots(), c.now()); err != nil {
		t.Errorf("three full fields: %v", err)
	}
	over := append(full[:1024:1024], 1)
	for i, r := range []*request.Attestation{{UserData: over}, {Nonce: over}, {PublicKey: over}} {
		if got := send(t, n, r).Error; got != response.ECInvalidArgument {
			t.Errorf("field %d with 1025 bytes: got error %q", i, got)
		}
	}
	if got := send(t, n, &request.ExtendPCR{Index: 16, Data: make([]byte, 4096)}).Error; got != response.ECInputTooLarge {
		t.Errorf("request over 4096 bytes: got error %q", got)
	}
	a, b := send(t, n, &request.GetRandom{}), send(t, n, &request.GetRandom{})
	if a.GetRandom == nil || len(a.GetRandom.Random) != 256 || bytes.Equal(a.GetRandom.Random, b.GetRandom.Random) {
		t.Errorf("GetRandom: %+v", a.GetRandom)
	}
}

// The enclave's client sees errors, never a hang or a crash, whatever it sends.
func TestMalformedRequests(t *testing.T) {
	n, _, _ := module(t, nil)
	for _, h := range []string{
		"", "00", "a0", "f6", "ff", "6b4465736372696265", "6b44657363726962654e5358", "a16b4465736372696265504352a0",
		"a16b4465736372696265504352a165696e6465781a00010000", "a26947657452616e646f6d00", "9bffffffffffffffff",
		"a16b4174746573746174696f6e01", "a1674c6f636b504352f6", "6b44657363726962654e534d00",
	} {
		raw, err := hex.DecodeString(h)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]string
		if err := cbor.Unmarshal(n.Exchange(raw), &got); err != nil || got["Error"] != "InvalidOperation" {
			t.Errorf("request %s: got %v, error %v", h, got, err)
		}
	}
}

// The hypervisor replaces leaves before they end; a document must never come with an expired chain.
func TestLeafIsRenewed(t *testing.T) {
	n, ca, c := module(t, nil)
	leaves := map[string]bool{}
	for range 20 {
		v, err := verify.Document(attestation(t, n, &request.Attestation{}), ca.Roots(), c.now())
		if err != nil {
			t.Fatalf("at %s: %v", c.now(), err)
		}
		leaves[string(v.Document().Certificate)] = true
		c.add(30 * time.Minute)
	}
	if len(leaves) != 4 { // 10 hours, a new one each 2 h 45 min
		t.Errorf("got %d leaves, want 4", len(leaves))
	}
}

func TestConcurrentUse(t *testing.T) {
	n, ca, c := module(t, nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			index := uint16(16 + i)
			send(t, n, &request.ExtendPCR{Index: index, Data: []byte("x")})
			send(t, n, &request.LockPCR{Index: index})
			doc := attestation(t, n, &request.Attestation{})
			if _, err := verify.Document(doc, ca.Roots(), c.now()); err != nil {
				t.Errorf("concurrent document: %v", err)
			}
		})
	}
	wg.Wait()
}

// Whatever the parent of a test sends, the module answers, within the limit.
func FuzzExchange(f *testing.F) {
	for _, r := range []request.Request{
		&request.DescribeNSM{}, &request.GetRandom{}, &request.DescribePCR{Index: 1}, &request.ExtendPCR{Index: 17, Data: []byte("x")},
		&request.LockPCR{Index: 18}, &request.LockPCRs{Range: 16}, &request.Attestation{Nonce: []byte("n")},
	} {
		b, err := cbor.Marshal(r.Encoded())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	n, _, _ := module(f, nil)
	f.Fuzz(func(t *testing.T, b []byte) {
		answer := n.Exchange(b)
		var res response.Response
		if err := cbor.Unmarshal(answer, &res); err != nil || len(answer) > softnsm.MaxResponse {
			t.Fatalf("answer of %d bytes: %v", len(answer), err)
		}
	})
}
