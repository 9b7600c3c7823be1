package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"anchorhold/protocol/protocoltest/synthetic"
)

func newSample() *cobra.Command {
	var out string
	var o synthetic.Options
	cmd := &cobra.Command{
		Use:   "sample --out DIR",
		Short: "Write synthetic FHIR records of people who do not exist, one NDJSON file per resource type",
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "out"); err != nil {
				return err
			}
			if o.Patients < 1 {
				return fmt.Errorf("%w: --patients must be at least 1", errUsage)
			}
			return writeSample(out, o)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "folder for the files; made when missing")
	cmd.Flags().IntVar(&o.Patients, "patients", 25, "number of patients")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "the same seed gives the same records")
	return cmd
}

// writeSample creates the files as the generator asks for them; it never writes into one that
// exists.
func writeSample(dir string, o synthetic.Options) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files := make(map[string]*sampleFile)
	err := synthetic.Generate(func(resourceType string) io.Writer {
		if files[resourceType] == nil {
			files[resourceType] = createSample(filepath.Join(dir, resourceType+".ndjson"))
		}
		return files[resourceType]
	}, o)
	for _, f := range files {
		err = errors.Join(err, f.Close())
	}
	return err
}

// A sampleFile is a buffered new file. That it could not be created shows at the first write.
type sampleFile struct {
	*bufio.Writer
	file *os.File
	err  error
}

func createSample(path string) *sampleFile {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	return &sampleFile{Writer: bufio.NewWriter(f), file: f, err: err}
}

func (f *sampleFile) Write(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.Writer.Write(p)
}

// Close flushes and closes what was created.
func (f *sampleFile) Close() error {
	if f.err != nil {
		return f.err
	}
	return errors.Join(f.Flush(), f.file.Close())
}
