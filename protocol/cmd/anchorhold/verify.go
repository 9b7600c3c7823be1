package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"anchorhold/protocol/appraise"
	"anchorhold/protocol/attest"
	"anchorhold/protocol/audit"
	"anchorhold/protocol/cli"
	"anchorhold/protocol/policy"
	"anchorhold/protocol/receipt"
	"anchorhold/protocol/verify"
)

const debugText = "debug enclave: PCR0-2 are zero; proves nothing about the code"

const verifyHelp = `Verify checks an attestation document, a receipt or a parent's log of receipt batches, offline, line by line.

Genuine: AWS's hypervisor signed it. --live judges the certificate chain now, as a challenge just answered needs; --archived at
the document's own time, as evidence on file needs. Documents are live and receipts archived unless you say otherwise.

Fields of a document that this version does not know are signed with the rest and ignored; the output says how many there are.

Acceptable: with --pins, PCR0, 1 and 2 must be those of one pinned image; with --policy, the policy too. Without pins the verdict is
"genuine, not appraised": some enclave, not necessarily yours. With --job and --result a receipt is checked as open checks it.

A policy that replaces AWS's endpoint or roots (NOT AWS) is acceptable with --root only, for tests.

--at judges a file on record as of a past day: whether the pins had expired then, and nothing that is younger. The certificates are
judged at the document's own time. The verdict names the day.

--log reads what a parent answers to GET /v1/log: every document genuine, every batch whole, the batches of each start of an enclave in
order, none missing between them, no second history beside them. With a receipt, its batch must be in it. A parent may still leave
out the end of its log.

Exit codes: 0 for all that was asked, 3 refused.`

// defaultAge is how old a live document may be: the time of a round trip, with room for clocks.
const defaultAge = 5 * time.Minute

type verifyFlags struct {
	live, archived, asJSON    bool
	pins, policy, root, nonce string
	job, result, crosswalk    string
	maxAge                    time.Duration
	at                        string    // empty: now
	now                       time.Time // what at says
	logs                      []string  // pages of a log, in order
}

func (a *app) verify() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check an attestation document, a receipt or a log, line by line",
		Long:  verifyHelp,
		Example: `  anchorhold verify --archived --pins pins.yaml --policy policy.cbor \
                    --job deidentified.ahjob --result deidentified.ahres deidentified.receipt`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(f.logs) > 0 && len(args) == 0 {
				return nil
			}
			return cli.ExactArgs("FILE")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(len(args) > 0); err != nil {
				return err
			}
			var err error
			if f.now, err = f.judgedAt(a.now()); err != nil {
				return err
			}
			if len(args) == 0 {
				return a.verifyLog(f)
			}
			return a.verifyFile(cmd.Context(), f, args[0])
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.live, "live", false, "judge the certificates now (default for documents)")
	flags.BoolVar(&f.archived, "archived", false, "judge the certificates at the document's own time (default for receipts)")
	flags.StringVar(&f.pins, "pins", "", "pins `FILE`: the images that you accept")
	flags.StringVar(&f.policy, "policy", "", "compiled policy `FILE` that the image must hold; needs --pins")
	flags.StringVar(&f.root, "root", "", "`FILE` with a root certificate, PEM or DER, instead of AWS's: NOT AWS")
	flags.StringVar(&f.nonce, "nonce", "", "`HEX` of the nonce that a document must answer, or of a receipt's job")
	flags.DurationVar(&f.maxAge, "max-age", 0, "greatest age of a document (default 5m when live, any when archived)")
	flags.StringVar(&f.at, "at", "", "past `DATE` that pins and age are judged at, a day or a time, UTC (default now)")
	flags.StringVar(&f.job, "job", "", "job `FILE` that a receipt must be of; needs --result, --pins and --policy")
	flags.StringVar(&f.result, "result", "", "sealed result `FILE` that a receipt must be of")
	flags.StringVar(&f.crosswalk, "crosswalk", "", "sealed crosswalk `FILE`, when the job asked for one")
	flags.StringArrayVar(&f.logs, "log", nil, "`FILE` with a parent's log; repeat it for further pages, in order")
	flags.BoolVar(&f.asJSON, "json", false, "print the verdict as JSON")
	return cmd
}

func (f verifyFlags) check(file bool) error {
	switch {
	case !file && (f.live || f.nonce != "" || f.job != "" || f.maxAge != 0):
		return cli.Usage("--live, --nonce, --max-age, --job and --result need a FILE")
	case f.live && f.archived:
		return cli.Usage("--live and --archived exclude each other")
	case f.live && f.at != "":
		return cli.Usage("--live judges now, --at a past date")
	case f.policy != "" && f.pins == "":
		return cli.Usage("--policy needs --pins: a policy alone names no image")
	case (f.job == "") != (f.result == ""):
		return cli.Usage("--job and --result belong together")
	case f.job != "" && (f.pins == "" || f.policy == ""):
		return cli.Usage("--job needs --pins and --policy")
	case f.maxAge < 0:
		return cli.Usage("--max-age is negative")
	}
	if n, err := hex.DecodeString(f.nonce); err != nil || len(n) > 512 {
		return cli.Usage("--nonce: expected at most 512 bytes in hex")
	}
	return nil
}

// verdict is the outcome for one file.
type verdict struct {
	File      string     `json:"file"`
	Kind      string     `json:"kind"`
	Verdict   string     `json:"verdict"`
	Genuine   bool       `json:"genuine"`
	AWS       bool       `json:"aws"`
	Live      bool       `json:"live"`
	At        *time.Time `json:"at,omitempty"` // with --at: the verdict is as of then
	Debug     bool       `json:"debug"`
	Appraised bool       `json:"appraised"`
	// the policy replaces AWS's endpoint or roots
	NotAWS bool              `json:"not_aws_policy,omitempty"`
	Checks []check           `json:"checks"`
	Says   map[string]string `json:"says,omitempty"`

	says fields
	err  error
}

func (v *verdict) pass(name, format string, args ...any) {
	v.Checks = append(v.Checks, check{name, true, fmt.Sprintf(format, args...)})
}

// refuse ends a verdict.
func (v *verdict) refuse(name string, err error) {
	v.Checks = append(v.Checks, check{name, false, err.Error()})
	v.Verdict, v.err = "refused", refuse(fmt.Errorf("%s: %w", name, err))
}

func (a *app) verifyFile(ctx context.Context, f verifyFlags, path string) error {
	b, err := readSmall(path)
	if err != nil {
		return err
	}
	v := &verdict{File: path, AWS: f.root == "", Checks: []check{}}
	if r, err := receipt.ParseFile(b); err == nil {
		v.Kind, v.Live = "receipt", f.live
		err = a.verifyReceipt(ctx, f, path, r, v)
		if err != nil {
			return err
		}
	} else {
		v.Kind, v.Live = "attestation document", !f.archived && f.at == ""
		if f.job != "" {
			return cli.Usage("%s is no receipt: --job and --result belong to receipts", path)
		}
		if f.logs != nil {
			return cli.Usage("%s is no receipt: a log holds receipts", path)
		}
		if err := a.verifyDocument(f, b, v); err != nil {
			return err
		}
	}
	return a.printVerdict(f, v)
}

// verifyDocument judges a document. Its error is one of reading the other files.
func (a *app) verifyDocument(f verifyFlags, b []byte, v *verdict) error {
	roots, err := readRoots(f.root)
	if err != nil {
		return err
	}
	var doc *verify.Attested
	if v.Live {
		doc, err = verify.Document(b, roots, a.now())
	} else {
		doc, err = verify.Archived(b, roots)
	}
	if err != nil {
		v.refuse("genuine", liveHint(err))
		return nil
	}
	v.genuine(doc)
	return a.appraiseDocument(f, doc, f.nonceBytes(), v)
}

// liveHint tells a reviewer of filed evidence which flag is meant for it.
func liveHint(err error) error {
	if errors.Is(err, verify.ErrExpired) {
		return fmt.Errorf("%w; for evidence on file use --archived", err)
	}
	return err
}

func (f verifyFlags) nonceBytes() []byte {
	if f.nonce == "" {
		return nil
	}
	n, _ := hex.DecodeString(f.nonce) // checked before
	return n
}

// genuine notes what a genuine document says.
func (v *verdict) genuine(doc *verify.Attested) {
	d := doc.Document()
	v.Genuine, v.Debug, v.says = true, d.Debug(), append(v.says, describeDocument(&d)...)
	when := "certificates valid at the document's own time"
	if v.Live {
		when = "certificates valid now"
	}
	v.pass("genuine", "signed by the hypervisor at %s, %s", timeText(d.Timestamp), when)
}

// appraiseDocument compares a genuine document with what the flags want.
func (a *app) appraiseDocument(f verifyFlags, doc *verify.Attested, nonce []byte, v *verdict) error {
	d := doc.Document()
	age := f.maxAge
	switch {
	case age == 0 && v.Live:
		age = defaultAge
	case age == 0:
		age = appraise.AnyAge
	}
	if f.pins == "" {
		v.withoutPins(f, &d, nonce, age)
		return nil
	}
	want := appraise.Want{Nonce: nonce, MaxAge: age, Now: f.now, WithoutPolicy: f.policy == ""}
	pins, err := readPins(f.pins)
	if err != nil {
		var refused refusedError
		if !errors.As(err, &refused) {
			return err
		}
		v.refuse("pins", err)
		return nil
	}
	want.Pins = pins
	if f.policy != "" {
		var pol *policy.Policy
		if want.Policy, pol, err = readPolicy(f.policy); err != nil {
			return err
		}
		// AWS's hypervisor signs for such an enclave too: its data keys may be those of any host.
		if v.NotAWS = pol.NotAWS(); v.NotAWS {
			a.warnNotAWS()
		}
		if v.NotAWS && f.root == "" {
			v.refuse("policy", audit.ErrNotAWS)
			return nil
		}
	}
	found, err := appraise.Check(doc, want)
	if err != nil {
		v.refuse("acceptable", err)
		return nil
	}
	v.Appraised = true
	v.pass("image", "pcr0, pcr1 and pcr2 are those of %s", found.Image.Name)
	switch {
	case v.NotAWS:
		v.pass("policy", "NOT AWS: %s", found.UserData.Policy)
	case f.policy != "":
		v.pass("policy", "%s", found.UserData.Policy)
	}
	if nonce != nil {
		v.pass("nonce", "%x", nonce)
	}
	v.Verdict = "genuine and acceptable"
	if f.policy == "" {
		v.Verdict = "genuine, image as pinned, policy not checked"
	}
	return nil
}

// withoutPins checks nonce and age alone. It never says "acceptable": some genuine enclave is not
// the right one.
func (v *verdict) withoutPins(f verifyFlags, d *attest.Document, nonce []byte, age time.Duration) {
	switch {
	case nonce != nil && string(nonce) != string(d.Nonce):
		v.refuse("nonce", fmt.Errorf("%w: it is %x, want %x", appraise.ErrNonce, d.Nonce, nonce))
		return
	case d.Timestamp.After(f.now.Add(appraise.Skew)):
		v.refuse("age", appraise.ErrFuture)
		return
	case age != appraise.AnyAge && f.now.Sub(d.Timestamp) > age:
		v.refuse("age", fmt.Errorf("%w: %s", appraise.ErrStale, timeText(d.Timestamp)))
		return
	}
	if nonce != nil {
		v.pass("nonce", "%x", nonce)
	}
	v.Verdict = "genuine, not appraised"
}

func (a *app) printVerdict(f verifyFlags, v *verdict) error {
	if f.at != "" {
		at := f.now.UTC()
		v.At = &at
	}
	if f.asJSON {
		v.Says = v.says.object()
		if err := cli.WriteJSON(a.out, v); err != nil {
			return err
		}
		return v.err
	}
	fmt.Fprintf(a.out, "%s: %s\n", safe(v.File), v.Kind)
	a.printChecks(v.Checks)
	if v.Genuine && len(v.says) > 0 {
		fmt.Fprintln(a.out, "it says:")
		a.table(v.says.rows())
	}
	if v.Debug {
		fmt.Fprintln(a.out, debugText)
	}
	if !v.AWS {
		fmt.Fprintln(a.out, "NOT AWS: verified to the root that was given")
	}
	if v.NotAWS {
		fmt.Fprintln(a.out, "NOT AWS: the policy trusts test endpoints or roots")
	}
	if v.At != nil {
		fmt.Fprintf(a.out, "judged as of %s, not now\n", timeText(*v.At))
	}
	fmt.Fprintln(a.out, v.Verdict)
	return v.err
}
