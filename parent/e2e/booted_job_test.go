package e2e_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"anchorhold/parent/e2e/stage"
	"anchorhold/protocol/appraise"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/pinsfile"
)

// bootedInput is the published set of ten patients, or the project's own sample.
func bootedInput(t *testing.T, s *stage.Stage) string {
	t.Helper()
	if root := os.Getenv("VECTORS"); root != "" {
		return filepath.Join(root, "synthea", "10")
	}
	t.Log("VECTORS is unset: the project's sample instead of synthea/10")
	return sample(t, s)
}

// The main job in a booted image: the key policy names PCR0, 1 and 2 of this very image, the
// receipt verifies live with pins that `pins` computed and with no others, and the output is what
// the program gives as a process, byte for byte.
func TestBootedMainJob(t *testing.T) {
	t.Parallel()
	s := booted(t, stage.Guest{})
	in := bootedInput(t, s)
	j := job{s, "job"}
	mustOwner(t, s, 0, j.sealArgs("policy", in)...)
	begin := time.Now()
	out, tries, err := patience(s, j)
	if err != nil {
		t.Fatalf("submit: %v\n%s", err, out)
	}
	t.Logf("submitted %d times and fetched in %.1f s", tries, time.Since(begin).Seconds())
	t.Run("other pins", func(t *testing.T) { refusedPins(t, j) })
	if code, out := owner(t, s, j.openArgs("policy")...); code != 0 && code != 4 {
		t.Fatalf("open: exit %d\n%s", code, out)
	}
	checkOutput(t, in, j.path(".out"), nil)
	t.Run("as a process", func(t *testing.T) { sameAsProcess(t, j) })
}

// refusedPins: a receipt of this image is refused with pins in which any register is another.
func refusedPins(t *testing.T, j job) {
	for name, change := range map[string]func(i *appraise.Image){
		"pcr0": func(i *appraise.Image) { i.PCR0[0] ^= 1 },
		"pcr1": func(i *appraise.Image) { i.PCR1[47] ^= 1 },
		"pcr2": func(i *appraise.Image) { i.PCR2[20] ^= 1 },
		"pcr8": func(i *appraise.Image) { i.PCR8 = &digest.Digest{1} },
	} {
		p := readPins(t, j.s.Path("policy.pins"))
		change(&p.Images[0])
		b, err := pinsfile.Encode(p)
		check(t, err)
		write(t, j.s.Path("other.pins"), b)
		out := mustOwner(t, j.s, 3, replace(j.openArgs("policy"), "--pins", j.s.Path("other.pins"))...)
		if _, err := os.Stat(j.path(".out")); err == nil {
			t.Errorf("%s: a refused result left output", name)
		}
		t.Logf("%s: %s", name, strings.TrimSpace(out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:]))
	}
}

// sameAsProcess runs the same sealed message through the enclave's services as a process of this
// machine. Only a test can do that: the message names the image, so the software NSM must show the
// image's registers.
func sameAsProcess(t *testing.T, j job) {
	s := j.s
	check(t, s.StopEnclave())
	// or the parent would answer with the result that it keeps
	check(t, os.Rename(s.SpoolDir(), s.Path("spool.guest")))
	program := s.Path("boot.test")
	if out, err := exec.Command("go", "test", "-c", "-o", program, "anchorhold/enclave/internal/boot").CombinedOutput(); err != nil {
		t.Fatalf("go test -c: %v\n%s", err, out)
	}
	cmd := exec.Command(program, "-test.run=^TestServeImage$", "-test.v")
	cmd.Env = append(os.Environ(), "ANCHORHOLD_SERVE="+s.Dir)
	stdout, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}()
	var said strings.Builder
	ready := false
	for lines := bufio.NewScanner(stdout); !ready && lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		ready = strings.HasPrefix(lines.Text(), "ready ")
	}
	if !ready {
		t.Fatalf("the process does not serve:\n%s", said.String())
	}
	go func() { _, _ = bufio.NewReader(stdout).WriteTo(&bytes.Buffer{}) }()
	check(t, s.StartParent(t.Context()))
	p := job{s, "process"}
	write(t, p.path(".ahjob"), read(t, j.path(".ahjob")))
	mustOwner(t, s, 0, p.submitArgs()...)
	if code, out := owner(t, s, p.openArgs("policy")...); code != 0 && code != 4 {
		t.Fatalf("open: exit %d\n%s", code, out)
	}
	sameFiles(t, j.path(".out"), p.path(".out"))
}

// sameFiles compares two folders byte for byte.
func sameFiles(t *testing.T, a, b string) {
	t.Helper()
	names := entriesOf(t, a)
	if other := entriesOf(t, b); len(names) == 0 || fmt.Sprint(names) != fmt.Sprint(other) {
		t.Fatalf("got files %v and %v", names, other)
	}
	total := 0
	for _, name := range names {
		x, y := read(t, filepath.Join(a, name)), read(t, filepath.Join(b, name))
		total += len(x)
		if !bytes.Equal(x, y) {
			t.Errorf("%s differs: %d and %d bytes", name, len(x), len(y))
		}
	}
	t.Logf("%d files, %d bytes, identical", len(names), total)
}
