package vsockdev

import "encoding/binary"

// Operations of a packet, virtio 1.2 section 5.10.6.
const (
	opRequest = iota + 1
	opResponse
	opReset
	opShutdown
	opData
	opCreditUpdate
	opCreditRequest
)

const (
	headerSize = 44
	typeStream = 1

	shutReceive = 1 // the sender of the packet receives no more
	shutSend    = 2 // the sender of the packet sends no more
	shutBoth    = shutReceive | shutSend
)

// header is the head of each packet in either direction.
type header struct {
	srcCID, dstCID    uint64
	srcPort, dstPort  uint32
	length            uint32 // of the payload
	kind, op          uint16
	flags             uint32
	window, forwarded uint32 // the sender's buf_alloc and fwd_cnt
}

func parseHeader(b [headerSize]byte) header {
	le := binary.LittleEndian
	return header{
		srcCID: le.Uint64(b[0:]), dstCID: le.Uint64(b[8:]), srcPort: le.Uint32(b[16:]), dstPort: le.Uint32(b[20:]),
		length: le.Uint32(b[24:]), kind: le.Uint16(b[28:]), op: le.Uint16(b[30:]), flags: le.Uint32(b[32:]),
		window: le.Uint32(b[36:]), forwarded: le.Uint32(b[40:]),
	}
}

func (h *header) encode() []byte {
	le := binary.LittleEndian
	b := make([]byte, 0, headerSize)
	b = le.AppendUint64(b, h.srcCID)
	b = le.AppendUint64(b, h.dstCID)
	b = le.AppendUint32(b, h.srcPort)
	b = le.AppendUint32(b, h.dstPort)
	b = le.AppendUint32(b, h.length)
	b = le.AppendUint16(b, h.kind)
	b = le.AppendUint16(b, h.op)
	b = le.AppendUint32(b, h.flags)
	b = le.AppendUint32(b, h.window)
	return le.AppendUint32(b, h.forwarded)
}
