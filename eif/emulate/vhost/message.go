package vhost

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Requests of the monitor, vhost-user.rst "Front-end message types".
const (
	getFeatures         = 1
	setFeatures         = 2
	setOwner            = 3
	resetOwner          = 4
	setMemTable         = 5
	setVringNum         = 8
	setVringAddr        = 9
	setVringBase        = 10
	getVringBase        = 11
	setVringKick        = 12
	setVringCall        = 13
	setVringErr         = 14
	getProtocolFeatures = 15
	setProtocolFeatures = 16
	getQueueNum         = 17
	setVringEnable      = 18
	getConfig           = 24
	setConfig           = 25
	resetDevice         = 34
)

const (
	headerSize   = 12
	maxPayload   = 4096 // the largest known message has 272 bytes, and configuration space
	messageV1    = 1
	versionMask  = 3
	flagReply    = 1 << 2
	flagNeedsAck = 1 << 3
	noDescriptor = 1 << 8 // in place of a file descriptor: the driver polls
	configHeader = 12
)

var errMessage = errors.New("malformed vhost-user message")

// message is one request with what came along.
type message struct {
	request uint32
	flags   uint32
	payload []byte
	files   []int // descriptors; whoever takes one sets it to -1
}

// header returns request, flags and length of the payload.
func header(b [headerSize]byte) (m message, size int, err error) {
	m.request, m.flags = binary.LittleEndian.Uint32(b[0:]), binary.LittleEndian.Uint32(b[4:])
	n := binary.LittleEndian.Uint32(b[8:])
	if m.flags&versionMask != messageV1 || n > maxPayload {
		return message{}, 0, fmt.Errorf("%w: flags %#x, %d bytes", errMessage, m.flags, n)
	}
	return m, int(n), nil
}

func (m *message) u64() (uint64, error) {
	if len(m.payload) != 8 {
		return 0, fmt.Errorf("%w: request %d has %d bytes, want 8", errMessage, m.request, len(m.payload))
	}
	return binary.LittleEndian.Uint64(m.payload), nil
}

// state is the payload of most requests about a ring: its index and a number.
func (m *message) state() (index, number uint32, err error) {
	if len(m.payload) != 8 {
		return 0, 0, fmt.Errorf("%w: request %d has %d bytes, want 8", errMessage, m.request, len(m.payload))
	}
	return binary.LittleEndian.Uint32(m.payload), binary.LittleEndian.Uint32(m.payload[4:]), nil
}

// file takes the descriptor that came along, or -1 when the message says that there is none.
func (m *message) file() (index uint32, fd int, err error) {
	v, err := m.u64()
	if err != nil {
		return 0, -1, err
	}
	index = uint32(v & 0xff)
	if v&noDescriptor != 0 {
		return index, -1, nil
	}
	if len(m.files) != 1 {
		return 0, -1, fmt.Errorf("%w: request %d has %d descriptors, want 1", errMessage, m.request, len(m.files))
	}
	fd, m.files[0] = m.files[0], -1
	return index, fd, nil
}

// table reads a memory table; the descriptors stay with the message.
func (m *message) table() (memory, error) {
	if len(m.payload) < 8 {
		return nil, fmt.Errorf("%w: memory table", errMessage)
	}
	n := binary.LittleEndian.Uint32(m.payload)
	if n == 0 || n > maxRegions || len(m.payload) != 8+regionSize*int(n) || len(m.files) != int(n) {
		return nil, fmt.Errorf("%w: memory table of %d regions, %d descriptors", errMessage, n, len(m.files))
	}
	table := make(memory, n)
	for i := range table {
		b := m.payload[8+regionSize*i:]
		table[i] = region{
			guest: binary.LittleEndian.Uint64(b), size: binary.LittleEndian.Uint64(b[8:]),
			user: binary.LittleEndian.Uint64(b[16:]), offset: binary.LittleEndian.Uint64(b[24:]),
		}
	}
	return table, table.check()
}

// reply encodes an answer.
func reply(request uint32, payload []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, request)
	b = binary.LittleEndian.AppendUint32(b, messageV1|flagReply)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	return append(b, payload...)
}

func u64(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }
