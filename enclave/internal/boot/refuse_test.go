package boot_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/hf/nsm/request"
	"github.com/hf/nsm/response"

	"anchorhold/enclave/internal/boot"
	"anchorhold/enclave/internal/compose"
	"anchorhold/enclave/internal/nsm"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/event"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/softnsm"
)

func TestRefusesToServe(t *testing.T) {
	good := newBench(t)
	otherPolicy := measure.DevImage([]byte("program"), append(bytes.Clone(good.compiled), 0))
	for name, r := range map[string]struct {
		want   event.Code
		change func(*boot.Config, *fault)
	}{
		"debug enclave":       {event.DebugEnclave, func(_ *boot.Config, f *fault) { f.image = measure.Image{} }},
		"pcr2 alone zero":     {event.DebugEnclave, func(_ *boot.Config, f *fault) { f.image.PCR2 = digest.Digest{} }},
		"no nsm":              {event.NSMFailed, func(_ *boot.Config, f *fault) { f.all = true }},
		"no randomness":       {event.NSMFailed, func(_ *boot.Config, f *fault) { f.random = true }},
		"constant randomness": {event.EntropyFailed, func(_ *boot.Config, f *fault) { f.draw = func(int) []byte { return make([]byte, 256) } }},
		"one answer repeated": {event.EntropyFailed, func(_ *boot.Config, f *fault) {
			same := randomBytes(256)
			f.draw = func(int) []byte { return same }
		}},
		"short answer repeated": {event.EntropyFailed, func(_ *boot.Config, f *fault) {
			same := randomBytes(250)
			f.draw = func(int) []byte { return same }
		}},
		"a counter": {event.EntropyFailed, func(_ *boot.Config, f *fault) {
			f.draw = func(n int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }
		}},
		"text": {event.EntropyFailed, func(_ *boot.Config, f *fault) {
			f.draw = func(int) []byte { return []byte(rand.Text()) }
		}},
		"no documents":                           {event.NSMFailed, func(_ *boot.Config, f *fault) { f.attest = true }},
		"unlocked pcrs":                          {event.RegistersDiffer, func(_ *boot.Config, f *fault) { f.unlocked = true }},
		"pcr not as document":                    {event.RegistersDiffer, func(_ *boot.Config, f *fault) { f.lies = true }},
		"policy exchanged after it was measured": {event.PolicyDiffers, func(_ *boot.Config, f *fault) { f.image = otherPolicy }},
		"no policy":                              {event.PolicyInvalid, func(c *boot.Config, _ *fault) { c.Policy = nil }},
		"other bytes":                            {event.PolicyInvalid, func(c *boot.Config, _ *fault) { c.Policy = []byte("\x7fELF") }},
		"bad address":                            {event.ListenFailed, func(c *boot.Config, _ *fault) { c.Listen = "tcp://127.0.0.1:1" }},
	} {
		t.Run(name, func(t *testing.T) {
			c, f := good.config, &fault{image: good.image}
			r.change(&c, f)
			f.NSM = good.module(f.image)
			c.NSM = nsm.New(f)
			c.Ready = func(string) { t.Error("it serves") }
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			if err := boot.Run(ctx, c); err == nil || event.Of(err) != r.want {
				t.Errorf("got %v (%s), want %s", err, event.Of(err), r.want)
			}
		})
	}
}

// In layout nitro-cli PCR2 covers the program too: it is not held to the policy alone.
func TestLayoutNitroCLI(t *testing.T) {
	b := newBench(t)
	b.image.PCR2 = digest.Sum([]byte("root file system"))
	b.config.Layout = compose.NitroCLI
	b.start(t)
}

// TestStages: each stage of the start is told, in order.
func TestStages(t *testing.T) {
	b := newBench(t)
	stages := make(chan event.Code, 16)
	b.config.Event = func(c event.Code) { stages <- c }
	b.start(t)
	for _, want := range []event.Code{event.Seeded, event.Identified, event.Serving} {
		if got := <-stages; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// fault is a module that fails in one way.
type fault struct {
	*softnsm.NSM
	image                               measure.Image
	all, random, attest, unlocked, lies bool
	draw                                func(n int) []byte // the n-th answer of randomness
	draws                               int
}

func (f *fault) Send(r request.Request) (response.Response, error) {
	res, err := f.NSM.Send(r)
	switch r := r.(type) {
	case *request.GetRandom:
		if f.random {
			return response.Response{GetRandom: &response.GetRandom{}}, nil
		}
		if f.draw != nil {
			f.draws++
			return response.Response{GetRandom: &response.GetRandom{Random: f.draw(f.draws)}}, nil
		}
	case *request.Attestation:
		if f.attest {
			return response.Response{Error: response.ECInternalError}, nil
		}
	case *request.DescribePCR:
		if f.unlocked && err == nil {
			res.DescribePCR.Lock = false
		}
		if f.lies && r.Index == 0 && err == nil {
			res.DescribePCR.Data[0] ^= 1
		}
	}
	if f.all {
		return response.Response{}, errors.New("no such device")
	}
	return res, err
}
