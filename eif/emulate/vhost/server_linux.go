package vhost

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Serve answers a monitor on conn until it hangs up (nil), ctx ends (nil) or it breaks the
// protocol. It closes conn. What guests do wrong is told to log, once for each ring that stops.
func Serve(ctx context.Context, conn *net.UnixConn, d Device, log func(error)) error {
	s := newServer(d, log)
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	defer conn.Close()
	all.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-d.Wake():
				s.process()
			}
		}
	})
	err := s.loop(conn)
	s.mu.Lock()
	s.reset()
	s.mu.Unlock()
	s.kicks.Wait()
	if ctx.Err() != nil || errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) {
		return nil
	}
	return err
}

func (s *server) loop(conn *net.UnixConn) error {
	for {
		m, err := receive(conn)
		if err != nil {
			return err
		}
		answer, answered, err := s.handle(m)
		closeAll(m.files)
		switch {
		case err != nil && m.flags&flagNeedsAck != 0 && !answered:
			answer = u64(1) // the monitor's to decide; it ends the guest
		case err != nil:
			return err
		case !answered && m.flags&flagNeedsAck == 0:
			continue
		case !answered:
			answer = u64(0)
		}
		if _, err := conn.Write(reply(m.request, answer)); err != nil {
			return err
		}
	}
}

// receive reads one message with its descriptors.
func receive(conn *net.UnixConn) (*message, error) {
	var head [headerSize]byte
	oob := make([]byte, unix.CmsgSpace(4*maxRegions))
	n, oobn, flags, _, err := conn.ReadMsgUnix(head[:], oob)
	if err != nil {
		return nil, err
	}
	files, err := descriptors(oob[:oobn])
	if err == nil && flags&unix.MSG_CTRUNC != 0 {
		err = fmt.Errorf("%w: more than %d descriptors", errMessage, maxRegions)
	}
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err == nil {
		_, err = io.ReadFull(conn, head[n:])
	}
	var m message
	var size int
	if err == nil {
		m, size, err = header(head)
	}
	if err == nil {
		m.payload, m.files = make([]byte, size), files
		_, err = io.ReadFull(conn, m.payload)
	}
	if err != nil {
		closeAll(files)
		return nil, err
	}
	return &m, nil
}

func descriptors(oob []byte) ([]int, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var all []int
	for i := range messages {
		files, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			closeAll(all)
			return nil, err
		}
		all = append(all, files...)
	}
	return all, nil
}

func closeAll(files []int) {
	for _, fd := range files {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// setMemory maps a new memory table in place of the old one.
func (s *server) setMemory(m *message) error {
	table, err := m.table()
	if err != nil {
		return err
	}
	for i := range table {
		if err := table[i].mmap(m.files[i]); err != nil {
			for k := range i {
				unmap(table[k].whole)
			}
			return fmt.Errorf("memory region %d: %w", i, err)
		}
	}
	s.unmap()
	s.memory = table
	for _, q := range s.queues {
		if err := s.resolve(q); err != nil {
			return err
		}
	}
	return nil
}

// mmap maps a region of the file, which must be that long: a page behind its end would be a fatal
// signal when touched.
func (r *region) mmap(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Size < 0 || r.offset+r.size > uint64(st.Size) {
		return fmt.Errorf("%w: %d bytes at %d of a file of %d", errMessage, r.size, r.offset, st.Size)
	}
	skip := r.offset % uint64(os.Getpagesize())
	whole, err := unix.Mmap(fd, int64(r.offset-skip), int(r.size+skip), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	r.whole = whole
	r.mapped = whole[skip : skip+r.size : skip+r.size]
	return nil
}

func unmap(whole []byte) {
	_ = unix.Munmap(whole) // fails only for what Mmap did not return
}

// setFile takes the eventfd by which the driver kicks a queue or is interrupted.
func (s *server) setFile(m *message) error {
	index, fd, err := m.file()
	if err != nil {
		return err
	}
	q, err := s.queue(index)
	if err != nil || m.request == setVringErr || fd < 0 {
		if fd >= 0 {
			unix.Close(fd)
		}
		if err == nil && fd < 0 && m.request == setVringCall {
			q.interrupt = nil
		}
		return err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return err
	}
	f := os.NewFile(uintptr(fd), "eventfd")
	if m.request == setVringCall {
		s.closeFile(&s.call[index])
		s.call[index] = f
		one := binary.NativeEndian.AppendUint64(nil, 1)
		q.interrupt = func() { _, _ = f.Write(one) } // fails when the monitor has gone
		q.interrupt()                                // something may have been pushed before
		return nil
	}
	s.closeFile(&s.kick[index])
	s.kick[index] = f
	q.started = true
	s.kicks.Go(func() { s.watch(f) })
	return nil
}

// watch calls process for each kick until the eventfd is closed.
func (s *server) watch(kick *os.File) {
	var count [8]byte
	for {
		if _, err := kick.Read(count[:]); err != nil {
			return
		}
		s.process()
	}
}
