// Package emulate runs an enclave image on this machine, without Nitro hardware: QEMU is the
// processor and memory, the packages below are its devices. The main call is [Run].
//
// There are two machines. NitroEnclave is QEMU's own emulation of a Nitro enclave: QEMU parses the
// image and measures it with code that is not ours, but its attestation documents are unsigned, and
// nothing accepts them. MicroVM gets kernel, command line and ramdisks taken out of the image, and
// a software NSM whose registers are computed from it and whose documents are signed under a test
// root, so that the whole job runs.
//
// INSECURE by construction: whoever runs it reads the guest's memory and holds the key of the root.
// It shows behaviour, not protection, and its speed is that of an emulated processor.
package emulate

import (
	"io"
	"time"

	"anchorhold/eif/image"
	"anchorhold/protocol/event"
	"anchorhold/protocol/protocoltest/testca"
)

// Machine is a kind of machine.
type Machine string

// The machines.
const (
	NitroEnclave Machine = "nitro-enclave"
	MicroVM      Machine = "microvm"
)

// Bounds of what can be asked for.
const (
	MinMemoryMiB = 48 // our kernel and program start from here
	MaxMemoryMiB = 64 << 10
	MinCID       = 4
	MaxCID       = 1<<32 - 2
)

// heartbeatTime is how long an image may take to its heartbeat. nitro-cli waits 90 s for images up
// to 6 GiB.
const heartbeatTime = 90 * time.Second

// Config says what to run.
type Config struct {
	Machine   Machine
	Image     *image.Image
	ImagePath string // the file that Image was read from; QEMU reads it again for NitroEnclave
	QEMU      string // folder that scripts/qemu.sh made
	MemoryMiB int
	CID       uint32
	// Sockets is the beginning of the paths at which the guest meets this machine: what connects to
	// Sockets_9101 reaches the guest's port 9101, and the guest's connection to port 9102 of its
	// parent goes to whoever listens at Sockets_9102.
	Sockets string
	// CA signs the documents of a MicroVM.
	CA *testca.CA
	// Debug makes it an enclave in debug mode: PCR0, PCR1 and PCR2 of a MicroVM are zero.
	Debug bool
	// Silent leaves the heartbeat without an answer.
	Silent bool
	// Console gets what the guest prints, up to 16 MiB.
	Console io.Writer
	// Started is called when the guest's heartbeat has come, Event for each event of SPEC 11, up to
	// 256. Both are called from one goroutine at a time.
	Started func()
	Event   func(event.Code)
	// Log gets lines about what is wrong with the guest.
	Log func(format string, args ...any)
}

// Outcome is how an enclave has ended.
type Outcome struct {
	// ExitCode is that of QEMU; -1 when a signal ended it.
	ExitCode int
	// Stopped says that it was ended because the context was.
	Stopped bool
	// Heartbeat says that the guest has sent one.
	Heartbeat bool
	// Last is the guest's last event, zero for none.
	Last event.Code
}
