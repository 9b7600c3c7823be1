package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/hf/nsm/request"

	"anchorhold/protocol/measure"
	"anchorhold/protocol/protocoltest/softnsm"
	"anchorhold/protocol/protocoltest/testca"
	"anchorhold/protocol/verify"
)

const maxAnswer = 4 << 20 // of the parent, which is not in question here

func (l *lab) documentChecks() []check {
	checks := []check{
		{"documents", "receipts of all jobs", l.receiptDocuments},
		{"documents", "challenge with a nonce, through the parent", l.challenge},
		{"documents", "receipt log of the parent", l.logDocuments},
		{"documents", "every shape that the software NSM makes", l.shapes},
		{"documents", "altered bytes are refused by both verifiers", l.alteredDocuments},
		{"documents", "a foreign root is refused by both verifiers", l.foreignRoot},
	}
	if l.options.vectors != "" {
		checks = append(checks, check{"documents", "published documents of real enclaves", l.published})
	}
	return checks
}

// roots returns the stage's attestation root alone.
func (l *lab) roots() (*x509.CertPool, error) {
	pem, err := os.ReadFile(l.Path("ca", "attestation-root.pem"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("attestation-root.pem holds no certificate")
	}
	return pool, nil
}

// both verifies a document by package attest and by the second opinion; they must accept it and
// read the same.
func both(document []byte, roots *x509.CertPool) (*opinion, error) {
	v, err := verify.Archived(document, roots)
	if err != nil {
		return nil, fmt.Errorf("attest: %w", err)
	}
	o, err := form(document, roots)
	if err != nil {
		return nil, fmt.Errorf("second opinion: %w", err)
	}
	return o, o.agrees(v.Document())
}

// receiptDocument returns the document of a receipt file, read as SPEC 7.3 says.
func receiptDocument(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Document []byte `cbor:"document"`
	}
	return file.Document, cbor.Unmarshal(b, &file)
}

func (l *lab) receiptDocuments(context.Context) (string, error) {
	roots, err := l.roots()
	if err != nil {
		return "", err
	}
	for _, j := range l.jobs {
		document, err := receiptDocument(j.path(".receipt"))
		if err != nil {
			return "", err
		}
		if _, err := both(document, roots); err != nil {
			return "", fmt.Errorf("%s: %w", j.name, err)
		}
	}
	if len(l.jobs) == 0 {
		return "", errors.New("no job left a receipt")
	}
	return fmt.Sprintf("%d documents", len(l.jobs)), nil
}

// get asks the parent.
func (l *lab) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.ParentURL+path, nil)
	if err != nil {
		return nil, err
	}
	token, err := os.ReadFile(l.TokenFile())
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+string(token))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", path, res.Status)
	}
	return io.ReadAll(io.LimitReader(res.Body, maxAnswer))
}

func (l *lab) challenge(ctx context.Context) (string, error) {
	roots, err := l.roots()
	if err != nil {
		return "", err
	}
	nonce := []byte("asked by the interoperability check")
	document, err := l.get(ctx, "/v1/attestation?nonce="+hex.EncodeToString(nonce))
	if err != nil {
		return "", err
	}
	o, err := both(document, roots)
	if err != nil {
		return "", err
	}
	if !bytes.Equal(o.Nonce, nonce) || time.Since(o.time()).Abs() > time.Minute {
		return "", errors.New("the document answers another nonce or is not fresh")
	}
	return o.ModuleID, nil
}

func (l *lab) logDocuments(ctx context.Context) (string, error) {
	roots, err := l.roots()
	if err != nil {
		return "", err
	}
	body, err := l.get(ctx, "/v1/log?from=0&limit=256")
	if err != nil {
		return "", err
	}
	var log struct{ Batches []struct{ Document []byte } }
	if err := json.Unmarshal(body, &log); err != nil {
		return "", err
	}
	for i, batch := range log.Batches {
		if _, err := both(batch.Document, roots); err != nil {
			return "", fmt.Errorf("batch %d: %w", i, err)
		}
	}
	if len(log.Batches) == 0 {
		return "", errors.New("the log is empty")
	}
	return fmt.Sprintf("%d batches", len(log.Batches)), nil
}

// shapes asks a software NSM for documents with fields absent, empty and full, in both forms of the
// payload's map, from modules of today and from newer ones.
func (l *lab) shapes(context.Context) (string, error) {
	ca := testca.New(time.Now)
	n := 0
	for form := range 4 {
		definite, newer := form%2 == 0, form/2 == 1
		module := softnsm.New(softnsm.Config{
			CA: ca, Image: measure.DevImage([]byte("program"), []byte("policy")), RoleARN: l.Parent().ARN, Definite: definite, Newer: newer,
			SigningCertificate: ca.Root().Raw,
		})
		for _, r := range []*request.Attestation{
			{},
			{UserData: []byte{}, Nonce: []byte{}, PublicKey: []byte{1}},
			{UserData: bytes.Repeat([]byte{1}, 512), Nonce: bytes.Repeat([]byte{2}, 512), PublicKey: bytes.Repeat([]byte{3}, 1024)},
		} {
			res, err := module.Send(r)
			if err != nil {
				return "", err
			}
			if res.Attestation == nil {
				return "", fmt.Errorf("the software NSM refuses: %s", res.Error)
			}
			if _, err := both(res.Attestation.Document, ca.Roots()); err != nil {
				return "", fmt.Errorf("definite %v, newer %v, shape %d: %w", definite, newer, n, err)
			}
			n++
		}
	}
	return fmt.Sprintf("%d documents", n), nil
}

// alteredDocuments changes bytes all over a document, one at a time: a verifier that accepts one is
// broken, ours or the other.
func (l *lab) alteredDocuments(context.Context) (string, error) {
	roots, err := l.roots()
	if err != nil {
		return "", err
	}
	document, err := receiptDocument(l.jobs[0].path(".receipt"))
	if err != nil {
		return "", err
	}
	// Or refusing everything would pass.
	if _, err := both(document, roots); err != nil {
		return "", err
	}
	const step = 29
	n := 0
	for i := 0; i < len(document); i += step {
		for _, bit := range []byte{0x01, 0x80} {
			altered := bytes.Clone(document)
			altered[i] ^= bit
			if _, err := verify.Archived(altered, roots); err == nil {
				return "", fmt.Errorf("attest accepts byte %d altered", i)
			}
			if _, err := form(altered, roots); err == nil {
				return "", fmt.Errorf("the second opinion accepts byte %d altered", i)
			}
			n++
		}
	}
	return fmt.Sprintf("%d alterations of %d bytes", n, len(document)), nil
}

func (l *lab) foreignRoot(context.Context) (string, error) {
	own, err := l.roots()
	if err != nil {
		return "", err
	}
	document, err := receiptDocument(l.jobs[0].path(".receipt"))
	if err != nil {
		return "", err
	}
	if _, err := both(document, own); err != nil {
		return "", err
	}
	for name, roots := range map[string]*x509.CertPool{"another test root": testca.New(time.Now).Roots(), "AWS's root": verify.AWSRoots()} {
		if _, err := verify.Archived(document, roots); err == nil {
			return "", fmt.Errorf("attest accepts %s", name)
		}
		if _, err := form(document, roots); err == nil {
			return "", fmt.Errorf("the second opinion accepts %s", name)
		}
	}
	return "another test root, AWS's root", nil
}

// published: documents of real enclaves, under the root that is published beside them.
func (l *lab) published(context.Context) (string, error) {
	folder := filepath.Join(l.options.vectors, "attestation")
	certificates, err := files(folder, "*root*.der")
	if err != nil {
		return "", err
	}
	roots := x509.NewCertPool()
	for _, name := range certificates {
		der, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		root, err := x509.ParseCertificate(der)
		if err != nil {
			return "", err
		}
		roots.AddCert(root)
	}
	documents, err := files(folder, "*.cose")
	if err != nil {
		return "", err
	}
	for _, name := range documents {
		document, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		if _, err := both(document, roots); err != nil {
			return "", fmt.Errorf("%s: %w", filepath.Base(name), err)
		}
	}
	return fmt.Sprintf("%d documents", len(documents)), nil
}
