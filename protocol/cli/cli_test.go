package cli_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"anchorhold/protocol/cli"
)

// execute runs a small tool and returns what it printed and its error.
func execute(args ...string) (string, error) {
	root := cli.Root(&cobra.Command{Use: "tool", Long: "What the tool is for."})
	work := &cobra.Command{Use: "work FILE", Args: cli.ExactArgs("FILE"), RunE: func(cmd *cobra.Command, args []string) error {
		if args[0] == "bad" {
			return errors.New("it failed")
		}
		return cli.WriteJSON(cmd.OutOrStdout(), map[string]string{"file": args[0]})
	}}
	work.Flags().String("key", "", "key FILE")
	work.Flags().String("out", "", "output FILE")
	cli.Required(work, "key", "out")
	root.AddCommand(work)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(args)
	err := root.Execute()
	return out.String(), err
}

func TestFaultsInTheCall(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"unknown command": {[]string{"wrok"}, `unknown command "wrok"`},
		"unknown flag":    {[]string{"work", "--kye", "k"}, "unknown flag: --kye"},
		"no file":         {[]string{"work", "--key", "k", "--out", "o"}, "expected FILE, got 0 arguments"},
		"missing flags":   {[]string{"work", "f"}, "missing --key, --out"},
		"one missing":     {[]string{"work", "--key", "k", "f"}, "missing --out"},
	} {
		if _, err := execute(c.args...); !cli.IsUsage(err) || err.Error() != c.want {
			t.Errorf("%s: got %v (usage: %t), want a usage error: %s", name, err, cli.IsUsage(err), c.want)
		}
	}
}

func TestFailureIsNoFaultInTheCall(t *testing.T) {
	if _, err := execute("work", "--key", "k", "--out", "o", "bad"); err == nil || cli.IsUsage(err) {
		t.Errorf("got %v (usage: %t), want a failure", err, cli.IsUsage(err))
	}
}

func TestOutput(t *testing.T) {
	out, err := execute("work", "--key", "k", "--out", "o", "<f>")
	if want := "{\n  \"file\": \"<f>\"\n}\n"; err != nil || out != want {
		t.Errorf("got %q, %v, want %q", out, err, want)
	}
	if out, err = execute(); err != nil || !strings.Contains(out, "What the tool is for.") {
		t.Errorf("got %q, %v without arguments, want the help", out, err)
	}
	if out, err = execute("work", "--help"); err != nil || !strings.Contains(out, "key FILE (required)") {
		t.Errorf("got %q, %v, want the help to name required flags", out, err)
	}
}
