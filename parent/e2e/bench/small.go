package main

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"anchorhold/protocol/protocoltest/synthetic"
)

const (
	smallClients = 24   // connections: fewer than the parent's default limit of uploads at once
	smallBytes   = 2048 // of records in a small job, about
	smallGoal    = 2000 // jobs per second
	latencyGoal  = 5 * time.Millisecond
)

// small measures small jobs under one cached data key. Messages are sealed before, and receipts
// verified after the time is taken.
func (b *bench) small() error {
	closed, err := b.prepareSmall(smallGoal * 2 * b.smallSeconds)
	if err != nil {
		return err
	}
	if err := b.warm(); err != nil {
		return err
	}
	before, err := b.spent()
	if err != nil {
		return err
	}
	rate, done, err := b.saturate(closed)
	if err != nil {
		return err
	}
	after, err := b.spent()
	if err != nil {
		return err
	}
	took := after.sub(before)
	each := took.total().Seconds() / float64(len(done))
	b.table.add(row{
		name: "small jobs, cached key", value: number(rate, "jobs/s"), ratio: fmt.Sprintf("%.2f", rate/smallGoal), baseline: fmt.Sprintf("%d connections", smallClients),
		goal: fmt.Sprintf(">= %d/s", smallGoal), met: rate >= smallGoal,
	})
	b.table.add(row{
		name: "  processor time of one", value: fmt.Sprintf("%.2f ms", each*1e3), baseline: took.of(len(done)),
		ratio: fmt.Sprintf("%.0f/s on idle cores", float64(runtime.NumCPU())/each),
	})
	if err := b.proof.check(b.s, done); err != nil {
		return err
	}
	open, err := b.prepareSmall(smallGoal / 2 * b.smallSeconds)
	if err != nil {
		return err
	}
	return b.paced(open)
}

// pending is a small job that is ready to be sent.
type pending struct {
	request []byte
	answer  *answer
	late    time.Duration // from when it was due to its last byte
}

func (b *bench) prepareSmall(n int) ([]*pending, error) {
	var sample bytes.Buffer
	lines := &lineKeeper{}
	if err := synthetic.Generate(lines.writer, synthetic.Options{Patients: 2}); err != nil {
		return nil, err
	}
	for _, l := range lines.all {
		if sample.Len() < smallBytes {
			sample.Write(l)
		}
	}
	c, err := dial(b.s)
	if err != nil {
		return nil, err
	}
	defer c.close()
	jobs := make([]*pending, n)
	for i := range jobs {
		m, err := b.seal.small(sample.Bytes())
		if err != nil {
			return nil, err
		}
		j, err := b.seal.submission(m)
		if err != nil {
			return nil, err
		}
		jobs[i] = &pending{request: c.request(j), answer: &answer{job: j}}
		m.bytes = nil // the request holds them
	}
	return jobs, nil
}

// warm runs a few jobs, the first of which fills the key cache.
func (b *bench) warm() error {
	jobs, err := b.prepareSmall(4 * smallClients)
	if err != nil {
		return err
	}
	_, done, err := b.saturate(jobs)
	if err != nil {
		return err
	}
	return b.proof.check(b.s, done)
}

// saturate sends jobs as fast as they are answered, over all connections, and returns jobs per
// second.
func (b *bench) saturate(jobs []*pending) (rate float64, done []*answer, err error) {
	end := time.Now().Add(time.Duration(b.smallSeconds) * time.Second)
	var next atomic.Int64
	begun := time.Now()
	answers, err := b.crowd(func(c *client) ([]*answer, error) {
		var mine []*answer
		for time.Now().Before(end) {
			i := int(next.Add(1)) - 1
			if i >= len(jobs) {
				break
			}
			if err := jobs[i].send(c); err != nil {
				return nil, err
			}
			mine = append(mine, jobs[i].answer)
		}
		return mine, nil
	})
	return float64(len(answers)) / time.Since(begun).Seconds(), answers, err
}

// paced sends jobs at half the rate of the goal, each at its time whether or not those before it
// have been answered, and judges how late the answers are: waiting for a free connection counts.
func (b *bench) paced(jobs []*pending) error {
	due := make(chan int, len(jobs))
	begun := time.Now()
	const gap = time.Second / (smallGoal / 2)
	go func() {
		defer close(due)
		for i := range jobs {
			time.Sleep(time.Until(begun.Add(time.Duration(i) * gap)))
			due <- i
		}
	}()
	answers, err := b.crowd(func(c *client) ([]*answer, error) {
		var mine []*answer
		for i := range due {
			if err := jobs[i].send(c); err != nil {
				return nil, err
			}
			jobs[i].late = time.Since(begun.Add(time.Duration(i) * gap))
			mine = append(mine, jobs[i].answer)
		}
		return mine, nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(jobs, func(x, y *pending) int { return int(x.late - y.late) })
	p50, p99 := jobs[len(jobs)/2].late, jobs[len(jobs)*99/100].late
	b.table.add(row{
		name: fmt.Sprintf("  p99 at %d/s, open loop", smallGoal/2), value: fmt.Sprintf("%.1f ms", p99.Seconds()*1e3),
		baseline: fmt.Sprintf("p50 %.1f ms", p50.Seconds()*1e3), goal: fmt.Sprintf("<= %d ms", latencyGoal.Milliseconds()), met: p99 <= latencyGoal,
	})
	return b.proof.check(b.s, answers)
}

func (p *pending) send(c *client) error {
	b := bytes.NewBuffer(make([]byte, 0, 20<<10))
	id, err := c.send(p.request, nil, b)
	p.answer.id, p.answer.sealed = id, b.Bytes()
	return err
}

// crowd runs f on every connection and gathers what they return.
func (b *bench) crowd(f func(*client) ([]*answer, error)) ([]*answer, error) {
	var (
		all    sync.WaitGroup
		mu     sync.Mutex
		gather []*answer
		failed error
	)
	for range smallClients {
		c, err := dial(b.s)
		if err != nil {
			return nil, err
		}
		defer c.close()
		all.Go(func() {
			mine, err := f(c)
			mu.Lock()
			defer mu.Unlock()
			gather = append(gather, mine...)
			if err != nil {
				failed = err
			}
		})
	}
	all.Wait()
	return gather, failed
}
