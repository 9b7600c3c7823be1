package image

import (
	"bytes"
	"encoding/json"
	"io"
	"time"
)

const (
	maxMetadata = 1 << 20 // bytes; nitro-cli bounds only the custom part, to 4096
	unknown     = "Unknown"
)

// BuildInfo is the part of the metadata that says how an image was made. Nobody vouches for it.
type BuildInfo struct {
	BuildTime        string
	BuildTool        string
	BuildToolVersion string
	OperatingSystem  string
	KernelVersion    string
}

// Info is the metadata section, in the order in which nitro-cli writes it. It is not measured.
type Info struct {
	ImageName      string
	ImageVersion   string
	BuildMetadata  BuildInfo
	DockerInfo     json.RawMessage
	CustomMetadata json.RawMessage
}

// BuildTime writes a time as nitro-cli does, in UTC.
func BuildTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05+00:00") }

// Metadata returns the metadata section, nil when there is none. Error: BadMeta.
func (i *Image) Metadata() (*Info, error) {
	b, found := i.section(Metadata)
	if !found {
		return nil, nil
	}
	if len(b) > maxMetadata {
		return nil, fault(BadMeta, "%d bytes, the limit is %d", len(b), maxMetadata)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	var info Info
	if err := d.Decode(&info); err != nil {
		return nil, fault(BadMeta, "no JSON object as nitro-cli writes it: %v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fault(BadMeta, "bytes behind the JSON object")
	}
	return &info, nil
}

// encode writes compact JSON without HTML escapes, as serde_json does.
func (m Info) encode() ([]byte, error) {
	for _, raw := range []*json.RawMessage{&m.DockerInfo, &m.CustomMetadata} {
		if len(*raw) == 0 {
			*raw = json.RawMessage("null")
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(m); err != nil {
		return nil, fault(BadMeta, "%v", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// KernelVersion returns the version that a bzImage states (Linux boot protocol, kernel_version),
// "Unknown" for any other kernel.
func KernelVersion(kernel []byte) string {
	const (
		headerMagic  = 0x202 // "HdrS"
		versionField = 0x20e // offset of the string, less 0x200
		longest      = 64
	)
	if len(kernel) < versionField+2 || string(kernel[headerMagic:headerMagic+4]) != "HdrS" {
		return unknown
	}
	at := 0x200 + int(kernel[versionField]) + int(kernel[versionField+1])<<8
	for n := 0; n < longest && at+n < len(kernel); n++ {
		switch c := kernel[at+n]; {
		case (c == ' ' || c == 0) && n > 0:
			return string(kernel[at : at+n])
		case c <= ' ' || c > 0x7e:
			return unknown
		}
	}
	return unknown
}
