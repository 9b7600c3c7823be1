package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// A reviewer who reads the evidence months later: the pins have expired since, and they had not
// when the job was done.
func TestVerifyAtAPastDate(t *testing.T) {
	d := newDesk(t)
	for _, args := range [][]string{
		{"keygen", "--out", "@me"},
		{"seal", "--policy", "@policy.cbor", "--pins", "@pins.yaml", "--reply", "@me.pub.pem", "-o", "@job.ahjob", "@a.ndjson"},
		{"submit", "--parent", d.parent, "@job.ahjob"},
	} {
		if code, out := d.owner(t.Context(), nil, args...); code != exitFine {
			t.Fatal(out)
		}
	}
	done := time.Now().UTC()
	verify := func(at string) (int, string) {
		var out bytes.Buffer
		a := &app{out: &out, err: &out, now: func() time.Time { return done.AddDate(0, 0, 90) }}
		args := []string{
			"verify", "--root", d.path("root.pem"), "--pins", d.path("pins.yaml"), "--policy", d.path("policy.cbor"),
			"--job", d.path("job.ahjob"), "--result", d.path("job.ahres"), d.path("job.receipt"),
		}
		if at != "" {
			args = append(args, "--at", at)
		}
		root := a.root()
		root.SetArgs(args)
		return exitCode(root.Execute()), out.String()
	}
	for _, c := range []struct {
		at   string
		want int
		text string
	}{
		{"", exitRefused, "pins have expired"},
		// their last day
		{done.AddDate(0, 0, 30).Format(day), exitFine, "judged as of " + done.AddDate(0, 0, 30).Format(day) + "T23:59:59"},
		{done.AddDate(0, 0, 31).Format(day), exitRefused, "pins have expired"},
		{done.Add(time.Minute).Format(time.RFC3339), exitFine, "not now"},
		{done.AddDate(0, 0, -1).Format(day), exitRefused, "document is from the future"},
		{done.AddDate(0, 0, 91).Format(day), exitUsage, ""},
	} {
		if code, out := verify(c.at); code != c.want || !strings.Contains(out, c.text) {
			t.Errorf("at %q: got exit code %d, want %d and %q:\n%s", c.at, code, c.want, c.text, out)
		}
	}
}
