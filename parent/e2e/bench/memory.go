package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
)

const (
	fixedGoal      = 128 << 20 // bytes of resident memory, whatever the input
	identifierGoal = 48        // bytes more for each distinct identifier
)

// memory measures the peaks of enclave and parent, each started anew, for a job of 10 MB and for a
// large one.
func (b *bench) memory() error {
	for _, mb := range []int{10, b.hugeMB} {
		if err := b.fresh(); err != nil {
			return err
		}
		if err := b.peaks(mb); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) peaks(mb int) error {
	plain := b.s.Path("memory.ndjson")
	copyTo, err := recordsFile(plain, mb)
	if err != nil {
		return err
	}
	defer os.Remove(plain)
	m, err := b.seal.large(b.s.Path("memory.message"), func(w io.Writer) error { return copyTo(bufio.NewWriterSize(w, 1<<20)) })
	if err != nil {
		return err
	}
	defer os.Remove(m.path)
	counted, err := b.runBaseline("count", plain)
	if err != nil {
		return err
	}
	if _, err := b.timed(m, 1); err != nil {
		return err
	}
	enclave, err := peak(b.s.EnclavePID())
	if err != nil {
		return err
	}
	parent, err := peak(b.s.ParentPID())
	if err != nil {
		return err
	}
	input := fmt.Sprintf("%d MB, %d identifiers", m.plain/1e6, counted.Identifiers)
	b.table.add(memoryRow("peak memory of the enclave, input "+input, enclave, fixedGoal+identifierGoal*uint64(counted.Identifiers)))
	b.table.add(memoryRow("peak memory of the parent, input "+input, parent, fixedGoal))
	return nil
}

func memoryRow(name string, got, goal uint64) row {
	return row{
		name: name, value: fmt.Sprintf("%.1f MiB", float64(got)/(1<<20)), ratio: fmt.Sprintf("%.2f of it", float64(got)/float64(goal)),
		goal: fmt.Sprintf("<= %.1f MiB", float64(goal)/(1<<20)), met: got <= goal,
	}
}
