package stage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"
)

// Guest makes a stage run its enclave as a virtual machine with the production program in an image,
// in place of a process over the software NSM.
type Guest struct {
	Kernel    string // bzImage
	MemoryMiB int
	Replace   bool     // the parent starts an enclave anew that does not answer
	Cold      bool     // the image is built, and neither enclave nor parent is started
	Names     []string // of further enclaves of the parent's configuration, which the caller starts
}

// guestReady is how long an image may take to serve on a busy machine.
const guestReady = 2 * time.Minute

// Image is the path of the image with the policy of that name.
func (s *Stage) Image(policy string) string { return s.Path(policy + ".eif") }

// BuildImage builds the image with the compiled policy of that name, if it is not there yet.
func (s *Stage) BuildImage(ctx context.Context, policy string) error {
	if _, err := os.Stat(s.Image(policy)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return s.run(ctx, "anchorhold-eif", "build", "--kernel", s.Guest.Kernel, "--program", s.Bin,
		"--policy", s.Path(policy+".cbor"), "-o", s.Image(policy))
}

// writeImagePins writes the pins of the image with that policy.
func (s *Stage) writeImagePins(ctx context.Context, policy string) error {
	if err := s.BuildImage(ctx, policy); err != nil {
		return err
	}
	out, err := s.output(ctx, "anchorhold-eif", "pins", s.Image(policy), "--layout", "anchorhold", "--expires", time.Now().AddDate(0, 0, 2).Format(time.DateOnly))
	if err != nil {
		return err
	}
	return os.WriteFile(s.Path(policy+".pins"), out, 0o600)
}

// GuestArgs returns the command line, without the program's name, that boots an image for the named
// enclave of the parent's configuration.
func (s *Stage) GuestArgs(image, name string) []string {
	return []string{
		"emulate", image, "--machine", "microvm", "--ca", s.Path("ca"), "--sockets", s.Path(name), "--memory", strconv.Itoa(s.Guest.MemoryMiB),
		"--console", s.Path(name + ".console"),
	}
}

// guestSocket is the address at which the guest's port, or the parent's for all guests, is found.
func (s *Stage) guestSocket(name string, port int) string {
	return fmt.Sprintf("unix://%s_%d", s.Path(name), port)
}

// linkGuest has a further guest find the parent where the first one does.
func (s *Stage) linkGuest(name string, ports ...int) error {
	for _, port := range ports {
		link := fmt.Sprintf("%s_%d", s.Path(name), port)
		if err := os.Symlink(fmt.Sprintf("%s_%d", s.Path(firstEnclave), port), link); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}
