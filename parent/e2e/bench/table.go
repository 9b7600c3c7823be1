package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// row is one figure. A row without goal is there to be compared with.
type row struct {
	name, value, baseline, ratio, goal string
	met                                bool
}

// table gathers rows; the order of measuring is the order of printing.
type table []row

func (t *table) add(r row) { *t = append(*t, r) }

func (t table) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "what\tmeasured\tbaseline\tratio\tgoal\tmet")
	for _, r := range t {
		met := ""
		if r.goal != "" {
			met = map[bool]string{true: "yes", false: "NO"}[r.met]
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.name, r.value, r.baseline, r.ratio, r.goal, met)
	}
	w.Flush() // the writer beneath is standard output
}

// atLeast is a row whose measured value over the baseline must reach goal.
func atLeast(name, unit string, value, baseline, goal float64) row {
	r := row{name: name, value: number(value, unit), baseline: number(baseline, unit), ratio: fmt.Sprintf("%.2f", value/baseline)}
	if goal > 0 {
		r.goal, r.met = fmt.Sprintf("ratio >= %.1f", goal), value/baseline >= goal
	}
	return r
}

func number(v float64, unit string) string {
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f %s", v, unit)
	case v < 100:
		return fmt.Sprintf("%.1f %s", v, unit)
	}
	return fmt.Sprintf("%.0f %s", v, unit)
}
