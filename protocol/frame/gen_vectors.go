//go:build ignore

// Writes the vectors of package frame into testdata. The body is what stands on the wire.
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"log"

	"anchorhold/protocol/protocoltest/vectorfile"
)

// frame builds bytes by hand, not with the Writer: the vectors must not follow a fault of the
// package.
func frame(n uint32, kind byte, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, n)
	return append(append(b, kind), body...)
}

func control(body []byte) []byte {
	sum := crc32.Checksum(append([]byte{1}, body...), crc32.MakeTable(crc32.Castagnoli))
	full := binary.BigEndian.AppendUint32(bytes.Clone(body), sum)
	return frame(uint32(len(full)), 1, full)
}

func main() {
	end := []byte{0xa1, 0x62, 'o', 'p', 0x63, 'e', 'n', 'd'}
	flipped := control(end)
	flipped[9] ^= 1
	wrongKind := control(end)
	wrongKind[4] = 2
	otherKind := control(end) // a CRC that does not cover the kind
	copy(otherKind[len(otherKind)-4:], binary.BigEndian.AppendUint32(nil, crc32.Checksum(end, crc32.MakeTable(crc32.Castagnoli))))

	for _, v := range []struct {
		name, expect, comment string
		body                  []byte
	}{
		{"ok-control", "control:a1626f7063656e64", "op end", control(end)},
		{"ok-data", "data:00", "one byte", frame(1, 2, []byte{0})},
		{"ok-result", "result:010203", "three bytes", frame(3, 3, []byte{1, 2, 3})},
		{"ok-crosswalk", "crosswalk:ff", "one byte", frame(1, 4, []byte{0xff})},
		{"ok-two", "data:01 control:a1626f7063656e64", "data, then control", append(frame(1, 2, []byte{1}), control(end)...)},
		{"ok-none", "", "a stream that ends before any frame is a clean end", nil},
		{"ok-kind-not-covered-for-data", "data:" + hex.EncodeToString(wrongKind[5:]), "a data frame carries no crc of ours", wrongKind},
		{"bad-empty", "empty", "length 0", frame(0, 2, nil)},
		{"bad-empty-control", "empty-control", "a crc over nothing", control(nil)},
		{"bad-control-shorter-than-crc", "empty-control", "three bytes", frame(3, 1, []byte{1, 2, 3})},
		{"bad-long", "too-long", "one byte over the limit", frame(28668, 2, nil)},
		{"bad-huge", "too-long", "length 2^32-1: nothing may be allocated", frame(1<<32-1, 2, nil)},
		{"bad-kind-0", "unknown-kind", "kind 0", frame(1, 0, []byte{0})},
		{"bad-kind-5", "unknown-kind", "kind 5", frame(1, 5, []byte{0})},
		{"bad-crc", "crc", "one bit of the body flipped", flipped},
		{"bad-crc-kind", "crc", "the crc leaves the kind out", otherKind},
		{"cut-length", "cut", "ends in the length", []byte{0, 0}},
		{"cut-kind", "cut", "ends before the kind", []byte{0, 0, 0, 1}},
		{"cut-body", "cut", "ends in the body", frame(3, 2, []byte{1, 2})},
		{"cut-no-body", "cut", "ends behind the header", frame(3, 2, nil)},
		{"bad-second", "data:07 crc", "a good frame, then a damaged one", append(frame(1, 2, []byte{7}), flipped...)},
	} {
		h := map[string]string{"expect": v.expect, "comment": v.comment, "encoding": "hex"}
		if err := vectorfile.Write("testdata/"+v.name+".txt", h, v.body); err != nil {
			log.Fatal(err)
		}
	}
}
