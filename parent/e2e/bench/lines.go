package main

import (
	"bytes"
	"io"
)

// lineKeeper gathers generated records, one entry for each.
type lineKeeper struct {
	all  [][]byte
	rest []byte
}

func (k *lineKeeper) writer(string) io.Writer { return k }

func (k *lineKeeper) Write(p []byte) (int, error) {
	k.rest = append(k.rest, p...)
	for {
		end := bytes.IndexByte(k.rest, '\n') + 1
		if end == 0 {
			return len(p), nil
		}
		k.all = append(k.all, bytes.Clone(k.rest[:end]))
		k.rest = k.rest[end:]
	}
}
