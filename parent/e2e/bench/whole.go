package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"anchorhold/protocol/protocoltest/synthetic"
)

// wholeGoal is judged by the clock and by processor time: both must reach it.
const wholeGoal = 0.8

// patientBytes is about what the generator writes for one patient.
const patientBytes = 84 << 10

// records writes about mb megabytes of records to w.
func records(w io.Writer, mb int) error {
	return synthetic.Generate(func(string) io.Writer { return w }, synthetic.Options{Patients: mb<<20/patientBytes + 1})
}

// recordsFile writes records to a file and returns them as a function that writes them again.
func recordsFile(path string, mb int) (copyTo func(io.Writer) error, err error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	if err := records(w, mb); err != nil {
		return nil, err
	}
	if err := w.Flush(); err != nil {
		return nil, err
	}
	return func(w io.Writer) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(w, f)
		return err
	}, f.Close()
}

// sample is one measurement: wall clock and processor time in seconds, and who spent it.
type sample struct {
	wall, processor float64
	spent           spent
}

func median(samples []sample, by func(sample) float64) float64 {
	var v []float64
	for _, s := range samples {
		v = append(v, by(s))
	}
	slices.Sort(v)
	return v[len(v)/2]
}

func wall(s sample) float64 { return s.wall }

func processorTime(s sample) float64 { return s.processor }

// whole compares a job's whole way with its pipeline alone. The two are run in turn, so that both
// see the machine in the same state.
func (b *bench) whole() error {
	plain := b.s.Path("plain.ndjson")
	copyTo, err := recordsFile(plain, b.largeMB)
	if err != nil {
		return err
	}
	m, err := b.seal.large(b.s.Path("large.message"), copyTo)
	if err != nil {
		return err
	}
	defer os.Remove(plain)
	defer os.Remove(m.path)
	var alone, path, steady []sample
	for range b.rounds {
		r, err := b.runBaseline("plain", plain)
		if err != nil {
			return err
		}
		alone = append(alone, sample{wall: r.Seconds, processor: r.Processor})
		one, err := b.timed(m, 1)
		if err != nil {
			return err
		}
		path = append(path, one)
	}
	for range min(b.rounds, 3) {
		several, err := b.timed(m, 3)
		if err != nil {
			return err
		}
		steady = append(steady, sample{wall: several.wall / 3, processor: several.processor / 3})
	}
	rate := func(s []sample, by func(sample) float64) float64 { return float64(m.plain) / 1e6 / median(s, by) }
	name := fmt.Sprintf("whole path of a %d MB job / its pipeline in process", m.plain/1e6)
	// Beside other load three processes get more of the cores than one: the clock alone would call
	// that fast.
	used := atLeast("  the same, by processor time", "MB/s per core", rate(path, processorTime), rate(alone, processorTime), wholeGoal)
	for _, r := range []row{
		atLeast(name, "MB/s", rate(path, wall), rate(alone, wall), wholeGoal),
		atLeast("  the same, 3 such jobs at once", "MB/s", rate(steady, wall), rate(alone, wall), wholeGoal),
	} {
		r.met = r.met && used.met
		b.table.add(r)
	}
	b.table.add(used)
	last := path[len(path)-1]
	b.table.add(row{name: "  processor time of one, ms", value: number(last.processor*1e3, "ms"), baseline: last.spent.of(1)})
	return nil
}

// timed runs n jobs of the message at once, from the first byte sent to the last received, and
// proves them.
func (b *bench) timed(m *sealed, n int) (sample, error) {
	s, answers, err := b.together(m, n)
	if err != nil {
		return sample{}, err
	}
	return s, b.proof.check(b.s, answers)
}

// room is memory for a result, touched before the time is taken: the baseline writes nothing, so
// where an owner puts a result is not part of what is compared with it.
func room(m *sealed) *bytes.Buffer {
	all := make([]byte, m.size+m.size/4)
	for i := 0; i < len(all); i += os.Getpagesize() {
		all[i] = 1
	}
	return bytes.NewBuffer(all[:0])
}

func (b *bench) together(m *sealed, n int) (sample, []*answer, error) {
	answers, clients, results := make([]*answer, n), make([]*client, n), make([]*bytes.Buffer, n)
	for i := range answers {
		results[i] = room(m)
		j, err := b.seal.submission(m)
		if err != nil {
			return sample{}, nil, err
		}
		if clients[i], err = dial(b.s); err != nil {
			return sample{}, nil, err
		}
		defer clients[i].close()
		answers[i] = &answer{job: j, output: newOutputSum()}
	}
	before, err := b.spent()
	if err != nil {
		return sample{}, nil, err
	}
	begun := time.Now()
	errs := make(chan error, n)
	for i := range answers {
		go func() {
			id, err := clients[i].post(answers[i].job, results[i])
			answers[i].id = id
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			return sample{}, nil, err
		}
	}
	took := time.Since(begun)
	after, err := b.spent()
	if err != nil {
		return sample{}, nil, err
	}
	for i, a := range answers {
		a.output.Write(results[i].Bytes())
	}
	used := after.sub(before)
	return sample{took.Seconds(), used.total().Seconds(), used}, answers, nil
}
