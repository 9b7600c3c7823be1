package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"path/filepath"
	"slices"
	"testing"
	"time"

	eifcpio "anchorhold/eif/cpio"
	"anchorhold/eif/image"
	"anchorhold/eif/image/imagetest"
	"anchorhold/enclave/deid"
	"anchorhold/enclave/deid/engines"
	"anchorhold/enclave/internal/boot"
	"anchorhold/enclave/internal/compose"
	"anchorhold/enclave/internal/nsm"
	"anchorhold/enclave/internal/pid1"
	"anchorhold/protocol/event"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/policysource"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/protocoltest/testca"
)

// started is what an image presents once Linux has started it: the first process's view, with an
// NSM that has measured the image.
type started struct {
	t        *testing.T
	line     string
	files    map[string]eifcpio.Entry
	measured measure.Image
	ca       *testca.CA
	told     []event.Code
}

var _ pid1.Kernel = (*started)(nil)

// start unpacks as Linux does: all ramdisks one behind the other, a later entry over an earlier
// one. nil: Linux cannot unpack them, finds no /init and ends the enclave.
func (s *started) start(ramdisks [][]byte) bool {
	entries, err := eifcpio.Parse(slices.Concat(ramdisks...))
	if err != nil {
		return false
	}
	s.files = map[string]eifcpio.Entry{ // usr/default_cpio_list
		"dev": {Mode: 0o40755, Links: 2}, "dev/console": {Mode: 0o20600, RDevMajor: 5, RDevMinor: 1, Links: 1}, "root": {Mode: 0o40700, Links: 2},
	}
	for _, e := range entries {
		s.files[e.Name] = e
	}
	_, found := s.files["init"]
	return found
}

func (s *started) List() ([]compose.Entry, error) {
	var all []compose.Entry
	for name, e := range s.files {
		all = append(all, compose.Entry{
			Path: "/" + name, Mode: e.Mode, UID: e.UID, GID: e.GID, Links: uint64(e.Links), Size: int64(len(e.Data)),
			Device: uint64(e.RDevMajor<<8 | e.RDevMinor),
		})
	}
	return all, nil
}
func (s *started) Mount(string, string) error { return nil }
func (s *started) CommandLine() ([]byte, error) {
	return []byte(s.line + " virtio_mmio.device=512@0xfeb00000:5\n"), nil
}
func (s *started) Swaps() ([]byte, error)  { return nil, nil }
func (s *started) LoadModule(string) error { return nil }

func (s *started) Dial(context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		_, _ = io.CopyN(theirs, theirs, 1)
	}()
	return ours, nil
}

// Serve is the serving process, up to the moment in which it would take jobs.
func (s *started) Serve() (pid1.End, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	address := func(name string) string { return "unix://" + filepath.Join(s.t.TempDir(), name) }
	err := boot.Run(ctx, boot.Config{
		Engines: engines.All(), Policy: s.files["policy.cbor"].Data, NSM: nsm.New(softnsm.New(softnsm.Config{CA: s.ca, Image: s.measured})),
		Listen: address("jobs"), Relay: address("relay"), Credentials: address("credentials"), Log: io.Discard,
		Event: func(c event.Code) {
			s.Send(c)
			if c == event.Serving {
				cancel()
			}
		},
	})
	if err != nil {
		s.Send(event.Of(err))
	}
	return pid1.Exited, nil
}
func (s *started) Reboot()           {}
func (s *started) Send(c event.Code) { s.told = append(s.told, c) }
func (s *started) Close()            {}

// TestShiftedImagesDoNotServe starts every image that imagetest makes, as far as it goes without a
// machine: those with equal registers are refused for what they present, the others also for their
// registers. The good image serves.
func TestShiftedImagesDoNotServe(t *testing.T) {
	const source = `
anchorhold: policy/v1
tenants:
  - {name: clinic, keys: ["arn:aws:kms:us-east-1:111122223333:key/00000000-0000-4000-8000-000000000001"], pipelines: [deid]}
pipelines:
  - {name: deid, preset: safe-harbor, content-types: [application/fhir+ndjson]}
`
	compiled, err := policysource.Compile([]byte(source), deid.Preset, nil)
	if err != nil {
		t.Fatal(err)
	}
	good, err := image.New(image.Parts{
		Kernel: bytes.Repeat([]byte{0x90, 0, 0xf4}, 100), Program: []byte("\x7fELF program"), Policy: compiled, CommandLine: measure.CommandLine,
	})
	if err != nil {
		t.Fatal(err)
	}
	ca := testca.New(time.Now)
	run := func(line string, disks [][]byte, measured measure.Image) (told []event.Code, boots bool) {
		s := &started{t: t, line: line, measured: measured, ca: ca}
		if !s.start(disks) {
			return nil, false
		}
		pid1.Main(s, func() pid1.Reporter { return s }, io.Discard)
		return s.told, true
	}
	if told, _ := run(good.CommandLine(), good.Ramdisks(), good.Measure()); !slices.Contains(told, event.Serving) {
		t.Fatalf("the good image: got %v, want serving", told)
	}
	attacks, err := imagetest.Attacks(good, []byte("\x7fELF another build"))
	if err != nil {
		t.Fatal(err)
	}
	causes := []event.Code{event.FilesDiffer, event.CommandLineDiffers, event.PolicyDiffers}
	for _, a := range attacks {
		told, boots := run(a.Presented(), a.Ramdisks, a.Measure())
		if boots != a.Boots {
			t.Errorf("%s: boots is %v, want %v", a.Name, boots, a.Boots)
		}
		refused := slices.ContainsFunc(told, func(c event.Code) bool { return slices.Contains(causes, c) })
		if slices.Contains(told, event.Serving) || boots && !refused {
			t.Errorf("%s: got %v, want one of %v", a.Name, told, causes)
		}
		t.Logf("%s, equal %v: boots %v, %v", a.Name, a.Equal, boots, told)
	}
}
