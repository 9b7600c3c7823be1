// Package frame cuts a byte stream between parent and enclave into frames, SPEC 2.
//
// A Reader and a Writer own one buffer of one frame each: no length that a peer declares makes them
// allocate. The CRC of control frames finds damage, not forgery; the content of all other frames
// authenticates itself.
package frame

//go:generate go run gen_vectors.go

import (
	"errors"
	"hash/crc32"
)

// Kind says what the body of a frame is.
type Kind uint8

// The kinds of SPEC 2.
const (
	Control   Kind = 0x01 // canonical CBOR
	Data      Kind = 0x02 // job file or policy
	Result    Kind = 0x03 // sealed result
	Crosswalk Kind = 0x04 // sealed crosswalk
)

const (
	// MaxFrame is the most that one Write hands to the kernel. Kernels pass larger vsock packets on
	// as nonlinear buffers, which some hypervisors reassemble wrongly, silently. SPEC 2.
	MaxFrame = 28 << 10
	// HeaderSize is the length field and the kind.
	HeaderSize = 5
	// MaxBody is the longest body.
	MaxBody = MaxFrame - HeaderSize
	// MaxControl is the longest body of a control frame without its CRC.
	MaxControl = MaxBody - crcSize

	crcSize = 4
)

// ErrMalformed says that the peer breaks SPEC 2. The connection is of no further use.
var ErrMalformed = errors.New("malformed frame")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// controlSeed is the CRC-32C of the kind, with which that of every control frame begins.
var controlSeed = crc32.Checksum([]byte{byte(Control)}, castagnoli)

// checksum is CRC-32C over kind and body of a control frame.
func checksum(body []byte) uint32 { return crc32.Update(controlSeed, castagnoli, body) }

func (k Kind) valid() bool { return k >= Control && k <= Crosswalk }

// String returns the name of the kind in SPEC 2.
func (k Kind) String() string {
	switch k {
	case Control:
		return "control"
	case Data:
		return "data"
	case Result:
		return "result"
	case Crosswalk:
		return "crosswalk"
	default:
		return "unknown"
	}
}
