package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"anchorhold/eif/cpio"
	"anchorhold/eif/image"
	"anchorhold/protocol/cli"
	"anchorhold/protocol/policy"
)

const describeHelp = `Describe shows what is in an image and what it measures to. The JSON is that of nitro-cli describe-eif, with MinimumMemoryMiB, MinimumCPUs,
Layout and Sections added. Metadata is what the builder wrote: nobody vouches for it.

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
			d, err := a.description(i)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if asJSON {
				return cli.WriteJSON(a.out, d)
			}
			a.printDescription(args[0], i, d)
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

func (a *app) description(i *image.Image) (*description, error) {
	m, err := measured(i)
	if err != nil {
		return nil, err
	}
	d := &description{
		EifVersion: 4, Measurements: m, IsSigned: i.Signed(), CheckCRC: true, // an image with another checksum was not parsed
		MinimumMemoryMiB: i.MinimumMemoryMiB(), MinimumCPUs: i.MinimumCPUs(), Architecture: "x86_64", CommandLine: i.CommandLine(),
		Layout: layoutName(i),
	}
	if i.ARM64 {
		d.Architecture = "aarch64"
	}
	if i.Signed() {
		cert, _, err := i.Certificate()
		if err != nil {
			return nil, err
		}
		_, _, err = i.Verify(nil, a.now())
		// As in nitro-cli: expiry is another question than whether this image was signed.
		good := err == nil || errors.Is(err, image.Expired)
		d.SigningCertificate, d.SignatureCheck = describeCertificate(cert), &good
	}
	info, err := i.Metadata()
	if err != nil {
		return nil, err
	}
	if info != nil {
		d.ImageName, d.ImageVersion, d.Metadata = info.ImageName, info.ImageVersion, flatten(info)
	}
	for _, s := range i.Sections {
		d.Sections = append(d.Sections, describeSection(s))
	}
	return d, nil
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
		fmt.Fprintf(a.out, "signed: %v, certificate from %s to %s\n", *d.SignatureCheck, d.SigningCertificate.NotBefore, d.SigningCertificate.NotAfter)
	}
	if d.Metadata != nil {
		b, _ := json.Marshal(d.Metadata)
		fmt.Fprintf(a.out, "metadata (not measured): %q %q %s\n", d.ImageName, d.ImageVersion, bytes.TrimSpace(b))
	}
	fmt.Fprintf(a.out, "needs at least %d MiB and %d CPUs (nitro-cli), more for jobs\n", d.MinimumMemoryMiB, d.MinimumCPUs)
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
