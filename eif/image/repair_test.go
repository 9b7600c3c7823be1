package image_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"anchorhold/eif/image"
	"anchorhold/protocol/protocoltest/vectorfile"
)

func vector(t *testing.T, path string) []byte {
	t.Helper()
	return vectorfile.Load(t, "testdata/"+path+".txt")[0].Body
}

// resign does to a signed image what AWS's library does when it signs again: the section and its
// own header change, and the offsets of what follows, but not the size in the table. The checksum
// is right.
func resign(t *testing.T, signed, section []byte) []byte {
	t.Helper()
	i, err := image.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	last := len(i.Sections) - 1
	old := len(i.Sections[last].Data)
	b := bytes.Clone(signed[:len(signed)-old])
	binary.BigEndian.PutUint64(b[len(b)-8:], uint64(len(section)))
	return checked(append(b, section...))
}

// checked gives an image its checksum.
func checked(b []byte) []byte {
	binary.BigEndian.PutUint32(b[544:], crc32.Update(crc32.ChecksumIEEE(b[:544]), crc32.IEEETable, b[548:]))
	return b
}

func TestRepair(t *testing.T) {
	signed := vector(t, "image/signed")
	for name, section := range map[string][]byte{
		"shorter": signature(t, vector(t, "signature/es256")),
		"longer":  signature(t, vector(t, "signature/chain")),
	} {
		broken := resign(t, signed, section)
		_, err := image.Parse(broken)
		wantFault(t, err, "table")
		i, wrong, err := image.Repair(broken)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if wrong == "" || !bytes.Equal(i.Sections[len(i.Sections)-1].Data, section) {
			t.Errorf("%s: got %q and another section", name, wrong)
		}
		want, err := image.Parse(signed)
		if err != nil || i.Measure() != want.Measure() {
			t.Errorf("%s: got %v and other registers", name, err)
		}
		if _, _, err := i.Verify(nil, now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		b, err := i.Encode()
		if err != nil || len(b) != len(broken) {
			t.Errorf("%s: got %d bytes and %v, want %d", name, len(b), err, len(broken))
		}
	}
}

func signature(t *testing.T, b []byte) []byte {
	t.Helper()
	i, err := image.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return i.Sections[len(i.Sections)-1].Data
}

// TestRepairOfAWSSections signs again with sections that AWS's library wrote.
func TestRepairOfAWSSections(t *testing.T) {
	dir := os.Getenv("CASES")
	if dir == "" {
		t.Skip("CASES is not set: no sections of AWS's library")
	}
	paths, err := filepath.Glob(filepath.Join(dir, "nitro", "*.sigsection"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no sections: %v", err)
	}
	for _, path := range paths {
		section, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		i, _, err := image.Repair(resign(t, vector(t, "image/signed"), section))
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if cert, pcr8, err := i.Certificate(); err != nil || cert == nil || pcr8.IsZero() {
			t.Errorf("%s: got %v, want the certificate that AWS's library reads", path, err)
		}
		// They sign other images.
		_, _, err = i.Verify(nil, now)
		wantFault(t, err, "other-pcr0")
	}
}

// TestRepairRefuses: an image with any other fault must not come out as a good one.
func TestRepairRefuses(t *testing.T) {
	if _, _, err := image.Repair(vector(t, "image/signed")); !errors.Is(err, image.ErrNothingToRepair) {
		t.Errorf("a good image: got %v, want %v", err, image.ErrNothingToRepair)
	}
	damaged := resign(t, vector(t, "image/signed"), signature(t, vector(t, "signature/es256")))
	damaged[len(damaged)-1] ^= 1
	_, _, err := image.Repair(damaged)
	wantFault(t, err, "checksum")
	for _, v := range vectorfile.Load(t, vectors) {
		if v.Name == "resigned" {
			if i, _, err := image.Repair(v.Body); err != nil || i == nil {
				t.Errorf("%s: got %v", v.Name, err)
			}
			continue
		}
		if i, _, err := image.Repair(v.Body); i != nil || err == nil {
			t.Errorf("%s: got an image and %v, want an error", v.Name, err)
		}
	}
}

func FuzzRepair(f *testing.F) {
	for _, v := range vectorfile.Load(f, vectors) {
		f.Add(v.Body)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		i, _, err := image.Repair(b)
		if err != nil {
			return
		}
		// Of what is repaired only the header's table and checksum change.
		again, err := i.Encode()
		if err != nil || len(again) != len(b) || !bytes.Equal(again[548:], b[548:]) || !bytes.Equal(again[:284], b[:284]) {
			t.Errorf("got %v and other bytes", err)
		}
	})
}
