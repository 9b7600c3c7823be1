package app

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// TestInvariant6_FlagsAreAddressesOnly: there is nothing else to set.
func TestInvariant6_FlagsAreAddressesOnly(t *testing.T) {
	var help bytes.Buffer
	if got := run(context.Background(), nil, []string{"-h"}, &help); got != 0 {
		t.Errorf("-h: got exit code %d, want 0", got)
	}
	var flags []string
	for _, line := range strings.Split(help.String(), "\n") {
		if name, ok := strings.CutPrefix(line, "  -"); ok {
			flags = append(flags, strings.Fields(name)[0])
		}
	}
	if got := strings.Join(flags, " "); got != "credentials listen relay" {
		t.Errorf("flags are %q, want addresses only", got)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"-policy", "x"}, {"-debug"}, {"argument"}} {
		var stderr bytes.Buffer
		if got := run(context.Background(), nil, args, &stderr); got != exitUsage || stderr.Len() == 0 {
			t.Errorf("%v: got exit code %d, want %d", args, got, exitUsage)
		}
	}
}
