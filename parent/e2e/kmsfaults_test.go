package e2e_test

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"anchorhold/parent/e2e/stage"
	"anchorhold/protocol/code"
)

var loopback = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}

// kmsFaults are ways in which KMS, or what answers in its name, fails a job.
var kmsFaults = []struct {
	name  string
	fault fault
	want  code.Code // empty: the job is done all the same
}{
	{"denial, by KMS itself", fault{policy: func(t *testing.T, s *stage.Stage) { check(t, s.PutKeyPolicy(t.Context())) }}, code.KMSDenied},
	{"the key is disabled", fault{status: http.StatusBadRequest, kind: "DisabledException"}, code.KMSDenied},
	{"throttling, for good", fault{status: http.StatusBadRequest, kind: "ThrottlingException"}, code.KMSThrottled},
	{"throttling, for a while", fault{status: http.StatusBadRequest, kind: "ThrottlingException", first: 4}, ""},
	{"down", fault{hangUp: true}, code.KMSUnavailable},
	{"internal failure", fault{status: http.StatusInternalServerError, kind: "KMSInternalException"}, code.KMSUnavailable},
	{"one internal failure", fault{status: http.StatusInternalServerError, kind: "KMSInternalException", first: 1}, ""},
	{"another host, with a certificate of its own", fault{foreign: &tls.Certificate{}}, code.KMSUnavailable},
	{"answer for another key", fault{change: func(m map[string]any) { m["KeyId"] = labKey }}, code.KMSAnswerInvalid},
	{"answer for no key", fault{change: func(m map[string]any) { delete(m, "KeyId") }}, code.KMSAnswerInvalid},
	{"plaintext beside the answer", fault{change: func(m map[string]any) { m["Plaintext"] = bytes.Repeat([]byte{1}, 32) }}, code.KMSAnswerInvalid},
	{"answer without an envelope", fault{change: func(m map[string]any) { delete(m, "CiphertextForRecipient") }}, code.KMSAnswerInvalid},
	{"a bit flipped in the answer", fault{change: flipAnswer}, code.KMSAnswerInvalid},
	{"no JSON", fault{body: []byte("<html>")}, code.KMSAnswerInvalid},
	{"an endless answer", fault{body: []byte(`{"KeyId":"` + strings.Repeat("a", 1<<20) + `"}`)}, code.KMSAnswerInvalid},
	{"credentials expired", fault{status: http.StatusBadRequest, kind: "ExpiredTokenException"}, code.CredentialsRefused},
	{"credentials unknown", fault{status: http.StatusBadRequest, kind: "UnrecognizedClientException"}, code.CredentialsRefused},
}

// flipAnswer changes the last byte of CiphertextForRecipient that means something.
func flipAnswer(m map[string]any) {
	text, _ := m["CiphertextForRecipient"].(string)
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) < 100 {
		return // the job is then done, and the test fails
	}
	b[len(b)/2] ^= 1
	m["CiphertextForRecipient"] = b
}

// Each fault of KMS has its code, leaves nothing behind, and is over when it is over: the same job
// file submitted again is done.
//
// Faults of the NSM cannot be put into a process that has one. An NSM that errs, lies, is slow or
// stops answering is put under the enclave program in enclave/internal/boot (TestNSMErrors,
// TestSlowNSM, TestRefusesToServe, TestInvariant8_WedgedNSMShowsWithin10Seconds), and under its
// parts in enclave/internal/job (TestSickNSM) and enclave/internal/kms (TestNSMFailure).
func TestKMSFaults(t *testing.T) {
	t.Parallel()
	s := start(t, stage.Options{Limits: "{replays: 9}"})
	k := disturb(t, s)
	write(t, s.Path("records.ndjson"), []byte(goodRecord))
	foreign := issue(t, tls.Certificate{})
	for i, c := range kmsFaults {
		t.Run(c.name, func(t *testing.T) {
			j := job{s, fmt.Sprintf("k%d", i)}
			mustOwner(t, s, 0, j.sealArgs("policy", s.Path("records.ndjson"))...)
			kept := inventory(t, j)
			if c.fault.foreign != nil {
				c.fault.foreign = &foreign
				// Connections that the enclave has open were made to KMS itself: they are KMS's to
				// use.
				check(t, s.StartEnclave(t.Context(), "policy"))
			}
			if c.fault.policy != nil {
				c.fault.policy(t, s)
				defer func() { check(t, s.PutKeyPolicy(t.Context(), "policy")) }()
			}
			k.set(c.fault)
			defer k.set(fault{})
			if c.want != "" {
				if reason := reasonOf(t, mustOwner(t, s, 1, j.submitArgs()...)); !strings.HasPrefix(reason, string(c.want)+": ") {
					t.Errorf("submit says %q, want %s", reason, c.want)
				}
				if got := inventory(t, j); got != kept {
					t.Errorf("submit left\n%s, want the job file alone", got)
				}
				k.set(fault{})
				check(t, s.PutKeyPolicy(t.Context(), "policy"))
			}
			mustOwner(t, s, 0, j.submitArgs()...)
			mustOwner(t, s, 0, j.openArgs("policy")...)
		})
	}
}
