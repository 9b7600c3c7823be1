package nsm

import (
	"fmt"

	hfnsm "github.com/hf/nsm"
)

// Open opens /dev/nsm.
//
// hf/nsm hands the address of a message on its stack to syscall.Syscall through a function value,
// outside the rules of package unsafe. With the default options it holds: Syscall is nosplit, so
// the stack cannot grow on the way into it, and the runtime does not shrink stacks at asynchronous
// preemption points. No other Options.Syscall may be set.
func Open() (*Client, error) {
	s, err := hfnsm.OpenDefaultSession()
	if err != nil {
		return nil, fmt.Errorf("open /dev/nsm: %w", err)
	}
	return New(s), nil
}
