package anonymizer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"anchorhold/enclave/deid/stream"
	"anchorhold/protocol/protocoltest/cputime"
	"anchorhold/protocol/protocoltest/synthetic"
)

// usual is a configuration as people have them, after Microsoft's samples: some types everywhere,
// ids and references hashed, dates shifted, and free text of many resource types.
func usual() string {
	list := []string{`"path":"nodesByType('HumanName').use","method":"keep"`, `"path":"nodesByType('Address').state","method":"keep"`, `"path":"Resource.id","method":"cryptoHash"`}
	for _, t := range []string{"Extension", "HumanName", "Address", "ContactPoint", "Annotation", "Attachment", "Narrative", "Identifier", "Age"} {
		list = append(list, `"path":"nodesByType('`+t+`')","method":"redact"`)
	}
	for _, p := range []string{"Reference').display", "Coding').display", "CodeableConcept').text"} {
		list = append(list, `"path":"nodesByType('`+p+`","method":"redact"`)
	}
	list = append(list, `"path":"nodesByType('Reference').reference","method":"cryptoHash"`)
	for _, t := range []string{"date", "dateTime", "instant"} {
		list = append(list, `"path":"nodesByType('`+t+`')","method":"dateShift"`)
	}
	for _, p := range []string{
		"Patient.multipleBirth", "Condition.onset", "Condition.abatement", "Procedure.performed", "Encounter.serviceProvider.display", "Observation.value.ofType(string)",
		"Observation.component.value.ofType(string)", "DiagnosticReport.conclusion", "MedicationRequest.dosageInstruction.text", "DocumentReference.description",
		"Location.name", "Organization.name", "Device.serialNumber", "Device.distinctIdentifier", "Device.deviceName", "Device.udiCarrier", "Group.name", "Task.description",
		"CarePlan.description", "CareTeam.name", "ImagingStudy.description", "AllergyIntolerance.reaction.description", "Claim.item.detail.subDetail.udi", "Specimen.note",
	} {
		list = append(list, `"path":"`+p+`","method":"redact"`)
	}
	return rules(`"dateShiftKey":"k","cryptoHashKey":"k","enablePartialDatesForRedact":true,"enablePartialAgesForRedact":true`, list...)
}

func benchInput(b *testing.B) (in []byte, records int) {
	b.Helper()
	parts := map[string]*bytes.Buffer{}
	err := synthetic.Generate(func(kind string) io.Writer {
		parts[kind] = &bytes.Buffer{}
		return parts[kind]
	}, synthetic.Options{Patients: 200})
	if err != nil {
		b.Fatal(err)
	}
	for _, kind := range synthetic.Types() {
		in = append(in, parts[kind].Bytes()...)
	}
	return in, bytes.Count(in, []byte{'\n'})
}

// BenchmarkConfiguration runs a usual configuration on one core, beside copying the tokens of the
// same records.
func BenchmarkConfiguration(b *testing.B) {
	in, records := benchInput(b)
	e, values := configure(b, usual())
	if w := e.Warnings(); len(w) > 2 { // those of dateShift
		b.Fatalf("got warnings:\n%s", strings.Join(w, "\n"))
	}
	measure := func(name string, f func() error) {
		b.Run(name, func(b *testing.B) {
			cpu := cputime.PerOp(b)
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
			cpu()
			b.SetBytes(int64(len(in)))
			b.ReportMetric(float64(records)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
	measure("engine", func() error {
		report, err := stream.Process(context.Background(), e, bytes.NewReader(in), io.Discard, job(values))
		if err == nil && report.RecordsOut != int64(records) {
			err = fmt.Errorf("got %d records of %d", report.RecordsOut, records)
		}
		return err
	})
	measure("jsontext-copy", func() error {
		d, w := jsontext.NewDecoder(bytes.NewReader(in)), jsontext.NewEncoder(io.Discard)
		for {
			t, err := d.ReadToken()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err == nil {
				err = w.WriteToken(t)
			}
			if err != nil {
				return err
			}
		}
	})
}
