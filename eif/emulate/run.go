package emulate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"anchorhold/eif/emulate/nsmdev"
	"anchorhold/eif/emulate/vhost"
	"anchorhold/eif/emulate/vsockdev"
	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/transport"
)

const (
	maxStarts   = 3               // of one image whose kernel loses its timer
	maxSocket   = 107             // bytes of a unix socket's path
	stopTime    = 5 * time.Second // for QEMU to end when it is asked to
	maxFaults   = 16              // lines about one guest
	attachTime  = 20 * time.Second
	portsInPath = len("_4294967295")
)

// Run boots the image and returns when the enclave has ended: by itself, or because ctx has.
// Nothing of it is left then. The error is nil however the guest has ended; it says that the
// machine could not be started or broke.
func Run(ctx context.Context, c Config) (Outcome, error) {
	program, err := checkQEMU(ctx, c.QEMU, c.Machine)
	if err != nil {
		return Outcome{}, err
	}
	c.Sockets = absolute(c.Sockets)
	if len(c.Sockets)+portsInPath > maxSocket {
		return Outcome{}, fmt.Errorf("%s: paths of unix sockets have at most %d bytes, want a shorter one", c.Sockets, maxSocket-portsInPath)
	}
	out := &console{w: c.Console, left: maxConsole}
	for start := 1; ; start++ {
		end, err := runOnce(ctx, c, program, out)
		if err != nil || end.Stopped || end.Heartbeat || end.Last != 0 || !out.lost || start == maxStarts {
			return end, err
		}
		out.lost = false
		if c.Log != nil {
			c.Log("the emulated timer has not kept up on this busy machine, and the kernel gave up: starting again")
		}
	}
}

// runOnce boots the image once.
func runOnce(ctx context.Context, c Config, program string, out *console) (Outcome, error) {
	// mode 0700: who reaches the sockets in it is the enclave's hypervisor
	dir, err := os.MkdirTemp("", "aheif")
	if err != nil {
		return Outcome{}, err
	}
	defer os.RemoveAll(dir)
	if err := writeParts(&c, dir); err != nil {
		return Outcome{}, err
	}
	r := &runner{c: &c, dir: dir, ports: newPorts(&c), console: out}
	return r.run(ctx, program)
}

// runner is one run.
type runner struct {
	c       *Config
	dir     string
	ports   *ports
	console *console
	faults  int // guarded by mu
	mu      sync.Mutex
	stderr  tail
}

func (r *runner) run(ctx context.Context, program string) (Outcome, error) {
	jobs, err := transport.Listen("unix://" + socketPath(r.c.Sockets, transport.JobPort))
	if err != nil {
		return Outcome{}, err
	}
	defer jobs.Close()
	device := vsockdev.New(vsockdev.Config{CID: uint64(r.c.CID), Dial: r.ports.dial})
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	end := sync.OnceFunc(func() {
		jobs.Close()
		cancel()
		all.Wait()
		device.Close()
		r.ports.all.Wait()
	})
	defer end()
	if err := r.serve(ctx, &all, vsockSocket, device); err != nil {
		return Outcome{}, err
	}
	if r.c.Machine == MicroVM {
		module, err := r.module()
		if err == nil {
			err = r.serve(ctx, &all, nsmSocket, nsmdev.New(module))
		}
		if err != nil {
			return Outcome{}, err
		}
	}
	all.Go(func() { device.Accept(jobs, transport.JobPort) })
	out, err := r.boot(ctx, program)
	end() // first: a guest's last word may be on its way when QEMU has gone
	out.Heartbeat, out.Last = r.ports.word()
	return out, err
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// module is the software NSM of a MicroVM.
func (r *runner) module() (*softnsm.NSM, error) {
	config := softnsm.Config{CA: r.c.CA, Image: r.c.Image.Measure(), Now: time.Now}
	if r.c.Image.Signed() {
		certificate, _, err := r.c.Image.Certificate()
		if err != nil {
			return nil, err
		}
		config.SigningCertificate = certificate.Raw
	}
	if r.c.Debug {
		config.Image, config.SigningCertificate = measure.Image{}, nil
	}
	return softnsm.New(config), nil
}

// serve waits for QEMU at a socket of the run's folder and is a device to it.
func (r *runner) serve(ctx context.Context, all *sync.WaitGroup, name string, d vhost.Device) error {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(r.dir, name), Net: "unix"})
	if err != nil {
		return err
	}
	if err := l.SetDeadline(time.Now().Add(attachTime)); err != nil {
		return errors.Join(err, l.Close())
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	all.Go(func() {
		defer stop()
		conn, err := l.AcceptUnix()
		l.Close() // one machine, one device
		if err != nil {
			return // QEMU says itself what it could not do
		}
		if err := vhost.Serve(ctx, conn, d, func(err error) { r.fault(name, err) }); err != nil {
			r.fault(name, err)
		}
	})
	return nil
}

// fault logs what a guest has done wrong, but not for ever.
func (r *runner) fault(device string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.faults++; r.faults <= maxFaults && r.c.Log != nil {
		r.c.Log("%s device: %v", device, err)
	}
}

// boot runs QEMU.
func (r *runner) boot(ctx context.Context, program string) (Outcome, error) {
	cmd := exec.Command(program, arguments(r.c, r.dir)...)
	cmd.Env = []string{"TMPDIR=" + r.dir} // where QEMU unpacks an image
	cmd.Stdout, cmd.Stderr = r.console, &r.stderr
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		return Outcome{}, fmt.Errorf("start QEMU: %w", err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	var out Outcome
	var late bool
	err := r.wait(ctx, done, &out, &late)
	if late || out.Stopped {
		err = stop(cmd, done)
	}
	out.ExitCode = cmd.ProcessState.ExitCode()
	var exit *exec.ExitError
	switch {
	case late:
		return out, fmt.Errorf("no heartbeat within %v", heartbeatTime)
	case out.Stopped:
		return out, nil
	case errors.As(err, &exit):
		return out, fmt.Errorf("QEMU has failed (%w): %s", err, r.stderr.text())
	}
	return out, err
}

// wait returns when QEMU has ended or must be.
func (r *runner) wait(ctx context.Context, done chan error, out *Outcome, late *bool) error {
	timer := time.NewTimer(heartbeatTime)
	defer timer.Stop()
	expired := timer.C
	began := r.ports.began
	for {
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			out.Stopped = true
			return nil
		case <-began:
			expired, began = nil, nil
		case <-expired:
			*late = true
			return nil
		}
	}
}

// stop ends QEMU, with force if it does not end by itself.
func stop(cmd *exec.Cmd, done chan error) error {
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-done:
		return err
	case <-time.After(stopTime):
		_ = cmd.Process.Kill()
		return <-done
	}
}

// tail keeps the end of what is written.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	t.b = t.b[max(0, len(t.b)-2000):]
	return len(p), nil
}

func (t *tail) text() string { return string(t.b) }
