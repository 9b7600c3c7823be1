package spool

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// ErrGap says that batches do not follow on each other.
var ErrGap = errors.New("batches do not follow on each other")

// Batch is one signed batch of receipts, as the enclave sent it. The document says what holds; the
// rest is for finding it.
type Batch struct {
	Sequence uint64    `json:"sequence"` // of this spool, from 0, without gaps
	Enclave  string    `json:"enclave"`
	Boot     string    `json:"boot"` // hex
	Number   uint64    `json:"number"`
	Stored   time.Time `json:"stored"`
	Document []byte    `json:"document"`
	Leaves   []string  `json:"leaves"` // hex
}

func logKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func nextKey(enclave, boot string) []byte { return []byte(enclave + "/" + boot) }

// NextBatch returns the number of the first batch of that enclave's boot that is not stored.
func (s *Spool) NextBatch(enclave, boot string) (uint64, error) {
	var n uint64
	err := s.db.View(func(tx *bbolt.Tx) error {
		n = next(tx, enclave, boot)
		return nil
	})
	return n, err
}

func next(tx *bbolt.Tx, enclave, boot string) uint64 {
	b := tx.Bucket(bucketNext).Get(nextKey(enclave, boot))
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// Append stores batches of one enclave's boot, durably and all or none. Batches that are stored
// already are left out, because an Append that failed may have happened; a gap among them is
// ErrGap. missed is how many lie between those stored before and the first: the enclave has
// forgotten them, and without those that follow the log would end there. Their numbers show the gap
// to everybody.
func (s *Spool) Append(enclave, boot string, batches []Batch) (missed uint64, err error) {
	err = s.do("log", nil, func(tx *bbolt.Tx) error {
		missed = 0
		n := next(tx, enclave, boot)
		log := tx.Bucket(bucketLog)
		for i, b := range batches {
			if b.Number < n {
				continue
			}
			if b.Number > n {
				if i > 0 {
					return fmt.Errorf("%w: got batch %d, want %d", ErrGap, b.Number, n)
				}
				missed, n = b.Number-n, b.Number
			}
			n++
			if err := put(log, enclave, boot, b, s.opts.Now().UTC()); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketNext).Put(nextKey(enclave, boot), logKey(n))
	})
	return missed, err
}

func put(log *bbolt.Bucket, enclave, boot string, b Batch, now time.Time) error {
	seq, err := log.NextSequence() // from 1
	if err != nil {
		return err
	}
	b.Sequence, b.Enclave, b.Boot, b.Stored = seq-1, enclave, boot, now
	v, err := json.Marshal(b)
	if err != nil {
		return err
	}
	return log.Put(logKey(b.Sequence), v)
}

// Batches returns up to limit batches from sequence on.
func (s *Spool) Batches(from uint64, limit int) ([]Batch, error) {
	batches := []Batch{}
	err := s.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketLog).Cursor()
		for k, v := c.Seek(logKey(from)); k != nil && len(batches) < limit; k, v = c.Next() {
			var b Batch
			if err := json.Unmarshal(v, &b); err != nil {
				return fmt.Errorf("malformed batch record: %w", err)
			}
			batches = append(batches, b)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return batches, nil
}
