package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"anchorhold/protocol/cli"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/internal/rollout"
	"anchorhold/protocol/keylint"
)

// rolloutState is what status finds.
type rolloutState struct {
	Key string `json:"key"`
	// the step whose policy the key has; empty: none
	At       string            `json:"at"`
	Next     *rollout.Step     `json:"next,omitempty"` // nil: the roll-out is done
	Open     []rollout.OpenJob `json:"open_jobs"`
	Findings []keylint.Finding `json:"findings"`
	Wait     string            `json:"wait,omitempty"` // why the next step must wait
}

func (a *app) rolloutStatus() *cobra.Command {
	var f rolloutFlags
	var parent submitFlags
	var aws awsFlags
	var key string
	var folders []string
	cmd := &cobra.Command{
		Use:   "status --key ARN --old PINS --new PINS --policy FILE --tenant NAME",
		Short: "Say where the key stands and what comes next",
		Long: `Status compares the key's policy with those of the plan, lints the key, and lists the open jobs of images that go: job files (*.ahjob) in the
folders of --jobs whose result and receipt do not lie beside them and whose last day has not passed; and, with --parent-url, the jobs that the
parent says wait or run. The two are joined by the job files' headers. That the parent lists none proves nothing: it may be silent, and a
job that was sealed and not yet submitted it does not know. Without --jobs, whether jobs have drained stays unknown.

Exit codes: 0 the next step may be taken, or none is left; 3 the key has a policy that is not of this plan, or lint has findings; 4 the next
step has to wait.

` + endpointHelp,
		Example: `  anchorhold rollout status --key arn:aws:kms:us-east-1:111122223333:key/… --old old.pins --new new.pins --policy old.cbor \
                           --tenant clinic --admin ROLE --sealer ROLE --parent ROLE --jobs sealed/ --parent-url https://parent.example --token-file token`,
		Args: cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.rolloutState(cmd.Context(), f, key, folders, parent, aws)
			if err != nil {
				return err
			}
			return a.printState(s, f.asJSON)
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "`ARN` of the KMS key")
	f.register(cmd, "key")
	aws.register(cmd)
	cmd.Flags().StringSliceVar(&folders, "jobs", nil, "`DIR` with job files, may be repeated")
	cmd.Flags().StringVar(&parent.parent, "parent-url", "", "`URL` of the parent, to ask for its jobs")
	cmd.Flags().StringVar(&parent.token, "token-file", "", "`FILE` that holds the bearer token for the parent")
	return cmd
}

func (a *app) rolloutState(ctx context.Context, f rolloutFlags, arn string, folders []string, parent submitFlags, aws awsFlags) (*rolloutState, error) {
	steps, err := f.steps()
	if err != nil {
		return nil, err
	}
	_, pol, err := readPolicy(f.policy)
	if err != nil {
		return nil, err
	}
	client, err := newKMS(ctx, arn, a.endpoints(aws, pol.NotAWS()))
	if err != nil {
		return nil, err
	}
	key, err := keylint.Read(ctx, client.client, arn)
	if err != nil {
		return nil, err
	}
	s := &rolloutState{Key: arn, Open: []rollout.OpenJob{}, Findings: append([]keylint.Finding{}, keylint.Lint(key)...)}
	at, ok := rollout.Locate(steps, key.Policy)
	if !ok {
		return s, nil
	}
	s.At = at.Name
	if next, more := rollout.Following(steps, at.Name); more {
		s.Next = &next
	}
	if s.Open, err = a.openJobs(ctx, f, folders, parent); err != nil {
		return nil, err
	}
	if s.Next == nil || s.Next.Name != rollout.Drain {
		return s, nil
	}
	switch {
	case len(s.Open) > 0:
		s.Wait = fmt.Sprintf("%d jobs of images that go have not ended", len(s.Open))
	case len(folders) == 0:
		s.Wait = "whether jobs have drained is not known: name the folders of job files with --jobs"
	default:
		remove, _ := rollout.Following(steps, rollout.Drain)
		s.Next = &remove
	}
	return s, nil
}

// openJobs are those of images that go: in the folders, and at the parent if there is one to ask.
func (a *app) openJobs(ctx context.Context, f rolloutFlags, folders []string, parent submitFlags) ([]rollout.OpenJob, error) {
	stays, err := f.stays()
	if err != nil {
		return nil, err
	}
	open := []rollout.OpenJob{}
	for _, dir := range folders {
		list, err := rollout.OpenJobs(dir, stays, a.now())
		if err != nil {
			return nil, err
		}
		open = append(open, list...)
	}
	if parent.parent == "" {
		return open, nil
	}
	client, err := a.client(parent)
	if err != nil {
		return nil, err
	}
	pending, err := client.Pending(ctx)
	if err != nil {
		return nil, fmt.Errorf("the parent does not say which jobs wait or run: %w", err)
	}
	return rollout.Join(open, pending, stays), nil
}

// stays are the images of the new pins.
func (f *rolloutFlags) stays() ([]digest.Digest, error) {
	after, err := readPins(f.newPins)
	if err != nil {
		return nil, err
	}
	var list []digest.Digest
	for _, i := range after.Images {
		list = append(list, i.PCR0)
	}
	return list, nil
}

func (a *app) printState(s *rolloutState, asJSON bool) error {
	if asJSON {
		if err := cli.WriteJSON(a.out, s); err != nil {
			return err
		}
	} else {
		a.describeState(s)
	}
	switch {
	case s.At == "":
		return refuse(errors.New("the key has a policy that is none of this plan's: find out who applied it"))
	case len(s.Findings) > 0:
		return refuse(errors.New("lint has findings about the key"))
	case s.Wait != "":
		return errFindings
	}
	return nil
}

func describeOpen(j rollout.OpenJob) string {
	text := "no file in the folders named, header " + j.Header.String()[:12] + "…"
	if j.File != "" {
		text = safe(j.File)
	}
	text += ", for image " + j.Image.String()[:12] + "…"
	if j.NotAfter != "" {
		text += ", until " + j.NotAfter
	}
	if j.Parent != "" {
		text += ", at the parent: " + j.Parent
	}
	return text
}

func (a *app) describeState(s *rolloutState) {
	if s.At != "" {
		fmt.Fprintf(a.out, "the key has the policy of step %s\n", s.At)
	}
	a.printFindings(s.Findings)
	for _, j := range s.Open {
		fmt.Fprintf(a.out, "open: %s\n", describeOpen(j))
	}
	switch {
	case s.At == "":
	case s.Wait != "":
		fmt.Fprintf(a.out, "wait: %s\n", s.Wait)
	case s.Next == nil:
		fmt.Fprintln(a.out, "done")
	default:
		fmt.Fprintf(a.out, "next: %s: %s\n", s.Next.Name, s.Next.Does)
	}
}
