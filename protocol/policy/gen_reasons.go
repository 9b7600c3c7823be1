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
	"content-type-parameters": "pipelines[0].content-types[0]: parameters are never accepted as records",
	"cut":                     "string runs past the end",
	"empty":                   "ends early",
	"float-limit":             "indefinite length, float or reserved value",
	"key-alias":               "tenants[0].keys[0]: malformed key ARN",
	"key-multi-region":        "tenants[0].keys[0]: is a multi-Region key",
	"key-twice":               "tenants[0].keys[1]: is there twice",
	"label":                   "label is not \"anchorhold/v1 policy\"",
	"limit-huge":              "limits.frame-length: 9223372036854775808 is out of range, want 1 to 67108864",
	"limit-zero":              "limits.replays: 0 is out of range, want 1 to 1000",
	"long-integer":            "integer not in its shortest form",
	"missing-limit":           "not the canonical encoding",
	"missing-raise":           "not the canonical encoding",
	"negative-limit":          "not a",
	"no-keys":                 "tenants[0].keys: is missing or empty",
	"no-pipelines":            "pipelines: is missing or empty",
	"no-rules":                "pipelines[0].rules: 0 bytes of rules, want 1 to 1048576",
	"no-tenants":              "tenants: is missing or empty",
	"not-a-map":               "not a",
	"null-test":               "tag, float, null or undefined",
	"pipeline-twice":          "pipelines[1].name: \"deid\" is there twice",
	"pipeline-unknown":        "tenants[0].pipelines[0]: no pipeline has this name",
	"reference-date":          "pipelines[0].reference-date: is not a day, want YYYY-MM-DD",
	"tenant-twice":            "tenants[1].name: \"clinic\" is there twice",
	"test-host":               "test.kms-host: is missing or no lower-case DNS name",
	"test-no-roots":           "test.tls-roots: holds no certificate",
	"test-roots":              "test.tls-roots: certificate 1 does not parse",
	"trailing":                "trailing bytes",
	"unknown-key":             "not a",
	"unknown-limit":           "not a",
}
