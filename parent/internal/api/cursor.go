package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"

	"anchorhold/parent/internal/spool"
)

const (
	cursorLabel = "anchorhold/v1 cursor"
	cursorMAC   = 16 // bytes of HMAC-SHA-256
)

var errCursor = errors.New("malformed or foreign cursor")

// cursors writes and reads the places in a tenant's list of jobs that clients hand back. A cursor
// holds the position of a job of the tenant's own and a MAC over tenant and position: a client can
// neither make one up to probe for jobs nor use another tenant's.
type cursors struct{ key [32]byte }

func (c cursors) encode(tenant string, p spool.Position) string {
	return base64.RawURLEncoding.EncodeToString(append([]byte(p), c.mac(tenant, []byte(p))...))
}

// decode returns the position in a cursor of the tenant's. The empty cursor is the start of the
// list.
func (c cursors) decode(tenant, cursor string) (spool.Position, error) {
	if cursor == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) < cursorMAC {
		return "", errCursor
	}
	position, mac := b[:len(b)-cursorMAC], b[len(b)-cursorMAC:]
	if !hmac.Equal(mac, c.mac(tenant, position)) {
		return "", errCursor
	}
	return spool.Position(position), nil
}

func (c cursors) mac(tenant string, position []byte) []byte {
	h := hmac.New(sha256.New, c.key[:])
	h.Write([]byte(cursorLabel))
	// the length, or a name could run into the position; names have at most 64 bytes
	h.Write([]byte{0, byte(len(tenant))})
	h.Write([]byte(tenant))
	h.Write(position)
	return h.Sum(nil)[:cursorMAC]
}
