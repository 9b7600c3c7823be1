// Command anchorhold-enclave-all is the enclave program for policies that have both rule files and
// configurations of Microsoft's FHIR anonymizer. Package app has what it does.
package main

import (
	"anchorhold/enclave/deid"
	"anchorhold/enclave/deid/anonymizer"
	"anchorhold/enclave/deid/engine"
	"anchorhold/enclave/internal/app"
)

func main() {
	app.Main(engine.Set{engine.Of(engine.FHIRRules, deid.Compile), engine.Of(engine.Microsoft, anonymizer.Compile)})
}
