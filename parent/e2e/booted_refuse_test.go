package e2e_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"anchorhold/eif/image"
	"anchorhold/eif/image/imagetest"
	"anchorhold/parent/e2e/stage"
)

// Attack: the operator boots an image with another policy, or with another program. It serves, but
// its registers are not in the key policy.
func TestBootedChangedImagesAreDeniedByKMS(t *testing.T) {
	t.Parallel()
	s := booted(t, stage.Guest{Cold: true})
	ctx := t.Context()
	check(t, s.StartParent(ctx))
	in := sample(t, s)
	j := job{s, "job"}
	mustOwner(t, s, 0, j.sealArgs("policy", in)...)
	check(t, s.CompilePolicy(ctx, "changed", "2026-12-30"))
	// Another program: one byte behind the last section of the ELF file, which changes nothing that
	// it does.
	program := filepath.Join(s.Dir, "program")
	write(t, program, append(read(t, filepath.Join(bin, "anchorhold-enclave")), 0))
	check(t, s.CompilePolicy(ctx, "program", "2026-12-31"))
	tool(t, "build", "--kernel", needQEMU(t), "--program", program, "--policy", s.Path("program.cbor"), "-o", s.Image("program"))
	for _, name := range []string{"changed", "program"} {
		t.Run(name, func(t *testing.T) {
			check(t, s.WritePins(ctx, name))
			check(t, s.StartEnclave(ctx, name))
			refused(t, j, "image-mismatch")
			other := job{s, name}
			mustOwner(t, s, 0, other.sealArgs(name, in)...)
			refused(t, other, "kms-denied")
		})
	}
}

// refused expects a guest's refusal with that code, and no result.
func refused(t *testing.T, j job, code string) {
	t.Helper()
	said, _, err := patience(j.s, j)
	if err == nil || !strings.Contains(said, code) {
		t.Errorf("submit says %q, want code %s", said, code)
	}
	if _, err := os.Stat(j.path(".ahres")); err == nil {
		t.Error("a refused job left a result")
	}
}

// lastEvents are those with which the program refuses the attacks of imagetest that reach it. What
// does not boot says nothing.
var lastEvents = map[string]string{
	"command line into kernel":       "command-line-differs",
	"ramdisk 1 into ramdisk 0":       "policy-differs",
	"ramdisk 0 into ramdisk 1":       "policy-differs",
	"all ramdisks in one":            "policy-differs",
	"other init in ramdisk 1":        "policy-differs",
	"other init in a ramdisk 2":      "policy-differs",
	"further file in ramdisk 1":      "files-differ",
	"other mode of the policy":       "files-differ",
	"policy a link to the program":   "files-differ",
	"word added to the command line": "command-line-differs",
}

// Attack: registers carry no lengths, so parts are cut elsewhere and their registers stay, all or
// some. Each image is booted and none serves; neither does the image itself where it is in debug
// mode, or its heartbeat unanswered, or its documents unsigned.
func TestBootedInWrongShapeDoesNotServe(t *testing.T) {
	t.Parallel()
	s := booted(t, stage.Guest{Cold: true})
	good := read(t, s.Image("policy"))
	t.Run("boots", func(t *testing.T) { // in parallel, and over before the stage ends
		parsed, err := image.Parse(good)
		check(t, err)
		// The foreign /init of ramdisk 1 is our own program, which runs in place of itself: another
		// would say nothing.
		attacks, err := imagetest.Attacks(parsed, read(t, filepath.Join(bin, "anchorhold-enclave")))
		check(t, err)
		if len(attacks) < len(lastEvents) {
			t.Fatalf("%d attacks, want at least %d", len(attacks), len(lastEvents))
		}
		for _, a := range attacks {
			t.Run(a.Name, func(t *testing.T) {
				t.Parallel()
				bootAttack(t, s, a)
			})
		}
		// The parent reads the console of a debug enclave, and its documents hold zeros for the
		// image.
		t.Run("debug mode", func(t *testing.T) {
			t.Parallel()
			doesNotServe(t, s, s.Image("policy"), "debug-enclave", "--debug")
		})
		// A hypervisor that does not answer takes the enclave for one that did not boot; it ends by
		// itself.
		t.Run("heartbeat unanswered", func(t *testing.T) {
			t.Parallel()
			doesNotServe(t, s, s.Image("policy"), "heartbeat-failed", "--no-heartbeat")
		})
		t.Run("unsigned documents", func(t *testing.T) {
			t.Parallel()
			unsignedDocuments(t, s.Image("policy"))
		})
	})
}

// bootAttack boots one attack.
func bootAttack(t *testing.T, s *stage.Stage, a imagetest.Attack) {
	b, err := a.Encode()
	check(t, err)
	path := filepath.Join(t.TempDir(), "attack.eif")
	write(t, path, b)
	if _, err := image.Parse(b); err != nil {
		// A command line that is no text: the emulator does not take the image, and QEMU could not
		// pass it on.
		t.Logf("not booted: %v", err)
		if said := emulate(t, path, "--machine", "nitro-enclave", "--sockets", filepath.Join(shortDir(t), "vm")).ended(); !strings.Contains(said, err.Error()) {
			t.Errorf("got %s", said)
		}
		return
	}
	doesNotServe(t, s, path, lastEvents[a.Name])
}

// doesNotServe boots an image and expects that event to be the guest's last; empty for a guest that
// says nothing at all.
func doesNotServe(t *testing.T, s *stage.Stage, path, event string, more ...string) {
	t.Helper()
	dir := shortDir(t)
	e := emulate(t, append([]string{
		path, "--machine", "microvm", "--ca", s.Path("ca"), "--sockets", filepath.Join(dir, "vm"), "--console", filepath.Join(dir, "console"),
	}, more...)...)
	said := e.ended()
	want := "with the event " + event
	if event == "" {
		want = "without an event"
	}
	if e.has("serving") || !strings.Contains(said, want) {
		t.Errorf("got %s\nwant it to end %s\nconsole: %s", said, want, read(t, filepath.Join(dir, "console")))
	}
}

// unsignedDocuments boots the image of this checkout in QEMU's own Nitro machine: parsed, measured,
// composed, up to the NSM, whose documents are unsigned. The program must not take them for
// documents.
func unsignedDocuments(t *testing.T, path string) {
	e := emulate(t, path, "--machine", "nitro-enclave", "--sockets", filepath.Join(shortDir(t), "vm"))
	said := e.ended()
	if !e.has("composed") || !e.has("answered") || !e.has("seeded") || e.has("serving") || !strings.Contains(said, "with the event nsm-failed") {
		t.Errorf("got %s\nwant composed, answered, seeded and the end with nsm-failed", said)
	}
}

// An operator who stops an image in the middle of its boot gets a clean end at once: no process, no
// socket and no file is left.
func TestBootedStoppedMidBoot(t *testing.T) {
	t.Parallel()
	kernel := needQEMU(t)
	dir := shortDir(t)
	authority(t, dir)
	image := writeEIF(t, filepath.Join(dir, "probe.eif"), probeImage(t, kernel, probe(t)))
	before := entriesOf(t, dir)
	for _, machine := range []string{"microvm", "nitro-enclave"} {
		tmp := filepath.Join(dir, "tmp")
		check(t, os.Mkdir(tmp, 0o700))
		args := []string{image, "--machine", machine, "--sockets", filepath.Join(dir, "vm"), "--console", filepath.Join(dir, "console")}
		if machine == "microvm" {
			args = append(args, "--ca", filepath.Join(dir, "ca"))
		}
		e := emulateIn(t, tmp, args...)
		if !consoleShows(t, dir, "Linux version") {
			t.Fatalf("%s: the kernel does not start: %s", machine, e.text())
		}
		if err := e.stop(); err != nil || e.has("serving") {
			t.Errorf("%s: stopped with %v: %s", machine, err, e.text())
		}
		if left := entriesOf(t, tmp); len(left) > 0 {
			t.Errorf("%s: left in the folder for temporary files: %v", machine, left)
		}
		if pids := runningWith(t, tmp); len(pids) > 0 {
			t.Errorf("%s: processes %v still run", machine, pids)
		}
		check(t, os.Remove(tmp))
		check(t, os.Remove(filepath.Join(dir, "console")))
		if after := entriesOf(t, dir); !slices.Equal(before, after) {
			t.Errorf("%s: got files %v, want %v", machine, after, before)
		}
	}
}

// runningWith returns the processes whose command line names a path.
func runningWith(t *testing.T, path string) (pids []string) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	check(t, err)
	for _, name := range lines {
		if b, err := os.ReadFile(name); err == nil && strings.Contains(string(b), path) {
			pids = append(pids, filepath.Base(filepath.Dir(name)))
		}
	}
	return pids
}
