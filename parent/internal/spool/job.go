package spool

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"anchorhold/protocol/code"
	"anchorhold/protocol/digest"
)

// State is where a job stands.
type State string

// A job is queued until an enclave takes it, running until it answers, then done or failed for
// good.
const (
	Queued  State = "queued"
	Running State = "running"
	Done    State = "done"
	Failed  State = "failed"
)

// Codes of failures that the parent itself ends a job with, beside those of SPEC 9.
const (
	// EnclaveLost says that every attempt ended without an answer.
	EnclaveLost code.Code = "enclave-lost"
	// SpoolFull says that the sealed result did not fit the spool.
	SpoolFull code.Code = "spool-full"
	// Poison says that an enclave died while the job ran, and another when it ran alone.
	Poison code.Code = "poison"
)

// Meta is what the headers of a job file say. Nothing of it is authenticated: it serves to
// schedule.
type Meta struct {
	Tenant    string        `json:"tenant"`
	Pipeline  string        `json:"pipeline"`
	Image     digest.Digest `json:"image"`
	MessageID [32]byte      `json:"message_id"`
	Header    digest.Digest `json:"header"`
	Input     digest.Stream `json:"input_sha256"` // of the message, as in receipts
}

// identity is the key under which the same job is found again: tenant, message id, input digest,
// and header digest. Without the last, who wraps a message anew would get a result that is sealed
// under a nonce it does not have.
func (m Meta) identity() []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%d:%s", len(m.Tenant), m.Tenant) // the length, or a name could run into the id
	h.Write(m.MessageID[:])
	h.Write(m.Input[:])
	h.Write(m.Header[:])
	return h.Sum(nil)
}

// Job is the durable record of a job.
type Job struct {
	ID string `json:"id"`
	Meta
	State          State     `json:"state"`
	Code           code.Code `json:"code,omitempty"`
	Enclave        string    `json:"enclave,omitempty"`
	Attempts       int       `json:"attempts"`
	Deaths         int       `json:"deaths,omitempty"`     // enclaves that died while it ran
	DeathHost      string    `json:"death_host,omitempty"` // the boot of the host in which they did
	InputBytes     int64     `json:"input_bytes"`
	OutputBytes    int64     `json:"output_bytes,omitempty"`
	CrosswalkBytes int64     `json:"crosswalk_bytes,omitempty"`
	ReceiptBytes   int       `json:"receipt_bytes,omitempty"`
	Receipt        string    `json:"receipt_sha256,omitempty"` // of the receipt file, hex
	Accepted       time.Time `json:"accepted"`
	Started        time.Time `json:"started,omitzero"`
	Finished       time.Time `json:"finished,omitzero"`
	Expires        time.Time `json:"expires,omitzero"`
}

// Ended reports whether the job will not change any more.
func (j Job) Ended() bool { return j.State == Done || j.State == Failed }

// Suspect reports whether an enclave has died while the job ran. It must not run again together
// with other jobs.
func (j Job) Suspect() bool { return j.Deaths > 0 }

// final reports whether the same job posted again is this one: a job that failed is run anew, but
// not one that costs two enclaves each time.
func (j Job) final() bool { return j.State == Failed && j.Code == Poison }

// HasCrosswalk reports whether there is a sealed crosswalk beside the result.
func (j Job) HasCrosswalk() bool { return j.CrosswalkBytes > 0 }

func (j Job) encode() []byte {
	b, err := json.Marshal(j)
	if err != nil {
		panic(err) // unreachable: the struct has no type that fails
	}
	return b
}

func decodeJob(b []byte) (Job, error) {
	var j Job
	if err := json.Unmarshal(b, &j); err != nil {
		return Job{}, fmt.Errorf("malformed job record: %w", err)
	}
	return j, nil
}

const (
	idBytes = 20 // 160 random bits: an id is not guessed
	idChars = 32 // base32 of idBytes
)

var idCoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// newID returns a job id: 32 characters of a-z and 2-7.
func newID() string {
	var b [idBytes]byte
	rand.Read(b[:]) // never fails, crypto/rand
	return strings.ToLower(idCoding.EncodeToString(b[:]))
}

// validID keeps everything that is no id out of file names.
func validID(s string) bool {
	if len(s) != idChars {
		return false
	}
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}
