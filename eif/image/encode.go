package image

import "encoding/binary"

// Encode returns the bytes of the image; the same image always gives the same bytes. Errors:
// Faults, for sections that Parse would refuse.
func (i *Image) Encode() ([]byte, error) {
	if err := i.check(); err != nil {
		return nil, err
	}
	b := make([]byte, headerSize, i.Size())
	copy(b, magic)
	binary.BigEndian.PutUint16(b[4:], version)
	if i.ARM64 {
		binary.BigEndian.PutUint16(b[6:], flagARM64)
	}
	binary.BigEndian.PutUint64(b[8:], i.DefaultMemory)
	binary.BigEndian.PutUint64(b[16:], i.DefaultCPUs)
	binary.BigEndian.PutUint16(b[26:], uint16(len(i.Sections)))
	for k, s := range i.Sections {
		binary.BigEndian.PutUint64(b[28+8*k:], uint64(len(b)))
		binary.BigEndian.PutUint64(b[sizesOffset+8*k:], uint64(len(s.Data)))
		b = binary.BigEndian.AppendUint16(b, uint16(s.Type))
		b = append(b, 0, 0)
		b = binary.BigEndian.AppendUint64(b, uint64(len(s.Data)))
		b = append(b, s.Data...)
	}
	binary.BigEndian.PutUint32(b[crcOffset:], checksum(b))
	return b, nil
}
