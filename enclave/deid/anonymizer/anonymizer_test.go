package anonymizer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"anchorhold/enclave/deid/anonymizer"
	"anchorhold/enclave/deid/stream"
)

// job are the settings of a test's job; the keys of upstream's own tests are "123".
func job(values map[string][]byte) stream.Options {
	all := map[string][]byte{
		anonymizer.DateShiftKey: []byte("123"), anonymizer.CryptoHashKey: []byte("123"), anonymizer.EncryptKey: []byte("0123456789abcdef"),
	}
	maps.Copy(all, values)
	return stream.Options{ReferenceDate: "2026-06-30", SurrogateKey: [32]byte{1}, Workers: 1, Values: all}
}

// configure splits and compiles a configuration.
func configure(t testing.TB, config string) (*anonymizer.Engine, map[string][]byte) {
	t.Helper()
	rest, values, err := anonymizer.Split([]byte(config))
	if err != nil {
		t.Fatalf("split: %v", err)
	}
	e, err := anonymizer.Compile(rest)
	if err != nil {
		t.Fatalf("compile: %v", err)
	}
	return e, values
}

// run anonymizes lines.
func run(e *anonymizer.Engine, o stream.Options, lines string) (string, *stream.Report, error) {
	var out bytes.Buffer
	report, err := stream.Process(context.Background(), e, strings.NewReader(lines), &out, o)
	return out.String(), report, err
}

// oneLine takes the white space out of JSON.
func oneLine(t testing.TB, record string) string {
	t.Helper()
	v := jsontext.Value(strings.TrimPrefix(record, "\ufeff"))
	if err := v.Compact(); err != nil {
		t.Fatal(err)
	}
	return string(v)
}

// one anonymizes one record and returns it, or the code it was rejected with.
func one(t testing.TB, config, record string) string {
	t.Helper()
	e, values := configure(t, config)
	out, report, err := run(e, job(values), oneLine(t, record))
	if err != nil {
		return err.Error()
	}
	if len(report.Rejects) > 0 {
		return report.Rejects[0].Code
	}
	return strings.TrimSpace(out)
}

// rules makes a configuration of rules in JSON, without braces, and parameters.
func rules(parameters string, list ...string) string {
	return fmt.Sprintf(`{"fhirPathRules": [{%s}], "parameters": {%s}}`, strings.Join(list, "}, {"), parameters)
}

// same reports whether two texts are the same JSON, numbers compared by their text.
func same(t testing.TB, a, b string) bool {
	t.Helper()
	decode := func(s string) (v any) {
		d := json.NewDecoder(strings.NewReader(strings.TrimPrefix(s, "\ufeff")))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%v in %.200s", err, s)
		}
		return v
	}
	return reflect.DeepEqual(decode(a), decode(b))
}
