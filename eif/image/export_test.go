package image

// ReencodeSignature parses a signature section and writes it again.
func ReencodeSignature(b []byte) ([]byte, bool) {
	s, err := parseSignatureSection(b)
	if err != nil {
		return nil, false
	}
	return s.encode(), true
}
