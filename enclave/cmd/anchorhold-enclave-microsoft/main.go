// Command anchorhold-enclave-microsoft is the enclave program for policies whose pipelines all have
// configurations of Microsoft's FHIR anonymizer. Package app has what it does.
package main

import (
	"anchorhold/enclave/deid/anonymizer"
	"anchorhold/enclave/deid/engine"
	"anchorhold/enclave/internal/app"
)

func main() {
	app.Main(engine.Set{engine.Of(engine.Microsoft, anonymizer.Compile)})
}
