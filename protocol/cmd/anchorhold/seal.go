package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"anchorhold/protocol/cli"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/internal/outfile"
	"anchorhold/protocol/internal/records"
	"anchorhold/protocol/internal/sealing"
	"anchorhold/protocol/result"
)

const sealHelp = `Seal encrypts records under a fresh data key of your KMS key and writes a job file for the enclave.

PATH is a folder or a file of *.ndjson or *.ndjson.gz, or - for standard input. A folder gives its files in order of name;
files in it that do not begin with a FHIR resource, such as the log of a bulk export, are skipped and named. All PATHs
together are one job: references between their records keep resolving.

A file named *.json or *.json.gz is one FHIR resource or one Bundle (application/fhir+json), and is a job alone; --content-type says so of
other names and of standard input. A Bundle's entries are processed one by one, as lines are; to put many small files into one job,
write each on a line.

Before KMS is called: the pins must not have expired, PCR2 must be the one that the policy gives, and the policy must give the
tenant the key and the pipeline. Tenant, pipeline, key and image may be left out where there is only one to choose.

--parameters names a YAML file of secrets for the pipeline (SPEC 3.4). It is sealed as a message of its own, and each value has exactly
one of text, base64 and file, a path relative to the file:

  anchorhold: parameters/v1
  values:
    pseudonym-key: {file: pseudonym.key}
    site: {text: north}
    salt: {base64: 3q2+7w==}

--crosswalk asks for a second sealed stream, which says what each surrogate stands for. --earlier-crosswalk gives the enclave that of an
earlier job, as open writes it: what it names keeps its surrogates, and the new crosswalk begins with it, so the last one is always whole.

AWS credentials come from the usual places (AWS_PROFILE, AWS_ACCESS_KEY_ID, AWS_CA_BUNDLE, …). The role
needs kms:GenerateDataKey and nothing else. ` + endpointHelp

// sealFlags are shared by seal and run.
type sealFlags struct {
	awsFlags
	policy, pins, image, tenant, pipeline, key string
	reply, crosswalk, earlier, parameters      string
	notAfter, referenceDate                    string
	contentType                                string
	frameLength                                uint32
}

func (f *sealFlags) register(cmd *cobra.Command) {
	f.awsFlags.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.policy, "policy", "", "compiled policy `FILE`")
	flags.StringVar(&f.pins, "pins", "", "pins `FILE`: the images that you accept")
	flags.StringVar(&f.image, "image", "", "`NAME` of the image in the pins, when there are several")
	flags.StringVar(&f.tenant, "tenant", "", "tenant `NAME`, when the policy has several")
	flags.StringVar(&f.pipeline, "pipeline", "", "pipeline `NAME`, when the tenant has several")
	flags.StringVar(&f.key, "kms-key", "", "KMS key `ARN`, when the tenant has several")
	flags.StringVar(&f.reply, "reply", "", "public key `FILE` that the result is sealed to")
	flags.StringVar(&f.crosswalk, "crosswalk", "", "public key `FILE` that the crosswalk is sealed to, if one is wanted")
	flags.StringVar(&f.earlier, "earlier-crosswalk", "", "opened crosswalk `FILE` of an earlier job: its identifiers keep their surrogates")
	flags.StringVar(&f.parameters, "parameters", "", "YAML `FILE` of secrets for the pipeline (anchorhold: parameters/v1), sealed as well")
	flags.StringVar(&f.notAfter, "not-after", "", "last `DAY`, UTC, on which the job may be decrypted (default 7 days ahead, or the policy's limit)")
	flags.StringVar(&f.referenceDate, "reference-date", "", "`DAY` that ages are counted to, no earlier than the records: later years are dropped (default today, UTC)")
	flags.StringVar(&f.contentType, "content-type", "", "`TYPE` of what is sealed: application/fhir+ndjson or application/fhir+json (default by the file's name)")
	flags.Uint32Var(&f.frameLength, "frame-length", 0, "bytes of a frame of the message (default 256 KiB, or the policy's limit)")
}

func (a *app) seal() *cobra.Command {
	var f sealFlags
	var out string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "seal --policy FILE --pins FILE --reply FILE -o JOB PATH...",
		Short: "Encrypt records into a job file for the pinned image",
		Long:  sealHelp,
		Example: `  anchorhold seal --policy policy.cbor --pins pins.yaml --reply clinic-2026.pub.pem \
                  --key arn:aws:kms:us-east-1:111122223333:key/… -o job.ahjob export/`,
		Args: atLeastOne("PATH"),
		RunE: func(cmd *cobra.Command, paths []string) error {
			s, err := a.sealJob(cmd.Context(), f, out, paths)
			if err != nil {
				return err
			}
			if asJSON {
				return cli.WriteJSON(a.out, s)
			}
			s.print(a)
			return nil
		},
	}
	f.register(cmd)
	// Here --key is the KMS key; run calls it --kms-key, where --key opens the result.
	cmd.Flags().Lookup("kms-key").Hidden = true
	cmd.Flags().StringVar(&f.key, "key", "", "KMS key `ARN`, when the tenant has several")
	cmd.Flags().StringVarP(&out, "out", "o", "", "job `FILE` to write")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the summary as JSON")
	cli.Required(cmd, "policy", "pins", "reply", "out")
	return cmd
}

// sealSummary tells what was sealed for whom.
type sealSummary struct {
	Job       string            `json:"job"`
	Size      int64             `json:"size"`
	MessageID string            `json:"message_id"`
	Image     string            `json:"image"`
	Key       string            `json:"key"`
	Policy    string            `json:"policy"`
	NotAWS    bool              `json:"not_aws"`
	Records   int64             `json:"records"`
	Bytes     int64             `json:"bytes"`
	Files     []records.Part    `json:"files"`
	Skipped   []records.Skipped `json:"skipped,omitempty"`
	Context   map[string]string `json:"context"`
}

// what says in words what was sealed.
func (s *sealSummary) what() string {
	if s.Files == nil {
		return fmt.Sprintf("one resource or Bundle (%s)", bytesText(s.Bytes))
	}
	return fmt.Sprintf("%d records (%s) of %d files", s.Records, bytesText(s.Bytes), len(s.Files))
}

func (s *sealSummary) print(a *app) {
	fmt.Fprintf(a.out, "sealed %s into %s (%s)\n", s.what(), s.Job, bytesText(s.Size))
	rows := [][]string{{"image", s.Image}, {"KMS key", s.Key}, {"policy", s.Policy}, {"message id", s.MessageID}}
	for _, name := range slices.Sorted(maps.Keys(s.Context)) {
		rows = append(rows, []string{name, s.Context[name]})
	}
	a.table(rows)
	if s.Files == nil {
		return
	}
	fmt.Fprintln(a.out, "files, with the line of the job that each begins at:")
	rows = nil
	for _, p := range s.Files {
		rows = append(rows, []string{fmt.Sprint(p.FirstLine), fmt.Sprintf("%d records", p.Records), safe(filepath.Base(p.Path))})
	}
	a.table(rows)
}

// plan reads the files that the flags name and checks what is asked.
func (a *app) plan(f sealFlags, earlier *os.File, size int64) (*sealing.Approved, error) {
	compiled, _, err := readPolicy(f.policy)
	if err != nil {
		return nil, err
	}
	plan := sealing.Plan{
		Policy: compiled, ContentType: f.contentType, Image: f.image, Tenant: f.tenant, Pipeline: f.pipeline, Key: f.key,
		NotAfter: f.notAfter, ReferenceDate: f.referenceDate, FrameLength: f.frameLength, Now: a.now(),
	}
	if plan.Pins, err = readPins(f.pins); err != nil {
		return nil, err
	}
	if plan.Reply, err = readPublicKey(f.reply, result.Result); err != nil {
		return nil, err
	}
	if plan.Crosswalk, err = readPublicKey(f.crosswalk, result.Crosswalk); err != nil {
		return nil, err
	}
	if plan.Parameters, err = readParameters(f.parameters); err != nil {
		return nil, err
	}
	if earlier != nil {
		plan.Earlier, plan.EarlierSize = earlier, size
	}
	approved, err := plan.Check()
	if err != nil {
		return nil, err
	}
	if approved.NotAWS() {
		a.warnNotAWS()
	}
	return approved, nil
}

// contentType settles what is sealed: as asked, or by the names of the files.
func contentType(asked string, paths []string) (string, error) {
	messages := 0
	for _, path := range paths {
		if strings.HasSuffix(path, ".json") || strings.HasSuffix(path, ".json.gz") {
			messages++
		}
	}
	switch {
	case asked != "" && asked != envelope.ContentRecords && asked != envelope.ContentMessage:
		return "", cli.Usage("--content-type is %q: expected %s or %s", asked, envelope.ContentRecords, envelope.ContentMessage)
	case asked == envelope.ContentRecords || asked == "" && messages == 0:
		return envelope.ContentRecords, nil
	case len(paths) > 1:
		return "", cli.Usage("one resource or Bundle (%s) is a job alone: expected one PATH, or NDJSON", envelope.ContentMessage)
	}
	if info, err := os.Stat(paths[0]); err == nil && info.IsDir() {
		return "", cli.Usage("%s is a folder: expected one file of %s", paths[0], envelope.ContentMessage)
	}
	return envelope.ContentMessage, nil
}

// crosswalkHead is how each line of a crosswalk begins (SPEC 5.3). The enclave reads all of it;
// here a mistaken file is to show early.
const crosswalkHead = `{"kind":"`

// openEarlier opens an earlier crosswalk, or returns nil for no name. The caller closes it.
func openEarlier(path string) (*os.File, int64, error) {
	if path == "" {
		return nil, 0, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	head := make([]byte, len(crosswalkHead))
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%s is not a file: how long it is goes into the encryption context", path)
	case info.Size() > 0:
		if _, err = io.ReadFull(io.NewSectionReader(f, 0, info.Size()), head); err != nil || string(head) != crosswalkHead {
			err = fmt.Errorf("%s: expected a crosswalk as anchorhold open writes it (crosswalk.ndjson)", path)
		}
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// readParameters reads the author's parameters; paths in it are relative to the file.
func readParameters(path string) (map[string][]byte, error) {
	if path == "" {
		return nil, nil
	}
	src, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	values, err := sealing.ParseParameters(src, func(name string) ([]byte, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(path), name)
		}
		return readSmall(name)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return values, nil
}

// sealJob writes the job file out, whole or not at all.
func (a *app) sealJob(ctx context.Context, f sealFlags, out string, paths []string) (*sealSummary, error) {
	earlier, size, err := openEarlier(f.earlier)
	if err != nil {
		return nil, err
	}
	if earlier != nil {
		defer earlier.Close()
	}
	if f.contentType, err = contentType(f.contentType, paths); err != nil {
		return nil, err
	}
	approved, err := a.plan(f, earlier, size)
	if err != nil {
		return nil, err
	}
	sources, skipped, err := records.Find(paths)
	if err != nil {
		return nil, err
	}
	for _, s := range skipped {
		a.notice("skipped %s: %s", s.Path, s.Reason)
	}
	file, err := outfile.Create(out, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Abort()
	limits := records.Limits{Bytes: int64(min(approved.Policy.Limits.JobBytes, 1<<62)), Records: int64(min(approved.Policy.Limits.Records, 1<<62))}
	message := f.contentType == envelope.ContentMessage
	if message {
		limits.Records = 1 << 62 // its lines are no records
	}
	in := records.NewReader(ctx, sources, a.in, limits)
	defer in.Close()
	kms, err := newKMS(ctx, approved.Key, a.endpoints(f.awsFlags, approved.NotAWS()))
	if err != nil {
		return nil, err
	}
	bar := a.bars()
	sealed, err := approved.Seal(ctx, kms, &meter{in, bar, 0}, file)
	bar.clear()
	if err != nil {
		return nil, err
	}
	s := &sealSummary{
		Job: out, Size: sealed.Size, MessageID: hex.EncodeToString(sealed.MessageID[:]), Image: approved.Image.Name, Key: approved.Key,
		Policy: approved.PolicyDigest().String(), NotAWS: approved.NotAWS(), Files: in.Parts(), Skipped: skipped, Context: sealed.Context,
	}
	if s.Bytes, s.Records = in.Totals(); s.Records == 0 {
		return nil, fmt.Errorf("no record found: nothing to seal")
	}
	if message {
		s.Records, s.Files = 0, nil
	}
	if err := file.Commit(); err != nil {
		return nil, err
	}
	return s, nil
}

// meter shows how much has been read.
type meter struct {
	r   io.Reader
	bar *bars
	n   int64
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	m.bar.show("sealing", m.n, 0)
	return n, err
}
