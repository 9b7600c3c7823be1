package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"anchorhold/enclave/deid"
	"anchorhold/protocol/appraise"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/jobfile"
	"anchorhold/protocol/pinsfile"
	"anchorhold/protocol/policysource"
	"anchorhold/protocol/protocoltest/standin"
)

// worlds holds the world of each running script.
var worlds = newRegistry[*testscript.TestScript, *standin.World]()

// startWorld starts KMS, enclave and parent and writes what an owner has: world [notaws]
func startWorld(ts *testscript.TestScript, _ bool, args []string) {
	source := standin.PolicyYAML
	kms := standin.NewFront(kmsHost)
	ts.Defer(kms.Close)
	root := kms.Root
	if len(args) > 0 && args[0] == "notaws" {
		source += "test:\n  kms-host: kms.us-east-1.anchorhold.test\n  tls-roots: |\n    " +
			strings.ReplaceAll(strings.TrimSpace(string(root)), "\n", "\n    ") + "\n"
	}
	compiled, err := policysource.Compile([]byte(source), deid.Preset, nil)
	ts.Check(err)
	w := standin.New(compiled)
	worlds.set(ts, w)
	ts.Defer(func() { worlds.drop(ts) })
	kms.Serve(w.KMS())
	parent := httptest.NewServer(w.Parent())
	ts.Defer(parent.Close)
	write(ts, "policy.yaml", []byte(source))
	write(ts, "policy.cbor", compiled)
	write(ts, "kms-ca.pem", root)
	write(ts, "root.pem", w.CA.RootPEM())
	writePins(ts, w)
	for name, value := range map[string]string{
		"HTTPS_PROXY": kms.URL, "AWS_CA_BUNDLE": ts.MkAbs("kms-ca.pem"), "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
		"AWS_SECRET_ACCESS_KEY": "example", "ADMIN": "arn:aws:iam::111122223333:role/key-admin", "SEALER": "arn:aws:iam::111122223333:role/sealing",
		"PARENTROLE": "arn:aws:iam::444455556666:role/parent", "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1", "PARENT": parent.URL, "KEY": standin.Key,
		"TODAY": time.Now().UTC().Format(day), "YESTERDAY": time.Now().UTC().AddDate(0, 0, -1).Format(day), "TOMORROW": time.Now().UTC().AddDate(0, 0, 1).Format(day),
	} {
		ts.Setenv(name, value)
	}
}

const (
	day = "2006-01-02"

	// kmsHost is AWS's: the programs under test take no other for a policy that is not NOT AWS.
	kmsHost = "kms.us-east-1.amazonaws.com"
)

// writePins writes pins that fit, and pins that must never be accepted.
func writePins(ts *testscript.TestScript, w *standin.World) {
	encode := func(p *appraise.Pins) []byte {
		b, err := pinsfile.Encode(p)
		ts.Check(err)
		return b
	}
	good := encode(w.Pins(time.Now().AddDate(0, 0, 30)))
	write(ts, "pins.yaml", good)
	write(ts, "expired.yaml", encode(w.Pins(time.Now().AddDate(0, 0, -1))))
	write(ts, "zero.yaml", bytes.ReplaceAll(good, []byte(w.Image.PCR0.String()), bytes.Repeat([]byte("0"), 96)))
	other := standin.New([]byte("another policy")).Pins(time.Now().AddDate(0, 0, 30))
	write(ts, "other.yaml", encode(other))
	two := w.Pins(time.Now().AddDate(0, 0, 30))
	second := two.Images[0]
	second.Name = "second"
	two.Images = append(two.Images, second)
	write(ts, "two.yaml", encode(two))
}

func write(ts *testscript.TestScript, name string, data []byte) {
	ts.Check(os.WriteFile(ts.MkAbs(name), data, 0o600))
}

func read(ts *testscript.TestScript, name string) []byte { return []byte(ts.ReadFile(name)) }

// setMode makes the other side an attacker: mode [NAME]
func setMode(ts *testscript.TestScript, _ bool, args []string) {
	worlds.get(ts).SetMode(standin.Mode(strings.Join(args, "")))
}

// cutFile removes bytes at the end: cut FILE N
func cutFile(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	b := read(ts, args[0])
	write(ts, args[0], b[:len(b)-n])
}

// flipByte changes one bit: flip FILE OFFSET, counted from the end when negative
func flipByte(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	b := read(ts, args[0])
	if n < 0 {
		n += len(b)
	}
	b[n] ^= 1
	write(ts, args[0], b)
}

// extractMessage writes the message of a job file: message JOB OUT
func extractMessage(ts *testscript.TestScript, _ bool, args []string) {
	r := bytes.NewReader(read(ts, args[0]))
	_, _, err := jobfile.ReadHeader(r)
	ts.Check(err)
	b := read(ts, args[0])
	write(ts, args[1], b[len(b)-r.Len():])
}

// makeMessage writes a message with the context of another one, but for the entries given: esdk
// LIKE OUT key=value…; an empty value removes the entry, arn= sets the key.
func makeMessage(ts *testscript.TestScript, _ bool, args []string) {
	like, err := envelope.ReadHeader(bytes.NewReader(read(ts, args[0])), inspectLimits)
	ts.Check(err)
	context, arn, other := like.Context, standin.Key, ""
	for _, entry := range args[2:] {
		name, value, _ := strings.Cut(entry, "=")
		switch {
		case name == "arn":
			arn = value
		case name == "generator": // another key made the data key, the tenant's is a child
			other = value
		case value == "":
			delete(context, name)
		default:
			context[name] = value
		}
	}
	plaintext, ciphertext := worlds.get(ts).DataKey(context)
	keys := []envelope.EncryptedKey{{Provider: "aws-kms", Info: arn, Ciphertext: ciphertext}}
	if other != "" {
		keys = append([]envelope.EncryptedKey{{Provider: "aws-kms", Info: other, Ciphertext: []byte("ciphertext")}}, keys...)
	}
	var out bytes.Buffer
	m, err := envelope.NewWriter(&out, envelope.Params{Context: context, Keys: keys, DataKey: plaintext})
	ts.Check(err)
	_, err = m.Write([]byte(`{"resourceType":"Patient","id":"sdk"}` + "\n"))
	ts.Check(err)
	ts.Check(m.Close())
	write(ts, args[1], out.Bytes())
}

// challenge writes a document that answers a nonce: challenge HEX OUT
func challenge(ts *testscript.TestScript, _ bool, args []string) {
	nonce, err := hex.DecodeString(args[0])
	ts.Check(err)
	document, err := worlds.get(ts).Challenge(nonce)
	ts.Check(err)
	write(ts, args[1], document)
}

// writeLog writes what the parent answers to GET /v1/log: log FROM OUT
func writeLog(ts *testscript.TestScript, _ bool, args []string) {
	from, err := strconv.Atoi(args[0])
	ts.Check(err)
	page, err := worlds.get(ts).Log(from)
	ts.Check(err)
	write(ts, args[1], page)
}

// asked writes the encryption contexts that KMS was asked with: asked OUT
func asked(ts *testscript.TestScript, _ bool, args []string) {
	b, err := json.MarshalIndent(worlds.get(ts).Contexts(), "", "  ")
	ts.Check(err)
	write(ts, args[0], append(b, '\n'))
}
