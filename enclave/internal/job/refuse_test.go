package job_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"anchorhold/protocol/canonical"
	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
	"anchorhold/protocol/envelope"
	"anchorhold/protocol/message"
	"anchorhold/protocol/result"
)

// refusal is one way to break a job: before it is sealed, or after.
type refusal struct {
	before func(*order)
	after  func(*order)
	want   code.Code
}

func someKey() []byte {
	k, err := result.GenerateKey()
	if err != nil {
		panic(err)
	}
	return k.PublicKey()
}

func parametersPlaintext(label string, values map[string][]byte) []byte {
	b, err := canonical.Marshal(map[string]any{"label": label, "values": values})
	if err != nil {
		panic(err)
	}
	return b
}

// days is a day relative to today, as anchorhold:not-after has it.
func days(n int) time.Time { return time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, n) }

// withoutKey are the refusals for which no key may be asked for.
var withoutKey = map[string]refusal{
	"no magic":                   {after: func(o *order) { o.header[0] ^= 1 }, want: code.JobMalformed},
	"header not canonical":       {after: func(o *order) { o.header[12] ^= 1 }, want: code.JobMalformed},
	"header cut":                 {after: func(o *order) { o.header, o.message = o.header[:50], nil }, want: code.JobMalformed},
	"nothing":                    {after: func(o *order) { o.header, o.message = nil, nil }, want: code.JobMalformed},
	"reply key of zeros":         {before: func(o *order) { o.file.ReplyKey = bytes.Repeat([]byte{255}, 1216) }, want: code.JobMalformed},
	"message missing":            {after: func(o *order) { o.message = nil }, want: code.Truncated},
	"message cut in its header":  {after: func(o *order) { o.message = o.message[:100] }, want: code.Truncated},
	"version 1":                  {after: func(o *order) { o.message[0] = 1 }, want: code.SuiteUnsupported},
	"suite without commitment":   {after: func(o *order) { o.message[1], o.message[2] = 0x03, 0x78 }, want: code.SuiteUnsupported},
	"garbage":                    {after: func(o *order) { o.message = bytes.Repeat([]byte{2}, 500) }, want: code.SuiteUnsupported},
	"frame length over limit":    {before: func(o *order) { o.frame = 65537 }, want: code.FrameTooLong},
	"three encrypted keys":       {before: func(o *order) { o.more = otherKeys(2, "aws-kms", keyB) }, want: code.TooManyKeys},
	"unknown context entry":      {before: func(o *order) { o.extra["anchorhold:later"] = "1" }, want: code.ContextInvalid},
	"context entry missing":      {before: func(o *order) { o.claims.Tenant = "" }, want: code.ContextInvalid},
	"other image":                {before: func(o *order) { o.claims.Image[0] ^= 1 }, want: code.ImageMismatch},
	"image is pcr1":              {before: func(o *order) { o.claims.Image = digest.Sum(nil) }, want: code.ImageMismatch},
	"unknown tenant":             {before: func(o *order) { o.claims.Tenant = "nobody" }, want: code.TenantUnknown},
	"unknown pipeline":           {before: func(o *order) { o.claims.Pipeline = "none" }, want: code.PipelineNotAllowed},
	"pipeline of another tenant": {before: func(o *order) { o.claims.Pipeline = "theirs" }, want: code.PipelineNotAllowed},
	"key of another tenant":      {before: func(o *order) { o.arn = keyB }, want: code.KeyNotAllowed},
	"tenant with another's key":  {before: func(o *order) { o.claims.Tenant, o.claims.Pipeline = "other", "theirs" }, want: code.KeyNotAllowed},
	"key by alias":               {before: func(o *order) { o.arn = "arn:aws:kms:us-east-1:111122223333:alias/a" }, want: code.KeyNotAllowed},
	"unknown content type":       {before: func(o *order) { o.claims.ContentType = "application/x-ndjson" }, want: code.ContentTypeUnsupported},
	"listed but unknown type":    {before: func(o *order) { o.claims.ContentType = "application/x-other" }, want: code.ContentTypeUnsupported},
	"type of another pipeline":   {before: func(o *order) { o.claims.Pipeline, o.claims.ContentType = "raise", envelope.ContentMessage }, want: code.ContentTypeUnsupported},
	"parameters as records":      {before: func(o *order) { o.claims.ContentType = envelope.ContentParameters }, want: code.ContentTypeUnsupported},
	"yesterday":                  {before: func(o *order) { o.claims.NotAfter = days(-1) }, want: code.Expired},
	"32 days ahead":              {before: func(o *order) { o.claims.NotAfter = days(32) }, want: code.NotAfterTooFar},
	"no reference date":          {before: func(o *order) { o.claims.ReferenceDate = "" }, want: code.ReferenceDateMissing},
	"other reference date": {
		before: func(o *order) { o.claims.Pipeline, o.claims.ReferenceDate = "fixed", "2026-12-30" }, want: code.ContextInvalid,
	},
	"reply key swapped":     {before: func(o *order) { o.file.ReplyKey = someKey() }, want: code.ReplyMismatch},
	"crosswalk key added":   {before: func(o *order) { o.file.CrosswalkKey = someKey() }, want: code.CrosswalkMismatch},
	"crosswalk key missing": {before: func(o *order) { o.claims.Crosswalk = &[32]byte{1} }, want: code.CrosswalkMismatch},
	"crosswalk key is no key": {before: func(o *order) {
		o.file.CrosswalkKey = make([]byte, 1216)
		for i := range o.file.CrosswalkKey {
			o.file.CrosswalkKey[i] = 0xff
		}
		hash := sha256.Sum256(o.file.CrosswalkKey)
		o.claims.Crosswalk = &hash
	}, want: code.JobMalformed},
	"parameters added":          {before: func(o *order) { o.file.Parameters = []byte("parameters") }, want: code.ParametersMismatch},
	"parameters swapped":        {before: func(o *order) { o.claims.Parameters, o.file.Parameters = &[32]byte{1}, []byte("p") }, want: code.ParametersMismatch},
	"parameters missing":        {before: func(o *order) { o.claims.Parameters = &[32]byte{1} }, want: code.ParametersMissing},
	"more bytes than permitted": {after: func(o *order) { o.header, o.message = nil, hugeHeader(5<<20) }, want: code.JobMalformed},
}

// afterKey are the refusals that only the key can show.
var afterKey = map[string]refusal{
	"context changed":           {after: func(o *order) { swap(o.message, "clinic-note", "clinic-node") }, before: func(o *order) { o.extra["note"] = "clinic-note" }, want: code.KMSDenied},
	"commitment changed":        {after: func(o *order) { o.message[headerEnd(o)-20] ^= 1 }, want: code.AuthenticationFailed},
	"message id changed":        {after: func(o *order) { o.message[10] ^= 1 }, want: code.AuthenticationFailed},
	"frame changed":             {after: func(o *order) { o.message[len(o.message)/2] ^= 1 }, want: code.AuthenticationFailed},
	"last tag changed":          {after: func(o *order) { o.message[len(o.message)-1] ^= 1 }, want: code.AuthenticationFailed},
	"cut in a frame":            {after: func(o *order) { o.message = o.message[:len(o.message)-1] }, want: code.Truncated},
	"cut between frames":        {after: func(o *order) { o.message = o.message[:headerEnd(o)+(4+12+4096+16)] }, want: code.Truncated},
	"trailing byte":             {after: func(o *order) { o.message = append(o.message, 0) }, want: code.EnvelopeMalformed},
	"bytes over the limit":      {before: func(o *order) { o.records = bytes.Repeat([]byte(strings.Repeat(" ", 60_000)+patient), 100) }, want: code.TooLarge},
	"records over the limit":    {before: func(o *order) { o.records = bytes.Repeat([]byte("{}\n"), 5001) }, want: code.TooManyRecords},
	"bad record where it fails": {before: func(o *order) { o.claims.Pipeline = "raise"; o.records = []byte(patient + "bad\n") }, want: code.RecordRejected},
}

func otherKeys(n int, provider, info string) []envelope.EncryptedKey {
	keys := make([]envelope.EncryptedKey, n)
	for i := range keys {
		keys[i] = envelope.EncryptedKey{Provider: provider, Info: info, Ciphertext: []byte{1}}
	}
	return keys
}

// hugeHeader declares a header of n bytes and brings none.
func hugeHeader(n uint32) []byte { return binary.BigEndian.AppendUint32([]byte("AHJOB1\r\n"), n) }

func swap(b []byte, old, new string) { copy(b[bytes.Index(b, []byte(old)):], new) }

// headerEnd is where the first frame begins.
func headerEnd(o *order) int {
	r := bytes.NewReader(o.message)
	if _, err := envelope.ReadHeader(r, envelope.Limits{MaxKeys: 9, MaxFrameLength: 1 << 30}); err != nil {
		panic(err)
	}
	return len(o.message) - r.Len()
}

func (c refusal) order(t *testing.T, b *bench) *order {
	t.Helper()
	o := newOrder(t, b)
	o.records = bytes.Repeat([]byte(patient), 200)
	if c.before != nil {
		c.before(o)
	}
	o.seal(t, b)
	if c.after != nil {
		c.after(o)
	}
	return o
}

// TestInvariant3_RefusedBeforeAnyKeyIsAsked: nothing that the file says widens what the policy
// gives.
func TestInvariant3_RefusedBeforeAnyKeyIsAsked(t *testing.T) {
	b := newBench(t, options{})
	p := b.dial(t) // one connection for all: each refusal leaves it in order
	for name, c := range withoutKey {
		t.Run(name, func(t *testing.T) {
			out := p.run(t, c.order(t, b).job())
			if out.code() != c.want || len(out.result) != 0 {
				t.Errorf("got %q and %d bytes, want %q alone", out.code(), len(out.result), c.want)
			}
			if m, _ := out.last.(message.Failed); m.Receipt != nil {
				t.Error("a failure leaf was signed, though no key was released")
			}
		})
	}
	if n := b.keys.asked(); n != 0 {
		t.Errorf("%d keys were asked for", n)
	}
	b.done(t, p, newOrder(t, b).seal(t, b))
}

// TestInvariant4_NothingIsFinalBeforeTheLastByte: whatever is wrong behind the key, no final chunk
// leaves, and no receipt.
func TestInvariant4_NothingIsFinalBeforeTheLastByte(t *testing.T) {
	b := newBench(t, options{})
	for name, c := range afterKey {
		t.Run(name, func(t *testing.T) {
			p, o := b.dial(t), c.order(t, b)
			out := p.run(t, o.job())
			if out.code() != c.want {
				t.Fatalf("got %q, want %q", out.code(), c.want)
			}
			if _, _, err := o.open(t, b, out.result); err == nil {
				t.Error("the result opens to its end")
			}
			m, _ := out.last.(message.Failed)
			if c.want == code.KMSDenied {
				if m.Receipt != nil {
					t.Error("a failure leaf was signed, though no key was released")
				}
				return
			}
			v := b.verify(t, m.Receipt)
			if v.Leaf != nil || v.Failure == nil || v.Failure.Code != c.want || v.Failure.Header != digest.Sum(o.header) || len(v.Failure.KMSRequests) != 1 {
				t.Errorf("got leaf %+v and failure %+v, want a failure leaf of %q", v.Leaf, v.Failure, c.want)
			}
		})
	}
}

// TestFirstFittingKeyIsUsed: other masters of the owner may stand before it.
func TestFirstFittingKeyIsUsed(t *testing.T) {
	for name, more := range map[string][]envelope.EncryptedKey{
		"raw":            otherKeys(1, "raw", "name"),
		"other tenant":   otherKeys(1, "aws-kms", keyB),
		"other provider": otherKeys(1, "aws-kms-hierarchy", keyA),
	} {
		b := newBench(t, options{})
		o := newOrder(t, b)
		o.more = more
		if _, _, leaf := b.done(t, b.dial(t), o.seal(t, b)); leaf.Key != keyA {
			t.Errorf("%s: the receipt names %s, want %s", name, leaf.Key, keyA)
		}
	}
}

// TestExpiryFollowsTheNSMClock: the same job fails once its day is over.
func TestExpiryFollowsTheNSMClock(t *testing.T) {
	b := newBench(t, options{})
	p, o := b.dial(t), newOrder(t, b)
	o.claims.NotAfter = days(0)
	o.seal(t, b)
	b.done(t, p, o)
	b.offset.Store(int64(24 * time.Hour))
	if got := p.run(t, o.job()).code(); got != code.Expired {
		t.Errorf("got %q, want %q", got, code.Expired)
	}
}

func TestKeyFailuresKeepTheirCode(t *testing.T) {
	b := newBench(t, options{})
	p := b.dial(t)
	for _, want := range []code.Code{code.KMSDenied, code.KMSThrottled, code.KMSUnavailable, code.KMSAnswerInvalid, code.CredentialsUnavailable, code.CredentialsRefused, code.NSMFailed} {
		b.keys.mu.Lock()
		b.keys.err = code.New(want, nil)
		b.keys.mu.Unlock()
		if m, _ := p.run(t, newOrder(t, b).seal(t, b).job()).last.(message.Failed); m.Code != want || m.Receipt != nil {
			t.Errorf("got %+v, want %q without a receipt", m, want)
		}
	}
}

// TestInvariant7_SameMessageSameRecords, and no more often than the policy says.
func TestInvariant7_SameMessageSameRecords(t *testing.T) {
	b := newBench(t, options{})
	p, o := b.dial(t), newOrder(t, b)
	o.records = bytes.Repeat([]byte(patient), 3)
	o.seal(t, b)
	var before []byte
	for i := range 3 { // the default of replays
		rand.Read(o.file.Nonce[:]) // a new submission of the same message
		var err error
		o.header, err = o.file.Encode()
		check(t, err)
		records, _, _ := b.done(t, p, o)
		if i > 0 && !bytes.Equal(records, before) {
			t.Error("the same message gave other records")
		}
		before = records
	}
	asked := b.keys.asked()
	if out := p.run(t, o.job()); out.code() != code.ReplayLimit || len(out.result) != 0 {
		t.Errorf("got %q and %d bytes, want %q alone", out.code(), len(out.result), code.ReplayLimit)
	}
	if b.keys.asked() != asked {
		t.Error("a key was asked for though the count is used up")
	}
	other := newOrder(t, b)
	other.records = o.records
	if records, _, _ := b.done(t, p, other.seal(t, b)); bytes.Equal(records, before) {
		t.Error("another message gave the same surrogates")
	}
}

// TestForgedMessageIDsSpendNothing: whoever has not the data key cannot use up its owner's replays.
func TestForgedMessageIDsSpendNothing(t *testing.T) {
	b := newBench(t, options{})
	p, o := b.dial(t), newOrder(t, b).seal(t, b)
	forged := *o
	forged.message = bytes.Clone(o.message)
	forged.message[headerEnd(o)-1] ^= 1 // the header's tag
	for range 5 {
		if got := p.run(t, forged.job()).code(); got != code.AuthenticationFailed {
			t.Fatalf("got %q, want %q", got, code.AuthenticationFailed)
		}
	}
	b.done(t, p, o)
}

// TestInvariant5_OnlyCodesLeave feeds markers into every field and looks at every byte that comes
// out.
func TestInvariant5_OnlyCodesLeave(t *testing.T) {
	b := newBench(t, options{})
	const marker = "MARKER"
	orders := map[string]refusal{
		"success":          {},
		"rejected records": {before: func(o *order) { o.records = []byte(`{"resourceType":"MARKERTYPE"}` + "\nMARKERLINE\n" + patient) }},
		"raised":           {before: func(o *order) { o.claims.Pipeline = "raise"; o.records = []byte("MARKERLINE\n") }},
		"tampered":         {after: func(o *order) { o.message[len(o.message)-1] ^= 1 }},
		"context":          {before: func(o *order) { o.extra["MARKERKEY"] = "MARKERVALUE" }},
		"unknown entry":    {before: func(o *order) { o.extra["anchorhold:MARKER"] = "MARKERVALUE" }},
		"tenant":           {before: func(o *order) { o.claims.Tenant = "marker" }},
		"key":              {before: func(o *order) { o.arn = "arn:MARKER" }},
		"content type":     {before: func(o *order) { o.claims.ContentType = "marker/marker" }},
		"job header":       {after: func(o *order) { o.header = append(hugeHeader(20), "MARKERMARKERMARKERMA"...) }},
		"message":          {after: func(o *order) { o.message = []byte(strings.Repeat(marker, 100)) }},
		"parameters": {before: func(o *order) {
			o.values = parametersPlaintext("anchorhold/v1 parameters", map[string][]byte{"MARKERNAME": []byte("MARKERVALUE")})
		}},
		"bad parameters": {before: func(o *order) { o.values = []byte("MARKERMARKER") }},
	}
	var recorders []*recorder
	for name, c := range orders {
		p, o := b.dial(t), c.order(t, b)
		recorders = append(recorders, p.recorder)
		if got := p.run(t, o.job()).code(); got == "" {
			t.Errorf("%s: got no answer", name)
		}
		check(t, p.conn.Send(message.GetLog{}))
		for p.receive(t).last != message.Message(message.End{}) { // the log too
		}
	}
	for _, r := range recorders {
		if bytes.Contains(bytes.ToUpper(r.bytes()), []byte(marker)) {
			t.Error("a marker left the enclave")
		}
	}
	for _, line := range b.log.copy() {
		event, c, _ := strings.Cut(line, ": ")
		if strings.Contains(strings.ToUpper(line), marker) || (event == "job failed" && !code.Code(c).Valid()) {
			t.Errorf("the log has the line %q", line)
		}
	}
}
