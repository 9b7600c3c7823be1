package main

import (
	"errors"
	"fmt"

	"anchorhold/protocol/audit"
	"anchorhold/protocol/cli"
)

// check is one line of a verification.
type check struct {
	Name   string `json:"name"`
	Passed bool   `json:"passed"`
	Detail string `json:"detail"`
}

func passed(lines []audit.CheckLine) []check {
	checks := make([]check, 0, len(lines))
	for _, l := range lines {
		checks = append(checks, check{l.Name, true, l.Detail})
	}
	return checks
}

// refusedChecks lists what passed before a refusal, then the refusal.
func refusedChecks(err error) []check {
	var r *audit.Refusal
	if !errors.As(err, &r) {
		return []check{{"verification", false, err.Error()}}
	}
	return append(passed(r.Passed), check{r.Check, false, r.Err.Error()})
}

func (a *app) printChecks(checks []check) {
	rows := make([][]string, 0, len(checks))
	for _, c := range checks {
		mark := "ok"
		if !c.Passed {
			mark = "REFUSED"
		}
		rows = append(rows, []string{mark, c.Name, safe(c.Detail)})
	}
	a.table(rows)
}

// printRefusal shows how far a verification came.
func (a *app) printRefusal(err error, asJSON bool) {
	checks := refusedChecks(err)
	if asJSON {
		if err := cli.WriteJSON(a.out, map[string]any{"verified": false, "checks": checks}); err != nil {
			a.notice("%v", err)
		}
		return
	}
	a.printChecks(checks)
	fmt.Fprintln(a.out, "refused: nothing was opened")
}
