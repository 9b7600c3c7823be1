package e2e_test

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"anchorhold/protocol/protocoltest/vectorfile"
)

// TestVectorsOfEachFormat counts the hostile vectors of the formats that cross a trust boundary:
// each failure kind has an expectation of its own, and a suite that lost its vectors must not pass
// for good.
func TestVectorsOfEachFormat(t *testing.T) {
	const wanted = 120 // hostile vectors in all
	hostile := 0
	for _, format := range []struct {
		name    string
		folders []string
		kinds   []string // of refusals: the end of what an expectation begins with
	}{
		{"frame", []string{"protocol/frame"}, []string{"cut", "unknown-kind", "too-long", "empty-control", "crc", "empty"}},
		{"message", []string{"protocol/message"}, []string{"op", "keys", "range"}},
		{"envelope", []string{"protocol/envelope"}, []string{"malformed", "authentication", "truncated", "suite", "too-many-keys", "frame-length"}},
		{"jobfile", []string{"protocol/jobfile"}, []string{"cbor", "cut", "key-size", "magic", "too-long"}},
		{"result", []string{"protocol/result"}, []string{"authentication", "truncated", "type", "trailing", "segment", "padding", "order", "magic", "full"}},
		{"attestation", []string{"protocol/attest"}, []string{
			"malformed", "algorithm", "not-enclave", "untrusted", "certificate", "expired", "timestamp", "signature", "user-data",
		}},
		{"receipt", []string{"protocol/receipt"}, []string{"malformed", "path", "purpose", "signature", "inconsistent", "failure"}},
		{"policy", []string{"protocol/policy", "protocol/policysource"}, []string{"malformed", "invalid", "refused"}},
		{"CMS", []string{"enclave/internal/kms"}, []string{
			"ber", "trailing", "limit", "envelope", "recipient", "content", "identifier", "unwrap", "content-key", "padding",
		}},
	} {
		count, accepted, expectations := map[string]int{}, 0, map[string]bool{}
		for _, v := range vectorsBelow(t, format.folders) {
			words := strings.Fields(v.Kind())
			if len(words) == 0 || !slices.Contains(format.kinds, words[len(words)-1]) {
				accepted++
				continue
			}
			count[words[len(words)-1]]++
			expectations[v.Expect()] = true
			hostile++
		}
		for _, kind := range format.kinds {
			if count[kind] == 0 {
				t.Errorf("%s: no vector expects %q", format.name, kind)
			}
		}
		if accepted == 0 {
			t.Errorf("%s: no vector is accepted", format.name)
		}
		total := 0
		for _, n := range count {
			total += n
		}
		t.Logf("%-12s %3d hostile, %d kinds, %2d expectations, %2d accepted", format.name, total, len(count), len(expectations), accepted)
	}
	if t.Logf("%d hostile vectors", hostile); hostile < wanted {
		t.Errorf("got %d hostile vectors, want at least %d", hostile, wanted)
	}
}

// vectorsBelow loads the vectors in the testdata of packages, however deep, and leaves keys and the
// like alone.
func vectorsBelow(t *testing.T, folders []string) (vectors []vectorfile.Vector) {
	t.Helper()
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join("../..", folder, "testdata"), func(path string, d fs.DirEntry, err error) error {
			ext := filepath.Ext(path)
			switch {
			case err != nil:
				return err
			case d.IsDir() && d.Name() == "fuzz": // findings, in the go command's own form
				return fs.SkipDir
			case !d.IsDir() && (ext == ".txt" || ext == ".vec"):
				vectors = append(vectors, vectorfile.Load(t, path)...)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return vectors
}
