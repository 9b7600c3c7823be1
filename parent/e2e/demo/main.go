// Command demo runs the main job end to end on made-up records and shows a person what happened:
// `make demo`. Local KMS, enclave and parent are three processes of this machine; no AWS account is
// used. It is INSECURE: the attestation root is made here.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"anchorhold/parent/e2e/stage"
)

func main() {
	// A reader that leaves (make demo | head) must not keep the demo from cleaning up.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo is one run; out is where the person reads.
type demo struct {
	s   *stage.Stage
	out io.Writer
	in  string // folder of the sample
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	bin := flags.String("bin", "bin", "folder with the binaries of make build")
	if err := flags.Parse(args); err != nil {
		return err
	}
	abs, err := filepath.Abs(*bin)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ahdemo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	begin := time.Now()
	d := &demo{out: out}
	d.title("Anchorhold: records computed on without anyone looking at them")
	d.say("INSECURE demonstration: software NSM and local KMS on this machine. Everything else is the real program.")
	if d.s, err = stage.Start(ctx, stage.Options{Bin: abs, Dir: dir}); err != nil {
		return err
	}
	err = d.acts(ctx)
	if stopErr := d.s.Stop(); err == nil {
		err = stopErr
	}
	if err != nil {
		return err
	}
	d.title(fmt.Sprintf("Done in %.1f s; all processes ended, nothing left behind", time.Since(begin).Seconds()))
	return nil
}

func (d *demo) acts(ctx context.Context) error {
	for _, act := range []func(context.Context) error{
		d.sample, d.mainJob, d.beforeAndAfter, d.parentView, d.kmsView, d.receipt,
		d.tamperedJob, d.swappedResult, d.changedPolicy,
	} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) sample(ctx context.Context) error {
	d.in = d.s.Path("sample")
	if out, err := exec.CommandContext(ctx, filepath.Join(d.s.Bin, "anchorhold-dev"), "sample", "--out", d.in).CombinedOutput(); err != nil {
		return fmt.Errorf("sample: %w: %s", err, out)
	}
	d.title("1. The data owner has a folder of FHIR records")
	return d.countFolder(d.in)
}

func (d *demo) mainJob(ctx context.Context) error {
	d.title("2. Sealed to one image, sent through a parent that learns nothing, de-identified in the enclave, opened by the owner")
	if err := d.owner(ctx, 0, d.seal("job", "policy")...); err != nil {
		return err
	}
	begin := time.Now()
	if err := d.owner(ctx, 0, d.submit("job")...); err != nil {
		return err
	}
	d.say("the whole way through parent, KMS and enclave took %.2f s", time.Since(begin).Seconds())
	if err := d.owner(ctx, 0, d.open("job")...); err != nil {
		return err
	}
	return d.countFolder(d.s.Path("job.out"))
}

func (d *demo) tamperedJob(ctx context.Context) error {
	d.title("7. Refused: one bit of the sealed job is flipped on its way")
	b, err := os.ReadFile(d.s.Path("job.ahjob"))
	if err != nil {
		return err
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(d.s.Path("tampered.ahjob"), b, 0o600); err != nil {
		return err
	}
	return d.owner(ctx, 1, d.submit("tampered")...)
}

func (d *demo) swappedResult(ctx context.Context) error {
	d.title("8. Refused: the parent answers with the result of another job")
	if err := d.quietly(ctx, d.seal("other", "policy"), d.submit("other")); err != nil {
		return err
	}
	b, err := os.ReadFile(d.s.Path("other.ahres"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.s.Path("job.ahres"), b, 0o600); err != nil {
		return err
	}
	if err := os.RemoveAll(d.s.Path("job.out")); err != nil {
		return err
	}
	if err := d.owner(ctx, 3, d.open("job")...); err != nil {
		return err
	}
	if _, err := os.Stat(d.s.Path("job.out")); err == nil {
		return errors.New("a refused result left output")
	}
	return nil
}

func (d *demo) changedPolicy(ctx context.Context) error {
	d.title("9. Refused: the operator runs the same program with another policy")
	if err := d.s.CompilePolicy(ctx, "changed", "2020-01-01"); err != nil {
		return err
	}
	if err := d.s.WritePins(ctx, "changed"); err != nil {
		return err
	}
	if err := d.s.StartEnclave(ctx, "changed"); err != nil {
		return err
	}
	d.say("the key policy names the measurements of the pinned image only; even a job sealed to the changed image stays closed:")
	if err := d.quietly(ctx, d.seal("changed", "changed")); err != nil {
		return err
	}
	return d.owner(ctx, 1, d.submit("changed")...)
}

func (d *demo) seal(name, policy string) []string {
	return []string{
		"seal", "--key", d.s.KeyARN, "--policy", d.s.Path(policy + ".cbor"), "--pins", d.s.Path(policy + ".pins"),
		"--tenant", stage.Tenant, "--pipeline", stage.Pipeline, "--reply", d.s.Path("reply.pub.pem"), "-o", d.s.Path(name + ".ahjob"), d.in,
	}
}

func (d *demo) submit(name string) []string {
	return []string{
		"submit", "--parent", d.s.ParentURL, "--token-file", d.s.TokenFile(),
		"-o", d.s.Path(name + ".ahres"), "--receipt", d.s.Path(name + ".receipt"), d.s.Path(name + ".ahjob"),
	}
}

func (d *demo) open(name string) []string {
	return []string{
		"open", "--job", d.s.Path(name + ".ahjob"), "--result", d.s.Path(name + ".ahres"), "--receipt", d.s.Path(name + ".receipt"),
		"--policy", d.s.Path("policy.cbor"), "--pins", d.s.Path("policy.pins"), "--key", d.s.Path("reply.key.pem"),
		"--root", d.s.Path("ca", "attestation-root.pem"), "--out", d.s.Path(name + ".out"),
	}
}
