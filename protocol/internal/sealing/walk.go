package sealing

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"anchorhold/protocol/envelope"
)

// Sizes of a framed body (AWS Encryption SDK message format, version 2).
const (
	ivSize     = 12
	tagSize    = 16
	finalFrame = 0xFFFFFFFF
)

// walkBody copies a message's body to out and makes sure that it is whole: frames in sequence, one
// final frame, the footer of a signed suite, and nothing behind it. It checks no tag. An upload
// that broke off shows here, not after an hour in a queue.
func walkBody(msg *envelope.Header, in io.Reader, out io.Writer) error {
	b := &body{in: io.TeeReader(in, out)}
	for want := uint32(1); ; want++ {
		sequence := b.uint32()
		final := sequence == finalFrame
		if final {
			sequence = b.uint32()
		}
		if b.err == nil && sequence != want {
			return fmt.Errorf("%w: message: frame %d follows frame %d", ErrRefused, sequence, want-1)
		}
		b.skip(ivSize)
		length := msg.FrameLength
		if final {
			if length = b.uint32(); b.err == nil && length > msg.FrameLength {
				return fmt.Errorf("%w: message: final frame of %d bytes, at most %d fit", ErrRefused, length, msg.FrameLength)
			}
		}
		b.skip(int64(length) + tagSize)
		if b.err != nil || final {
			break
		}
	}
	if msg.Suite == envelope.SuiteCommitSig {
		b.skip(int64(b.uint16()))
	}
	if b.err != nil {
		return b.err
	}
	return b.end()
}

// body reads pieces and keeps the first error; after one, what it gives means nothing.
type body struct {
	in  io.Reader
	err error
}

func (b *body) fail(err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: message: %w: it ends before its final frame or footer", ErrRefused, envelope.ErrTruncated)
	}
	if b.err == nil {
		b.err = err
	}
}

func (b *body) read(p []byte) {
	if b.err != nil {
		return
	}
	if _, err := io.ReadFull(b.in, p); err != nil {
		b.fail(err)
	}
}

func (b *body) uint32() uint32 {
	var p [4]byte
	b.read(p[:])
	return binary.BigEndian.Uint32(p[:])
}

func (b *body) uint16() uint16 {
	var p [2]byte
	b.read(p[:])
	return binary.BigEndian.Uint16(p[:])
}

func (b *body) skip(n int64) {
	if b.err != nil {
		return
	}
	if _, err := io.CopyN(io.Discard, b.in, n); err != nil {
		b.fail(err)
	}
}

// end wants nothing more.
func (b *body) end() error {
	var p [1]byte
	switch _, err := io.ReadFull(b.in, p[:]); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("%w: message: bytes follow its end", ErrRefused)
}
