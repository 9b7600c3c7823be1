package boot_test

import (
	"context"
	"errors"
	"testing"

	"anchorhold/enclave/deid/anonymizer"
	"anchorhold/enclave/deid/engine"
	"anchorhold/enclave/internal/boot"
	"anchorhold/enclave/internal/nsm"
	"anchorhold/protocol/event"
)

// TestPolicyOfAnotherEngineIsRefused: an image whose program lacks the engine of a pipeline does
// not serve, not even the other pipelines.
func TestPolicyOfAnotherEngineIsRefused(t *testing.T) {
	for _, set := range []engine.Set{nil, {engine.Of(engine.Microsoft, anonymizer.Compile)}} {
		b := newBench(t)
		b.config.Engines = set
		b.config.NSM = nsm.New(b.module(b.image))
		ctx, cancel := context.WithCancel(context.Background())
		b.config.Ready = func(string) {
			t.Errorf("%s: the enclave serves a policy with rule files", set)
			cancel() // or the test would not end
		}
		err := boot.Run(ctx, b.config)
		cancel()
		if !errors.Is(err, engine.ErrMissing) || event.Of(err) != event.PolicyInvalid {
			t.Errorf("%s: got %v (%s), want %v (%s)", set, err, event.Of(err), engine.ErrMissing, event.PolicyInvalid)
		}
	}
}
