package traffic

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coderscale/scaletest/traffic/histogram"
)

// TryWriter is a connection that takes a frame without blocking. Streams that
// implement it are written to by the pacer itself.
type TryWriter interface {
	// TryWrite takes all of frame and returns true, or nothing and returns
	// false because an earlier frame is still on its way out. It never blocks
	// and does not keep frame.
	TryWrite(frame []byte) (taken bool, err error)

	// NotifyWritable has f called, from any goroutine, each time that TryWrite
	// would take a frame again after it has taken one only partly to the kernel.
	NotifyWritable(f func())
}

// Stream is one connection of a [Pump].
type Stream struct {
	pump   *Pump
	worker *pacerWorker
	entry  atomic.Pointer[Entry]
	start  time.Duration // since the pacer's epoch
	opened time.Duration // when it was attached
	first  int64         // the chunk of the cycle that it starts with

	mu       sync.Mutex
	conn     io.ReadWriter
	try      TryWriter // conn, if it can
	gen      int       // counts connections, so that an old one's end is not taken for the new one's
	lost     chan error
	readers  sync.WaitGroup
	busy     bool // a goroutine writes
	blocked  bool // the connection took no more
	full     bool // too many ticks wait for their echo
	allowed  bool // the cap has been charged for the next chunk
	capped   bool // all connections together have sent what they may
	begun    bool // the tick that is sent now is in flight
	stopped  bool
	closed   bool
	due      Cursor // the next tick that becomes due, since the epoch
	dueLive  bool
	send     Cursor // the next tick to be sent
	pending  int64  // ticks due and neither sent nor dropped
	chunks   int64  // chunks sent
	matching matcher
	idle     chan struct{} // closed when nothing is pending or outstanding
}

func newStream(p *Pump, index int, start time.Duration) *Stream {
	s := &Stream{
		pump:  p,
		start: start, opened: p.pacer.Now(),
		first: int64(index) * 7919 * int64(p.payload.perTick) % int64(p.payload.Len()),
		send:  Before,
	}
	s.matching.payload = p.payload
	s.matching.base = p.payload.chunkStart(s.first)
	s.due, s.dueLive = p.cfg.Load.Shape.Next(Before)
	s.due.At += start
	return s
}

// connect takes a connection into use. s.conn must be nil.
func (s *Stream) connect(conn io.ReadWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gen++
	s.conn, s.blocked = conn, false
	s.lost = make(chan error, 1)
	if s.try, _ = conn.(TryWriter); s.try != nil {
		s.try.NotifyWritable(s.fireNow)
	}
	s.startReading(conn, s.gen)
}

// Resume goes on with another connection to the same session after the first
// one was lost. The peer may replay what it sent before: repeated bytes are
// recognised, and what is missing is counted as lost.
func (s *Stream) Resume(conn io.ReadWriter) {
	s.readers.Wait()
	s.mu.Lock()
	lost := s.matching.resume(s.sentEcho())
	s.mu.Unlock()
	s.pump.record(&counts{lost: lost})
	s.connect(conn)
	s.fireNow()
}

func (s *Stream) fireNow() {
	if e := s.entry.Load(); e != nil {
		e.FireNow()
	}
}

// Wait blocks until the connection is lost and returns why (an [io.EOF] of the
// peer included), until ctx is done, or until all of the load has been sent and
// answered, which is nil.
func (s *Stream) Wait(ctx context.Context) error {
	_, err := s.WaitFor(ctx, nil)
	return err
}

// WaitFor is [Stream.Wait] until another event, whichever comes first. It
// reports whether it was that one.
func (s *Stream) WaitFor(ctx context.Context, event <-chan struct{}) (came bool, err error) {
	s.mu.Lock()
	lost := s.lost
	s.mu.Unlock()
	select {
	case err := <-lost:
		return false, err
	case <-ctx.Done():
		return false, ctx.Err()
	case <-event:
		return true, nil
	case <-s.finished():
		return false, nil
	}
}

// Stop lets no more ticks come due. One that is being sent is still sent; a
// backlog that the peer has not taken in time is dropped, and counted as
// blocked. What comes when all have been answered is nobody's echo, such as that
// of the ^C that ends a terminal: it is neither looked at nor counted.
func (s *Stream) Stop() {
	s.mu.Lock()
	s.dueLive, s.stopped = false, true
	var c counts
	s.dropBacklog(&c)
	s.pump.record(&c)
	s.checkIdle()
	s.mu.Unlock()
}

// Drain waits until every tick that came due has been sent and has come back,
// until the connection is lost, or until ctx is done. It is nil only in the
// first case.
func (s *Stream) Drain(ctx context.Context) error { return s.Wait(ctx) }

// Close ends the stream and waits for its reader: the connection must have
// been closed before. Ticks whose echo has not come count as lost, and those that
// could not be sent as dropped.
func (s *Stream) Close() {
	s.mu.Lock()
	already := s.closed
	s.closed, s.dueLive = true, false
	s.mu.Unlock()
	if already {
		return
	}
	s.entry.Load().Remove()
	s.readers.Wait()
	s.mu.Lock()
	c := counts{lost: s.matching.abandon(s.sentEcho())}
	s.dropBacklog(&c)
	s.mu.Unlock()
	s.pump.record(&c)
	s.pump.streams.Add(-1)
}

// Losses are the bytes of the stream's echo that are missing for good, and those
// that came again after a reconnect, until now.
func (s *Stream) Losses() (lost, repeated int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.matching.missing, s.matching.repeated
}

// finished is closed when there is nothing left to send or to wait for.
func (s *Stream) finished() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idle == nil {
		s.idle = make(chan struct{})
		s.checkIdle()
	}
	return s.idle
}

// checkIdle closes idle when it is time. s.mu is held.
func (s *Stream) checkIdle() {
	if s.idle == nil || s.dueLive || s.pending > 0 || s.matching.outstanding() > 0 || s.busy {
		return
	}
	select {
	case <-s.idle:
	default:
		close(s.idle)
	}
}

// sentEcho is how many bytes come back for all that was sent. s.mu is held.
func (s *Stream) sentEcho() int64 {
	return s.pump.payload.chunkStart(s.first+s.chunks) - s.matching.base
}

// Fire implements [Paced]: it counts what has come due, and sends.
func (s *Stream) Fire(now time.Duration, lag *histogram.Histogram) time.Duration {
	var c counts
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return Never
	}
	for s.dueLive && s.due.At <= now {
		lag.Record(now - max(s.due.At, s.opened)) // before that there was nothing to send on
		c.intended++
		s.pending++
		s.due, s.dueLive = s.step(s.due)
	}
	s.dropBeyondBurst(&c)
	if s.try != nil {
		s.trySend(now, &c)
	} else if s.conn != nil && s.pending > 0 && !s.busy {
		s.busy = true
		s.pump.write(s)
	}
	next := Never
	if s.dueLive {
		next = s.due.At
	}
	if s.capped && s.pending > 0 {
		next = min(next, now+capRetry)
	}
	s.checkIdle()
	s.pump.record(&c) // before the echo can be accounted for
	s.mu.Unlock()
	return next
}

// step returns the tick after c, both since the epoch.
func (s *Stream) step(c Cursor) (Cursor, bool) {
	if c.K >= 0 {
		c.At -= s.start
	}
	next, ok := s.pump.cfg.Load.Shape.Next(c)
	next.At += s.start
	return next, ok
}

// dropBeyondBurst drops the oldest ticks that may not wait any longer. s.mu is
// held.
func (s *Stream) dropBeyondBurst(c *counts) {
	if s.chunks%int64(s.pump.payload.perTick) != 0 {
		return // the oldest one is partly sent
	}
	for s.pending > int64(s.pump.cfg.Burst) {
		s.pending--
		s.send, _ = s.step(s.send)
		if s.send.At < s.opened {
			c.droppedAbsent++
			continue
		}
		*s.dropReason(c)++
	}
}

// dropBacklog drops all but the oldest of the ticks that could not be sent.
// s.mu is held.
func (s *Stream) dropBacklog(c *counts) {
	keep := int64(1)
	if s.conn == nil {
		keep = 0
	}
	reason := s.dropReason(c)
	if n := s.pending - keep; n > 0 && reason != &c.droppedLate {
		s.pending -= n
		*reason += n
	}
}

// dropReason is the count of what is dropped now. s.mu is held.
func (s *Stream) dropReason(c *counts) *int64 {
	switch {
	case s.conn == nil:
		return &c.droppedAbsent
	case s.capped:
		return &c.droppedCapped
	case s.busy || s.blocked || s.full:
		return &c.droppedBlocked
	}
	return &c.droppedLate
}

// trySend sends what is pending until the connection takes no more. s.mu is
// held.
func (s *Stream) trySend(now time.Duration, c *counts) {
	for s.pending > 0 {
		frame, ok := s.nextFrame(now)
		if s.full = !ok; s.full || !s.withinCap() {
			return
		}
		taken, err := s.try.TryWrite(frame)
		if err != nil {
			s.fail(s.gen, err)
			return
		}
		if s.blocked = !taken; s.blocked {
			s.allowed = s.pump.cfg.Cap != nil
			return
		}
		s.frameSent(c)
	}
}

// writeAll sends what is pending over a connection that blocks.
func (s *Stream) writeAll() {
	s.mu.Lock()
	conn, gen := s.conn, s.gen
	for s.pending > 0 && s.conn != nil && s.gen == gen && !s.closed {
		frame, ok := s.nextFrame(s.pump.pacer.Now())
		if s.full = !ok; s.full || !s.withinCap() {
			break
		}
		// Before it is written, because the echo may be faster than Write.
		var c counts
		s.frameSent(&c)
		s.pump.record(&c)
		s.mu.Unlock()
		_, err := conn.Write(frame)
		s.mu.Lock()
		if err != nil {
			s.fail(gen, err)
			break
		}
	}
	s.busy = false
	s.checkIdle()
	s.mu.Unlock()
}

// nextFrame is what to write next. It returns false when too many ticks wait
// for their echo. s.mu is held.
func (s *Stream) nextFrame(now time.Duration) ([]byte, bool) {
	if s.chunks%int64(s.pump.payload.perTick) == 0 && !s.begun {
		if s.matching.outstanding() >= s.pump.cfg.MaxOutstanding {
			return nil, false
		}
		tick, _ := s.step(s.send)
		// Before it is written, because the echo may be faster than we are.
		if !s.pump.cfg.NoEcho {
			s.matching.begin(tick.At, now)
		}
		s.begun = true
	}
	return s.pump.frames[(s.first+s.chunks)%int64(len(s.pump.frames))], true
}

// capRetry is how soon a capped connection tries again.
const capRetry = 10 * time.Millisecond

// withinCap reports whether the next chunk may be sent now. s.mu is held.
func (s *Stream) withinCap() bool {
	p := s.pump
	if p.cfg.Cap == nil || s.allowed {
		s.allowed = false
		return true
	}
	n := len(p.payload.chunks[(s.first+s.chunks)%int64(p.payload.Len())])
	s.capped = !p.cfg.Cap.AllowN(time.Now(), n)
	return !s.capped
}

// frameSent accounts for a frame that was taken. s.mu is held.
func (s *Stream) frameSent(c *counts) {
	p := s.pump.payload
	c.bytesSent += int64(len(p.chunks[(s.first+s.chunks)%int64(p.Len())]))
	s.chunks++
	if s.chunks%int64(p.perTick) == 0 {
		s.send, _ = s.step(s.send)
		s.begun = false
		s.pending--
		c.sent++
	}
}

// fail reports the connection's end, once for each. s.mu is held.
func (s *Stream) fail(gen int, err error) {
	if gen != s.gen || s.conn == nil {
		return
	}
	s.conn, s.try = nil, nil
	s.lost <- err
}
