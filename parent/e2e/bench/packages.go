package main

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// timing is the best of several runs of one benchmark, by processor time: what else the machine
// does only ever makes it slower.
type timing struct{ nanoseconds, mbPerSecond float64 }

var (
	benchLine  = regexp.MustCompile(`(?m)^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+([0-9.]+) ns/op(?:\s+([0-9.]+) MB/s)?(?:.*?\s([0-9.]+) cpu-ns/op)?`)
	benchValue = regexp.MustCompile(`\s([0-9.]+) (\S+)`)
)

// goBench runs benchmarks of a package several times on the given number of cores.
func (b *bench) goBench(pkg, pattern string, cores int) (map[string]timing, error) {
	cmd := exec.CommandContext(b.ctx, "go", "test", "-run", "^$", "-bench", pattern, "-benchtime", "300ms", "-count", "6", "-cpu", strconv.Itoa(cores), pkg)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go test -bench %s %s: %w\n%s%s", pattern, pkg, err, out, stderr.Bytes())
	}
	best := map[string]timing{}
	for _, m := range benchLine.FindAllStringSubmatch(string(out), -1) {
		ns, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return nil, err
		}
		mbs, _ := strconv.ParseFloat(m[3], 64) // absent where no bytes are counted
		if cpu, err := strconv.ParseFloat(m[4], 64); err == nil && cpu > 0 {
			ns, mbs = cpu, mbs*ns/cpu
		}
		if old, ok := best[m[1]]; !ok || ns < old.nanoseconds {
			best[m[1]] = timing{ns, mbs}
		}
	}
	return best, nil
}

// packages runs the benchmarks that need no processes.
func (b *bench) packages() error {
	open, err := b.goBench("anchorhold/protocol/envelope", "^Benchmark(Open|RawGCM)$", 1)
	if err != nil {
		return err
	}
	for _, size := range []string{"4KiB", "64KiB", "256KiB", "1024KiB"} {
		got, raw := open["Open/frame="+size], open["RawGCM/frame="+size]
		if raw.mbPerSecond == 0 {
			return fmt.Errorf("no benchmark of frames of %s", size)
		}
		b.table.add(atLeast("envelope open / raw AES-256-GCM, frames of "+size, "MB/s per core", got.mbPerSecond, raw.mbPerSecond, 0.7))
	}
	verify, err := b.goBench("anchorhold/protocol/attest", "^BenchmarkVerifyMade$", 1)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		name, key string
		goal      float64
	}{
		{"attestation documents verified, whole chain, per core", "VerifyMade/whole_chain", 300},
		{"attestation documents verified, chain cached, per core", "VerifyMade/chain_cached", 1000},
	} {
		r, base := verify[c.key], verify["VerifyMade/one_P-384_verification"]
		if r.nanoseconds == 0 || base.nanoseconds == 0 {
			return fmt.Errorf("no benchmark %s", c.key)
		}
		rate, raw := 1e9/r.nanoseconds, 1e9/base.nanoseconds
		b.table.add(row{
			name: c.name, value: number(rate, "/s"), baseline: number(raw, "ES384/s"), ratio: fmt.Sprintf("%.2f", rate/raw),
			goal: fmt.Sprintf(">= %.0f/s", c.goal), met: rate >= c.goal,
		})
	}
	return b.engine()
}

// engine runs the de-identification engine on one core and on two, beside what JSON costs anyhow on
// one.
func (b *bench) engine() error {
	const deid, anonymizer = "anchorhold/enclave/deid", "anchorhold/enclave/deid/anonymizer"
	one, err := b.passes(deid, "^BenchmarkSafeHarbor$", 1)
	if err != nil {
		return err
	}
	two, err := b.passes(deid, "^Benchmark(SafeHarbor|Bundle)$/^(engine|engines-apart|message)$", 2)
	if err != nil {
		return err
	}
	theirs, err := b.passes(anonymizer, "^BenchmarkConfiguration$", 1)
	if err != nil {
		return err
	}
	const perCore, engine = "MB/s per core", "SafeHarbor/engine"
	b.table.add(atLeast("safe-harbor engine / copying JSON tokens", perCore, one[engine].perCore, one["SafeHarbor/jsontext-copy"].perCore, 0.5))
	b.table.add(atLeast("safe-harbor engine / encoding/json, maps", perCore, one[engine].perCore, one["SafeHarbor/encoding-json"].perCore, 2))
	b.table.add(atLeast("safe-harbor engine, two cores / one, wall clock", "MB/s", two[engine].megabytes, one[engine].megabytes, 1.7))
	apart := two["SafeHarbor/engines-apart"].megabytes
	b.table.add(row{
		name: "two engines apart, one core each / one, wall clock", value: number(apart, "MB/s"), baseline: number(one[engine].megabytes, "MB/s"),
		ratio: fmt.Sprintf("%.2f", apart/one[engine].megabytes),
	})
	b.table.add(row{name: "safe-harbor engine, two cores", value: number(two[engine].megabytes, "MB/s"), goal: ">= 60 MB/s", met: two[engine].megabytes >= 60})
	b.table.add(row{
		name: "safe-harbor engine, two cores", value: number(two[engine].records, "resources/s"), goal: ">= 40000/s", met: two[engine].records >= 40000,
	})
	b.table.add(row{
		name: "safe-harbor engine, allocations / encoding/json, maps", value: number(one[engine].allocations, "per resource"),
		baseline: number(one["SafeHarbor/encoding-json"].allocations, "per resource"),
	})
	bundle := two["Bundle/message"]
	if bundle.milliseconds == 0 {
		return errors.New("no benchmark of a Bundle")
	}
	b.table.add(row{
		name: "safe-harbor engine, a Bundle of 3 MB, two cores", value: number(bundle.milliseconds, "ms"), goal: "< 150 ms", met: bundle.milliseconds < 150,
	})
	b.table.add(atLeast("a configuration of Microsoft's anonymizer / copying JSON tokens", perCore,
		theirs["Configuration/engine"].perCore, theirs["Configuration/jsontext-copy"].perCore, 0.2))
	return nil
}

// pass is one way over all records: the best of several, by what each value is.
type pass struct{ perCore, megabytes, records, allocations, milliseconds float64 }

// passes runs benchmarks of an engine, one of which is called engine.
func (b *bench) passes(pkg, pattern string, cores int) (map[string]pass, error) {
	cmd := exec.CommandContext(b.ctx, "go", "test", "-run", "^$", "-bench", pattern, "-benchtime", "1x", "-count", "4", "-cpu", strconv.Itoa(cores), pkg)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go test -bench %s %s: %w\n%s%s", pattern, pkg, err, out, stderr.Bytes())
	}
	engine := false
	best := map[string]pass{}
	for line := range bytes.Lines(out) {
		m := benchLine.FindSubmatch(line)
		if m == nil {
			continue
		}
		v := map[string]float64{}
		for _, x := range benchValue.FindAllSubmatch(line, -1) {
			if v[string(x[2])], err = strconv.ParseFloat(string(x[1]), 64); err != nil {
				return nil, err
			}
		}
		engine = engine || strings.HasSuffix(string(m[1]), "/engine") && v["MB/s"] > 0
		ms := v["ns/op"] / 1e6
		p, again := best[string(m[1])]
		if again {
			ms = min(ms, p.milliseconds)
		}
		best[string(m[1])] = pass{
			max(p.perCore, v["MB/s"]*v["ns/op"]/v["cpu-ns/op"]), max(p.megabytes, v["MB/s"]), max(p.records, v["records/s"]), v["allocs/record"], ms,
		}
	}
	if !engine {
		return nil, fmt.Errorf("no benchmark of the engine of %s on %d cores", pkg, cores)
	}
	return best, nil
}
