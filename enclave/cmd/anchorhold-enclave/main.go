// Command anchorhold-enclave is the enclave program for policies whose pipelines all have rule
// files. Package app has what it does.
package main

import (
	"anchorhold/enclave/deid"
	"anchorhold/enclave/deid/engine"
	"anchorhold/enclave/internal/app"
)

func main() {
	app.Main(engine.Set{engine.Of(engine.FHIRRules, deid.Compile)})
}
