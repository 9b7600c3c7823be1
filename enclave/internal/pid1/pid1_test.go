package pid1_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"anchorhold/enclave/internal/compose"
	"anchorhold/enclave/internal/pid1"
	"anchorhold/protocol/event"
	"anchorhold/protocol/measure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kernel stands in for Linux and writes down what it is asked, with what is reported.
type kernel struct {
	entries               []compose.Entry
	line, swaps           string
	mountFails, listFails bool
	moduleFails           bool
	serveFails            bool
	end                   pid1.End
	panics                bool
	heart                 func(net.Conn) // the hypervisor's side; nil refuses
	did                   []string
}

// good is a machine on which everything is as built.
func good() *kernel {
	return &kernel{
		entries: []compose.Entry{
			{Path: "/init", Mode: 0o100755, Links: 1, Size: 1},
			{Path: "/policy.cbor", Mode: 0o100444, Links: 1, Size: 1},
		},
		line:  measure.CommandLine + " virtio_mmio.device=512@0xfeb00000:5\n",
		heart: func(c net.Conn) { _, _ = io.CopyN(c, c, 1) },
	}
}

func (k *kernel) note(format string, args ...any) {
	k.did = append(k.did, fmt.Sprintf(format, args...))
}

func (k *kernel) List() ([]compose.Entry, error) {
	k.note("list")
	if k.listFails {
		return nil, errors.New("no list")
	}
	return k.entries, nil
}

func (k *kernel) Mount(target, fstype string) error {
	k.note("mount %s %s", fstype, target)
	if k.mountFails {
		return errors.New("no mount")
	}
	return nil
}
func (k *kernel) CommandLine() ([]byte, error) { return []byte(k.line), nil }
func (k *kernel) Swaps() ([]byte, error)       { return []byte(k.swaps), nil }

func (k *kernel) LoadModule(path string) error {
	k.note("load %s", path)
	if k.moduleFails {
		return errors.New("no module")
	}
	return nil
}

func (k *kernel) Dial(context.Context) (net.Conn, error) {
	k.note("heartbeat")
	if k.heart == nil {
		return nil, errors.New("refused")
	}
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		k.heart(theirs)
	}()
	return ours, nil
}

func (k *kernel) Serve() (pid1.End, error) {
	k.note("serve")
	if k.panics {
		panic("a defect in PID 1")
	}
	if k.serveFails {
		return 0, errors.New("no process")
	}
	return k.end, nil
}
func (k *kernel) Reboot()           { k.note("reboot") }
func (k *kernel) Send(c event.Code) { k.note("%s", c) }
func (k *kernel) Close()            { k.note("told") }

func (k *kernel) boot(t *testing.T) string {
	t.Helper()
	var console bytes.Buffer
	pid1.Main(k, func() pid1.Reporter { k.note("vsock"); return k }, &console)
	return strings.Join(k.did, ", ")
}

const (
	upTo   = "list, mount proc /proc, mount devtmpfs /dev, vsock, started, composed, "
	after  = ", told, reboot"
	served = "heartbeat, answered, serve, "
)

// TestBoot: in this order and nothing else. The list is made before anything is mounted, devtmpfs
// is there before vsock is used.
func TestBoot(t *testing.T) {
	k := good()
	if got, want := k.boot(t), upTo+served+"ended"+after; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	k = good()
	k.entries = append(k.entries, compose.Entry{Path: "/nsm.ko", Mode: 0o100444, Links: 1, Size: 1})
	if got, want := k.boot(t), upTo+"load /nsm.ko, "+served+"ended"+after; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestLastWord: however it ends, the parent is told before the enclave reboots.
func TestLastWord(t *testing.T) {
	for want, change := range map[event.Code]func(*kernel){
		event.Ended:         func(k *kernel) { k.end = pid1.Exited },
		event.Panicked:      func(k *kernel) { k.end = pid1.Panicked },
		event.Killed:        func(k *kernel) { k.end = pid1.Killed },
		event.ProgramFailed: func(k *kernel) { k.serveFails = true },
	} {
		k := good()
		change(k)
		if got := k.boot(t); got != upTo+served+want.String()+after {
			t.Errorf("%s: got %s", want, got)
		}
	}
	k := good()
	k.panics = true
	if got := k.boot(t); got != upTo+served+"panicked"+after {
		t.Errorf("PID 1 itself panics: got %s", got)
	}
}

// TestRefusesToStart: nothing serves, the cause is told, the enclave reboots.
func TestRefusesToStart(t *testing.T) {
	for name, c := range map[string]struct {
		want   event.Code
		change func(*kernel)
	}{
		"no mounts":      {event.MountFailed, func(k *kernel) { k.mountFails = true }},
		"no list":        {event.FilesDiffer, func(k *kernel) { k.listFails = true }},
		"extra file":     {event.FilesDiffer, func(k *kernel) { k.entries = append(k.entries, compose.Entry{Path: "/x"}) }},
		"no policy":      {event.FilesDiffer, func(k *kernel) { k.entries = k.entries[:1] }},
		"init replaced":  {event.FilesDiffer, func(k *kernel) { k.entries[0].Mode = 0o100777 }},
		"command line":   {event.CommandLineDiffers, func(k *kernel) { k.line = measure.CommandLine + " init=/x\n" }},
		"nitro-cli line": {event.CommandLineDiffers, func(k *kernel) { k.line = measure.NitroCLICommandLine("amd64") + "\n" }},
		"swap":           {event.SwapOn, func(k *kernel) { k.swaps = "Filename Type\n/dev/vda partition\n" }},
		"module": {event.ModuleFailed, func(k *kernel) {
			k.entries = append(k.entries, compose.Entry{Path: "/nsm.ko", Mode: 0o100444, Links: 1, Size: 1})
			k.moduleFails = true
		}},
		"nobody at the heartbeat": {event.HeartbeatFailed, func(k *kernel) { k.heart = nil }},
		"heartbeat closed":        {event.HeartbeatFailed, func(k *kernel) { k.heart = func(net.Conn) {} }},
		"heartbeat not answered":  {event.HeartbeatFailed, func(k *kernel) { k.heart = func(c net.Conn) { _, _ = io.ReadFull(c, make([]byte, 1)) } }},
		"heartbeat with another byte": {event.HeartbeatFailed, func(k *kernel) {
			k.heart = func(c net.Conn) {
				_, _ = io.ReadFull(c, make([]byte, 1))
				_, _ = c.Write([]byte{0xb6})
			}
		}},
	} {
		k := good()
		c.change(k)
		got := k.boot(t)
		if slices.Contains(k.did, "serve") || !strings.HasSuffix(got, c.want.String()+after) {
			t.Errorf("%s: got %s, want %s and nothing served", name, got, c.want)
		}
	}
}

// TestSilentHypervisor: a heartbeat that is taken and never answered ends the start, not hangs it.
func TestSilentHypervisor(t *testing.T) {
	defer pid1.SetHeartbeatTimeout(10 * time.Millisecond)()
	k := good()
	k.heart = func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	if got := k.boot(t); got != upTo+"heartbeat, heartbeat-failed"+after {
		t.Errorf("got %s", got)
	}
}

// TestCheckGuest: under a foreign init only the check is left, and it is held to the other layout.
func TestCheckGuest(t *testing.T) {
	guest := func() *kernel {
		k := good()
		k.line = measure.NitroCLICommandLine("amd64") + " virtio_mmio.device=4K@0xd0000000:5\n"
		k.entries = []compose.Entry{
			{Path: "/anchorhold-enclave", Mode: 0o100755, Links: 1, Size: 1}, {Path: "/policy.cbor", Mode: 0o100444, Links: 1, Size: 1},
		}
		for _, mount := range []string{"/dev", "/proc", "/run", "/sys", "/tmp"} {
			k.entries = append(k.entries, compose.Entry{Path: mount, Mode: 0o40755, Mount: true})
		}
		return k
	}
	k := guest()
	if err := pid1.CheckGuest(k); err != nil || strings.Join(k.did, ", ") != "list" {
		t.Errorf("got %v after %v, want nothing done but the list", err, k.did)
	}
	for name, c := range map[string]struct {
		want   event.Code
		change func(*kernel)
	}{
		"no list":          {event.FilesDiffer, func(k *kernel) { k.listFails = true }},
		"extra file":       {event.FilesDiffer, func(k *kernel) { k.entries = append(k.entries, compose.Entry{Path: "/x"}) }},
		"our command line": {event.CommandLineDiffers, func(k *kernel) { k.line = measure.CommandLine + "\n" }},
		"extra word":       {event.CommandLineDiffers, func(k *kernel) { k.line = measure.NitroCLICommandLine("amd64") + " debug\n" }},
		"swap":             {event.SwapOn, func(k *kernel) { k.swaps = "Filename Type\n/dev/vda partition\n" }},
	} {
		k := guest()
		c.change(k)
		if err := pid1.CheckGuest(k); event.Of(err) != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

// A test's process is neither PID 1 nor started by our PID 1.
func TestSituate(t *testing.T) {
	if got := pid1.Situate(); got != pid1.Guest {
		t.Errorf("got %v, want Guest", got)
	}
}
