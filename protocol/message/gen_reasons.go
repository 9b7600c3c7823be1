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
	"keys-bignum":           "tag, float, null or undefined",
	"keys-bytes-for-text":   "not a",
	"keys-case":             "not a",
	"keys-duplicate":        "keys out of order or duplicate",
	"keys-empty-optional":   "not the canonical encoding",
	"keys-float":            "indefinite length, float or reserved value",
	"keys-huge-array":       "too many elements",
	"keys-huge-bytes":       "string runs past the end",
	"keys-indefinite-bytes": "indefinite length, float or reserved value",
	"keys-leaf-ints":        "not the canonical encoding",
	"keys-leaf-long":        "not the canonical encoding",
	"keys-leaf-short":       "not the canonical encoding",
	"keys-long-int":         "integer not in its shortest form",
	"keys-missing":          "not the canonical encoding",
	"keys-missing-zero":     "not the canonical encoding",
	"keys-negative":         "not a",
	"keys-null":             "tag, float, null or undefined",
	"keys-order":            "keys out of order or duplicate",
	"keys-port-wide":        "not a",
	"keys-tag":              "tag, float, null or undefined",
	"keys-text-for-bytes":   "not a",
	"keys-trailing":         "trailing bytes",
	"keys-undefined":        "tag, float, null or undefined",
	"keys-unknown":          "not a",
	"keys-utf8":             "invalid utf-8",
	"op-bytes":              "op is not a short text",
	"op-case":               "unknown op",
	"op-cut":                "op is not a short text",
	"op-empty":              "no op",
	"op-indefinite":         "no op",
	"op-key-case":           "no op",
	"op-long-form":          "op is not a short text",
	"op-map-long-form":      "no op",
	"op-missing":            "no op",
	"op-not-first":          "no op",
	"op-not-map":            "no op",
	"op-twice":              "not a",
	"op-unknown":            "unknown op",
	"range-code":            "failed is out of range",
	"range-host-empty":      "connect is out of range",
	"range-leaves":          "batch is out of range",
	"range-no-document":     "attestation is out of range",
	"range-no-leaves":       "batch is out of range",
	"range-no-receipt":      "done is out of range",
	"range-nonce-empty":     "attest is out of range",
	"range-nonce-long":      "attest is out of range",
	"range-port-0":          "connect is out of range",
	"range-record-code":     "failed is out of range",
}
