package runners

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
)

// pumping is a pump that the runners of a scenario share. It is made when the
// first of them needs it, and closed behind the last.
type pumping struct {
	action harness.Action // of its round trips
	config func(seed uint64) traffic.PumpConfig

	mu    sync.Mutex
	users int
	pump  *traffic.Pump
}

// join returns the pump.
func (p *pumping) join(rec *harness.Recorder, seed uint64) (*traffic.Pump, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pump == nil {
		if seed == 0 {
			seed = rec.RunSeed()
		}
		pump, err := traffic.NewPump(p.config(seed))
		if err != nil {
			return nil, err
		}
		p.pump = pump
	}
	p.users++
	rec.Observe(p)
	return p.pump, nil
}

// leave closes the pump behind the last user. Another run may make a new one.
func (p *pumping) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users--; p.users == 0 {
		p.pump.Close()
		p.pump = nil
	}
}

// Collect implements harness.Source.
func (p *pumping) Collect(c *harness.Collection) {
	p.mu.Lock()
	pump := p.pump
	p.mu.Unlock()
	if pump != nil {
		collect(c, p.action, pump.Stats())
	}
}

// collect hands a pump's numbers to the harness.
func collect(c *harness.Collection, action harness.Action, st traffic.PumpStats) {
	c.Action(action, st.Response, st.Service, st.Lost+st.Corrupt+st.DroppedBlocked+st.DroppedDisconnected)
	c.Lag(st.Lag)
	c.Throughput(st.BytesIntended, st.BytesSent)
	c.Dropped(st.Intended, st.DroppedLate)
	for counter, n := range map[harness.Counter]int64{
		BytesSent: st.BytesSent, BytesReceived: st.BytesReceived,
		BytesRepeated: st.BytesRepeated, BytesForeign: st.BytesForeign,
		EchoesLost: st.Lost, EchoesCorrupt: st.Corrupt,
		TicksBlocked: st.DroppedBlocked, TicksDisconnected: st.DroppedDisconnected, TicksLate: st.DroppedLate,
	} {
		c.Counter(counter, n)
	}
}

// untilEnd keeps a stream going until the load ends, until all of it is sent
// and answered, or until its connection is lost, which it returns. It returns
// when the last echoes are back, or after the drain time.
func untilEnd(ctx context.Context, rec *harness.Recorder, stream *traffic.Stream, drain time.Duration) error {
	over, err := stream.WaitFor(ctx, rec.Done())
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF // an end that nobody asked for
	case err != nil || !over:
		return err
	}
	stream.Stop()
	rest, cancel := context.WithTimeout(ctx, drain)
	defer cancel()
	if err := stream.Drain(rest); err != nil && rest.Err() == nil {
		rec.Logf("the last echoes: %v", err)
	}
	return nil
}
