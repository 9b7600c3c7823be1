package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
	"unicode"
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
	fmt.Fprintf(a.err, format+"\n", args...)
}

// warnNotAWS says in capitals that a policy proves nothing about AWS.
func (a *app) warnNotAWS() {
	a.notice("NOT AWS: this policy trusts test endpoints or roots. Use it with synthetic records only.")
}

// printJSON writes v for a machine.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// table prints rows in columns.
func (a *app) table(rows [][]string) {
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

// safe makes a peer's text printable: a terminal obeys escape sequences, and a person believes turned-around text.
func safe(s string) string {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return strconv.QuoteToASCII(s)
		}
	}
	return s
}

// progress draws one line on a terminal, and nothing elsewhere. Its methods are safe for concurrent use.
type progress struct {
	w io.Writer // nil: not a terminal

	mu    sync.Mutex // guards what follows
	drawn time.Time
	width int
}

func (a *app) progress() *progress {
	if !isTerminal(a.err) {
		return &progress{}
	}
	return &progress{w: a.err}
}

// show draws at most ten times a second; a total below one means unknown.
func (p *progress) show(what string, done, total int64) {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.drawn) < 100*time.Millisecond {
		return
	}
	p.drawn = time.Now()
	text := what
	switch {
	case total > 0:
		filled := int(min(done, total) * 24 / total)
		text += fmt.Sprintf(" [%s%s] %s of %s", strings.Repeat("#", filled), strings.Repeat(".", 24-filled), bytesText(done), bytesText(total))
	case done > 0:
		text += " " + bytesText(done)
	}
	fmt.Fprintf(p.w, "\r%-*s", p.width, text)
	p.width = len(text)
}

// clear removes the line.
func (p *progress) clear() {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.width > 0 {
		fmt.Fprintf(p.w, "\r%*s\r", p.width, "")
		p.width = 0
	}
}
