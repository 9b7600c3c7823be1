package nsmdev_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/hf/nsm/request"
	"github.com/hf/nsm/response"
	"go.uber.org/goleak"

	"anchorhold/eif/emulate/guesttest"
	"anchorhold/eif/emulate/nsmdev"
	"anchorhold/eif/emulate/vhost"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/protocoltest/testca"
	"anchorhold/protocol/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var measured = measure.Compute([]byte("kernel"), "cmdline", []byte("rd0"), []byte("rd1"))

func guest(t testing.TB) (*guesttest.Guest, *testca.CA) {
	ca := testca.New(time.Now)
	return guesttest.New(t, nsmdev.New(softnsm.New(softnsm.Config{CA: ca, Image: measured, Now: time.Now}))), ca
}

// ask sends a request as Linux's driver does: one chain to read, one to write, and both are back at
// the first interrupt.
func ask(g *guesttest.Guest, in []byte, room int) []byte {
	r, at := g.Ring(0), g.Buffers()
	copy(g.At(at, len(in)), in)
	r.Describe(0, guesttest.Descriptor{Address: guesttest.Address(at), Length: uint32(len(in))})
	r.Describe(1, guesttest.Descriptor{Address: guesttest.Address(at + 0x10000), Length: uint32(room), Flags: guesttest.Write})
	r.Offer(0)
	r.Offer(1)
	r.Kick()
	if head, n := r.Next(); head != 0 || n != 0 {
		panic("the request did not come back first")
	}
	_, n, ok := r.Used()
	if !ok {
		panic("the answer was not there when the request was")
	}
	return append([]byte{}, g.At(at+0x10000, int(n))...)
}

func exchange(t *testing.T, g *guesttest.Guest, r request.Request) response.Response {
	t.Helper()
	b, err := cbor.Marshal(r.Encoded())
	if err != nil {
		t.Fatal(err)
	}
	var res response.Response
	if err := cbor.Unmarshal(ask(g, b, softnsm.MaxResponse), &res); err != nil {
		t.Fatal(err)
	}
	return res
}

// The documents hold the image's registers and verify under the test root.
func TestDocuments(t *testing.T) {
	g, ca := guest(t)
	res := exchange(t, g, &request.Attestation{Nonce: []byte("nonce")})
	if res.Attestation == nil {
		t.Fatalf("got %+v", res)
	}
	doc, err := verify.Document(res.Attestation.Document, ca.Roots(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	d := doc.Document()
	if !bytes.Equal(d.PCRs[0], measured.PCR0[:]) || !bytes.Equal(d.PCRs[1], measured.PCR1[:]) || !bytes.Equal(d.PCRs[2], measured.PCR2[:]) || string(d.Nonce) != "nonce" {
		t.Errorf("got PCRs %x and nonce %q", d.PCRs, d.Nonce)
	}
	if res := exchange(t, g, &request.GetRandom{}); res.GetRandom == nil || len(res.GetRandom.Random) != 256 {
		t.Errorf("random: got %+v", res)
	}
}

// Requests that are too long, and buffers that are too short for the answer.
func TestSizes(t *testing.T) {
	g, _ := guest(t)
	code := func(b []byte) response.ErrorCode {
		var res response.Response
		if err := cbor.Unmarshal(b, &res); err != nil {
			t.Fatalf("%x: %v", b, err)
		}
		return res.Error
	}
	if got := code(ask(g, make([]byte, 4097), softnsm.MaxResponse)); got != response.ECInputTooLarge {
		t.Errorf("4097 bytes: got %q", got)
	}
	if got := code(ask(g, nil, softnsm.MaxResponse)); got == "" {
		t.Error("no bytes: got no error")
	}
	describe, err := cbor.Marshal("DescribeNSM")
	if err != nil {
		t.Fatal(err)
	}
	if got := code(ask(g, describe, 40)); got != response.ECBufferTooSmall {
		t.Errorf("answer buffer of 40 bytes: got %q", got)
	}
	if b := ask(g, describe, 3); len(b) != 3 {
		t.Errorf("answer buffer of 3 bytes: %d were written", len(b))
	}
	if b := ask(g, describe, 0); len(b) != 0 {
		t.Errorf("no answer buffer: %d were written", len(b))
	}
}

// A driver that kicks between request and room for the answer is waited for; two requests in a row
// are a fault.
func TestHalfARequest(t *testing.T) {
	g, _ := guest(t)
	r, at := g.Ring(0), g.Buffers()
	copy(g.At(at, 10), "\x69GetRandom")
	r.Describe(0, guesttest.Descriptor{Address: guesttest.Address(at), Length: 10})
	r.Describe(1, guesttest.Descriptor{Address: guesttest.Address(at + 0x10000), Length: 0x1000, Flags: guesttest.Write})
	r.Offer(0)
	r.Kick()
	g.Ask(1, nil)
	r.Offer(1)
	r.Kick()
	r.Next()
	if _, n := r.Next(); n < 256 {
		t.Errorf("answer of %d bytes", n)
	}
	r.Offer(0)
	r.Offer(0)
	r.Kick()
	if err := <-g.Faults; !errors.Is(err, vhost.ErrGuest) {
		t.Errorf("got %v", err)
	}
}

// What no driver asks: each gets an error in place of an answer, or an answer, and the next one is
// served.
func TestHostileRequests(t *testing.T) {
	g, _ := guest(t)
	r, at := g.Ring(0), g.Buffers()
	const random = "\x69GetRandom"
	exchangeOf := func(request, response guesttest.Descriptor) (head, n uint32) {
		r.Describe(0, request)
		r.Describe(1, response)
		r.Offer(0)
		r.Offer(1)
		r.Kick()
		r.Next()
		return r.Next()
	}
	room := guesttest.Descriptor{Address: guesttest.Address(at + 0x200000), Length: 0x3000, Flags: guesttest.Write}
	for name, c := range map[string]struct {
		request, response guesttest.Descriptor
		short             bool // an error, or nothing
	}{
		"largest chain":               {guesttest.Descriptor{Address: guesttest.Address(at), Length: 1 << 20}, room, true},
		"no bytes":                    {guesttest.Descriptor{Address: guesttest.Address(at)}, room, true},
		"answer over the request":     {guesttest.Descriptor{Address: guesttest.Address(at), Length: 10}, guesttest.Descriptor{Address: guesttest.Address(at), Length: 0x3000, Flags: guesttest.Write}, false},
		"answer over the rings":       {guesttest.Descriptor{Address: guesttest.Address(at), Length: 10}, guesttest.Descriptor{Address: guesttest.Address(0x5000), Length: 0x800, Flags: guesttest.Write}, false},
		"one byte of room":            {guesttest.Descriptor{Address: guesttest.Address(at), Length: 10}, guesttest.Descriptor{Address: room.Address, Length: 1, Flags: guesttest.Write}, true},
		"request out of the rings":    {guesttest.Descriptor{Address: guesttest.Address(0), Length: 0x1000}, room, true},
		"request of one byte too few": {guesttest.Descriptor{Address: guesttest.Address(at), Length: 9}, room, true},
	} {
		t.Run(name, func(t *testing.T) {
			copy(g.At(at, 10), random)
			head, n := exchangeOf(c.request, c.response)
			if head != 1 || n > c.response.Length || (n < 256) != c.short {
				t.Errorf("chain %d came back with %d bytes in a buffer of %d", head, n, c.response.Length)
			}
			copy(g.At(at, 10), random)
			if _, n := exchangeOf(guesttest.Descriptor{Address: guesttest.Address(at), Length: 10}, room); n < 256 {
				t.Errorf("the next answer has %d bytes", n)
			}
		})
	}
}

// More requests at once than one batch, each in one chain.
func TestManyAtOnce(t *testing.T) {
	g, _ := guest(t)
	r, at := g.Ring(0), g.Buffers()
	copy(g.At(at, 10), "\x69GetRandom")
	for i := range guesttest.Entries / 2 {
		head := uint16(2 * i)
		r.Describe(2*i, guesttest.Descriptor{Address: guesttest.Address(at), Length: 10, Flags: guesttest.Next, Next: head + 1})
		r.Describe(2*i+1, guesttest.Descriptor{Address: guesttest.Address(at + 0x1000*(i+1)), Length: 0x1000, Flags: guesttest.Write})
		r.Offer(head)
	}
	for i := range guesttest.Entries / 2 { // the ring holds each chain twice
		r.Offer(uint16(2 * i))
	}
	r.Kick()
	for range guesttest.Entries {
		if _, n := r.Next(); n < 256 {
			t.Fatalf("answer of %d bytes", n)
		}
	}
}

// FuzzRequest: whatever a guest asks, the answer fits.
func FuzzRequest(f *testing.F) {
	f.Add([]byte("\x69GetRandom"), uint16(0x3000))
	f.Add([]byte("\xa1\x6bAttestation\xa3\x69user_data\xf6\x65nonce\xf6\x6apublic_key\xf6"), uint16(100))
	f.Fuzz(func(t *testing.T, in []byte, room uint16) {
		if len(in) > 0x10000 {
			return
		}
		g, _ := guest(t)
		if b := ask(g, in, int(room)); len(b) > int(room) {
			t.Errorf("%d bytes in a buffer of %d", len(b), room)
		}
	})
}
