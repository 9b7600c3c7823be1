package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"anchorhold/enclave/deid/engines"
	"anchorhold/protocol/appraise"
	"anchorhold/protocol/attest"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/jobfile"
	"anchorhold/protocol/policy"
	"anchorhold/protocol/receipt"
)

// field is one thing that a file says. Whether it is true is another matter.
type field struct{ Name, Value string }

// fields collects what a file says, in order.
type fields []field

func (f *fields) add(name, format string, args ...any) {
	*f = append(*f, field{name, fmt.Sprintf(format, args...)})
}

func (f fields) rows() [][]string {
	rows := make([][]string, 0, len(f))
	for _, x := range f {
		rows = append(rows, []string{safe(x.Name), safe(x.Value)})
	}
	return rows
}

// object is the same for a machine; names are unique within one file.
func (f fields) object() map[string]string {
	m := make(map[string]string, len(f))
	for _, x := range f {
		m[x.Name] = x.Value
	}
	return m
}

func timeText(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func describeDocument(d *attest.Document) fields {
	var f fields
	f.add("module", "%s", d.ModuleID)
	f.add("time", "%s", timeText(d.Timestamp))
	for _, i := range slices.Sorted(maps.Keys(d.PCRs)) {
		// The registers that nobody extended say nothing; PCR0 to 2 say "debug" by being zero.
		if p, ok := d.PCR(i); !ok || !p.IsZero() || i < 3 {
			f.add(fmt.Sprintf("pcr%d", i), "%x", d.PCRs[i])
		}
	}
	if d.Debug() {
		f.add("debug", "%s", debugText)
	}
	if d.Ignored > 0 {
		f.add("ignored", "%s", d.IgnoredText())
	}
	if d.PublicKey != nil {
		f.add("public key", "%d bytes", len(d.PublicKey))
	}
	if d.Nonce != nil {
		f.add("nonce", "%x", d.Nonce)
	}
	if d.UserData == nil {
		return f
	}
	u, err := attest.ParseUserData(d.UserData)
	if err != nil {
		f.add("user data", "%d bytes, not Anchorhold's", len(d.UserData))
		return f
	}
	f.add("purpose", "%s", u.Purpose)
	f.add("boot", "%x", u.Boot)
	f.add("policy", "%s", u.Policy)
	if u.Batch != nil {
		f.add("batch", "%d, of %d leaves from %d on", u.Batch.Number, u.Batch.Size, u.Batch.First)
	}
	return f
}

func describeLeaf(l *receipt.Leaf) fields {
	var f fields
	f.add("receipt", "%d of its boot", l.Sequence)
	f.add("image", "%s", l.Image)
	f.add("tenant", "%s", l.Tenant)
	f.add("pipeline", "%s", l.Pipeline)
	f.add("KMS key", "%s", l.Key)
	f.add("KMS requests", "%s", strings.Join(l.KMSRequests, " "))
	f.add("message id", "%x", l.MessageID)
	f.add("job nonce", "%x", l.Nonce)
	f.add("job header", "%s", l.Header)
	f.add("input", "%s, %d bytes", l.Input, l.InputSize)
	f.add("result", "%s, %d bytes", l.Output, l.OutputSize)
	f.add("job policy", "%s", l.Policy)
	f.add("reply key", "%x", l.Reply)
	if l.Parameters != nil {
		f.add("parameters", "%x", *l.Parameters)
	}
	if l.Crosswalk != nil {
		f.add("crosswalk", "%s", *l.Crosswalk)
	}
	if l.ReferenceDate != "" {
		f.add("reference date", "%s", l.ReferenceDate)
	}
	f.add("records", "at most %d in, %d out, %d rejected (rounded up to powers of two)", l.RecordsIn, l.RecordsOut, l.RecordsRejected)
	f.add("started", "%s", timeText(l.Started))
	f.add("finished", "%s", timeText(l.Finished))
	return f
}

func describeFailure(x *receipt.Failure) fields {
	var f fields
	f.add("failure", "%d of its boot: no receipt", x.Sequence)
	f.add("code", "%s", x.Code)
	f.add("job header", "%s", x.Header)
	f.add("KMS requests", "%s", strings.Join(x.KMSRequests, " "))
	f.add("finished", "%s", timeText(x.Finished))
	return f
}

func describeMessage(h *envelope.Header) fields {
	var f fields
	f.add("suite", "0x%04x", h.Suite)
	f.add("message id", "%x", h.MessageID)
	f.add("frame length", "%d", h.FrameLength)
	for i, k := range h.Keys {
		f.add(fmt.Sprintf("data key %d", i+1), "%s %s, %d bytes", k.Provider, k.Info, len(k.Ciphertext))
	}
	for _, name := range slices.Sorted(maps.Keys(h.Context)) {
		// The sender chose the name: it must not pass for one of ours, nor take the place of one in
		// the JSON.
		f.add("context "+name, "%s", h.Context[name])
	}
	if _, err := envelope.ParseContext(h.Context); err != nil {
		f.add("context", "would be refused: %v", err)
	}
	return f
}

func describeJob(h *jobfile.Header) fields {
	var f fields
	f.add("job nonce", "%x", h.Nonce)
	f.add("sealed at", "%s", timeText(time.UnixMilli(int64(h.SealedAt))))
	f.add("reply key", "%s", hash256(h.ReplyKey))
	if h.CrosswalkKey != nil {
		f.add("crosswalk key", "%s", hash256(h.CrosswalkKey))
	}
	if h.Parameters != nil {
		f.add("parameters", "%s, %d bytes", hash256(h.Parameters), len(h.Parameters))
	}
	return f
}

func describePolicy(p *policy.Policy) fields {
	var f fields
	f.add("digest", "%s", p.Digest())
	for _, t := range p.Tenants {
		f.add("tenant "+t.Name, "pipelines %s; keys %s", strings.Join(t.Pipelines, ", "), strings.Join(t.Keys, ", "))
	}
	for _, l := range p.Pipelines {
		reject, source, date := "counts rejected records", "own rules", "each job's reference date"
		if l.Raise {
			reject = "fails at the first rejected record"
		}
		if l.Preset != "" {
			source = "preset " + l.Preset
		}
		if l.ReferenceDate != "" {
			date = "reference date " + l.ReferenceDate
		}
		f.add("pipeline "+l.Name, "%s (%d bytes of rules), %s, %s, %s%s", source, len(l.Rules), strings.Join(l.ContentTypes, ", "), reject, date,
			demands(l.Rules))
	}
	m := p.Limits
	f.add("limits", "job %d B, record %d B, %d records, %d identifiers, nesting %d, frame %d B, %d keys, %d days, %d replays, %d jobs, %d s",
		m.JobBytes, m.RecordBytes, m.Records, m.Identifiers, m.Nesting, m.FrameLength, m.EncryptedKeys, m.NotAfterDays, m.Replays,
		m.ConcurrentJobs, m.JobSeconds)
	if p.NotAWS() {
		f.add("NOT AWS", "KMS at %s, roots of its own", p.Test.KMSHost)
	}
	return f
}

// demands says what the rules of a pipeline want beside a job, so that nobody takes every preset
// for Safe Harbor.
func demands(rules []byte) string {
	e, err := engines.Compile(rules)
	if err != nil {
		return ", RULES THAT NO ENCLAVE ACCEPTS"
	}
	s := ""
	if r := e.Requires(); r != "" {
		s += ", REQUIRES " + strings.ReplaceAll(strings.ToUpper(r), "-", " ")
	}
	if k := e.Keys(); len(k) > 0 {
		s += ", parameters with " + strings.Join(k, " and ")
	}
	return s
}

func describePins(p *appraise.Pins) fields {
	var f fields
	f.add("layout", "%s", p.Layout)
	f.add("expires", "%s", p.Expires.Format("2006-01-02"))
	for _, i := range p.Images {
		f.add(i.Name+" pcr0", "%s", i.PCR0)
		f.add(i.Name+" pcr1", "%s", i.PCR1)
		f.add(i.Name+" pcr2", "%s", i.PCR2)
		if i.PCR3 != nil {
			f.add(i.Name+" pcr3", "%s", *i.PCR3)
		}
		if i.PCR4 != nil {
			f.add(i.Name+" pcr4", "%s", *i.PCR4)
		}
		if i.PCR8 != nil {
			f.add(i.Name+" pcr8", "%s", *i.PCR8)
		}
	}
	return f
}
