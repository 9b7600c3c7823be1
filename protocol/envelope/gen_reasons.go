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
	"context-count-zero":     "encryption context counts no entries",
	"context-cut":            "encryption context is cut off or not UTF-8",
	"context-duplicate":      "encryption context is not sorted or has a duplicate key",
	"context-key-not-utf8":   "encryption context is cut off or not UTF-8",
	"context-not-utf8":       "encryption context is cut off or not UTF-8",
	"context-one-byte":       "encryption context is cut off",
	"context-trailing":       "bytes behind the encryption context",
	"context-unsorted":       "encryption context is not sorted or has a duplicate key",
	"final-length-huge":      "final frame is longer than the frame length",
	"final-too-long":         "final frame is longer than the frame length",
	"final-twice":            "trailing bytes",
	"frame-iv":               "IV of frame 1 is not its sequence number",
	"frame-iv-authentic":     "IV of frame 2 is not its sequence number",
	"frame-left-out":         "frame has sequence number 3, want 2",
	"frame-length-huge":      "it is 4294967295, want at most 4194304",
	"frame-length-over":      "it is 4194305, want at most 4194304",
	"frame-length-zero":      "frame length is zero",
	"frame-repeated":         "frame has sequence number 1, want 2",
	"frame-sequence":         "frame has sequence number 3, want 2",
	"frame-zero":             "frame has sequence number 0, want 1",
	"frames-swapped":         "frame has sequence number 2, want 1",
	"keys-claimed":           "65535, want at most 8",
	"keys-none":              "no encrypted data key",
	"keys-provider-not-utf8": "key provider is not UTF-8",
	"keys-too-many":          "9, want at most 8",
	"not-framed":             "body is not framed",
	"public-key-base64":      "verification key is missing or not base64",
	"public-key-missing":     "verification key is not a point of P-384",
	"public-key-newline":     "verification key is missing or not base64",
	"public-key-no-padding":  "verification key is missing or not base64",
	"public-key-off-curve":   "verification key is not a point of P-384",
	"public-key-unsigned":    "verification key in an unsigned message",
	"signature-empty":        "signature has 0 bytes, want 1 to 104",
	"signature-long":         "signature has 105 bytes, want 1 to 104",
	"signature-trailing":     "trailing bytes",
	"trailing":               "trailing bytes",
}
