package job

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"anchorhold/protocol/code"
	"anchorhold/protocol/message"
)

const (
	maxConcurrentJobs = 1024 // whatever the policy says: each job has buffers
	peersPerJob       = 4    // pooled connections beside those that are busy
	sparePeers        = 16   // for describe, attest and get-log

	idleTimeout  = 15 * time.Minute // between exchanges
	frameTimeout = 30 * time.Second // for one frame, either way
	acceptPause  = 50 * time.Millisecond
)

// Serve answers on l until ctx ends, then closes l and all connections and waits for what runs. It
// returns the error that ended l otherwise.
func (s *Service) Serve(ctx context.Context, l net.Listener) error {
	var peers sync.WaitGroup
	defer peers.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for {
		nc, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			// For want of descriptors or memory: connections under way must go on.
			time.Sleep(acceptPause)
			continue
		}
		select {
		case s.peers <- struct{}{}:
			peers.Go(func() {
				defer func() { <-s.peers }()
				s.peer(ctx, nc)
			})
		default:
			s.config.Log(TooManyPeers, "")
			nc.Close()
		}
	}
}

// peer serves the exchanges of one connection, one at a time.
func (s *Service) peer(ctx context.Context, nc net.Conn) {
	conn := message.NewConn(nc)
	defer conn.Close()
	// Ends whatever waits on the connection when the enclave stops.
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	for ctx.Err() == nil {
		if conn.SetDeadline(time.Now().Add(idleTimeout)) != nil {
			return
		}
		m, _, _, err := conn.Receive()
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrDeadlineExceeded) {
				s.config.Log(BadConnection, "")
			}
			return
		}
		if err := s.exchange(ctx, conn, m); err != nil {
			return
		}
	}
}

var errUnexpected = errors.New("unexpected message")

// exchange answers one message. After an error the connection is of no further use.
func (s *Service) exchange(ctx context.Context, conn *message.Conn, m message.Message) error {
	if err := conn.SetDeadline(time.Now().Add(frameTimeout)); err != nil {
		return err
	}
	switch m := m.(type) {
	case message.Job:
		return s.job(ctx, conn)
	case message.Describe:
		return conn.Send(s.describe())
	case message.GetPolicy:
		return s.sendPolicy(conn)
	case message.Attest:
		return s.attest(ctx, conn, m.Nonce)
	case message.GetLog:
		return s.sendLog(conn, m.From)
	default: // data frames outside a job, and messages that the enclave sends itself
		s.config.Log(BadConnection, "")
		return errUnexpected
	}
}

func (s *Service) describe() message.Description {
	d := message.Description{
		Version: s.config.Version,
		Boot:    s.config.Boot,
		PCR0:    s.config.Image.PCR0, PCR1: s.config.Image.PCR1, PCR2: s.config.Image.PCR2,
		Policy:  s.digest,
		Jobs:    uint64(len(s.slots)),
		Batches: s.config.Receipts.Batches(),
	}
	// No room when jobs could not end well: the parent then replaces the enclave.
	if s.config.Healthy() && !s.replays.full() {
		d.Capacity = uint64(cap(s.slots))
	}
	return d
}

func (s *Service) sendPolicy(conn *message.Conn) error {
	if err := conn.SendData(policyFrame, s.config.Compiled); err != nil {
		return err
	}
	return conn.Send(message.End{})
}

func (s *Service) attest(ctx context.Context, conn *message.Conn, nonce []byte) error {
	document, err := s.config.Challenge(ctx, nonce)
	if err != nil {
		return conn.Send(message.Failed{Code: code.NSMFailed})
	}
	return conn.Send(message.Attestation{Document: document})
}

func (s *Service) sendLog(conn *message.Conn, from uint64) error {
	for _, b := range s.config.Receipts.Log(from, message.MaxBatches) {
		if err := conn.SetDeadline(time.Now().Add(frameTimeout)); err != nil {
			return err
		}
		if err := conn.Send(message.Batch{Number: b.Number, Document: b.Document, Leaves: b.Leaves}); err != nil {
			return err
		}
	}
	return conn.Send(message.End{})
}
