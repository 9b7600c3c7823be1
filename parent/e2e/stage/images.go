package stage

import (
	"context"
	"os"
)

const devProgram = "anchorhold-dev"

// A Slot is a place where the parent looks for an enclave. With Options.Two there are two.
type Slot int

// The slots.
const (
	First Slot = iota
	Second
)

// StartEnclaveIn starts a program, anchorhold-dev or the path of a changed one, on the compiled
// policy of that name, ending what ran in the slot before. The enclave in the other slot goes on.
func (s *Stage) StartEnclaveIn(ctx context.Context, slot Slot, program, policy string) error {
	place, socket := &s.enclave, "jobs"
	if slot == Second {
		place, socket = &s.second, "jobs2"
	}
	if err := (*place).stop(); err != nil {
		return err
	}
	p, _, err := s.spawn(ctx, "enclave", nil, program, s.enclaveArgs(socket, policy)...)
	*place = p
	return err
}

// ChangedProgram writes another anchorhold-dev, which does the same and measures differently, and
// returns its path.
func (s *Stage) ChangedProgram(name string) (string, error) {
	program, err := os.ReadFile(s.program(devProgram))
	if err != nil {
		return "", err
	}
	// What follows a program's sections is not loaded, and measured all the same.
	return s.Path(name), os.WriteFile(s.Path(name), append(program, name...), 0o700)
}

// WritePinsOf writes NAME.pins: the measurements of that program with the policy of the same name.
func (s *Stage) WritePinsOf(ctx context.Context, program, name string) error {
	out, err := s.output(ctx, program, "pins", "--policy", s.Path(name+".cbor"))
	if err != nil {
		return err
	}
	return os.WriteFile(s.Path(name+".pins"), out, 0o600)
}
