package opening

import (
	"bytes"
	"errors"
	"io"

	"anchorhold/protocol/digest"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/internal/outfile"
	"anchorhold/protocol/internal/records"
	"anchorhold/protocol/result"
)

// maxReport bounds the report: 10,000 rejects of SPEC 5.1 take less than a megabyte.
const maxReport = 16 << 20

// Open decrypts the accepted result into the folder: <Type>.ndjson for each resource type, or
// <Type>.json for the one resource or Bundle of a job of application/fhir+json, and report.json.
// The caller commits the folder only when err is nil. Errors of the content are ErrRefused.
func (a *Accepted) Open(key *result.PrivateKey, folder *outfile.Folder) (*Report, error) {
	if !bytes.Equal(key.PublicKey(), a.e.Job.Header.ReplyKey) {
		return nil, refuse("the private key is not the one whose public key the job names")
	}
	out, err := a.writer(folder)
	if err != nil {
		return nil, err
	}
	defer out.abort()
	var report bytes.Buffer
	err = a.stream(a.e.Result, result.Result, key, a.Receipt.Leaf.Output, func(kind result.SegmentType, p []byte) error {
		switch kind {
		case result.Records:
			_, err := out.Write(p)
			return err
		case result.Report:
			if report.Len()+len(p) > maxReport {
				return refuse("report is over %d bytes", maxReport)
			}
			report.Write(p)
			return nil
		}
		return refuse("result holds a segment of kind %d", kind)
	})
	if err != nil {
		return nil, err
	}
	files, err := out.close()
	if err != nil {
		return nil, err
	}
	parsed, err := parseReport(report.Bytes(), files, a.Receipt.Leaf)
	if err != nil {
		return nil, err
	}
	if err := writeFile(folder, "report.json", report.Bytes()); err != nil {
		return nil, err
	}
	return parsed, nil
}

// writer takes the records as they come. close makes them durable and says what was written.
type writer interface {
	io.Writer
	close() ([]File, error)
	abort()
}

func (a *Accepted) writer(folder *outfile.Folder) (writer, error) {
	if a.e.Job.Context.ContentType == envelope.ContentMessage {
		return newMessageWriter(folder)
	}
	split := newTypeWriter(folder)
	// Surrogates are longer than most identifiers: a record may grow sixfold. Anything beyond is
	// not ours.
	split.lines = &records.Splitter{Max: int(min(a.policy.Limits.RecordBytes, 1<<30))*8 + 1<<20, Line: split.line}
	return split, nil
}

// OpenCrosswalk decrypts the accepted crosswalk to out. Only when err is nil is it whole.
func (a *Accepted) OpenCrosswalk(key *result.PrivateKey, out io.Writer) error {
	if a.e.Crosswalk == nil {
		return refuse("the job asked for no crosswalk")
	}
	if !bytes.Equal(key.PublicKey(), a.e.Job.Header.CrosswalkKey) {
		return refuse("the private key is not the one whose crosswalk public key the job names")
	}
	return a.stream(a.e.Crosswalk, result.Crosswalk, key, *a.Receipt.Leaf.Crosswalk, func(kind result.SegmentType, p []byte) error {
		if kind != result.CrosswalkEntries {
			return refuse("crosswalk holds a segment of kind %d", kind)
		}
		_, err := out.Write(p)
		return err
	})
}

// stream decrypts one sealed stream and hashes it a second time on the way: the file that was
// checked could have been exchanged since.
func (a *Accepted) stream(sealed io.ReadSeeker, s result.Stream, key *result.PrivateKey, want digest.Stream, each func(result.SegmentType, []byte) error) error {
	if _, err := sealed.Seek(0, io.SeekStart); err != nil {
		return err
	}
	hash := digest.NewStream()
	binding := result.Binding{Header: a.e.Job.Digest, Nonce: a.e.Job.Header.Nonce, Policy: a.policy.Digest()}
	opener, err := result.NewOpener(io.TeeReader(sealed, hash), s, key, binding)
	if err != nil {
		return unsealed(err)
	}
	for {
		kind, p, err := opener.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return unsealed(err)
		}
		if err := each(kind, p); err != nil {
			return err
		}
	}
	if got := digest.Stream(hash.Sum(nil)); got != want {
		return refuse("the file changed while it was opened: its digest is %s, want %s", got, want)
	}
	return nil
}

// unsealed sorts what the opener says: its own errors are refusals, those of the disk are not.
func unsealed(err error) error {
	for _, refusal := range []error{result.ErrMalformed, result.ErrTruncated, result.ErrAuthentication} {
		if errors.Is(err, refusal) {
			return refuse("result: %w", err)
		}
	}
	return err
}

func writeFile(folder *outfile.Folder, name string, data []byte) error {
	f, err := folder.File(name)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}
