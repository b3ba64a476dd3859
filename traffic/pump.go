package traffic

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/coderscale/scaletest/internal/percore"
	"github.com/coderscale/scaletest/traffic/histogram"
)

// PumpConfig configures a [Pump].
type PumpConfig struct {
	// Load is what each connection sends, and when.
	Load Load

	// Payload says what the ticks are made of. Its BytesPerTick is the load's.
	Payload PayloadConfig

	// Encode appends to dst what goes on the wire for a line or chunk: a
	// protocol's framing. It is called once for each chunk of the cycle, not
	// for each that is sent. Nil sends chunks as they are.
	Encode func(dst, chunk []byte) []byte

	// NoEcho says that what comes back is not what was sent. It is read,
	// counted and thrown away, and there are no round trips.
	NoEcho bool

	// Burst is how many ticks of a connection may wait for being sent: how far
	// a late sender catches up. The oldest beyond it is dropped and counted.
	// 0 means 64.
	Burst int

	// MaxOutstanding is how many ticks of a connection may wait for their echo
	// before it counts as blocked. 0 means 16,384.
	MaxOutstanding int

	// Cap bounds the bytes of payload that all connections together send, for
	// what may not be exceeded even to catch up. It does not pace. Its burst must
	// hold at least the largest chunk, and should be 10 ms of its rate. Nil is no
	// bound.
	Cap *rate.Limiter

	// Aligned starts all connections at the same instant. Otherwise their first
	// ticks are spread over the first second of the load or over its first
	// interval, whichever is shorter, as those of independent people are.
	Aligned bool

	// Pacer configures the pacer that the connections share.
	Pacer PacerConfig
}

// Validate reports everything that is wrong with the configuration.
func (c PumpConfig) Validate() error {
	errs := []error{c.Load.Validate(), c.Pacer.Validate()}
	if c.Burst < 0 {
		errs = append(errs, fmt.Errorf("burst is %d ticks, want 0 (the default, 64) or more", c.Burst))
	}
	if c.MaxOutstanding < 0 {
		errs = append(errs, fmt.Errorf("most outstanding ticks is %d, want 0 (the default, 16384) or more", c.MaxOutstanding))
	}
	if c.Cap != nil && c.Cap.Burst() < min(c.Load.BytesPerTick, MaxLine, cmp.Or(c.Payload.MaxChunk, MaxLine)) {
		errs = append(errs, fmt.Errorf("burst of the cap is %d bytes, want at least a chunk", c.Cap.Burst()))
	}
	return errors.Join(errs...)
}

// Pump sends a load over any number of connections and measures what comes
// back. A tick's round trip is the time until the last byte of its echo is
// back: from the instant at which it was meant to be sent (response time) and
// from the one at which it was sent (service time).
//
// Connections that implement [TryWriter] and [ReadyReader] are written to and
// read by the pacer's workers. The others have a goroutine that reads, and one
// that writes while there is something to write.
type Pump struct {
	cfg     PumpConfig
	payload *Payload
	frames  [][]byte // as they go on the wire
	pacer   *Pacer
	spread  time.Duration // over which the first ticks are spread

	pick    percore.Picker
	shards  []pumpShard
	buffers sync.Pool // *[]byte, for connections that wait without one
	toWrite chan *Stream
	closing sync.Once
	closed  chan struct{}
	streams atomic.Int64
}

// pumpShard keeps the records of whoever runs on a core.
type pumpShard struct {
	mu                sync.Mutex
	response, service histogram.Histogram
	counts            counts
	_                 [64]byte
}

// counts are the sums that [PumpStats] is made of.
type counts struct {
	intended, sent                             int64
	droppedLate, droppedBlocked, droppedAbsent int64
	droppedCapped                              int64
	echoed, lost, corrupt                      int64
	bytesSent, bytesReceived                   int64
	bytesRepeated, bytesForeign                int64
}

func (c *counts) add(o *counts) {
	c.intended += o.intended
	c.sent += o.sent
	c.droppedLate += o.droppedLate
	c.droppedBlocked += o.droppedBlocked
	c.droppedAbsent += o.droppedAbsent
	c.droppedCapped += o.droppedCapped
	c.echoed += o.echoed
	c.lost += o.lost
	c.corrupt += o.corrupt
	c.bytesSent += o.bytesSent
	c.bytesReceived += o.bytesReceived
	c.bytesRepeated += o.bytesRepeated
	c.bytesForeign += o.bytesForeign
}

// NewPump makes the payload and starts the pacer. [Pump.Close] stops it.
func NewPump(cfg PumpConfig) (*Pump, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Burst == 0 {
		cfg.Burst = 64
	}
	if cfg.MaxOutstanding == 0 {
		cfg.MaxOutstanding = 16_384
	}
	cfg.Payload.BytesPerTick = cfg.Load.BytesPerTick
	payload, err := NewPayload(cfg.Payload)
	if err != nil {
		return nil, err
	}
	p := &Pump{
		cfg: cfg, payload: payload, frames: payload.chunks,
		toWrite: make(chan *Stream), closed: make(chan struct{}),
	}
	if cfg.Encode != nil {
		p.frames = payload.Encode(cfg.Encode)
	}
	if !cfg.Aligned {
		p.spread = firstInterval(cfg.Load.Shape)
	}
	p.shards = make([]pumpShard, percore.Count())
	p.buffers.New = func() any { b := make([]byte, readBuffer); return &b }
	if cfg.Pacer.PerWorker == 0 {
		frames := peak(cfg.Load.Shape) * float64(payload.perTick)
		cfg.Pacer.PerWorker = int(min(max(eventsPerWorker/max(frames, 1e-3), 1), 1<<20))
	}
	if p.pacer, err = NewPacer(cfg.Pacer); err != nil {
		return nil, err
	}
	return p, nil
}

// eventsPerWorker is how many frames a second one worker can send: about a
// quarter of what a core manages.
const eventsPerWorker = 20_000

// peak is about the highest rate that the shape comes to, as far as a few looks
// at it tell.
func peak(s Shape) float64 {
	highest := s.Integral(time.Second)
	for t := time.Duration(0); t < time.Hour; t += max(t/4, time.Second) {
		highest = max(highest, s.Rate(t))
	}
	return highest
}

// firstInterval is the time between the shape's first two events, at most a
// second.
func firstInterval(s Shape) time.Duration {
	first, ok := s.Next(Before)
	if !ok {
		return 0
	}
	second, ok := s.Next(first)
	if !ok {
		return 0
	}
	return min(second.At-first.At, time.Second)
}

// Attach starts to read from conn, and to send the load from start on (a start
// in the past is caught up with, as far as the burst allows). The index tells
// connections apart: it decides the phase and the place in the payload's cycle,
// so that bytes that end up on the wrong connection do not compare equal.
//
// conn's Read must return when conn is closed. For speed it may implement
// [TryWriter] and [ScratchReader].
func (p *Pump) Attach(conn io.ReadWriter, index int, start time.Time) *Stream {
	s := newStream(p, index, start.Sub(p.pacer.epoch)+p.phase(index))
	s.worker = p.pacer.nextWorker()
	p.streams.Add(1)
	s.connect(conn)
	first := s.due.At
	if !s.dueLive {
		first = Never
	}
	s.entry.Store(s.worker.add(s, first))
	return s
}

// phase spreads any number of connections evenly: multiples of the golden
// ratio, modulo one, leave no gaps and no clusters.
func (p *Pump) phase(index int) time.Duration {
	return time.Duration(float64(p.spread) * float64(uint64(index)*golden) / (1 << 64))
}

// Pacer is the pump's pacer.
func (p *Pump) Pacer() *Pacer { return p.pacer }

// Close stops sending. It does not touch the connections: close them before,
// to end their readers.
func (p *Pump) Close() {
	p.pacer.Close()
	p.closing.Do(func() { close(p.closed) })
}

// write has a goroutine write what is pending on a stream whose connection may
// block. Those that have written before are taken first: their stacks have grown
// to what a write needs, and to grow one for each message cost as much as the
// message.
func (p *Pump) write(s *Stream) {
	select {
	case p.toWrite <- s:
	default:
		go p.writeOn(s)
	}
}

// writeOn writes on a stream, and then on those that come.
func (p *Pump) writeOn(s *Stream) {
	for {
		s.writeAll()
		select {
		case s = <-p.toWrite:
		case <-p.closed:
			return
		}
	}
}

// Streams is how many connections are attached.
func (p *Pump) Streams() int { return int(p.streams.Load()) }

// record adds to the shard of this core.
func (p *Pump) record(c *counts) {
	sh := &p.shards[p.pick.Pick(len(p.shards))]
	sh.mu.Lock()
	sh.counts.add(c)
	sh.mu.Unlock()
}

// PumpStats is what a pump has done so far. These always hold:
//
//	Intended = Sent + Dropped() + Pending
//	Sent     = Echoed + Lost + Corrupt + Outstanding    (with echo)
type PumpStats struct {
	Intended int64 // ticks whose instant has come
	Sent     int64 // ticks handed to the connection
	Pending  int64 // ticks that wait to be sent

	DroppedLate         int64 // ticks dropped because this process was too slow
	DroppedBlocked      int64 // ticks dropped because the peer took no bytes
	DroppedDisconnected int64 // ticks dropped while there was no connection, also before the first
	DroppedCapped       int64 // ticks dropped because the cap was reached

	Echoed      int64 // ticks whose echo came back as it should
	Lost        int64 // ticks of whose echo bytes are missing for good
	Corrupt     int64 // ticks whose echo had other content
	Outstanding int64 // ticks whose echo has not come yet

	BytesIntended int64 // payload of the intended ticks
	BytesSent     int64 // payload, without framing
	BytesReceived int64 // payload, without framing
	BytesRepeated int64 // that had been received before, as after a reconnect
	BytesForeign  int64 // that were never sent

	Response *histogram.Histogram // round trips from the intended instant
	Service  *histogram.Histogram // round trips from the actual sending
	Lag      *histogram.Histogram // this process' own lateness
}

// Dropped is the number of ticks that were dropped for any reason.
func (s PumpStats) Dropped() int64 {
	return s.DroppedLate + s.DroppedBlocked + s.DroppedDisconnected + s.DroppedCapped
}

// Stats returns a consistent copy of the counts and histograms.
func (p *Pump) Stats() PumpStats {
	var c counts
	st := PumpStats{Response: &histogram.Histogram{}, Service: &histogram.Histogram{}}
	// All at once, or a tick could be seen as sent and not as intended.
	for i := range p.shards {
		p.shards[i].mu.Lock()
	}
	for i := range p.shards {
		c.add(&p.shards[i].counts)
		st.Response.Merge(&p.shards[i].response)
		st.Service.Merge(&p.shards[i].service)
	}
	for i := range p.shards {
		p.shards[i].mu.Unlock()
	}
	st.Lag = p.pacer.Lag()
	st.Intended, st.Sent = c.intended, c.sent
	st.DroppedLate, st.DroppedBlocked, st.DroppedDisconnected = c.droppedLate, c.droppedBlocked, c.droppedAbsent
	st.DroppedCapped = c.droppedCapped
	st.Pending = st.Intended - st.Sent - st.Dropped()
	st.Echoed, st.Lost, st.Corrupt = c.echoed, c.lost, c.corrupt
	if !p.cfg.NoEcho {
		st.Outstanding = st.Sent - st.Echoed - st.Lost - st.Corrupt
	}
	st.BytesIntended = st.Intended * int64(p.cfg.Load.BytesPerTick)
	st.BytesSent, st.BytesReceived = c.bytesSent, c.bytesReceived
	st.BytesRepeated, st.BytesForeign = c.bytesRepeated, c.bytesForeign
	return st
}
