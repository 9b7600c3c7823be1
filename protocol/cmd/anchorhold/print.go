package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"
)

// isTerminal reports whether w is a terminal: only there anything is drawn over.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// notice tells the person something on stderr, beside the command's output.
func (a *app) notice(format string, args ...any) {
	fmt.Fprintln(a.err, harmless(fmt.Sprintf(format, args...)))
}

// warnNotAWS says in capitals that a policy proves nothing about AWS.
func (a *app) warnNotAWS() {
	a.notice("NOT AWS: this policy trusts test endpoints or roots. Use it with synthetic records only.")
}

// table prints rows in columns; drawn on a terminal, and elsewhere easy to cut and grep.
func (a *app) table(rows [][]string) {
	if isTerminal(a.out) {
		w := table.NewWriter()
		w.SetStyle(table.StyleLight)
		w.Style().Options = table.OptionsNoBordersAndSeparators
		for _, row := range rows {
			cells := make(table.Row, len(row))
			for i, cell := range row {
				cells[i] = cell
			}
			w.AppendRow(cells)
		}
		fmt.Fprintln(a.out, w.Render())
		return
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, "  "+strings.Join(row, "\t"))
	}
	w.Flush()
}

// bytesText prints a size for a person.
func bytesText(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, prefix := float64(n)/unit, 0
	for value >= unit && prefix < 4 {
		value /= unit
		prefix++
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTP"[prefix])
}

// safe makes a peer's text printable: a terminal obeys escape sequences, and a person believes
// turned-around text.
func safe(s string) string {
	// single bytes are control characters too, where a terminal is not set to UTF-8
	if !utf8.ValidString(s) {
		return strconv.QuoteToASCII(s)
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return strconv.QuoteToASCII(s)
		}
	}
	return s
}

// harmless does the same for text of ours that may have a peer's in it, such as the names of files
// in an error. Lines after the first are indented: none of them can pass for a line of ours.
func harmless(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteString("\n  ")
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}
