package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	"anchorhold/enclave/deid/score"
)

// letterNames are the identifiers of 45 CFR 164.514(b)(2)(i), in short.
var letterNames = map[string]string{
	"A": "names", "B": "small areas", "C": "dates, ages over 89", "D": "telephone", "E": "fax", "F": "email",
	"G": "social security", "H": "medical record", "I": "health plan", "J": "accounts", "K": "licences", "L": "vehicles",
	"M": "devices", "N": "URLs", "O": "IP addresses", "P": "biometrics", "Q": "photographs", "R": "other numbers",
}

// column is the result of one tool.
type column struct {
	name   string
	result *score.Result
}

// printTable prints recall by letter and utility by kind, a column for each tool.
func printTable(w io.Writer, columns []column) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name string, total int, cell func(*score.Result) string) {
		fmt.Fprintf(t, "%s\t%d", name, total)
		for _, c := range columns {
			fmt.Fprintf(t, "\t%s", cell(c.result))
		}
		fmt.Fprintln(t)
	}
	fmt.Fprint(t, "recall: identifiers removed\tvalues")
	for _, c := range columns {
		fmt.Fprintf(t, "\t%s", c.name)
	}
	fmt.Fprintln(t)
	first := columns[0].result
	for _, letter := range slices.Sorted(maps.Keys(first.Recall)) {
		row("  "+letter+" "+letterNames[letter], first.Recall[letter].Total, func(r *score.Result) string { return percent(r.Recall[letter]) })
	}
	row("  all", all(first.Recall).Total, func(r *score.Result) string { return percent(all(r.Recall)) })
	fmt.Fprintln(t, "utility: content kept\t")
	for _, kind := range slices.Sorted(maps.Keys(first.Utility)) {
		row("  "+kind, first.Utility[kind].Total, func(r *score.Result) string { return percent(r.Utility[kind]) })
	}
	row("  all", all(first.Utility).Total, func(r *score.Result) string { return percent(all(r.Utility)) })
	fmt.Fprint(t, "precision\t")
	for _, c := range columns {
		fmt.Fprintf(t, "\t%.1f", 100*c.result.Precision)
	}
	fmt.Fprint(t, "\nrejected records\t")
	for _, c := range columns {
		fmt.Fprintf(t, "\t%d", c.result.Rejected)
	}
	fmt.Fprintln(t)
	return t.Flush()
}

func all(m map[string]score.Count) score.Count {
	var sum score.Count
	for _, c := range m {
		sum.Total += c.Total
		sum.Right += c.Right
	}
	return sum
}

// percent never rounds up to 100: one value that is wrong must show.
func percent(c score.Count) string {
	if c.Right == c.Total {
		return "100"
	}
	return fmt.Sprintf("%.1f", min(99.9, 100*c.Share()))
}

// printFaults prints the first values of each letter that are left and, if content is set, those of
// each kind that are lost.
func printFaults(w io.Writer, r *score.Result, content bool) {
	for _, f := range r.Faults {
		if f.Letter == "" && !content {
			continue
		}
		fmt.Fprintf(w, "%s%s\t%s:%d\t%s\t%s %q\n", f.Letter, f.Kind, f.File, f.Line, f.Pointer, f.Action, f.Value)
	}
}
