package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"anchorhold/eif/cpio"
	"anchorhold/eif/image"
	"anchorhold/protocol/cli"
	"anchorhold/protocol/policy"
)

const describeHelp = `Describe shows what is in an image and what it measures to. The JSON is that of nitro-cli describe-eif, with MinimumMemoryMiB, MinimumCPUs,
Layout and Sections added. Metadata is what the builder wrote: nobody vouches for it.

A signature section or metadata that cannot be read, and a signature that does not hold, are named in Faults, next to the registers, and the exit
code is 3. SignatureCheck is left out when the signature could not be checked. An expired certificate is a fault, too, and SignatureCheck still says
whether the signature holds, as in nitro-cli.

The minimum memory is that of nitro-cli and driver (4 times the image, 64 MiB); jobs need more.`

func (a *app) describe() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "describe FILE",
		Short:   "Show what an image consists of",
		Long:    describeHelp,
		Example: "  anchorhold-eif describe --json anchorhold.eif",
		Args:    cli.ExactArgs("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			i, err := readImage(args[0])
			if err != nil {
				return err
			}
			d := a.description(i)
			if asJSON {
				if err := cli.WriteJSON(a.out, d); err != nil {
					return err
				}
			} else {
				a.printDescription(args[0], i, d)
			}
			if len(d.Faults) > 0 {
				return fmt.Errorf("%s: %w; %s", args[0], errFaulty, strings.Join(d.Faults, "; "))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON as nitro-cli describe-eif does")
	return cmd
}

// description is the JSON of `nitro-cli describe-eif`, then our additions.
type description struct {
	EifVersion         int
	Measurements       registers
	IsSigned           bool
	SigningCertificate *certificate `json:",omitempty"`
	CheckCRC           bool
	SignatureCheck     *bool          `json:",omitempty"`
	ImageName          string         `json:",omitempty"`
	ImageVersion       string         `json:",omitempty"`
	Metadata           map[string]any `json:",omitempty"`

	Faults []string `json:",omitempty"` // of parts that are not measured
	// what AWS's library does not read of the signature section
	Ignored          string `json:",omitempty"`
	MinimumMemoryMiB uint64
	MinimumCPUs      int
	Architecture     string
	Layout           string // "anchorhold", or "other: " and the reason
	CommandLine      string
	Sections         []section
}

// section is one section of the file.
type section struct {
	Type  string
	Size  int
	Files []file `json:",omitempty"`
	Note  string `json:",omitempty"`
}

// file is an entry of a ramdisk.
type file struct {
	Name string
	Mode string // octal, with the file type
	Size int
}

func (a *app) description(i *image.Image) *description {
	m, _ := measured(i) // describeSignature finds the fault again
	d := &description{
		// an image with another checksum was not parsed
		EifVersion: 4, Measurements: m, IsSigned: i.Signed(), CheckCRC: true,
		MinimumMemoryMiB: i.MinimumMemoryMiB(), MinimumCPUs: i.MinimumCPUs(), Architecture: string(image.X86), CommandLine: i.CommandLine(),
		Layout: layoutName(i),
	}
	if i.ARM64 {
		d.Architecture = string(image.ARM)
	}
	if i.Signed() {
		a.describeSignature(i, d)
	}
	info, err := i.Metadata()
	if err != nil {
		d.Faults = append(d.Faults, fmt.Sprintf("metadata section: %v", err))
	}
	if info != nil {
		d.ImageName, d.ImageVersion, d.Metadata = info.ImageName, info.ImageVersion, flatten(info)
	}
	for _, s := range i.Sections {
		d.Sections = append(d.Sections, describeSection(s))
	}
	return d
}

// describeSignature says what there is of a signature and, if it can be checked, whether it holds.
func (a *app) describeSignature(i *image.Image, d *description) {
	cert, _, err := i.Certificate()
	if err == nil {
		d.SigningCertificate, d.Ignored = describeCertificate(cert), ignored(i)
		_, _, err = i.Verify(nil, a.now())
		// As in nitro-cli: expiry is another question than whether this image was signed.
		if good := err == nil || errors.Is(err, image.Expired); good || !errors.Is(err, image.Unsupported) {
			d.SignatureCheck = &good
		}
	}
	if err != nil {
		d.Faults = append(d.Faults, fmt.Sprintf("signature section: %v", err))
	}
}

// ignored says what of the signature section AWS's library does not read, nothing for none of it.
func ignored(i *image.Image) string {
	signatures, blocks, err := i.Ignored()
	if err != nil || signatures == 0 && blocks == 0 {
		return ""
	}
	return fmt.Sprintf("not read, as in AWS's library: %d further signatures, %d PEM blocks after the certificate", signatures, blocks)
}

// flatten puts the custom metadata beside the build's, as nitro-cli does; the build's keys win.
func flatten(info *image.Info) map[string]any {
	out := map[string]any{}
	_ = json.Unmarshal(info.CustomMetadata, &out) // anything but an object has nothing to put there
	b := info.BuildMetadata
	for key, value := range map[string]any{
		"BuildTime": b.BuildTime, "BuildTool": b.BuildTool, "BuildToolVersion": b.BuildToolVersion,
		"OperatingSystem": b.OperatingSystem, "KernelVersion": b.KernelVersion, "DockerInfo": info.DockerInfo,
	} {
		if out == nil {
			out = map[string]any{}
		}
		out[key] = value
	}
	return out
}

func layoutName(i *image.Image) string {
	if err := checkLayout(i); err != nil {
		return "other: " + err.Error()
	}
	return "anchorhold"
}

func describeSection(s image.Section) section {
	out := section{Type: s.Type.String(), Size: len(s.Data)}
	if s.Type != image.Ramdisk {
		return out
	}
	entries, err := cpio.Parse(s.Data)
	if err != nil {
		out.Note = err.Error()
		return out
	}
	for _, e := range entries {
		out.Files = append(out.Files, file{e.Name, fmt.Sprintf("%07o", e.Mode), len(e.Data)})
		if e.Archive > 0 {
			out.Note = "several archives, unpacked one over the other"
		}
	}
	return out
}

// maxListed bounds what the text shows of a ramdisk; JSON shows all.
const maxListed = 20

func (a *app) printDescription(path string, i *image.Image, d *description) {
	// Quoted: names in a stranger's image may hold control sequences of the terminal.
	fmt.Fprintf(a.out, "%s: EIF version 4, %s, %d bytes, checksum fits\n", path, d.Architecture, i.Size())
	fmt.Fprintf(a.out, "layout %s\ncommand line %q\n", d.Layout, d.CommandLine)
	for _, s := range d.Sections {
		fmt.Fprintf(a.out, "%-12s %10d bytes\n", s.Type, s.Size)
		if s.Note != "" {
			fmt.Fprintf(a.out, "  note: %s\n", s.Note)
		}
		for k, f := range s.Files {
			if k == maxListed {
				fmt.Fprintf(a.out, "  and %d more\n", len(s.Files)-k)
				break
			}
			fmt.Fprintf(a.out, "  %s %10d %q\n", f.Mode, f.Size, f.Name)
		}
	}
	a.printPolicyNote(i)
	_ = a.print(d.Measurements, false)
	if d.IsSigned {
		a.printSignature(d)
	}
	if d.Metadata != nil {
		b, _ := json.Marshal(d.Metadata)
		fmt.Fprintf(a.out, "metadata (not measured): %q %q %s\n", d.ImageName, d.ImageVersion, cli.EscapeJSON(string(b)))
	}
	fmt.Fprintf(a.out, "needs at least %d MiB and %d CPUs (nitro-cli), more for jobs\n", d.MinimumMemoryMiB, d.MinimumCPUs)
}

func (a *app) printSignature(d *description) {
	check := "not checked"
	if d.SignatureCheck != nil {
		check = fmt.Sprint(*d.SignatureCheck)
	}
	fmt.Fprintf(a.out, "signed: %s", check)
	if d.SigningCertificate != nil {
		fmt.Fprintf(a.out, ", certificate from %s to %s", d.SigningCertificate.NotBefore, d.SigningCertificate.NotAfter)
	}
	fmt.Fprintln(a.out)
	if d.Ignored != "" {
		fmt.Fprintln(a.out, d.Ignored)
	}
}

// printPolicyNote marks an image whose policy does not trust AWS's KMS alone.
func (a *app) printPolicyNote(i *image.Image) {
	_, module, compiled, err := i.Layout()
	if err != nil {
		return
	}
	if module != nil {
		fmt.Fprintln(a.out, "NSM driver: module in ramdisk 0")
	}
	p, err := policy.Parse(compiled)
	if err != nil {
		return
	}
	fmt.Fprintf(a.out, "policy %s", p.Digest())
	if p.NotAWS() {
		fmt.Fprint(a.out, " NOT AWS")
	}
	fmt.Fprintln(a.out)
}
