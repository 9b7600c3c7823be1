package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha512"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"

	"github.com/cloudflare/circl/hpke"
	"github.com/cloudflare/circl/kem"
	"github.com/fxamacker/cbor/v2"

	"anchorhold/protocol/result"
)

func (l *lab) hpkeChecks() []check {
	return []check{
		{"HPKE", "circl makes the same key pair of the seed", l.keyPair},
		{"HPKE", "circl opens the results of all jobs", l.openResults},
		{"HPKE", "circl opens what we seal, both streams", l.openOurs},
		{"HPKE", "we open what circl seals, both streams", l.openTheirs},
		{"HPKE", "neither opens under another binding or altered", l.openNothing},
	}
}

// keys returns the owner's key pair as circl sees it.
func (l *lab) keys() (kem.PrivateKey, kem.PublicKey, error) {
	seed, err := keyFile(l.Path("reply.key.pem"), "ANCHORHOLD REPLY PRIVATE KEY")
	if err != nil {
		return nil, nil, err
	}
	private, err := hpke.KEM_XWING.Scheme().UnmarshalBinaryPrivateKey(seed)
	if err != nil {
		return nil, nil, err
	}
	return private, private.Public(), nil
}

func (l *lab) keyPair(context.Context) (string, error) {
	_, public, err := l.keys()
	if err != nil {
		return "", err
	}
	got, err := public.MarshalBinary()
	if err != nil {
		return "", err
	}
	want, err := keyFile(l.Path("reply.pub.pem"), "ANCHORHOLD REPLY PUBLIC KEY")
	if err != nil {
		return "", err
	}
	if !bytes.Equal(got, want) {
		return "", errors.New("the public keys differ")
	}
	return fmt.Sprintf("KEM %#x, %d bytes", uint16(hpke.KEM_XWING), len(got)), nil
}

// binding computes what ties a result to its job: header digest, nonce, policy digest (SPEC 4, 5
// and 8).
func (l *lab) binding(j *job) ([]byte, error) {
	head, _, err := splitJob(j.path(".ahjob"))
	if err != nil {
		return nil, err
	}
	var header struct {
		Nonce []byte `cbor:"nonce"`
	}
	if err := cbor.Unmarshal(head[12:], &header); err != nil {
		return nil, err
	}
	policy, err := os.ReadFile(l.Path("policy.cbor"))
	if err != nil {
		return nil, err
	}
	headDigest, policyDigest := sha512.Sum384(head), sha512.Sum384(policy)
	return slices.Concat(headDigest[:], header.Nonce, policyDigest[:]), nil
}

// openResults compares what circl decrypts with what `anchorhold open` wrote.
func (l *lab) openResults(context.Context) (string, error) {
	private, _, err := l.keys()
	if err != nil {
		return "", err
	}
	chunks := 0
	for _, j := range l.jobs {
		binding, err := l.binding(j)
		if err != nil {
			return "", err
		}
		sealed, err := os.ReadFile(j.path(".ahres"))
		if err != nil {
			return "", err
		}
		segments, err := results.unseal(sealed, private, binding)
		if err != nil {
			return "", fmt.Errorf("%s: %w", j.name, err)
		}
		if err := sameOutput(j, segments[1], segments[2]); err != nil {
			return "", fmt.Errorf("%s: %w", j.name, err)
		}
		chunks += (len(sealed) - headSize) / sealedSize
	}
	if len(l.jobs) == 0 {
		return "", errors.New("no job left a result")
	}
	return fmt.Sprintf("%d results, %d chunks", len(l.jobs), chunks), nil
}

// sameOutput compares records as sets of lines, for open sorts them into files, and the report as
// JSON, for open lays it out for people.
func sameOutput(j *job, records, report []byte) error {
	names, err := files(j.path(".out"), "*.ndjson")
	if err != nil {
		return err
	}
	var opened []byte
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		opened = append(opened, b...)
	}
	if !reflect.DeepEqual(lines(opened), lines(records)) {
		return errors.New("open wrote other records than circl decrypts")
	}
	written, err := os.ReadFile(j.path(".out/report.json"))
	if err != nil {
		return err
	}
	var a, b any
	if err := errors.Join(json.Unmarshal(written, &a), json.Unmarshal(report, &b)); err != nil {
		return err
	}
	if !reflect.DeepEqual(a, b) {
		return errors.New("open wrote another report than circl decrypts")
	}
	return nil
}

func lines(records []byte) []string {
	var all []string
	for line := range bytes.Lines(records) {
		all = append(all, string(line))
	}
	slices.Sort(all)
	return all
}

// A pair is one stream and its name in each implementation.
var pairs = []struct {
	ours   result.Stream
	theirs stream
	pem    string
}{
	{result.Result, results, "ANCHORHOLD REPLY PRIVATE KEY"},
	{result.Crosswalk, crosswalks, "ANCHORHOLD CROSSWALK PRIVATE KEY"},
}

// made is one key in both implementations, and a random binding in both forms.
type made struct {
	ours    *result.PrivateKey
	theirs  kem.PrivateKey
	bound   result.Binding
	binding []byte
}

func newMade(s result.Stream, block string) (*made, error) {
	seed := make([]byte, 32)
	rand.Read(seed)
	var m made
	var err error
	if m.ours, err = result.ParsePrivateKey(pem.EncodeToMemory(&pem.Block{Type: block, Bytes: seed}), s); err != nil {
		return nil, err
	}
	if m.theirs, err = hpke.KEM_XWING.Scheme().UnmarshalBinaryPrivateKey(seed); err != nil {
		return nil, err
	}
	rand.Read(m.bound.Header[:])
	rand.Read(m.bound.Nonce[:])
	rand.Read(m.bound.Policy[:])
	m.binding = slices.Concat(m.bound.Header[:], m.bound.Nonce[:], m.bound.Policy[:])
	return &m, nil
}

// ourSeal seals content as the type of segment that the stream holds.
func ourSeal(m *made, s result.Stream, content []byte) ([]byte, error) {
	var sealed bytes.Buffer
	sealer, err := result.NewSealer(&sealed, s, m.ours.PublicKey(), m.bound)
	if err != nil {
		return nil, err
	}
	write := sealer.Records
	if s == result.Crosswalk {
		write = sealer.CrosswalkEntries
	}
	if err := write(content); err != nil {
		return nil, err
	}
	if err := sealer.Close(); err != nil {
		return nil, err
	}
	return sealed.Bytes(), nil
}

// ourOpen returns all segments of a stream, joined.
func ourOpen(m *made, s result.Stream, b result.Binding, sealed []byte) ([]byte, error) {
	opener, err := result.NewOpener(bytes.NewReader(sealed), s, m.ours, b)
	if err != nil {
		return nil, err
	}
	var all []byte
	for {
		_, content, err := opener.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, content...)
	}
}
