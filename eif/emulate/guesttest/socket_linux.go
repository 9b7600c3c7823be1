package guesttest

import "encoding/binary"

// Operations of a packet, virtio 1.2 section 5.10.6.
const (
	Request = iota + 1
	Response
	Reset
	Shutdown
	Data
	CreditUpdate
	CreditRequest
)

// Packet is one packet of a virtio socket as the guest sees it, by the specification and not by the
// device's code.
type Packet struct {
	Src, Dst          uint64
	SrcPort, DstPort  uint32
	Length            uint32
	Kind, Op          uint16
	Flags             uint32
	Window, Forwarded uint32
	Payload           []byte
}

const (
	head   = 44   // bytes before a packet's payload
	rxSize = 4096 // of a receive buffer
	stream = 1
	parent = 3 // the context id of whoever has started the guest
)

// Encode returns the packet's bytes, as they are asked for: nothing is checked or filled in.
func (p Packet) Encode() []byte {
	b := binary.LittleEndian.AppendUint64(nil, p.Src)
	b = binary.LittleEndian.AppendUint64(b, p.Dst)
	for _, v := range []uint32{p.SrcPort, p.DstPort, p.Length, uint32(p.Kind) | uint32(p.Op)<<16, p.Flags, p.Window, p.Forwarded} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return append(b, p.Payload...)
}

func decode(b []byte) Packet {
	le := binary.LittleEndian
	return Packet{
		le.Uint64(b), le.Uint64(b[8:]), le.Uint32(b[16:]), le.Uint32(b[20:]), le.Uint32(b[24:]), le.Uint16(b[28:]), le.Uint16(b[30:]),
		le.Uint32(b[32:]), le.Uint32(b[36:]), le.Uint32(b[40:]), append([]byte{}, b[head:]...),
	}
}

// Socket is the driver of a virtio socket device, without the rules that a driver keeps.
type Socket struct {
	*Guest
	CID uint64
}

// Fill offers all receive buffers.
func (s *Socket) Fill() {
	for i := range Entries {
		s.Post(i)
	}
	s.Ring(0).Kick()
}

// Buffer is the offset in memory of a receive buffer.
func (s *Socket) Buffer(i int) int { return s.Buffers() + i*rxSize }

// Post offers a receive buffer, without a kick.
func (s *Socket) Post(i int) {
	r := s.Ring(0)
	r.Describe(i, Descriptor{Address: Address(s.Buffer(i)), Length: rxSize, Flags: Write})
	r.Offer(uint16(i))
}

// Put offers a packet to the device and does not wait for it to be taken.
func (s *Socket) Put(b []byte) {
	at := s.Buffer(Entries)
	copy(s.At(at, len(b)), b)
	r := s.Ring(1)
	r.Describe(0, Descriptor{Address: Address(at), Length: uint32(len(b))})
	r.Offer(0)
	r.Kick()
}

// Send sends a packet and returns when the device has taken it. What is zero of kind, length and
// context ids is filled in.
func (s *Socket) Send(p Packet) {
	s.tb.Helper()
	if p.Src == 0 {
		p.Src = s.CID
	}
	if p.Dst == 0 {
		p.Dst = parent
	}
	if p.Kind == 0 {
		p.Kind = stream
	}
	if p.Length == 0 {
		p.Length = uint32(len(p.Payload))
	}
	s.Put(p.Encode())
	s.Ring(1).Next()
}

// Next returns the device's next packet if it is there already.
func (s *Socket) Next() (Packet, bool) {
	s.tb.Helper()
	i, n, ok := s.Ring(0).Used()
	if !ok {
		return Packet{}, false
	}
	return s.take(i, n), true
}

// Receive waits for the device's next packet.
func (s *Socket) Receive() Packet {
	s.tb.Helper()
	return s.take(s.Ring(0).Next())
}

// take reads a receive buffer and offers it again.
func (s *Socket) take(i, n uint32) Packet {
	s.tb.Helper()
	if n < head || i >= Entries {
		s.tb.Fatalf("packet of %d bytes in buffer %d", n, i)
	}
	p := decode(s.At(s.Buffer(int(i)), int(n)))
	s.Post(int(i))
	s.Ring(0).Kick()
	if p.Dst != s.CID || int(p.Length) != len(p.Payload) {
		s.tb.Fatalf("packet for %d with %d bytes, its head says %d", p.Dst, len(p.Payload), p.Length)
	}
	return p
}

// Want waits for a packet with that operation for that port of the guest.
func (s *Socket) Want(op uint16, port uint32) Packet {
	s.tb.Helper()
	p := s.Receive()
	if p.Op != op || p.DstPort != port {
		s.tb.Fatalf("got operation %d for port %d, want %d for %d", p.Op, p.DstPort, op, port)
	}
	return p
}
