package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"anchorhold/protocol/result"
)

// kinds gives the segment type that each stream holds, SPEC 5.
var kinds = map[result.Stream]byte{result.Result: 1, result.Crosswalk: 3}

// openOurs seals lengths around the boundaries of chunks.
func (l *lab) openOurs(context.Context) (string, error) {
	n := 0
	for _, p := range pairs {
		m, err := newMade(p.ours, p.pem)
		if err != nil {
			return "", err
		}
		for _, size := range []int{1, chunkSize - 4, chunkSize - 3, chunkSize - 2, chunkSize, 3 * chunkSize, 100_000} {
			content := make([]byte, size)
			rand.Read(content)
			sealed, err := ourSeal(m, p.ours, content)
			if err != nil {
				return "", err
			}
			segments, err := p.theirs.unseal(sealed, m.theirs, m.binding)
			if err != nil {
				return "", fmt.Errorf("%s, %d bytes: %w", p.theirs.label, size, err)
			}
			if !bytes.Equal(segments[kinds[p.ours]], content) {
				return "", fmt.Errorf("%s, %d bytes: circl gives other bytes", p.theirs.label, size)
			}
			n++
		}
	}
	return fmt.Sprintf("%d streams", n), nil
}

func (l *lab) openTheirs(context.Context) (string, error) {
	for _, p := range pairs {
		m, err := newMade(p.ours, p.pem)
		if err != nil {
			return "", err
		}
		full, short := make([]byte, chunkSize-3), make([]byte, 100)
		rand.Read(full)
		rand.Read(short)
		kind := kinds[p.ours]
		sealed, err := p.theirs.seal(m.theirs.Public(), m.binding, segment(kind, full), segment(kind, short))
		if err != nil {
			return "", err
		}
		got, err := ourOpen(m, p.ours, m.bound, sealed)
		if err != nil {
			return "", fmt.Errorf("%s: %w", p.theirs.label, err)
		}
		if !bytes.Equal(got, append(full, short...)) {
			return "", fmt.Errorf("%s: other bytes come out", p.theirs.label)
		}
	}
	return "two chunks each", nil
}

// openNothing: each part of the binding, the stream's label and the bytes themselves are
// authenticated, in the eyes of both.
func (l *lab) openNothing(context.Context) (string, error) {
	p, other := pairs[0], pairs[1]
	m, err := newMade(p.ours, p.pem)
	if err != nil {
		return "", err
	}
	sealed, err := ourSeal(m, p.ours, make([]byte, 2*chunkSize))
	if err != nil {
		return "", err
	}
	if _, err := p.theirs.unseal(sealed, m.theirs, m.binding); err != nil {
		return "", err
	}
	n := 0
	for _, at := range []int{0, 48, 80} { // header digest, nonce, policy digest
		binding := bytes.Clone(m.binding)
		binding[at] ^= 1
		var bound result.Binding
		copy(bound.Header[:], binding)
		copy(bound.Nonce[:], binding[48:])
		copy(bound.Policy[:], binding[80:])
		_, theirs := p.theirs.unseal(sealed, m.theirs, binding)
		if _, ours := ourOpen(m, p.ours, bound, sealed); theirs == nil || ours == nil {
			return "", fmt.Errorf("opened under a binding that differs at byte %d: circl %v, ours %v", at, theirs, ours)
		}
		n++
	}
	renamed := append([]byte(other.theirs.magic), sealed[8:]...)
	if _, err := other.theirs.unseal(renamed, m.theirs, m.binding); err == nil {
		return "", errors.New("circl opens a result as a crosswalk")
	}
	cut := sealed[:len(sealed)-sealedSize]
	_, theirs := p.theirs.unseal(cut, m.theirs, m.binding)
	if _, ours := ourOpen(m, p.ours, m.bound, cut); theirs == nil || ours == nil {
		return "", errors.New("opened without the last chunk")
	}
	for _, at := range []int{8, headSize - 1, headSize, len(sealed) - 1} {
		altered := bytes.Clone(sealed)
		altered[at] ^= 1
		_, theirs := p.theirs.unseal(altered, m.theirs, m.binding)
		if _, ours := ourOpen(m, p.ours, m.bound, altered); theirs == nil || ours == nil {
			return "", fmt.Errorf("opened with byte %d altered", at)
		}
		n++
	}
	return fmt.Sprintf("%d changes, wrong stream, cut", n), nil
}
