package receipt

import (
	"anchorhold/protocol/canonical"
	"anchorhold/protocol/digest"
)

const (
	fileLabel   = "anchorhold/v1 receipt file"
	maxPath     = 8      // log2 of MaxBatch
	maxDocument = 0x3000 // NSM response limit, nsm-api
	maxFile     = maxLeaf + maxDocument + 1024
)

// File is a receipt file (SPEC 7.3). Its content is UNVERIFIED.
type File struct {
	Leaf     []byte
	Index    uint64
	Path     []digest.Digest
	Document []byte
}

type fileWire struct {
	Label    string          `cbor:"label"`
	Leaf     []byte          `cbor:"leaf"`
	Index    uint64          `cbor:"index"`
	Path     []digest.Digest `cbor:"path"`
	Document []byte          `cbor:"document"`
}

// Encode returns the canonical bytes. Error: ErrMalformed, when ParseFile would refuse them.
func (f *File) Encode() ([]byte, error) {
	if err := f.Check(); err != nil {
		return nil, err
	}
	b, err := canonical.Marshal(fileWire{Label: fileLabel, Leaf: f.Leaf, Index: f.Index, Path: f.Path, Document: f.Document})
	if err != nil {
		return nil, malformed("file cannot be encoded")
	}
	return b, nil
}

// ParseFile reads a receipt file. Its content is UNVERIFIED. Error: ErrMalformed.
func ParseFile(b []byte) (*File, error) {
	if len(b) > maxFile {
		return nil, malformed("file is too long")
	}
	var w fileWire
	if err := canonical.Unmarshal(b, &w); err != nil || w.Label != fileLabel {
		return nil, malformed("not a receipt file")
	}
	f := &File{Leaf: w.Leaf, Index: w.Index, Path: w.Path, Document: w.Document}
	if err := f.Check(); err != nil {
		return nil, err
	}
	return f, nil
}

// Check reports whether f has the form of SPEC 7.3. Error: ErrMalformed.
func (f *File) Check() error {
	switch {
	case len(f.Leaf) == 0 || len(f.Leaf) > maxLeaf:
		return malformed("leaf is empty or too long")
	case len(f.Document) == 0 || len(f.Document) > maxDocument:
		return malformed("document is empty or too long")
	case f.Index >= MaxBatch || len(f.Path) > maxPath:
		return malformed("index or path is beyond the largest batch")
	}
	return nil
}
