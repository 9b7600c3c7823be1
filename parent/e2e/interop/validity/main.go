// Command validity checks that de-identification keeps FHIR records valid. It runs records through
// each preset and asks two validators that are not ours, HAPI FHIR and fhir.resources, about every
// record before and after. A record that was valid must be valid afterwards, or be rejected by the
// preset. What exceptions.txt lists, with its reason, is allowed.
//
// Run by scripts/interop/validity.sh.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"anchorhold/enclave/deid"
	"anchorhold/enclave/deid/engines"
	"anchorhold/enclave/deid/score"
	"anchorhold/enclave/deid/stream"
)

func main() {
	vectors := flag.String("vectors", os.Getenv("VECTORS"), "`FOLDER` of published records")
	java := flag.String("java", "", "class path of the validator HAPI FHIR")
	python := flag.String("python", "", "Python with fhir.resources")
	script := flag.String("script", "", "validate.py")
	exceptions := flag.String("exceptions", "", "`FILE` of allowed causes")
	folder := flag.String("records", "", "`FOLDER` for the records that are not valid any more, before and after")
	thorough := flag.Bool("thorough", false, "check every variant of every published record: five times as long")
	flag.Parse()
	validators := []*validator{
		{name: "hapi", command: []string{"java", "-Xmx2g", "-cp", *java, "Validate"}},
		{name: "fhir.resources", command: []string{*python, *script}},
	}
	if err := run(context.Background(), *vectors, *exceptions, *folder, *thorough, validators); err != nil {
		fmt.Fprintln(os.Stderr, "validity:", err)
		os.Exit(1)
	}
}

// sample is one record on its way through all presets.
type sample struct {
	set   string
	input int // its place in what the validators read
	// the same of each preset's output; a preset that rejected the record is missing
	after map[string]int
}

func run(ctx context.Context, vectors, exceptions, folder string, thorough bool, validators []*validator) error {
	allowed, err := readExceptions(exceptions)
	if err != nil {
		return err
	}
	sets, err := readSets(vectors, thorough)
	if err != nil {
		return err
	}
	var texts [][]byte
	var samples []*sample
	for _, s := range sets {
		some, err := process(ctx, s, &texts)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		samples = append(samples, some...)
	}
	for _, v := range validators {
		if err := v.judge(ctx, texts); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
	}
	if folder != "" {
		if err := writeBroken(folder, texts, samples, validators); err != nil {
			return err
		}
	}
	return report(sets, samples, validators, allowed)
}

// writeBroken writes, for a person who looks for the fault, each record that was valid and is not
// any more.
func writeBroken(folder string, texts [][]byte, samples []*sample, validators []*validator) error {
	for _, v := range validators {
		for _, x := range samples {
			for _, preset := range deid.Presets() {
				place, ok := x.after[preset]
				if !ok || !v.valid(x.input) || v.valid(place) {
					continue
				}
				b := fmt.Appendf(nil, "%s\n%s\n%s\n", strings.Join(v.faults[place], "\n"), texts[x.input], texts[place])
				name := fmt.Sprintf("%s-%s-%d.txt", v.name, preset, x.input)
				if err := os.WriteFile(filepath.Join(folder, name), b, 0o600); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// process runs a set through every preset and adds all records to texts.
func process(ctx context.Context, s set, texts *[][]byte) ([]*sample, error) {
	var samples []*sample
	var in []byte
	for _, r := range s.records {
		samples = append(samples, &sample{set: s.name, input: len(*texts), after: map[string]int{}})
		*texts = append(*texts, r)
		in = append(append(in, r...), '\n')
	}
	for _, preset := range deid.Presets() {
		rules, err := deid.Preset(preset)
		if err != nil {
			return nil, err
		}
		e, err := engines.Compile(rules)
		if err != nil {
			return nil, err
		}
		o := stream.Options{ReferenceDate: score.ReferenceDate, MaxRecord: 64 << 20, Values: map[string][]byte{
			deid.PseudonymKey: []byte("a key for records that are published"), deid.ShiftKey: []byte("another key for published records"),
		}}
		lines, err := score.Lines(ctx, e, in, o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", preset, err)
		}
		for i, line := range lines {
			if line = bytes.TrimSpace(line); len(line) > 0 {
				samples[i].after[preset] = len(*texts)
				*texts = append(*texts, line)
			}
		}
	}
	return samples, nil
}

// report prints a table and fails if a cause is not allowed, or if an exception is not needed.
func report(sets []set, samples []*sample, validators []*validator, allowed *exceptions) error {
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "validator\trecords\tpreset\tvalid before\tvalid after\trejected\tnot valid, as listed\tnot valid")
	bad := map[string]int{}
	for _, v := range validators {
		for _, s := range sets {
			for _, preset := range deid.Presets() {
				var before, after, rejected, listed, invalid int
				for _, x := range samples {
					if x.set != s.name || !v.valid(x.input) {
						continue
					}
					before++
					place, ok := x.after[preset]
					switch {
					case !ok:
						rejected++
					case v.valid(place):
						after++
					default:
						if causes := allowed.unlisted(v.name, preset, v.faults[place]); len(causes) == 0 {
							listed++
						} else {
							invalid++
							for _, c := range causes {
								bad[v.name+" "+preset+" "+c]++
							}
						}
					}
				}
				if before == 0 {
					return fmt.Errorf("%s: no valid record of %s: the check has shown nothing", v.name, s.name)
				}
				fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\n", v.name, s.name, preset, before, after, rejected, listed, invalid)
			}
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(bad) > 0 {
		var lines []string
		for c, n := range bad {
			lines = append(lines, fmt.Sprintf("  %s (%d)", c, n))
		}
		slices.Sort(lines)
		for _, l := range lines {
			fmt.Println(l)
		}
		return fmt.Errorf("%d causes are not listed in exceptions.txt", len(bad))
	}
	return allowed.unused()
}
