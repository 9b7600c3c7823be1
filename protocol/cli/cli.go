// Package cli is what the command-line tools share: how a fault in a call is told from a failure,
// and how arguments are checked. Only commands import it.
package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// usageError is a fault in how a command was called.
type usageError struct{ error }

// Usage returns an error that IsUsage knows.
func Usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// IsUsage tells whether err is a fault in how a command was called: exit code 2.
func IsUsage(err error) bool {
	var u usageError
	return errors.As(err, &u)
}

// Root makes cmd a root command: without arguments it prints its help, an unknown command and a
// wrong flag are usage errors, and printing errors is left to the caller.
func Root(cmd *cobra.Command) *cobra.Command {
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.CompletionOptions.HiddenDefaultCmd = true
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return Usage("unknown command %q", args[0])
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	return cmd
}

// ExactArgs wants the named arguments, no more and no less.
func ExactArgs(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return Usage("expected %s, got %d arguments", strings.Join(names, " "), len(args))
		}
		return nil
	}
}

// Required makes flags required, says so in their help, and names all that are missing at once.
func Required(cmd *cobra.Command, names ...string) {
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		var missing []string
		for _, name := range names {
			if cmd.Flag(name).Value.String() == "" {
				missing = append(missing, "--"+name)
			}
		}
		if len(missing) > 0 {
			return Usage("missing %s", strings.Join(missing, ", "))
		}
		return nil
	}
	for _, name := range names {
		cmd.Flag(name).Usage += " (required)"
	}
}

// WriteJSON writes v for a machine. A person may look at it on a terminal, and strings in it may be
// a stranger's: what does not print is escaped, control characters beyond ASCII and text that runs
// backwards too.
func WriteJSON(w io.Writer, v any) error {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(EscapeJSON(b.String()))
	return err
}

// EscapeJSON escapes what a terminal does not print in a JSON text. Nothing but a string and the
// line ends of an indented text may hold such characters.
func EscapeJSON(text string) []byte {
	var out []byte
	for _, r := range text {
		if r == '\n' || unicode.IsPrint(r) {
			out = utf8.AppendRune(out, r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			out = fmt.Appendf(out, "\\u%04x", unit)
		}
	}
	return out
}
