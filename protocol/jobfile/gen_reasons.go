//go:build ignore

package main

// because adds to an expectation why the vector is refused, in words of the error: refused for
// another reason, it would test nothing.
func because(name, expect string) string {
	if why, ok := reasons[name]; ok {
		return expect + ": " + why
	}
	return expect
}

var reasons = map[string]string{
	"cbor-crosswalk-empty":  "not the canonical encoding",
	"cbor-duplicate":        "keys out of order or duplicate",
	"cbor-empty":            "ends early",
	"cbor-indefinite":       "indefinite length, float or reserved value",
	"cbor-no-key":           "not the canonical encoding",
	"cbor-no-nonce":         "not the canonical encoding",
	"cbor-no-time":          "not the canonical encoding",
	"cbor-nonce-long":       "not the canonical encoding",
	"cbor-nonce-short":      "not the canonical encoding",
	"cbor-parameters-empty": "not the canonical encoding",
	"cbor-short":            "ends early",
	"cbor-time-negative":    "not a",
	"cbor-trailing":         "trailing bytes",
	"cbor-unknown":          "not a",
	"cut-declared":          "header ends early",
	"cut-empty":             "header ends early",
	"cut-header":            "header ends early",
	"cut-length":            "header ends early",
	"cut-magic":             "header ends early",
	"key-crosswalk-long":    "crosswalk key has 1217 bytes, want 1216",
	"key-empty":             "reply key has 0 bytes, want 1216",
	"key-short":             "reply key has 1215 bytes, want 1216",
	"key-x25519":            "reply key has 32 bytes, want 1216",
	"long-most":             "header has 4294967295 bytes, want at most 2097152",
	"long-one":              "header has 2097153 bytes, want at most 2097152",
	"magic-newline":         "no magic",
	"magic-other":           "no magic",
	"magic-version":         "no magic",
}
