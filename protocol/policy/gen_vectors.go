//go:build ignore

// Gen_vectors writes testdata/compiled: compiled policies put together from plain maps, without the
// package's own types.
package main

import (
	"log"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"anchorhold/protocol/protocoltest/testca"
	"anchorhold/protocol/protocoltest/vectorfile"
)

type m = map[string]any

const (
	key  = "arn:aws:kms:us-east-1:111122223333:key/0f1e2d3c-4b5a-4678-9abc-def012345678"
	root = `-----BEGIN CERTIFICATE-----
MIIBFjCBvaADAgECAgEBMAoGCCqGSM49BAMCMBMxETAPBgNVBAMTCHRlc3Qgcm9v
dDAeFw0yNDAxMDEwMDAwMDBaFw0zNDAxMDEwMDAwMDBaMBMxETAPBgNVBAMTCHRl
c3Qgcm9vdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABA==
-----END CERTIFICATE-----
`
)

var ca = testca.NewSeeded("anchorhold policy vectors", func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) })

func full() m {
	return m{
		"label":   "anchorhold/v1 policy",
		"tenants": []any{m{"name": "clinic", "keys": []any{key}, "pipelines": []any{"deid"}}},
		"pipelines": []any{m{
			"name": "deid", "preset": "safe-harbor", "rules": []byte("rules of safe-harbor\n"),
			"content_types": []any{"application/fhir+ndjson"}, "raise": false,
		}},
		"limits": m{
			"job_bytes": 17179869184, "record_bytes": 8388608, "records": 100000000, "identifiers": 20000000, "nesting": 64,
			"frame_length": 4194304, "encrypted_keys": 8, "not_after_days": 31, "replays": 3, "concurrent_jobs": 4, "job_seconds": 3600,
		},
	}
}

func tenant(p m) m   { return p["tenants"].([]any)[0].(m) }
func pipeline(p m) m { return p["pipelines"].([]any)[0].(m) }
func limits(p m) m   { return p["limits"].(m) }

func encode(v any) []byte {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	check(err)
	b, err := mode.Marshal(v)
	check(err)
	return b
}

func write(name, expect, comment string, body []byte) {
	h := map[string]string{"expect": because(name, expect), "comment": comment, "encoding": "hex"}
	check(vectorfile.Write("testdata/compiled/"+name+".txt", h, body))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func bad(name, expect, comment string, change func(p m)) {
	p := full()
	change(p)
	write(name, expect, comment, encode(p))
}

func main() {
	write("ok-defaults", "ok", "what policysource/testdata/ok-defaults compiles to", encode(full()))
	p := full()
	pipeline(p)["raise"], pipeline(p)["reference_date"], pipeline(p)["preset"] = true, "2026-12-31", ""
	pipeline(p)["rules"] = []byte("contents of own.rules\n")
	tenant(p)["keys"] = []any{strings.ReplaceAll(key, "arn:aws:kms:us-east-1", "arn:aws-us-gov:kms:us-gov-west-1"), key}
	limits(p)["nesting"], limits(p)["job_bytes"] = 12, 1048576
	write("ok-all-fields", "ok", "what policysource/testdata/ok-all-fields compiles to", encode(p))

	badForm()
	badMeaning()
}

func badForm() {
	write("empty", "malformed", "no bytes", nil)
	write("not-a-map", "malformed", "an array", encode([]any{}))
	write("trailing", "malformed", "a byte behind the policy", append(encode(full()), 0))
	write("cut", "malformed", "the last byte is missing", encode(full())[:len(encode(full()))-1])
	bad("unknown-key", "malformed", "a key that this version does not know", func(p m) { p["debug"] = true })
	bad("unknown-limit", "malformed", "a limit that this version does not know", func(p m) { limits(p)["retries"] = 1 })
	bad("missing-limit", "malformed", "a limit is not written out", func(p m) { delete(limits(p), "replays") })
	bad("missing-raise", "malformed", "a default is not written out", func(p m) { delete(pipeline(p), "raise") })
	bad("null-test", "malformed", "an optional key is null", func(p m) { p["test"] = nil })
	bad("float-limit", "malformed", "a limit is a float", func(p m) { limits(p)["replays"] = 3.5 })
	bad("negative-limit", "malformed", "a limit is negative", func(p m) { limits(p)["replays"] = -1 })
	b := encode(full())
	write("long-integer", "malformed", "an integer in a longer form than needed",
		[]byte(strings.Replace(string(b), "gnesting\x18\x40", "gnesting\x19\x00\x40", 1)))
}

func badMeaning() {
	bad("label", "invalid", "another format's label", func(p m) { p["label"] = "anchorhold/v2 policy" })
	bad("no-tenants", "invalid", "a policy for nobody", func(p m) { p["tenants"] = []any{} })
	bad("no-pipelines", "invalid", "nothing to do", func(p m) { p["pipelines"] = []any{} })
	bad("no-keys", "invalid", "a tenant without keys", func(p m) { tenant(p)["keys"] = []any{} })
	bad("tenant-twice", "invalid", "two tenants of one name", func(p m) { p["tenants"] = []any{tenant(p), tenant(p)} })
	bad("pipeline-twice", "invalid", "two pipelines of one name", func(p m) { p["pipelines"] = []any{pipeline(p), pipeline(p)} })
	bad("pipeline-unknown", "invalid", "a reference that does not resolve", func(p m) { tenant(p)["pipelines"] = []any{"other"} })
	bad("key-twice", "invalid", "a key twice", func(p m) { tenant(p)["keys"] = []any{key, key} })
	bad("key-alias", "invalid", "an alias in place of a key", func(p m) {
		tenant(p)["keys"] = []any{"arn:aws:kms:us-east-1:111122223333:alias/clinic"}
	})
	bad("key-multi-region", "invalid", "a multi-Region key", func(p m) {
		tenant(p)["keys"] = []any{"arn:aws:kms:us-east-1:111122223333:key/mrk-0123456789abcdef0123456789abcdef"}
	})
	bad("limit-zero", "invalid", "a limit of zero", func(p m) { limits(p)["replays"] = 0 })
	bad("limit-huge", "invalid", "a limit over its maximum", func(p m) { limits(p)["frame_length"] = uint64(1) << 63 })
	bad("no-rules", "invalid", "a pipeline without rules", func(p m) { pipeline(p)["rules"] = []byte{} })
	bad("content-type-parameters", "invalid", "parameters as records", func(p m) {
		pipeline(p)["content_types"] = []any{"application/vnd.anchorhold.parameters"}
	})
	bad("reference-date", "invalid", "a day that the calendar lacks", func(p m) { pipeline(p)["reference_date"] = "2026-02-30" })
	test := full()
	test["test"] = m{"kms_host": "kms.test", "tls_roots": string(ca.RootPEM())}
	write("ok-test", "ok", "NOT AWS", encode(test))
	bad("test-host", "invalid", "an address in place of a name", func(p m) { p["test"] = m{"kms_host": "127.0.0.1", "tls_roots": string(ca.RootPEM())} })
	bad("test-roots", "invalid", "roots that are no certificates", func(p m) { p["test"] = m{"kms_host": "kms.test", "tls_roots": root} })
	bad("test-no-roots", "invalid", "no roots", func(p m) { p["test"] = m{"kms_host": "kms.test", "tls_roots": ""} })
}
