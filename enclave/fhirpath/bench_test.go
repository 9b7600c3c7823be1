package fhirpath_test

import (
	"encoding/json"
	"os"
	"testing"

	"anchorhold/enclave/fhirpath"
)

// What a rule engine does with each record: read it once, ask many paths.
var rulePaths = []string{
	"Patient.name.family",
	"Patient.name.where(use = 'official').given",
	"Patient.birthDate",
	"Patient.extension.where(url = 'http://example.org/age').value",
	"Observation.value as Quantity",
	"Resource.id",
	"descendants().where($this is Reference).reference",
}

func BenchmarkRead(b *testing.B) {
	record, err := os.ReadFile("testdata/patient.json")
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Read", func(b *testing.B) {
		b.SetBytes(int64(len(record)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := fhirpath.Read(record); err != nil {
				b.Fatal(err)
			}
		}
	})
	// The baseline of the same run.
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(record)))
		b.ReportAllocs()
		for b.Loop() {
			var v map[string]any
			if err := json.Unmarshal(record, &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkEvaluate(b *testing.B) {
	n := resource(b, "patient")
	for _, path := range rulePaths {
		x, err := fhirpath.Compile(path, fhirpath.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(path, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := x.Nodes(n, fhirpath.Env{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := fhirpath.Compile("Patient.name.where(use = 'official' and given.exists()).given", fhirpath.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
