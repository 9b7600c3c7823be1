package main

import (
	"bytes"
	"encoding/pem"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"anchorhold/protocol/audit"
	"anchorhold/protocol/pinsfile"
	"anchorhold/protocol/protocoltest/standin"
	"anchorhold/protocol/verify"
)

// AWS's hypervisor signs for an enclave under a test policy as for any other. Such a document with
// AWS's own root cannot be made here, so the judgement behind the root is asked alone: it must not
// find it acceptable because the pins and the policy that came with it fit.
func TestGenuineEnclaveUnderATestPolicy(t *testing.T) {
	kms := httptest.NewTLSServer(nil)
	defer kms.Close()
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: kms.Certificate().Raw})
	compiled, err := standin.CompilePolicy(standin.PolicyYAML + "test:\n  kms-host: kms.us-east-1.anchorhold.test\n  tls-roots: |\n    " +
		strings.ReplaceAll(strings.TrimSpace(string(root)), "\n", "\n    ") + "\n")
	if err != nil {
		t.Fatal(err)
	}
	w := standin.New(compiled)
	pins, err := pinsfile.Encode(w.Pins(time.Now().AddDate(0, 0, 30)))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	f := verifyFlags{pins: filepath.Join(dir, "pins.yaml"), policy: filepath.Join(dir, "policy.cbor"), now: time.Now()}
	if err := errors.Join(os.WriteFile(f.pins, pins, 0o600), os.WriteFile(f.policy, compiled, 0o600)); err != nil {
		t.Fatal(err)
	}
	b, err := w.Challenge([]byte("nonce"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := verify.Document(b, w.CA.Roots(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	judge := func(f verifyFlags) *verdict {
		a, v := &app{out: new(bytes.Buffer), err: new(bytes.Buffer)}, &verdict{}
		if err := a.appraiseDocument(f, doc, nil, v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := judge(f); !errors.Is(v.err, audit.ErrNotAWS) || v.Appraised || exitCode(v.err) != exitRefused {
		t.Errorf("without --root: got %q, %v, want it refused", v.Verdict, v.err)
	}
	f.root = "root.pem"
	if v := judge(f); v.err != nil || !v.NotAWS {
		t.Errorf("with --root: got %v, not_aws_policy %v, want it acceptable and marked", v.err, v.NotAWS)
	}
}
