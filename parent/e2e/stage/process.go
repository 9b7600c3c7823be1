package stage

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	readyTimeout = 30 * time.Second
	stopTimeout  = 10 * time.Second
)

// process is one started binary. Its methods work on nil, which has nothing to end.
type process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}
	err  error // set before done is closed
}

// spawn starts a binary and waits for its line `ready ADDRESS` on standard output. Standard error
// goes to NAME.log.
func (s *Stage) spawn(ctx context.Context, name string, env []string, binary string, args ...string) (*process, string, error) {
	logFile, err := os.OpenFile(s.Path(name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, "", err
	}
	defer logFile.Close()
	cmd := exec.Command(s.program(binary), args...)
	cmd.Env = append(baseEnvironment(), env...)
	cmd.Stderr = logFile
	// A stage that dies takes its processes with it.
	cmd.SysProcAttr = dieWithParent()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	p := &process{name: name, cmd: cmd, done: make(chan struct{})}
	ready := make(chan string, 1)
	go func() {
		defer close(p.done)
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if addr, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
				select {
				case ready <- addr:
				default:
				}
			}
		}
		p.err = cmd.Wait()
	}()
	limit := readyTimeout
	if s.Guest != nil {
		limit = guestReady
	}
	select {
	case addr := <-ready:
		return p, addr, nil
	case <-p.done:
		return nil, "", fmt.Errorf("%s ended before it was ready: %w\n%s", name, p.err, s.tail(name))
	case <-ctx.Done():
		p.kill()
		return nil, "", ctx.Err()
	case <-time.After(limit):
		p.kill()
		return nil, "", fmt.Errorf("%s is not ready after %v\n%s", name, limit, s.tail(name))
	}
}

// program is the path of a binary: one of Bin, or one that is given by its path.
func (s *Stage) program(binary string) string {
	if filepath.IsAbs(binary) {
		return binary
	}
	return filepath.Join(s.Bin, binary)
}

// stop asks the process to end and waits; one that does not is killed and reported.
func (p *process) stop() error {
	if p == nil {
		return nil
	}
	// A stopped process (SIGSTOP) would not see the request.
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		p.kill()
		return fmt.Errorf("%s did not end within %v of SIGTERM", p.name, stopTimeout)
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) && !exit.Exited() {
		return nil // killed by a test before
	}
	return p.err
}

func (p *process) kill() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.done
}

// tail returns the last lines of a process's log for an error message. The stage runs on made-up
// records only.
func (s *Stage) tail(name string) string {
	b, _ := s.Logs(name)
	return string(b[max(0, len(b)-2000):])
}

// baseEnvironment is what every process gets: nothing of the caller's AWS configuration, which must
// not leak into a stage.
func baseEnvironment() []string {
	env := []string{"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/nonexistent", "AWS_SHARED_CREDENTIALS_FILE=/nonexistent"}
	for _, key := range []string{"PATH", "HOME", "TMPDIR", "TERM", "GOCOVERDIR"} {
		if v, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+v)
		}
	}
	return env
}

func (s *Stage) run(ctx context.Context, binary string, args ...string) error {
	_, err := s.output(ctx, binary, args...)
	return err
}

func (s *Stage) output(ctx context.Context, binary string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, s.program(binary), args...)
	cmd.Env = baseEnvironment()
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("%s %s: %w: %s", binary, args[0], err, exit.Stderr)
	}
	return out, err
}

// Owner returns the owner's tool with the given arguments and the sealing role's credentials, ready
// to run.
func (s *Stage) Owner(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.Bin, "anchorhold"), args...)
	cmd.Env = append(baseEnvironment(), s.users.owner.environment()...)
	cmd.Env = append(cmd.Env, s.endpoints()...)
	return cmd
}
