package vhost

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync"
)

// server is one connection of a monitor.
type server struct {
	device Device
	log    func(error)
	kicks  sync.WaitGroup

	mu         sync.Mutex
	memory     memory     // guarded by mu, as all below; mapped while it is here
	queues     []*Queue   // their fields too
	kick, call []*os.File // by queue
}

func newServer(d Device, log func(error)) *server {
	s := &server{device: d, log: log}
	for range d.Queues() {
		s.queues = append(s.queues, &Queue{})
	}
	s.kick, s.call = make([]*os.File, d.Queues()), make([]*os.File, d.Queues())
	return s
}

// process has the device look at its queues.
func (s *server) process() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.processLocked()
}

func (s *server) processLocked() {
	if err := s.device.Process(s.queues); err != nil {
		for _, q := range s.queues {
			q.broken = true
		}
		s.log(err)
	}
}

// handle carries out a request and returns the payload of its answer; answered is false for
// requests without one.
func (s *server) handle(m *message) (answer []byte, answered bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch m.request {
	case getFeatures:
		return u64(s.device.Features() | featureVersion1 | featureProtocol), true, nil
	case getProtocolFeatures:
		features := uint64(protocolMQ | protocolReply)
		if len(s.device.Config()) > 0 {
			features |= protocolConfig
		}
		return u64(features), true, nil
	case getQueueNum:
		return u64(uint64(len(s.queues))), true, nil
	case setFeatures:
		return nil, false, s.setFeatures(m)
	case setProtocolFeatures, setOwner:
		return nil, false, nil
	case resetOwner, resetDevice:
		s.reset()
		return nil, false, nil
	case setMemTable:
		return nil, false, s.setMemory(m)
	case getConfig:
		answer, err = s.config(m)
		return answer, true, err
	case setConfig:
		return nil, false, fmt.Errorf("%w: the configuration space is read-only", errMessage)
	case getVringBase:
		answer, err = s.stop(m)
		return answer, true, err
	}
	return nil, false, s.handleRing(m)
}

// handleRing carries out the requests that set up a ring.
func (s *server) handleRing(m *message) error {
	switch m.request {
	case setVringKick, setVringCall, setVringErr:
		return s.setFile(m)
	case setVringAddr:
		return s.setAddress(m)
	case setVringNum, setVringBase, setVringEnable:
	default:
		return fmt.Errorf("%w: unknown request %d", errMessage, m.request)
	}
	index, number, err := m.state()
	if err != nil {
		return err
	}
	q, err := s.queue(index)
	if err != nil {
		return err
	}
	switch m.request {
	case setVringNum:
		if number == 0 || number > MaxQueueSize || number&(number-1) != 0 {
			return fmt.Errorf("%w: ring of %d entries, want a power of two up to %d", errMessage, number, MaxQueueSize)
		}
		q.size = uint16(number)
		return s.resolve(q)
	case setVringBase:
		q.next = uint16(number)
		q.broken = false
	case setVringEnable:
		q.enabled = number != 0
		if q.enabled {
			s.processLocked()
		}
	}
	return nil
}

func (s *server) queue(index uint32) (*Queue, error) {
	if index >= uint32(len(s.queues)) {
		return nil, fmt.Errorf("%w: queue %d of %d", errMessage, index, len(s.queues))
	}
	return s.queues[index], nil
}

func (s *server) setFeatures(m *message) error {
	v, err := m.u64()
	if err != nil {
		return err
	}
	offered := s.device.Features() | featureVersion1 | featureProtocol
	if v&^offered != 0 {
		return fmt.Errorf("%w: features %#x were not offered", errMessage, v&^offered)
	}
	// Without protocol features there is no request to enable a ring.
	for _, q := range s.queues {
		if v&featureProtocol == 0 {
			q.enabled = true
		}
	}
	return nil
}

// resolve finds a queue's ring again. A ring that lies outside the memory is the guest's doing: the
// queue stays down.
func (s *server) resolve(q *Queue) error {
	q.memory = s.memory
	if err := q.resolve(); err != nil {
		q.broken = true
		s.log(err)
	}
	return nil
}

func (s *server) setAddress(m *message) error {
	if len(m.payload) != 40 {
		return fmt.Errorf("%w: ring addresses have %d bytes, want 40", errMessage, len(m.payload))
	}
	q, err := s.queue(binary.LittleEndian.Uint32(m.payload))
	if err != nil {
		return err
	}
	q.descAddr = binary.LittleEndian.Uint64(m.payload[8:])
	q.usedAddr = binary.LittleEndian.Uint64(m.payload[16:])
	q.availAddr = binary.LittleEndian.Uint64(m.payload[24:])
	q.addressesAreKnown = true
	return s.resolve(q)
}

// stop ends a ring and says where it stood.
func (s *server) stop(m *message) ([]byte, error) {
	index, _, err := m.state()
	if err != nil {
		return nil, err
	}
	q, err := s.queue(index)
	if err != nil {
		return nil, err
	}
	q.started = false
	s.closeFile(&s.kick[index])
	b := binary.LittleEndian.AppendUint32(nil, index)
	return binary.LittleEndian.AppendUint32(b, uint32(q.next)), nil
}

// config answers with the part of the configuration space that was asked for.
func (s *server) config(m *message) ([]byte, error) {
	if len(m.payload) < configHeader {
		return nil, fmt.Errorf("%w: configuration request", errMessage)
	}
	offset, size := binary.LittleEndian.Uint32(m.payload), binary.LittleEndian.Uint32(m.payload[4:])
	if int(size) != len(m.payload)-configHeader {
		return nil, fmt.Errorf("%w: configuration request of %d bytes", errMessage, size)
	}
	b := append([]byte{}, m.payload...)
	clear(b[configHeader:])
	if space := s.device.Config(); uint64(offset) < uint64(len(space)) {
		copy(b[configHeader:], space[offset:])
	}
	return b, nil
}

// reset forgets the rings and the memory.
func (s *server) reset() {
	for i, q := range s.queues {
		*q = Queue{}
		s.closeFile(&s.kick[i])
		s.closeFile(&s.call[i])
	}
	s.unmap()
}

func (s *server) closeFile(f **os.File) {
	if *f != nil {
		(*f).Close()
		*f = nil
	}
}

func (s *server) unmap() {
	for _, r := range s.memory {
		unmap(r.whole)
	}
	s.memory = nil
	for _, q := range s.queues {
		q.memory, q.descriptors, q.avail, q.used = nil, nil, nil, nil
	}
}
