package deid_test

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"anchorhold/enclave/deid"
	"anchorhold/protocol/protocoltest/vectorfile"
)

// The vectors pin each byte of an output and its report: the surrogate key is [32]byte{1}, the
// pseudonym key 32 times 2, the date shift key 32 times 3, the reference date 2025-12-31. A body is
// input, output and report, with a line == between.
func TestOutputsOfTheVectors(t *testing.T) {
	for _, v := range vectorfile.Load(t, "testdata/output/*.txt") {
		parts := bytes.Split(v.Body, []byte("\n==\n"))
		if len(parts) != 3 {
			t.Fatalf("%s: got %d parts, want input, output and report", v.Name, len(parts))
		}
		for _, workers := range []int{1, 3} {
			var out bytes.Buffer
			report, err := engine(t, v.Header["preset"]).Process(context.Background(), bytes.NewReader(parts[0]), &out, deid.Options{
				ReferenceDate: "2025-12-31", SurrogateKey: [32]byte{1}, Message: v.Header["form"] == "message", Workers: workers,
				Values: map[string][]byte{deid.PseudonymKey: bytes.Repeat([]byte{2}, 32), deid.ShiftKey: bytes.Repeat([]byte{3}, 32)},
			})
			if err != nil {
				t.Fatalf("%s: %v", v.Name, err)
			}
			text, err := json.Marshal(report)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(out.Bytes(), parts[1]) {
				t.Errorf("%s: got records\n%s\nwant\n%s", v.Name, out.Bytes(), parts[1])
			}
			if got := append(text, '\n'); !bytes.Equal(got, parts[2]) {
				t.Errorf("%s: got report\n%s\nwant\n%s", v.Name, got, parts[2])
			}
		}
	}
}
