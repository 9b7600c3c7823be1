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
	"file-inconsistent":                 "policy",
	"file-malformed-empty":              "not a receipt file",
	"file-malformed-index":              "index or path is beyond the largest batch",
	"file-malformed-label":              "not a receipt file",
	"file-malformed-long-path":          "index or path is beyond the largest batch",
	"file-malformed-no-leaf":            "leaf is empty or too long",
	"file-malformed-short-node":         "not a receipt file",
	"file-malformed-trailing":           "not a receipt file",
	"file-malformed-unknown-key":        "not a receipt file",
	"file-purpose-challenge":            "malformed user data",
	"file-purpose-kms":                  "malformed user data",
	"leaf-malformed-code":               "unknown code",
	"leaf-malformed-date":               "reference date is not YYYY-MM-DD",
	"leaf-malformed-empty":              "neither receipt nor failure",
	"leaf-malformed-empty-date":         "neither receipt nor failure",
	"leaf-malformed-exact-count":        "record counts are not bucketed",
	"leaf-malformed-failure-label":      "neither receipt nor failure",
	"leaf-malformed-label":              "neither receipt nor failure",
	"leaf-malformed-long-output":        "neither receipt nor failure",
	"leaf-malformed-long-nonce":         "neither receipt nor failure",
	"leaf-malformed-missing-nonce":      "neither receipt nor failure",
	"leaf-malformed-missing-output":     "neither receipt nor failure",
	"leaf-malformed-no-requests":        "there are not 1 to 4 KMS request ids",
	"leaf-malformed-receipt-as-failure": "neither receipt nor failure",
	"leaf-malformed-short-input":        "neither receipt nor failure",
	"leaf-malformed-tenant":             "tenant or pipeline is not a name",
	"leaf-malformed-time-max":           "started and finished are not times in order",
	"leaf-malformed-time-zero":          "started and finished are not times in order",
	"leaf-malformed-times":              "started and finished are not times in order",
	"leaf-malformed-trailing":           "neither receipt nor failure",
	"leaf-malformed-unknown-key":        "neither receipt nor failure",
}
