// Package vhost serves a virtio device to a virtual machine monitor over vhost-user: the monitor
// hands over the guest's memory and the addresses of the virtqueues, the device answers the guest
// directly. The main call is [Serve].
//
// Source: QEMU docs/interop/vhost-user.rst, and virtio 1.2 section 2.7 (split rings). Packed rings,
// indirect descriptors, event indexes and migration are not offered.
//
// The guest is the adversary: whatever it writes into its memory, at any moment, every address and
// length is checked against that memory, each descriptor is read once, chains are bounded by the
// ring's size, and a ring that breaks the rules stops until the guest resets it. The monitor is
// trusted not to shrink the file behind the memory while it is mapped.
package vhost

import "errors"

// Device is a virtio device. Its methods are called by one goroutine at a time, Wake excepted.
type Device interface {
	// Queues is how many virtqueues the device handles.
	Queues() int
	// Features are feature bits of the device's own type.
	Features() uint64
	// Config is the device's configuration space, little endian; nil for none.
	Config() []byte
	// Process takes what the driver has put into the queues and gives back what there is to give.
	// It must return without waiting for anyone, and keep no chain. A queue that is not running has
	// nothing to take. An error says that the guest broke the rules: the queues stop until it
	// resets them.
	Process(queues []*Queue) error
	// Wake returns a channel that receives when Process should be called though the guest has not
	// kicked; nil for never.
	Wake() <-chan struct{}
}

// ErrGuest marks what a guest has done against the rules of virtio.
var ErrGuest = errors.New("guest broke the virtqueue's rules")

// MaxQueueSize bounds the rings that are accepted. QEMU has 128 entries for vsock.
const MaxQueueSize = 1024

// maxChain bounds the bytes of one chain: vsock packets have at most 64 KiB, requests to the NSM 4
// KiB.
const maxChain = 1 << 20

// Feature bits, virtio 1.2 section 6 and vhost-user.
const (
	featureVersion1 = 1 << 32
	featureProtocol = 1 << 30 // VHOST_USER_F_PROTOCOL_FEATURES
	protocolMQ      = 1 << 0
	protocolReply   = 1 << 3 // VHOST_USER_PROTOCOL_F_REPLY_ACK
	protocolConfig  = 1 << 9
)
