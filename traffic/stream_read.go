package traffic

import (
	"io"
	"net"
	"time"
)

// ScratchReader is a connection that waits for data without holding a buffer:
// at ten thousand connections most wait at any time.
type ScratchReader interface {
	// ReadScratch blocks until there is data and returns it, either in the
	// buffer that it took from scratch or in one of its own. What it returns is
	// valid until the next call or until the buffer is released. It releases a
	// buffer that it does not return.
	ReadScratch(scratch interface {
		Acquire() []byte
		Release()
	}) ([]byte, error)
}

const (
	readBuffer  = 32 * KiB // as much as a terminal's message may hold
	plainBuffer = 4 * KiB  // of each connection that can't wait without one
)

// scratch lends a buffer of the pump's pool to one reader.
type scratch struct {
	pump *Pump
	buf  *[]byte
}

func (b *scratch) Acquire() []byte {
	if b.buf == nil {
		b.buf = b.pump.buffers.Get().(*[]byte)
	}
	return *b.buf
}

func (b *scratch) Release() {
	if b.buf != nil {
		b.pump.buffers.Put(b.buf)
		b.buf = nil
	}
}

// startReading begins to take what conn gives, until it ends. s.mu is held.
func (s *Stream) startReading(conn io.ReadWriter, gen int) {
	if r, ok := conn.(ReadyReader); ok {
		if p := s.worker.poller(); p != nil && s.poll(p, r, gen) {
			return
		}
	}
	s.readers.Go(func() { s.read(conn, gen) })
}

// poll has the worker read the connection. It returns false if that can't be.
func (s *Stream) poll(p *poller, r ReadyReader, gen int) bool {
	raw, err := r.SyscallConn()
	if err != nil {
		return false
	}
	buf := &scratch{pump: s.pump}
	e := &pollEntry{raw: raw, ended: s.readers.Done}
	e.ready = func() bool {
		data, err := r.ReadReady(buf)
		s.received(data)
		buf.Release()
		if err != nil {
			s.readFailed(gen, err)
		}
		return err == nil
	}
	s.readers.Add(1)
	watched := make(chan struct{})
	r.NotifyClose(func() {
		<-watched
		if e.kill() {
			s.readFailed(gen, net.ErrClosed)
			p.forget(e)
		}
	})
	go func() { // s.mu is held, and what comes first needs it
		defer close(watched)
		if err := p.watch(e); err != nil {
			e.kill()
			s.readFailed(gen, err)
			s.readers.Done()
			return
		}
		if e.fire() { // what came with the handshake wakes nobody
			p.forget(e)
		}
	}()
	return true
}

// read takes what the connection gives until it ends.
func (s *Stream) read(conn io.Reader, gen int) {
	if r, ok := conn.(ScratchReader); ok {
		buf := &scratch{pump: s.pump}
		for {
			data, err := r.ReadScratch(buf)
			s.received(data)
			buf.Release()
			if err != nil {
				s.readFailed(gen, err)
				return
			}
		}
	}
	buf := make([]byte, plainBuffer)
	for {
		n, err := conn.Read(buf)
		s.received(buf[:n])
		if err != nil {
			s.readFailed(gen, err)
			return
		}
	}
}

func (s *Stream) readFailed(gen int, err error) {
	s.mu.Lock()
	s.fail(gen, err)
	s.mu.Unlock()
}

// received accounts for data.
func (s *Stream) received(data []byte) {
	if len(data) == 0 {
		return
	}
	p := s.pump
	if p.cfg.NoEcho {
		p.record(&counts{bytesReceived: int64(len(data))})
		return
	}
	now := p.pacer.Now()
	s.mu.Lock()
	s.matching.now = now
	sh := &p.shards[p.pick.Pick(len(p.shards))]
	sh.mu.Lock()
	if !s.stopped || s.pending > 0 || s.matching.outstanding() > 0 {
		sh.counts.bytesReceived += int64(len(data))
		s.matching.match(data, s.sentEcho(), sh)
	}
	sh.mu.Unlock()
	again := s.full && s.matching.outstanding() < p.cfg.MaxOutstanding
	s.checkIdle()
	s.mu.Unlock()
	if again {
		s.fireNow()
	}
}

// answered records a tick whose echo is complete.
func (sh *pumpShard) answered(t *flight, now time.Duration) {
	switch t.state {
	case flightLost:
		sh.counts.lost++
	case flightCorrupt:
		sh.counts.corrupt++
	default:
		sh.counts.echoed++
		sh.response.Record(now - t.intended)
		sh.service.Record(now - t.sent)
	}
}
