package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Bytes is a number of bytes: digits, or digits with KiB, MiB, GiB or TiB.
type Bytes int64

// UnmarshalYAML reads a number of bytes.
func (b *Bytes) UnmarshalYAML(n *yaml.Node) error {
	v, err := parseBytes(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		return fault(n, "a number of bytes such as 4096 or 16GiB")
	}
	*b = Bytes(v)
	return nil
}

func parseBytes(s string) (int64, error) {
	shift := 0
	for i, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if rest, ok := strings.CutSuffix(s, unit); ok {
			s, shift = strings.TrimSpace(rest), 10*(i+1)
			break
		}
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, err
	}
	// A shift that overflows would turn a large limit into a small or negative one.
	if v < 0 || v > math.MaxInt64>>shift {
		return 0, errors.New("out of range")
	}
	return v << shift, nil
}

// Duration is a time span as Go writes it: 90s, 10m, 72h.
type Duration time.Duration

// D returns d as the standard library's type.
func (d Duration) D() time.Duration { return time.Duration(d) }

// UnmarshalYAML reads a time span.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || v < 0 {
		return fault(n, "a time span such as 90s, 10m or 72h")
	}
	*d = Duration(v)
	return nil
}

// Digest is the SHA-256 of a bearer token. The token itself never stands in a file.
type Digest [sha256.Size]byte

// UnmarshalYAML reads 64 hex digits.
func (d *Digest) UnmarshalYAML(n *yaml.Node) error {
	b, err := hex.DecodeString(n.Value)
	// The value is not repeated: someone may have put the token itself there.
	if n.Kind != yaml.ScalarNode || err != nil || len(b) != len(d) {
		return fault(n, "the SHA-256 of a token, 64 hex digits")
	}
	copy(d[:], b)
	return nil
}

// fault is a TypeError, so that the decoder goes on and all faults are reported at once.
func fault(n *yaml.Node, want string) error {
	return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: want %s", n.Line, want)}}
}
