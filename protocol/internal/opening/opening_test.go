package opening_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"anchorhold/protocol/envelope"
	"anchorhold/protocol/internal/opening"
	"anchorhold/protocol/internal/outfile"
	"anchorhold/protocol/internal/sealing"
	"anchorhold/protocol/policy"
	"anchorhold/protocol/protocoltest/standin"
	"anchorhold/protocol/result"
)

// world is the other side, and one job that it has done.
type world struct {
	*standin.World
	policy   *policy.Policy
	key      *result.PrivateKey
	evidence opening.Evidence
	sealed   []byte
}

type maker struct{ w *standin.World }

func (m maker) DataKey(_ context.Context, _ string, c map[string]string) (*sealing.DataKey, error) {
	plaintext, ciphertext := m.w.DataKey(c)
	return &sealing.DataKey{Plaintext: plaintext, Ciphertext: ciphertext}, nil
}

func newWorld(t *testing.T, mode standin.Mode, records string) *world {
	t.Helper()
	return newWorldOf(t, standin.PolicyYAML, mode, records)
}

func newWorldOf(t *testing.T, source string, mode standin.Mode, records string) *world {
	t.Helper()
	return newPlanned(t, source, mode, records, func(*sealing.Plan) {})
}

func newPlanned(t *testing.T, source string, mode standin.Mode, records string, change func(*sealing.Plan)) *world {
	t.Helper()
	compiled, err := standin.CompilePolicy(source)
	check(t, err)
	w := &world{World: standin.New(compiled)}
	w.policy, err = policy.Parse(compiled)
	check(t, err)
	w.key, err = result.GenerateKey()
	check(t, err)
	pins := w.Pins(time.Now().AddDate(0, 0, 30))
	plan := sealing.Plan{Policy: compiled, Pins: pins, Reply: w.key.PublicKey(), Now: time.Now()}
	change(&plan)
	approved, err := plan.Check()
	check(t, err)
	var file bytes.Buffer
	_, err = approved.Seal(t.Context(), maker{w.World}, strings.NewReader(records), &file)
	check(t, err)
	w.SetMode(mode)
	sealed, receipt, err := w.Process(file.Bytes())
	check(t, err)
	job, err := opening.ReadJob(&file, w.policy)
	check(t, err)
	w.sealed = sealed
	w.evidence = opening.Evidence{
		Job: job, Receipt: receipt, Result: bytes.NewReader(sealed), Policy: compiled, Pins: pins, Roots: w.CA.Roots(), Now: time.Now(),
	}
	return w
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open runs Check and Open into a fresh folder and commits it when both pass.
func (w *world) open(t *testing.T) (folder string, report *opening.Report, err error) {
	t.Helper()
	accepted, err := w.evidence.Check()
	if err != nil {
		return "", nil, err
	}
	folder = filepath.Join(t.TempDir(), "out")
	out, err := outfile.CreateFolder(folder)
	check(t, err)
	defer out.Abort()
	report, err = accepted.Open(w.key, out)
	if err != nil {
		return "", nil, err
	}
	return folder, report, out.Commit()
}

const (
	patient = `{"resourceType":"Patient","id":"a"}`
	visit   = `{"resourceType":"Encounter","id":"e"}`
)

func TestOneFilePerType(t *testing.T) {
	w := newWorld(t, standin.Honest, patient+"\n"+visit+"\n"+patient+"\n")
	folder, report, err := w.open(t)
	check(t, err)
	for name, want := range map[string]string{"Patient.ndjson": patient + "\n" + patient + "\n", "Encounter.ndjson": visit + "\n"} {
		if got, _ := os.ReadFile(filepath.Join(folder, name)); string(got) != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	// What is opened is less than PHI and more than public.
	for name, want := range map[string]os.FileMode{".": os.ModeDir | 0o700, "Patient.ndjson": 0o600, "report.json": 0o600} {
		if info, err := os.Stat(filepath.Join(folder, name)); err != nil || info.Mode() != want {
			t.Errorf("%s: got %v, %v, want mode %v", name, info, err, want)
		}
	}
	if len(report.Files) != 2 || report.Files[0].Name != "Encounter.ndjson" || report.Files[0].Records != 1 || report.RecordsOut != 3 {
		t.Errorf("report: got %+v, want two files, three records", report)
	}
}

// Records cut by chunk ends, and a last one without its line end, come out whole.
func TestLargeResult(t *testing.T) {
	long := `{"resourceType":"Patient","id":"` + strings.Repeat("x", 50_000) + `"}`
	w := newWorld(t, standin.Honest, strings.Repeat(long+"\n"+visit+"\n", 20))
	folder, _, err := w.open(t)
	check(t, err)
	if got, _ := os.ReadFile(filepath.Join(folder, "Patient.ndjson")); string(got) != strings.Repeat(long+"\n", 20) {
		t.Errorf("got %d bytes, want 20 records", len(got))
	}
}

// A record of short identifiers grows sixfold: surrogates are longer than what they replace. A
// result of it must open.
func TestRecordsMayGrow(t *testing.T) {
	small := standin.PolicyYAML + "limits:\n  record-bytes: 1048576\n"
	long := `{"resourceType":"Patient","id":"` + strings.Repeat("x", 6<<20) + `"}`
	w := newWorldOf(t, small, standin.Honest, long+"\n")
	if _, _, err := w.open(t); err != nil {
		t.Errorf("got %v, want no error", err)
	}
}

// exchanged gives other bytes once it has been read: a file that is replaced between verification
// and opening.
type exchanged struct {
	first, then *bytes.Reader
	seeks       int
}

func (e *exchanged) Read(p []byte) (int, error) {
	if e.seeks < 3 {
		return e.first.Read(p)
	}
	return e.then.Read(p)
}

func (e *exchanged) Seek(offset int64, whence int) (int64, error) {
	e.seeks++
	e.first.Seek(offset, whence)
	return e.then.Seek(offset, whence)
}

// The parent knows the reply key: it can seal records of its own for this very job, and exchange
// the file while we work.
func TestResultExchangedAfterCheck(t *testing.T) {
	w := newWorld(t, standin.Honest, patient+"\n")
	var forged bytes.Buffer
	s, err := result.NewSealer(&forged, result.Result, w.key.PublicKey(), result.Binding{
		Header: w.evidence.Job.Digest, Nonce: w.evidence.Job.Header.Nonce, Policy: w.policy.Digest(),
	})
	check(t, err)
	check(t, s.Records([]byte(visit+"\n")))
	check(t, s.Report([]byte(`{"records_in":1,"records_out":1,"records_rejected":0}`)))
	check(t, s.Close())
	w.evidence.Result = &exchanged{first: bytes.NewReader(w.sealed), then: bytes.NewReader(forged.Bytes())}
	_, _, err = w.open(t)
	if !errors.Is(err, opening.ErrRefused) || !strings.Contains(err.Error(), "changed while it was opened") {
		t.Fatalf("got %v, want %v for a changed file", err, opening.ErrRefused)
	}
}

func TestRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		mode   standin.Mode
		change func(w *world)
	}{
		"failure leaf":         {standin.Fail, func(*world) {}},
		"other image":          {standin.OtherImage, func(*world) {}},
		"debug enclave":        {standin.Debug, func(*world) {}},
		"miscount":             {standin.Miscount, func(*world) {}},
		"type is a path":       {standin.Escape, func(*world) {}},
		"no pins":              {"", func(w *world) { w.evidence.Pins = nil }},
		"no receipt":           {"", func(w *world) { w.evidence.Receipt = nil }},
		"policy unusable":      {"", func(w *world) { w.evidence.Policy = []byte("x") }},
		"pins expired":         {"", func(w *world) { w.evidence.Now = time.Now().AddDate(1, 0, 0) }},
		"document from future": {"", func(w *world) { w.evidence.Now = time.Now().AddDate(0, 0, -1) }},
		"sealed after it":      {"", func(w *world) { w.evidence.Job.Header.SealedAt += 3_600_000 }},
		"other nonce":          {"", func(w *world) { w.evidence.Job.Header.Nonce[0] ^= 1 }},
		"other reference date": {"", func(w *world) { w.evidence.Job.Context.ReferenceDate = "2001-01-01" }},
		"other tenant":         {"", func(w *world) { w.evidence.Job.Context.Tenant = "other" }},
		"no key of the tenant": {"", func(w *world) { w.evidence.Job.Message.Keys[0].Info += "9" }},
		"unasked crosswalk":    {"", func(w *world) { w.evidence.Crosswalk = bytes.NewReader(nil) }},
		"other private key":    {"", func(w *world) { w.key, _ = result.GenerateKey() }},
		"AWS demanded":         {"", func(w *world) { w.evidence.Roots = standin.New(nil).CA.Roots() }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tt.mode, patient+"\n")
			tt.change(w)
			if _, _, err := w.open(t); !errors.Is(err, opening.ErrRefused) {
				t.Fatalf("got %v, want %v", err, opening.ErrRefused)
			}
		})
	}
}

// The type of the one resource of a message names a file as well.
func TestTypeOfAMessageIsAPath(t *testing.T) {
	for _, kind := range []string{"../../escaped", "/tmp/escaped", "a/b", ".hidden", "", "report"} {
		w := newPlanned(t, standin.PolicyYAML, standin.Honest, `{"resourceType":"`+kind+`"}`, func(p *sealing.Plan) { p.ContentType = envelope.ContentMessage })
		if _, _, err := w.open(t); !errors.Is(err, opening.ErrRefused) {
			t.Errorf("%q: got %v, want %v", kind, err, opening.ErrRefused)
		}
	}
}

// More types than there are would be as many open files.
func TestTypesAreBounded(t *testing.T) {
	var records strings.Builder
	for i := range 257 {
		fmt.Fprintf(&records, "{\"resourceType\":\"T%d\"}\n", i)
	}
	if _, _, err := newWorld(t, standin.Honest, records.String()).open(t); !errors.Is(err, opening.ErrRefused) {
		t.Errorf("got %v, want %v", err, opening.ErrRefused)
	}
}

// A parent that keeps the crosswalk back must not have the rest taken for the whole.
func TestCrosswalkKeptBack(t *testing.T) {
	other, err := result.GenerateKey()
	check(t, err)
	w := newPlanned(t, standin.PolicyYAML, standin.Honest, patient+"\n", func(p *sealing.Plan) { p.Crosswalk = other.PublicKey() })
	if _, _, err := w.open(t); !errors.Is(err, opening.ErrRefused) {
		t.Errorf("got %v, want %v", err, opening.ErrRefused)
	}
}

// A clock of the owner's that is some seconds ahead of the hypervisor's must not refuse an honest
// receipt.
func TestClockSkew(t *testing.T) {
	w := newWorld(t, standin.Honest, patient+"\n")
	w.evidence.Job.Header.SealedAt += 20_000
	if _, err := w.evidence.Check(); err != nil {
		t.Fatalf("got %v, want no error", err)
	}
}

// A fault of the owner's disk is not a refusal: nobody cheated.
func TestDiskFaultIsNoRefusal(t *testing.T) {
	w := newWorld(t, standin.Honest, patient+"\n")
	w.evidence.Result = faulty{}
	if _, _, err := w.open(t); err == nil || errors.Is(err, opening.ErrRefused) {
		t.Fatalf("got %v, want the disk's error", err)
	}
}

type faulty struct{}

func (faulty) Read([]byte) (int, error)       { return 0, errors.New("disk") }
func (faulty) Seek(int64, int) (int64, error) { return 0, nil }

var _ io.ReadSeeker = faulty{}
