package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"anchorhold/enclave/deid"
	"anchorhold/enclave/deid/anonymizer"
	"anchorhold/enclave/deid/engine"
	"anchorhold/enclave/deid/engines"
	"anchorhold/enclave/deid/stream"
	"anchorhold/enclave/fhirpath"
	"anchorhold/protocol/cli"
	"anchorhold/protocol/code"
)

const tryHelp = `Try runs a pipeline's rules on records in the clear, at your desk: what comes out is what an enclave would make of them, but for
surrogates, IVs and noise, which belong to a job. Nothing is sealed, sent or proven. Output goes to stdout, what is to be known about
it to stderr.

Rules are those of a preset, of a rule file (which may extend a preset), or of a configuration of Microsoft's FHIR anonymizer, which here may hold its keys.
FILEs hold NDJSON, or one resource or Bundle as JSON. All are one job: references between them keep fitting. With a configuration whose
dateShiftScope is file or folder, each file or folder is a job, named as it is.

--diff shows, value by value, what was there, what stays, and the rule that did it.`

// tryKey makes surrogates, IVs and noise. It is no secret and no job's: trying twice shows the
// same.
var tryKey = sha256.Sum256([]byte("anchorhold try: not for real records"))

// tryRecord is the longest record that is tried; a Bundle is one.
const tryRecord = 64 << 20

type tryFlags struct {
	preset, config, parameters, date string
	diff, functions                  bool
}

func (a *app) try() *cobra.Command {
	var f tryFlags
	cmd := &cobra.Command{
		Use:   "try (--preset NAME | --config FILE) [--parameters FILE] [--reference-date DAY] [--diff] FILE...",
		Short: "Run rules on records in the clear, and show what they do",
		Long:  tryHelp,
		Example: `  anchorhold try --preset safe-harbor --reference-date 2026-12-31 Patient.ndjson
  anchorhold try --config configuration.json --diff Bundle.json
  anchorhold try --functions`,
		RunE: func(cmd *cobra.Command, paths []string) error {
			if f.functions {
				if len(paths) > 0 {
					return cli.Usage("--functions takes no FILE")
				}
				a.printFunctions()
				return nil
			}
			return a.tryFiles(cmd.Context(), f, paths)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.preset, "preset", "", "`NAME` of a preset: "+strings.Join(deid.Presets(), ", "))
	flags.StringVar(&f.config, "config", "", "`FILE` of rules, or of a FHIR anonymizer configuration")
	flags.StringVar(&f.parameters, "parameters", "", "YAML `FILE` of secrets for the rules (anchorhold: parameters/v1)")
	flags.StringVar(&f.date, "reference-date", "", "`DAY` that ages are counted to, YYYY-MM-DD (default today)")
	flags.BoolVar(&f.diff, "diff", false, "show each value before and after, and the rule that touched it")
	flags.BoolVar(&f.functions, "functions", false, "list the FHIRPath functions that paths and cases may use, and those that are refused")
	return cmd
}

// trial is what is tried, and on what.
type trial struct {
	engine  *engines.Engine
	values  map[string][]byte
	scope   string // by which files are jobs: "file", "folder" or anything else for one job
	options stream.Options
	diff    bool
}

func (a *app) tryFiles(ctx context.Context, f tryFlags, paths []string) error {
	switch {
	case (f.preset == "") == (f.config == ""):
		return cli.Usage("expected either --preset or --config")
	case len(paths) == 0:
		return cli.Usage("expected at least one FILE")
	}
	t, err := loadTrial(f)
	if err != nil {
		return err
	}
	if t.options.ReferenceDate = f.date; f.date == "" {
		t.options.ReferenceDate = a.now().UTC().Format(time.DateOnly)
		a.notice("reference date: %s, today. A job has its own, from the policy or its context", t.options.ReferenceDate)
	} else if _, err := time.Parse(time.DateOnly, f.date); err != nil {
		return cli.Usage("--reference-date is %q, want YYYY-MM-DD", f.date)
	}
	for _, w := range t.engine.Warnings() {
		a.notice("warning: %s", w)
	}
	rejected := false
	for _, group := range t.jobs(paths) {
		some, err := a.tryJob(ctx, t, group)
		if err != nil {
			return err
		}
		rejected = rejected || some
	}
	if rejected {
		return errRejected
	}
	return nil
}

// loadTrial compiles the rules. The keys of a configuration go the way that they would go in a job.
func loadTrial(f tryFlags) (*trial, error) {
	t := &trial{values: map[string][]byte{}, diff: f.diff}
	var rules []byte
	var err error
	if f.preset != "" {
		if rules, err = deid.Preset(f.preset); err != nil {
			return nil, cli.Usage("unknown preset %q, want one of %s", f.preset, strings.Join(deid.Presets(), ", "))
		}
	} else if rules, err = readSmall(f.config); err != nil {
		return nil, err
	}
	given, err := readParameters(f.parameters)
	if err != nil {
		return nil, err
	}
	if engine.IsConfiguration(rules) {
		if rules, t.values, err = anonymizer.Split(rules); err != nil {
			return nil, fmt.Errorf("%s: %w", f.config, err)
		}
	}
	for name, v := range given {
		if t.values[name] != nil {
			return nil, fmt.Errorf("%s and %s both give %s", f.config, f.parameters, name)
		}
		t.values[name] = v
	}
	if t.engine, err = engines.Compile(rules); err != nil {
		return nil, fmt.Errorf("%s: %w", f.config+f.preset, err)
	}
	if e, ok := t.engine.Stream().(*anonymizer.Engine); ok {
		if t.values[anonymizer.DateShiftPrefix] == nil {
			t.scope = e.Scope()
		}
		for _, name := range e.Needs() {
			if len(t.values[name]) == 0 && (name != anonymizer.DateShiftPrefix || t.scope == "") {
				return nil, fmt.Errorf("the rules need %s: give it with --parameters", name)
			}
		}
	}
	t.options = stream.Options{SurrogateKey: tryKey, MaxRecord: tryRecord}
	return t, nil
}

// jobs groups the files by the job that they belong to.
func (t *trial) jobs(paths []string) [][]string {
	if t.scope != "file" && t.scope != "folder" {
		return [][]string{paths}
	}
	var groups [][]string
	at := map[string]int{}
	for _, p := range paths {
		k := t.prefix(p)
		if t.scope == "file" {
			k = p
		}
		i, ok := at[k]
		if !ok {
			i = len(groups)
			at[k] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], p)
	}
	return groups
}

// prefix is what upstream's date shift takes for the name of a file's scope.
func (t *trial) prefix(path string) string {
	if t.scope == "file" {
		return filepath.Base(path)
	}
	if whole, err := filepath.Abs(path); err == nil {
		path = whole
	}
	return filepath.Base(filepath.Dir(path))
}

// tryJob runs one job and reports whether it has rejected records.
func (a *app) tryJob(ctx context.Context, t *trial, paths []string) (bool, error) {
	o := t.options
	o.Values = maps.Clone(t.values)
	if t.scope == "file" || t.scope == "folder" {
		o.Values[anonymizer.DateShiftPrefix] = []byte(t.prefix(paths[0]))
	}
	in, places, err := readTried(paths)
	if err != nil {
		return false, err
	}
	run := &traced{Engine: t.engine.Stream()}
	if t.diff {
		o.Workers = 1
		report, err := stream.Process(ctx, run, bytes.NewReader(in), run, o)
		if err != nil {
			return false, a.whyStopped(err, run, places, in)
		}
		a.printDiff(run, places, in)
		return a.tellReport(report, places, whyRejected(run, in, nil)), nil
	}
	report, err := stream.Process(ctx, t.engine.Stream(), bytes.NewReader(in), a.out, o)
	if code.Of(err) == code.RecordRejected { // once more, to see why
		o.Workers, o.SurrogateKey = 1, tryKey
		_, err = stream.Process(ctx, run, bytes.NewReader(in), io.Discard, o)
	}
	if err != nil {
		return false, a.whyStopped(err, run, places, in)
	}
	reasons, err := t.whyRejected(ctx, o, in, report)
	if err != nil {
		return false, err
	}
	return a.tellReport(report, places, reasons), nil
}

// whyStopped says which record has failed a job, where and why.
func (a *app) whyStopped(err error, run *traced, places places, in []byte) error {
	lines := recordLines(in)
	if len(run.pieces) == 0 || len(run.pieces) > len(lines) || code.Of(err) != code.RecordRejected {
		return err
	}
	last := run.pieces[len(run.pieces)-1]
	for _, t := range last.touches {
		if t.Reason != "" { // of rules for which a Bundle is a record: one piece a line
			where := ""
			if t.Pointer != "" {
				where = safe(t.Pointer) + ": "
			}
			return fmt.Errorf("%s: %s%s", places.name(lines[len(run.pieces)-1]), where, t.Reason)
		}
	}
	return err
}

// tellReport says what came out, and reports whether records were rejected.
func (a *app) tellReport(r *stream.Report, places places, reasons map[rejected]stream.Touch) bool {
	for _, j := range r.Rejects {
		why := reasons[rejectedAt(j)]
		pointer := j.Pointer
		if why.Pointer != "" {
			pointer = why.Pointer
		}
		where := ""
		if pointer != "" {
			where = " at " + safe(pointer)
		}
		if why.Reason != "" {
			where += ": " + why.Reason
		}
		a.notice("%s: rejected: %s%s", places.name(j.Line), j.Code, where)
	}
	a.notice("%d records in, %d out, %d rejected", r.RecordsIn, r.RecordsOut, r.RecordsRejected)
	return r.RecordsRejected > 0
}

// places says which line of a job is which line of a file.
type places []place

type place struct {
	path  string
	first int64 // line of the job
	whole bool  // the file is one record
}

func (p places) name(line int64) string {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i].first <= line {
			if p[i].whole {
				return p[i].path
			}
			return fmt.Sprintf("%s:%d", p[i].path, line-p[i].first+1)
		}
	}
	return fmt.Sprint(line) // unreachable
}

// maxTried bounds what is tried at once.
const maxTried = 1 << 30

// readTried makes lines of the files.
func readTried(paths []string) ([]byte, places, error) {
	var in []byte
	var at places
	line := int64(1)
	for _, path := range paths {
		b, err := readBounded(path, maxTried-len(in))
		if err != nil {
			return nil, nil, err
		}
		b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
		one, whole := oneDocument(b)
		at = append(at, place{path, line, whole})
		in = append(append(in, one...), '\n')
		line += int64(bytes.Count(one, []byte{'\n'})) + 1
	}
	return in, at, nil
}

func readBounded(path string, limit int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err == nil && len(b) > limit {
		err = errors.New("more than 1 GiB in all: try a part of it")
	}
	return b, err
}

// printFunctions lists what FHIRPath is supported.
func (a *app) printFunctions() {
	refused := fhirpath.Refused()
	var rows [][]string
	for _, f := range fhirpath.Functions() {
		if refused[f.Name] == "" {
			rows = append(rows, []string{f.Name, "supported", argumentsText(f)})
		}
	}
	for _, name := range []string{"nodesByName", "nodesByType"} {
		rows = append(rows, []string{name, "supported", "1 argument, in paths of a configuration"})
	}
	for _, name := range slices.Sorted(maps.Keys(refused)) {
		rows = append(rows, []string{name, "refused", refused[name]})
	}
	a.table(rows)
}

func argumentsText(f fhirpath.Function) string {
	switch {
	case f.MaxArgs == 0:
		return "no argument"
	case f.MinArgs == f.MaxArgs && f.MinArgs == 1:
		return "1 argument"
	case f.MinArgs == f.MaxArgs:
		return fmt.Sprintf("%d arguments", f.MinArgs)
	}
	return fmt.Sprintf("%d to %d arguments", f.MinArgs, f.MaxArgs)
}
