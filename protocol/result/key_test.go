package result_test

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"testing"

	"anchorhold/protocol/result"
)

func TestKeyFiles(t *testing.T) {
	key, err := result.GenerateKey()
	must(t, err)
	for s, name := range map[result.Stream]string{result.Result: "REPLY", result.Crosswalk: "CROSSWALK"} {
		private, err := key.MarshalPEM(s)
		must(t, err)
		public, err := result.MarshalPublicKey(s, key.PublicKey())
		must(t, err)
		for label, file := range map[string][]byte{"PRIVATE": private, "PUBLIC": public} {
			if want := []byte("-----BEGIN ANCHORHOLD " + name + " " + label + " KEY-----\n"); !bytes.HasPrefix(file, want) {
				t.Errorf("got %.60q, want it to begin with %q", file, want)
			}
		}
		again, err := result.ParsePrivateKey(private, s)
		must(t, err)
		if !bytes.Equal(again.PublicKey(), key.PublicKey()) {
			t.Error("got another public key from the file")
		}
		p, err := result.ParsePublicKey(bytes.ReplaceAll(public, []byte("\n"), []byte("\r\n")), s)
		must(t, err)
		if !bytes.Equal(p, key.PublicKey()) || len(p) != result.PublicKeySize {
			t.Error("got another public key from its file")
		}
		// The roles that hold the two private keys differ; a key in the wrong place is a mistake to
		// name.
		other := result.Result + result.Crosswalk - s
		if _, err := result.ParsePrivateKey(private, other); err == nil {
			t.Error("a private key of one stream is taken for the other's")
		}
		if _, err := result.ParsePublicKey(public, other); err == nil {
			t.Error("a public key of one stream is taken for the other's")
		}
		if _, err := result.ParsePublicKey(private, s); err == nil {
			t.Error("a private key is taken for a public one")
		}
	}
	if _, err := key.MarshalPEM(0); err == nil {
		t.Error("got a file for stream 0")
	}
	if _, err := result.MarshalPublicKey(result.Result, make([]byte, 5)); err == nil {
		t.Error("got a file for a key of 5 bytes")
	}
}

func TestKeyFileAttacks(t *testing.T) {
	key, err := result.GenerateKey()
	must(t, err)
	file, err := key.MarshalPEM(result.Result)
	must(t, err)
	const kind = "ANCHORHOLD REPLY PRIVATE KEY"
	seed := make([]byte, 32)
	for name, b := range map[string][]byte{
		"empty":          nil,
		"text":           []byte("no key"),
		"two blocks":     append(bytes.Clone(file), file...),
		"text before":    append([]byte("comment\n"), file...),
		"text behind":    append(bytes.Clone(file), "comment\n"...),
		"headers":        pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: seed, Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}}),
		"short seed":     pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: seed[1:]}),
		"long seed":      pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: append(seed, 0)}),
		"no seed":        pem.EncodeToMemory(&pem.Block{Type: kind}),
		"other software": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: seed}),
	} {
		if k, err := result.ParsePrivateKey(b, result.Result); err == nil || k != nil {
			t.Errorf("%s: got a key, want an error", name)
		}
	}
}

func TestKeyStaysOutOfLogs(t *testing.T) {
	key := testKey(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, s := range []string{fmt.Sprintf(verb, key), fmt.Sprintf(verb, *key)} {
			if s != "private key" {
				t.Errorf("%s prints %q", verb, s)
			}
		}
	}
}

func FuzzParsePrivateKey(f *testing.F) {
	key := testKey(f)
	file, err := key.MarshalPEM(result.Result)
	must(f, err)
	f.Add(file)
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := result.ParsePrivateKey(b, result.Result)
		if err != nil {
			return
		}
		again, err := k.MarshalPEM(result.Result)
		must(t, err)
		plain := bytes.ReplaceAll(bytes.TrimSpace(b), []byte("\r\n"), []byte("\n"))
		if !bytes.Equal(bytes.TrimSpace(again), plain) {
			t.Error("an accepted file encodes to another")
		}
	})
}
