package main

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"anchorhold/eif/image"
)

const (
	maxSmall = 16 << 20 // policies, keys, certificates
	maxLarge = 4 << 30  // images and their parts
)

// readFile reads a regular file whole, up to limit: a pipe or a device would have no end.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes, the limit is %d: is it the right file?", path, info.Size(), limit)
	}
	b := make([]byte, info.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return b, nil
}

// readPart reads a file that becomes part of an image: an empty one is a mistake.
func readPart(path string) ([]byte, error) {
	b, err := readFile(path, maxLarge)
	if err == nil && len(b) == 0 {
		err = fmt.Errorf("%s is empty", path)
	}
	return b, err
}

func readImage(path string) (*image.Image, error) {
	b, err := readFile(path, maxLarge)
	if err != nil {
		return nil, err
	}
	i, err := image.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: expected an enclave image (EIF version 4): %w", path, err)
	}
	return i, nil
}

// writeImage writes an image beside its destination first, so that a full disk leaves no half image
// under its name. It overwrites nothing: images are compared by what they were.
func writeImage(path string, i *image.Image) error {
	b, err := i.Encode()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s already exists and is not overwritten", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.partial")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return os.Link(f.Name(), path) // unlike rename, it does not replace
}

// readCertificate returns the PEM as it stands, which is what goes into an image, and the first
// certificate in it.
func readCertificate(path string) ([]byte, *x509.Certificate, error) {
	b, err := readFile(path, maxSmall)
	if err != nil {
		return nil, nil, err
	}
	cert, _, err := image.ParseCertificate(b)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: expected a certificate in PEM: %w", path, err)
	}
	return b, cert, nil
}

// readKey reads an ECDSA private key, PKCS #8 or SEC 1.
func readKey(path string) (*ecdsa.PrivateKey, error) {
	b, err := readFile(path, maxSmall)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "EC PARAMETERS": // openssl ecparam -genkey writes it first
			continue
		case "EC PRIVATE KEY":
			if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
				return key, nil
			}
		case "PRIVATE KEY":
			if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
				if ec, ok := key.(*ecdsa.PrivateKey); ok {
					return ec, nil
				}
			}
		}
		break
	}
	// No detail: a parser's words about a key file could hold parts of the key.
	return nil, fmt.Errorf("%s: expected an unencrypted ECDSA private key on P-384 in PEM", path)
}
