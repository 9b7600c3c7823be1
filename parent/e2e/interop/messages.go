package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/fxamacker/cbor/v2"

	"anchorhold/parent/e2e/stage"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/pinsfile"
)

// A recipe is one way in which data owners use an official SDK.
type recipe struct {
	name       string
	input      string
	suite      string // empty: the SDK's own choice
	keys       []string
	messages   int  // more than one: by the caching materials manager
	parameters bool // a parameters message travels with it, made by the same SDK

	wantSuite uint16
}

// limits only have to let everything pass: the enclave applies the policy's.
var limits = envelope.Limits{MaxKeys: 8, MaxFrameLength: 4 << 20}

func (l *lab) recipes() []recipe {
	tenant := []string{l.KeyARN}
	return []recipe{
		{name: "the SDK's own defaults, signed", input: "whole", keys: tenant, messages: 1, wantSuite: 0x0578},
		{name: "suite 0x0578 chosen, signed", input: "one", suite: "0578", keys: tenant, messages: 1, wantSuite: 0x0578},
		{name: "suite 0x0478", input: "whole", suite: "0478", keys: tenant, messages: 1, wantSuite: 0x0478},
		{name: "whole number of frames", input: "padded", suite: "0478", keys: tenant, messages: 1, wantSuite: 0x0478},
		{name: "whole number of frames, signed", input: "padded", suite: "0578", keys: tenant, messages: 1, wantSuite: 0x0578},
		{name: "one record", input: "one", suite: "0478", keys: tenant, messages: 1, wantSuite: 0x0478},
		{name: "data key caching, two messages", input: "whole", suite: "0478", keys: tenant, messages: 2, wantSuite: 0x0478},
		{name: "data key caching, two signed messages", input: "whole", suite: "0578", keys: tenant, messages: 2, wantSuite: 0x0578},
		{name: "a parameters message beside it", input: "one", suite: "0478", keys: tenant, messages: 1, parameters: true, wantSuite: 0x0478},
		{name: "two keys, the tenant's the generator", input: "whole", suite: "0478", keys: []string{l.KeyARN, l.foreign}, messages: 1, wantSuite: 0x0478},
		{name: "two keys, another the generator, signed", input: "whole", keys: []string{l.foreign, l.KeyARN}, messages: 1, wantSuite: 0x0578},
	}
}

// messageChecks makes messages by official SDKs, and has them processed unchanged.
func (l *lab) messageChecks() []check {
	var checks []check
	for _, k := range l.sdks {
		for i, r := range l.recipes() {
			name := fmt.Sprintf("%s-%d", k.name, i)
			checks = append(checks, check{"messages", k.name + ": " + r.name, func(ctx context.Context) (string, error) {
				return l.runRecipe(ctx, k, r, name)
			}})
		}
	}
	return checks
}

func (l *lab) runRecipe(ctx context.Context, k sdk, r recipe, name string) (string, error) {
	encryptionContext, err := jobContext(l.Stage, "policy")
	if err != nil {
		return "", err
	}
	var jobs []*job
	var outputs []string
	for i := range r.messages {
		j := l.job(fmt.Sprintf("%s-%d", name, i))
		jobs, outputs = append(jobs, j), append(outputs, j.path(".message"))
	}
	before, err := l.counts()
	if err != nil {
		return "", err
	}
	var more []string
	if r.parameters {
		if more, err = l.parameters(ctx, k, encryptionContext, name); err != nil {
			return "", err
		}
	}
	in := l.inputs[r.input]
	a, err := k.do(ctx, task{
		Op: "encrypt", Keys: r.keys, Suite: r.suite, Cache: r.messages > 1, Context: encryptionContext, Input: in.path, Outputs: outputs,
	})
	if err != nil {
		return "", err
	}
	if err := r.checkHeaders(jobs, k.ordered); err != nil {
		return "", err
	}
	for _, j := range jobs {
		if err := l.wrap(ctx, j, more...); err != nil {
			return "", err
		}
		got, err := l.process(ctx, j)
		if err != nil {
			return "", err
		}
		if !bytes.Equal(got, in.want) {
			return "", errors.New("the records are not those that the same input gives when our own tool seals it")
		}
	}
	after, err := l.counts()
	if err != nil {
		return "", err
	}
	// One data key for all messages of a recipe, made once and released once: caching on both
	// sides. Parameters have their own.
	want := 1
	if r.parameters {
		want = 2
	}
	if after.made-before.made != want || after.released-before.released != want {
		return "", fmt.Errorf("data keys made %d, released %d; want %d of each", after.made-before.made, after.released-before.released, want)
	}
	return fmt.Sprintf("%s; %d bytes in %d messages", a.SDK, len(in.want), r.messages), nil
}

// parameters makes a parameters message (SPEC 3.4), names it in the context of the job, and returns
// the flags that wrap needs.
func (l *lab) parameters(ctx context.Context, k sdk, jobContext map[string]string, name string) ([]string, error) {
	canonical, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		return nil, err
	}
	plaintext, err := canonical.Marshal(map[string]any{"label": "anchorhold/v1 parameters", "values": map[string][]byte{"pepper": []byte("secret")}})
	if err != nil {
		return nil, err
	}
	plain, message := l.Path(name+".parameters.cbor"), l.Path(name+".parameters")
	if err := os.WriteFile(plain, plaintext, 0o600); err != nil {
		return nil, err
	}
	own := maps.Clone(jobContext)
	own["anchorhold:content-type"] = "application/vnd.anchorhold.parameters"
	if _, err := k.do(ctx, task{Op: "encrypt", Keys: []string{l.KeyARN}, Context: own, Input: plain, Outputs: []string{message}}); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(message)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	jobContext["anchorhold:parameters"] = hex.EncodeToString(sum[:])
	return []string{"--parameters", message}, nil
}

type counts struct{ made, released int }

func (l *lab) counts() (c counts, err error) {
	if c.made, err = l.events("GenerateDataKey"); err != nil {
		return c, err
	}
	c.released, err = l.events("Decrypt")
	return c, err
}

// checkHeaders makes sure that the messages are what the recipe's name says, or a check would prove
// less than it claims. An SDK that keeps keys in a set writes them in any order.
func (r recipe) checkHeaders(jobs []*job, ordered bool) error {
	want := r.keys
	if !ordered {
		want = slices.Sorted(slices.Values(r.keys))
	}
	var first *envelope.Header
	for _, j := range jobs {
		h, err := header(j.path(".message"))
		if err != nil {
			return err
		}
		var names []string
		for _, key := range h.Keys {
			names = append(names, key.Info)
		}
		if !ordered {
			slices.Sort(names)
		}
		if h.Suite != r.wantSuite || h.FrameLength != frame || !slices.Equal(names, want) {
			return fmt.Errorf("the message has suite %#x, frame length %d, keys %v; want %#x, %d, %v", h.Suite, h.FrameLength, names, r.wantSuite, frame, want)
		}
		if first == nil {
			first = h
			continue
		}
		if h.MessageID == first.MessageID || !bytes.Equal(h.Keys[0].Ciphertext, first.Keys[0].Ciphertext) {
			return errors.New("two messages of a cached data key must differ in message id and agree in the encrypted key")
		}
	}
	return nil
}

func header(path string) (*envelope.Header, error) {
	message, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return envelope.ReadHeader(bytes.NewReader(message), limits)
}

// jobContext is the encryption context of SPEC 3.1, written as a data owner would who has SPEC.md
// and no code of ours.
func jobContext(s *stage.Stage, policy string) (map[string]string, error) {
	source, err := os.ReadFile(s.Path(policy + ".pins"))
	if err != nil {
		return nil, err
	}
	pins, err := pinsfile.Parse(source)
	if err != nil {
		return nil, err
	}
	source, err = os.ReadFile(s.Path("reply.pub.pem"))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(source)
	if block == nil {
		return nil, errors.New("reply.pub.pem is not PEM")
	}
	reply := sha256.Sum256(block.Bytes)
	return map[string]string{
		"anchorhold:image":        pins.Images[0].PCR0.String(),
		"anchorhold:tenant":       stage.Tenant,
		"anchorhold:pipeline":     stage.Pipeline,
		"anchorhold:content-type": "application/fhir+ndjson",
		"anchorhold:reply":        hex.EncodeToString(reply[:]),
		"anchorhold:not-after":    time.Now().UTC().AddDate(0, 0, 7).Format(time.DateOnly),
		// entries of the owner's own are allowed, in any script
		"department": "kardiologie ♥",
	}, nil
}
