package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"anchorhold/enclave/deid"
	"anchorhold/enclave/deid/anonymizer"
	"anchorhold/enclave/deid/engines"
	"anchorhold/enclave/deid/score"
	"anchorhold/enclave/deid/stream"
)

// tool is one set of rules. A tool without an engine leaves records as they are, which shows what
// the scores of no protection are.
type tool struct {
	name   string
	engine *engines.Engine
	values map[string][]byte
}

// loadTool compiles a preset or a configuration.
func loadTool(preset, config string) (*tool, error) {
	t := &tool{name: preset, values: map[string][]byte{}}
	var rules []byte
	var err error
	if preset != "" {
		if rules, err = deid.Preset(preset); err != nil {
			return nil, err
		}
	} else {
		t.name = strings.TrimSuffix(filepath.Base(config), ".json")
		if rules, err = os.ReadFile(config); err != nil {
			return nil, err
		}
		if rules, t.values, err = anonymizer.Split(rules); err != nil {
			return nil, fmt.Errorf("%s: %w", config, err)
		}
	}
	if t.engine, err = engines.Compile(rules); err != nil {
		return nil, fmt.Errorf("%s: %w", t.name, err)
	}
	needs := t.engine.Keys()
	if e, ok := t.engine.Stream().(*anonymizer.Engine); ok {
		needs = e.Needs()
	}
	for _, name := range needs {
		if len(t.values[name]) == 0 {
			t.values[name] = testKey(name)
		}
	}
	return t, nil
}

// testKey is a key for synthetic records. 32 letters of hexadecimal are long enough for every kind
// of key.
func testKey(name string) []byte { return fmt.Appendf(nil, "%x", sha256.Sum256([]byte(name)))[:32] }

// allTools returns every preset, the configurations, and the records left as they are.
func allTools(configs []string) ([]*tool, error) {
	var tools []*tool
	for _, name := range deid.Presets() {
		t, err := loadTool(name, "")
		if err != nil {
			return nil, err
		}
		tools = append(tools, t)
	}
	for _, path := range configs {
		t, err := loadTool("", path)
		if err != nil {
			return nil, err
		}
		tools = append(tools, t)
	}
	return append(tools, &tool{name: "unchanged"}), nil
}

// deidentify writes the output of the benchmark in dir into the folder out, as score.Judge wants
// it. All files are one job, so that references between them stay consistent.
func (t *tool) deidentify(ctx context.Context, dir, out string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.ndjson"))
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(p string) bool { return filepath.Base(p) == score.TruthFile })
	if len(names) == 0 {
		return fmt.Errorf("%s has no record files", dir)
	}
	var in []byte
	var counts []int
	for _, path := range names {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		in = append(in, b...)
		counts = append(counts, bytes.Count(b, []byte("\n")))
	}
	lines, err := t.process(ctx, in)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o777); err != nil {
		return err
	}
	for i, path := range names {
		b := bytes.Join(lines[:counts[i]], nil)
		lines = lines[counts[i]:]
		if err := os.WriteFile(filepath.Join(out, filepath.Base(path)), b, 0o666); err != nil {
			return err
		}
	}
	return nil
}

// process returns an output line for each line of in, empty where the record was rejected.
func (t *tool) process(ctx context.Context, in []byte) ([][]byte, error) {
	if t.engine == nil {
		return slices.Collect(bytes.Lines(in)), nil
	}
	o := stream.Options{ReferenceDate: score.ReferenceDate, Values: t.values, MaxRecord: 64 << 20}
	copy(o.SurrogateKey[:], testKey("surrogates"))
	return score.Lines(ctx, t.engine, in, o)
}
