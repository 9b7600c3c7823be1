// Package nsmdev is a Nitro Secure Module as a virtio device (type 33), for emulated enclaves: the
// guest's own /dev/nsm driver talks to a software NSM. The main call is [New]; vhost.Serve serves
// it. Source: virtio specification, "Nitro Secure Module", and Linux drivers/misc/nsm.c.
//
// INSECURE by construction: its documents are signed under a test root.
package nsmdev

import (
	"fmt"

	"anchorhold/eif/emulate/vhost"
	"anchorhold/protocol/protocoltest/softnsm"
)

// DeviceType is the virtio device id.
const DeviceType = 33

// batch bounds what one call of Process answers, so that a guest that never stops asking does not
// keep the monitor out.
const batch = 32

// Module answers one raw request, as softnsm.NSM does.
type Module interface{ Exchange(request []byte) []byte }

// Device is the device.
type Device struct {
	module Module
	wake   chan struct{}
}

var _ vhost.Device = (*Device)(nil)

// New makes the device over a module.
func New(m Module) *Device { return &Device{module: m, wake: make(chan struct{}, 1)} }

// Queues returns one.
func (d *Device) Queues() int { return 1 }

// Features returns none.
func (d *Device) Features() uint64 { return 0 }

// Config returns none.
func (d *Device) Config() []byte { return nil }

// Wake tells when a batch has left something over.
func (d *Device) Wake() <-chan struct{} { return d.wake }

// Process answers what is in the queue.
func (d *Device) Process(queues []*vhost.Queue) error {
	for range batch {
		request, response, err := take(queues[0])
		if request == nil || err != nil {
			return err
		}
		// One byte more than is allowed, so that the module sees that it is too much.
		asked := make([]byte, min(request.Readable(), softnsm.MaxRequest+1))
		request.Read(asked)
		answer := d.module.Exchange(asked)
		if len(answer) > response.Writable() {
			answer = []byte(bufferTooSmall)
		}
		// a buffer that does not hold even that gets the beginning, as from the driver's ioctl
		response.Write(answer)
		if request == response {
			queues[0].Push(request)
		} else {
			// at once: the driver looks for both when it is interrupted
			queues[0].Push(request, response)
		}
	}
	select {
	case d.wake <- struct{}{}:
	default:
	}
	return nil
}

// take returns the chains of request and response, nil when they are not both there. Linux offers
// two, one to read and one to write; one that is both will do as well.
func take(q *vhost.Queue) (request, response *vhost.Chain, err error) {
	request, err = q.Pop()
	if request == nil || err != nil {
		return nil, nil, err
	}
	if request.Writable() > 0 {
		return request, request, nil
	}
	response, err = q.Pop()
	if err != nil {
		return nil, nil, err
	}
	if response == nil {
		q.PutBack()
		return nil, nil, nil
	}
	if response.Readable() > 0 {
		return nil, nil, fmt.Errorf("%w: a second request in place of room for the answer", vhost.ErrGuest)
	}
	return request, response, nil
}

// bufferTooSmall is the module's answer to a response buffer that is too short: {"Error":
// "BufferTooSmall"} in CBOR.
const bufferTooSmall = "\xa1\x65Error\x6eBufferTooSmall"
