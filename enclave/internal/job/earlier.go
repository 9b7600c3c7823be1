package job

import (
	"bytes"
	"io"

	"anchorhold/protocol/code"
)

// earlierName is the value of a parameters message that is an earlier crosswalk (SPEC 5.3).
const earlierName = "earlier-crosswalk"

// earlier returns the crosswalk of an earlier job, or nil: a value of the parameters, or the first
// bytes of the message, which source gives. Both are the owner's: sealed under the context that
// says so.
func (r *run) earlier(source io.Reader, values map[string][]byte) (io.Reader, error) {
	value, given := values[earlierName]
	switch n := r.claims.Earlier; {
	case given && n > 0: // which one counts would be a guess
		return nil, code.New(code.CrosswalkMalformed, nil)
	case given:
		return bytes.NewReader(value), nil
	case n > 0:
		return &exactly{source, n}, nil
	}
	return nil, nil
}

// exactly reads the first left bytes of r. That there are fewer is an error: what was sealed is not
// what its context says.
type exactly struct {
	r    io.Reader
	left uint64
}

func (e *exactly) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(uint64(len(p)), e.left)])
	e.left -= uint64(n)
	if err == io.EOF && e.left > 0 {
		err = code.New(code.CrosswalkMalformed, io.ErrUnexpectedEOF)
	}
	return n, err
}
