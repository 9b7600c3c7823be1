package envelope_test

import (
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"anchorhold/protocol/envelope"
)

func jobContext() map[string]string {
	return map[string]string{
		"anchorhold:image":        strings.Repeat("a1", 48),
		"anchorhold:tenant":       "clinic",
		"anchorhold:pipeline":     "deid",
		"anchorhold:content-type": envelope.ContentRecords,
		"anchorhold:reply":        strings.Repeat("b2", 32),
		"anchorhold:not-after":    "2026-12-31",
		"owner:note":              "is left to KMS",
	}
}

func TestParseContext(t *testing.T) {
	c := jobContext()
	c["anchorhold:reference-date"] = "2028-02-29"
	c["anchorhold:parameters"] = strings.Repeat("c3", 32)
	c["anchorhold:crosswalk"] = strings.Repeat("d4", 32)
	c["anchorhold:earlier-crosswalk"] = "1000000"
	j, err := envelope.ParseContext(c)
	if err != nil {
		t.Fatal(err)
	}
	if j.Tenant != "clinic" || j.Pipeline != "deid" || j.ContentType != envelope.ContentRecords ||
		j.Image[0] != 0xa1 || j.Reply[31] != 0xb2 || j.Parameters[0] != 0xc3 || j.Crosswalk[0] != 0xd4 || j.Earlier != 1_000_000 ||
		j.ReferenceDate != "2028-02-29" || !j.NotAfter.Equal(time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("got %+v", j)
	}
	delete(c, "owner:note")
	if got := j.Context(); !maps.Equal(got, c) {
		t.Errorf("got %v, want %v", got, c)
	}
}

func TestParseContextRefuses(t *testing.T) {
	set := func(k, v string) func(map[string]string) { return func(c map[string]string) { c["anchorhold:"+k] = v } }
	for name, change := range map[string]func(map[string]string){
		"unknown entry":           set("debug", "1"),
		"unknown empty entry":     set("", "1"),
		"prefix in other case":    func(c map[string]string) { c["Anchorhold:image"] = strings.Repeat("e5", 48) },
		"prefix in upper case":    func(c map[string]string) { c["ANCHORHOLD:TENANT"] = "clinic" },
		"image upper case":        set("image", strings.Repeat("A1", 48)),
		"image short":             set("image", strings.Repeat("a1", 47)),
		"image long":              set("image", strings.Repeat("a1", 49)),
		"image not hex":           set("image", strings.Repeat("g1", 48)),
		"image zero":              set("image", strings.Repeat("00", 48)),
		"tenant empty":            set("tenant", ""),
		"tenant upper case":       set("tenant", "Clinic"),
		"tenant long":             set("tenant", strings.Repeat("a", 65)),
		"tenant newline":          set("tenant", "clinic\n"),
		"pipeline with slash":     set("pipeline", "a/b"),
		"content type bare":       set("content-type", "application"),
		"content type parameters": set("content-type", "application/fhir+ndjson; charset=utf-8"),
		"reply odd":               set("reply", strings.Repeat("b2", 31)+"b"),
		"reply spaces":            set("reply", " "+strings.Repeat("b2", 31)+"b"),
		"day off calendar":        set("not-after", "2026-02-29"),
		"day month 13":            set("not-after", "2026-13-01"),
		"day with time":           set("not-after", "2026-12-31T00:00:00Z"),
		"day unpadded":            set("not-after", "2026-1-01"),
		"day empty":               set("not-after", ""),
		"reference off calendar":  set("reference-date", "2027-02-29"),
		"reference empty":         set("reference-date", ""),
		"parameters empty":        set("parameters", ""),
		"parameters long":         set("parameters", strings.Repeat("c3", 48)),
		"crosswalk upper case":    set("crosswalk", strings.Repeat("D4", 32)),
		"earlier zero":            set("earlier-crosswalk", "0"),
		"earlier padded":          set("earlier-crosswalk", "01"),
		"earlier signed":          set("earlier-crosswalk", "+1"),
		"earlier over 63 bits":    set("earlier-crosswalk", "9223372036854775808"),
	} {
		c := jobContext()
		change(c)
		if j, err := envelope.ParseContext(c); err == nil || j != nil {
			t.Errorf("%s: accepted as %+v", name, j)
		}
	}
	for k := range jobContext() {
		c := jobContext()
		delete(c, k)
		if _, err := envelope.ParseContext(c); (err == nil) != (k == "owner:note") {
			t.Errorf("without %s: got %v", k, err)
		}
	}
}

func TestContextErrorsHoldNoValues(t *testing.T) {
	c := jobContext()
	c["anchorhold:tenant"] = "Jane Doe"
	c["anchorhold:Jane"] = "x"
	if _, err := envelope.ParseContext(c); err == nil || strings.Contains(err.Error(), "Jane") {
		t.Errorf("got %v", err)
	}
}

// The last day counts whole, in UTC.
func TestExpired(t *testing.T) {
	j, err := envelope.ParseContext(jobContext())
	if err != nil {
		t.Fatal(err)
	}
	end := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, e := range []struct {
		now  time.Time
		want bool
	}{
		{end.AddDate(0, 0, -30), false},
		{end.Add(-time.Millisecond), false},
		{end, true},
		{end.Add(-time.Millisecond).In(time.FixedZone("east", 14*3600)), false},
	} {
		if got := j.Expired(e.now); got != e.want {
			t.Errorf("at %v: got %v, want %v", e.now, got, e.want)
		}
	}
}

func FuzzContext(f *testing.F) {
	f.Add("anchorhold:tenant", "clinic", "anchorhold:not-after", "2026-12-31")
	f.Add("anchorhold:image", strings.Repeat("a1", 48), "anchorhold:parameters", strings.Repeat("c3", 32))
	f.Add("anchorhold:reference-date", "0000-01-01", "x", "y")
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2 string) {
		c := jobContext()
		delete(c, "owner:note")
		c[k1], c[k2] = v1, v2
		j, err := envelope.ParseContext(c)
		if err != nil {
			return
		}
		ours := maps.Clone(c)
		maps.DeleteFunc(ours, func(k, _ string) bool { return !strings.HasPrefix(strings.ToLower(k), "anchorhold:") })
		if got := j.Context(); !maps.Equal(got, ours) {
			t.Errorf("got %v, want %v", got, ours)
		}
		again, err := envelope.ParseContext(j.Context())
		if err != nil || !reflect.DeepEqual(again, j) {
			t.Errorf("got %+v and %v, want %+v", again, err, j)
		}
	})
}
