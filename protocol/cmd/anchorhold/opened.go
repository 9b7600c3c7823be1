package main

import (
	"fmt"
	"path/filepath"

	"anchorhold/protocol/cli"
	"anchorhold/protocol/internal/opening"
	"anchorhold/protocol/internal/records"
)

// openedSummary is what open prints for a machine.
type openedSummary struct {
	Verified bool              `json:"verified"`
	AWS      bool              `json:"aws"`
	Image    string            `json:"image"`
	Checks   []check           `json:"checks"`
	Out      string            `json:"out"`
	Files    map[string]uint64 `json:"files,omitempty"`
	Report   *opening.Report   `json:"report,omitempty"`

	Crosswalk string `json:"crosswalk,omitempty"` // file that was written
}

// printOpened says what was verified and written. report is nil when that is the crosswalk alone.
func (a *app) printOpened(f openFlags, accepted *opening.Accepted, report *opening.Report) error {
	checks := passed(accepted.Receipt.Lines)
	if f.asJSON {
		s := openedSummary{
			Verified: true, AWS: f.root == "", Image: accepted.Receipt.Image.Name, Checks: checks, Out: f.out,
			Files: report.Written(), Report: report, Crosswalk: f.crosswalkOut,
		}
		if err := cli.WriteJSON(a.out, s); err != nil {
			return err
		}
	} else {
		a.printWritten(f, checks, report)
	}
	if report == nil || report.RecordsRejected == 0 {
		return nil
	}
	a.printRejects(report, f.parts)
	return errRejected
}

// printWritten is printOpened for a person.
func (a *app) printWritten(f openFlags, checks []check, report *opening.Report) {
	a.printChecks(checks)
	if f.root != "" {
		fmt.Fprintln(a.out, "verified, NOT AWS")
	} else {
		fmt.Fprintln(a.out, "verified")
	}
	if f.crosswalkOut != "" {
		fmt.Fprintf(a.out, "%s: crosswalk, which undoes the work\n", safe(f.crosswalkOut))
	}
	if report == nil {
		return
	}
	fmt.Fprintf(a.out, "%s: %d records in, %d out, %d rejected; ages counted to %s\n",
		f.out, report.RecordsIn, report.RecordsOut, report.RecordsRejected, safe(report.ReferenceDate))
	var rows [][]string
	for _, file := range report.Files {
		rows = append(rows, []string{file.Name, fmt.Sprintf("%d records", file.Records)})
	}
	a.table(rows)
	a.printEvidence(report)
}

// printEvidence sums up, by identifier of 45 CFR 164.514(b)(2)(i), what the rules did.
func (a *app) printEvidence(report *opening.Report) {
	if len(report.ByRule) == 0 {
		return
	}
	fmt.Fprintln(a.out, "values by identifier (A-R of 45 CFR 164.514(b)(2)(i)); report.json has them by element:")
	var rows [][]string
	for _, s := range report.ByLetter() {
		rows = append(rows, []string{s.Letter, fmt.Sprintf("%d replaced or reduced", s.Count-s.Removed), fmt.Sprintf("%d removed", s.Removed)})
	}
	rows = append(rows, []string{"-", "no rule", fmt.Sprintf("%d dropped at %d elements", report.Dropped(), len(report.Unknown))})
	a.table(rows)
	fmt.Fprintln(a.out, safe(report.NotProven))
}

// maxShown is how many rejects a person is shown; report.json has the rest.
const maxShown = 20

func (a *app) printRejects(report *opening.Report, parts []records.Part) {
	a.notice("%d records were rejected and are not in the output:", report.RecordsRejected)
	for i, r := range report.Rejects {
		if i == maxShown {
			a.notice("  … the rest is in report.json")
			break
		}
		where := fmt.Sprintf("line %d of the job", r.Line)
		if path, line, ok := records.Locate(parts, r.Line); ok {
			where = fmt.Sprintf("%s:%d", filepath.Base(path), line)
		}
		if r.Pointer != "" {
			where += " at " + safe(r.Pointer)
		}
		a.notice("  %s: %s", where, safe(string(r.Code)))
	}
}
