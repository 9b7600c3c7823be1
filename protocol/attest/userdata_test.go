package attest_test

import (
	"bytes"
	"errors"
	"testing"

	"anchorhold/protocol/attest"
	"anchorhold/protocol/canonical"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/protocoltest/vectorfile"
	"anchorhold/protocol/verify"
)

func receiptsUserData() *attest.UserData {
	return &attest.UserData{
		Purpose: attest.PurposeReceipts, Boot: [16]byte{1}, Policy: digest.Sum([]byte("policy")),
		Batch: &attest.Batch{Number: 3, First: 700, Size: 256, Root: digest.Sum([]byte("root")), Previous: digest.Sum([]byte("previous"))},
	}
}

func TestUserDataRoundTrip(t *testing.T) {
	for _, u := range []*attest.UserData{
		{Purpose: attest.PurposeKMS},
		{Purpose: attest.PurposeChallenge, Boot: [16]byte{2}},
		receiptsUserData(),
		{Purpose: attest.PurposeReceipts, Batch: &attest.Batch{Size: 1}},
	} {
		b, err := u.Encode()
		if err != nil {
			t.Fatalf("%s: %v", u.Purpose, err)
		}
		if len(b) > 512 {
			t.Errorf("%s: %d bytes, SPEC 6 allows 512", u.Purpose, len(b))
		}
		got, err := attest.ParseUserData(b)
		if err != nil {
			t.Fatalf("%s: %v", u.Purpose, err)
		}
		again, err := got.Encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%s: encodes to other bytes, error %v", u.Purpose, err)
		}
	}
}

func TestUserDataRefused(t *testing.T) {
	good := func() map[string]any {
		return map[string]any{
			"label": "anchorhold/v1 attestation", "purpose": "receipts", "boot": make([]byte, 16), "policy": make([]byte, 48),
			"batch": uint64(1), "first": uint64(5), "size": uint64(2), "root": make([]byte, 48), "previous": bytes.Repeat([]byte{1}, 48),
		}
	}
	encode := func(m map[string]any) []byte {
		b, err := canonical.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if _, err := attest.ParseUserData(encode(good())); err != nil {
		t.Fatalf("good user data: %v", err)
	}
	for name, change := range map[string]func(map[string]any){
		"other label":           func(m map[string]any) { m["label"] = "anchorhold/v2 attestation" },
		"no label":              func(m map[string]any) { delete(m, "label") },
		"unknown key":           func(m map[string]any) { m["extra"] = uint64(1) },
		"unknown purpose":       func(m map[string]any) { m["purpose"] = "other" },
		"empty purpose":         func(m map[string]any) { m["purpose"] = "" },
		"kms with a batch":      func(m map[string]any) { m["purpose"] = "kms" },
		"challenge with batch":  func(m map[string]any) { m["purpose"] = "challenge" },
		"receipts without root": func(m map[string]any) { delete(m, "root") },
		"receipts without size": func(m map[string]any) { delete(m, "size") },
		"no policy":             func(m map[string]any) { delete(m, "policy") },
		"short policy":          func(m map[string]any) { m["policy"] = make([]byte, 47) },
		"long boot":             func(m map[string]any) { m["boot"] = make([]byte, 17) },
		"size 0":                func(m map[string]any) { m["size"] = uint64(0) },
		"size 257":              func(m map[string]any) { m["size"] = uint64(257) },
		"overflow":              func(m map[string]any) { m["first"] = uint64(1<<64 - 1) },
		"batch 0 with previous": func(m map[string]any) { m["batch"], m["first"] = uint64(0), uint64(0) },
		"batch 1 without":       func(m map[string]any) { m["previous"] = make([]byte, 48) },
		"batch 1 from leaf 0":   func(m map[string]any) { m["first"] = uint64(0) },
		"negative":              func(m map[string]any) { m["batch"] = int64(-1) },
	} {
		m := good()
		change(m)
		if u, err := attest.ParseUserData(encode(m)); !errors.Is(err, attest.ErrUserData) || u != nil {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for _, b := range [][]byte{nil, {0xa0}, {0xf6}, append(encode(good()), 0), make([]byte, 513)} {
		if _, err := attest.ParseUserData(b); !errors.Is(err, attest.ErrUserData) {
			t.Errorf("%d bytes: got %v", len(b), err)
		}
	}
	if _, err := (&attest.UserData{Purpose: attest.PurposeReceipts}).Encode(); !errors.Is(err, attest.ErrUserData) {
		t.Errorf("receipts without batch was encoded: %v", err)
	}
}

func TestUserDataVectors(t *testing.T) {
	outcomes := map[string]error{"ok": nil, "user-data": attest.ErrUserData}
	for _, v := range vectorfile.Load(t, "testdata/userdata/*.txt") {
		want, known := outcomes[v.Expect()]
		u, err := attest.ParseUserData(v.Body)
		if !known || !errors.Is(err, want) || (err == nil) != (u != nil) {
			t.Errorf("%s: got %v, want %s", v.Name, err, v.Expect())
		}
	}
}

// A document that was made for one purpose must not serve another: in a challenge the parent
// chooses bytes that get signed.
func TestFieldsFitThePurpose(t *testing.T) {
	outcomes := map[string]error{"ok": nil, "user-data": attest.ErrUserData}
	for _, v := range vectorfile.Load(t, "testdata/purpose/*.txt") {
		document, err := verify.Archived(v.Body, testRoots(t))
		if err != nil {
			t.Errorf("%s: %v, want a genuine document", v.Name, err)
			continue
		}
		want, known := outcomes[v.Expect()]
		u, err := document.ReadUserData()
		if !known || !errors.Is(err, want) || (err == nil) != (u != nil) {
			t.Errorf("%s: got %v, want %s", v.Name, err, v.Expect())
		}
		if err == nil && string(u.Purpose) != v.Name {
			t.Errorf("%s: got purpose %s", v.Name, u.Purpose)
		}
	}
}

func FuzzUserData(f *testing.F) {
	for _, v := range vectorfile.Load(f, "testdata/userdata/*.txt") {
		f.Add(v.Body)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		u, err := attest.ParseUserData(b)
		if err != nil {
			return
		}
		if again, err := u.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("accepted, but encodes to other bytes, error %v", err)
		}
	})
}
