// Package guest is what the programs share that tests run as /init of emulated machines.
package guest

import (
	"io"

	"github.com/mdlayher/vsock"
)

const (
	parentCID     = 3
	heartbeatPort = 9000
	heartbeat     = 0xb7 // SPEC 2.1
)

// Heartbeat tells the hypervisor that the machine has come up, and returns when it has answered.
func Heartbeat() error {
	c, err := vsock.Dial(parentCID, heartbeatPort, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	b := []byte{heartbeat}
	if _, err := c.Write(b); err != nil {
		return err
	}
	_, err = io.ReadFull(c, b)
	return err
}
