package traffic_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/coderscale/scaletest/traffic"
)

// terminal is the other end of a pipe: it returns each line as a terminal
// does, after a delay.
func terminal(conn net.Conn, delay time.Duration) {
	lines := make(chan []byte, 100_000)
	go func() {
		defer close(lines)
		buf := make([]byte, 64<<10)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			lines <- append(fmtTime(time.Now().Add(delay)), crlf(buf[:n])...)
		}
	}()
	go func() {
		for b := range lines {
			at, rest := parseTime(b)
			time.Sleep(time.Until(at))
			if _, err := conn.Write(rest); err != nil {
				continue
			}
		}
	}()
}

func fmtTime(t time.Time) []byte {
	b, _ := t.MarshalBinary()
	return append([]byte{byte(len(b))}, b...)
}

func parseTime(b []byte) (time.Time, []byte) {
	var t time.Time
	_ = t.UnmarshalBinary(b[1 : 1+b[0]])
	return t, b[1+b[0]:]
}

func crlf(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")) }

func newPump(t testing.TB, cfg traffic.PumpConfig) *traffic.Pump {
	t.Helper()
	p, err := traffic.NewPump(cfg)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

func requireConserved(t testing.TB, st traffic.PumpStats) {
	t.Helper()
	require.Equal(t, st.Intended, st.Sent+st.Dropped()+st.Pending)
	require.GreaterOrEqual(t, st.Pending, int64(0))
	require.GreaterOrEqual(t, st.Outstanding, int64(0))
	require.EqualValues(t, st.Echoed, st.Response.Count())
	require.EqualValues(t, st.Echoed, st.Service.Count())
}

func terminalPump(shape traffic.Shape, bytesPerTick int) traffic.PumpConfig {
	return traffic.PumpConfig{
		Load:    traffic.Load{BytesPerTick: bytesPerTick, Shape: shape},
		Payload: traffic.PayloadConfig{Seed: 1, CRLF: true},
		Pacer:   traffic.PacerConfig{Workers: 2},
	}
}

func TestPumpMeasuresTheRoundTripOfEachTick(t *testing.T) {
	for _, size := range []int{1, 100, 1024, 4096, 10_000, 100_000} {
		synctest.Test(t, func(t *testing.T) {
			p := newPump(t, terminalPump(traffic.Every(100*time.Millisecond), size))
			var streams []*traffic.Stream
			var conns []net.Conn
			for i := range 5 {
				ours, theirs := net.Pipe()
				terminal(theirs, 30*time.Millisecond)
				streams = append(streams, p.Attach(ours, i, time.Now()))
				conns = append(conns, ours, theirs)
			}
			time.Sleep(10 * time.Second)
			for _, s := range streams {
				s.Stop()
				require.NoError(t, s.Drain(t.Context()))
			}
			st := p.Stats()
			requireConserved(t, st)
			require.InDelta(t, 500, st.Intended, 5)
			require.Equal(t, st.Intended, st.Echoed)
			require.Equal(t, st.Intended*int64(size), st.BytesSent)
			require.Zero(t, st.BytesForeign+st.BytesRepeated+st.Corrupt+st.Lost+st.Outstanding)
			require.InDelta(t, 30*time.Millisecond, st.Service.Percentile(50), float64(time.Millisecond))
			require.Less(t, st.Response.Percentile(99), 33*time.Millisecond)
			for _, c := range conns {
				c.Close()
			}
			for _, s := range streams {
				s.Close()
			}
			require.Zero(t, p.Streams())
		})
	}
}

func TestPumpCountsAStallFromTheIntendedInstant(t *testing.T) {
	// The peer takes nothing for two seconds: the ticks of that time are sent
	// late, and their response times say how late.
	synctest.Test(t, func(t *testing.T) {
		p := newPump(t, terminalPump(traffic.Every(100*time.Millisecond), 100))
		ours, theirs := net.Pipe()
		gate := make(chan struct{})
		go func() {
			<-gate
			terminal(theirs, 0)
		}()
		s := p.Attach(ours, 0, time.Now())
		time.Sleep(2*time.Second - time.Millisecond)
		st := p.Stats()
		requireConserved(t, st)
		require.EqualValues(t, 20, st.Intended)
		require.EqualValues(t, 19, st.Pending, "one is being written, the others wait")
		require.EqualValues(t, 1, st.Outstanding)
		close(gate)
		time.Sleep(2 * time.Second)
		s.Stop()
		require.NoError(t, s.Drain(t.Context()))
		st = p.Stats()
		requireConserved(t, st)
		require.Equal(t, st.Intended, st.Echoed)
		require.InDelta(t, 2*time.Second, st.Response.Max(), float64(5*time.Millisecond))
		require.InDelta(t, time.Second, st.Response.Percentile(75), float64(120*time.Millisecond))
		require.Less(t, st.Lag.Max(), 2*time.Millisecond, "the generator was not late")
		ours.Close()
		theirs.Close()
		s.Close()
	})
}

func TestPumpBoundsItsCatchUpAndSaysWhatItDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := terminalPump(traffic.Every(10*time.Millisecond), 100)
		cfg.Burst = 8
		p := newPump(t, cfg)
		ours, theirs := net.Pipe()
		s := p.Attach(ours, 0, time.Now())
		time.Sleep(time.Second - time.Millisecond)
		st := p.Stats()
		requireConserved(t, st)
		require.EqualValues(t, 100, st.Intended)
		require.EqualValues(t, 1, st.Sent, "the one that is being written")
		require.InDelta(t, 8, st.Pending, 1)
		require.Equal(t, st.Dropped(), st.DroppedBlocked)
		ours.Close()
		theirs.Close()
		require.Error(t, s.Wait(t.Context()))
		time.Sleep(time.Second)
		st = p.Stats()
		requireConserved(t, st)
		require.InDelta(t, 100, st.DroppedDisconnected, 10, "without a connection the reason is another")
		s.Close()
	})
}

func TestPumpReportsALostConnectionOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPump(t, terminalPump(traffic.Every(10*time.Millisecond), 100))
		ours, theirs := net.Pipe()
		s := p.Attach(ours, 0, time.Now())
		theirs.Close()
		err := s.Wait(t.Context())
		require.True(t, errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe), "%v", err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, s.Wait(ctx), context.DeadlineExceeded)
		ours.Close()
		s.Close()
	})
}

func TestPumpEndsWithItsShape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPump(t, terminalPump(traffic.For{Shape: traffic.Every(10 * time.Millisecond), Duration: time.Second}, 100))
		ours, theirs := net.Pipe()
		terminal(theirs, 50*time.Millisecond)
		s := p.Attach(ours, 0, time.Now())
		start := time.Now()
		require.NoError(t, s.Wait(t.Context()))
		require.InDelta(t, 1040*time.Millisecond, time.Since(start), float64(5*time.Millisecond))
		require.EqualValues(t, 100, p.Stats().Echoed)
		ours.Close()
		theirs.Close()
		s.Close()
	})
}

func TestPumpWithoutEchoThrowsAwayWhatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := terminalPump(traffic.Every(10*time.Millisecond), 100)
		cfg.NoEcho = true
		p := newPump(t, cfg)
		ours, theirs := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		s := p.Attach(ours, 0, time.Now())
		_, err := theirs.Write([]byte("anything at all"))
		require.NoError(t, err)
		time.Sleep(time.Second)
		s.Stop()
		require.NoError(t, s.Drain(t.Context()))
		st := p.Stats()
		requireConserved(t, st)
		require.EqualValues(t, 15, st.BytesReceived)
		require.Zero(t, st.Echoed+st.Outstanding+st.BytesForeign)
		require.Equal(t, st.Intended, st.Sent)
		ours.Close()
		theirs.Close()
		s.Close()
	})
}

func TestPumpSendsTheGreedyTickWholeAndLineByLine(t *testing.T) {
	// Coder's greedy setting: 25 MiB each 40 ms, here one tick of it.
	const size = 25 * traffic.MiB
	synctest.Test(t, func(t *testing.T) {
		p := newPump(t, terminalPump(traffic.For{Shape: traffic.Every(40 * time.Millisecond), Duration: time.Millisecond}, size))
		ours, theirs := net.Pipe()
		var longest, total int
		var wg sync.WaitGroup
		wg.Go(func() {
			buf := make([]byte, 64<<10)
			for total < size {
				n, err := theirs.Read(buf)
				if err != nil {
					return
				}
				longest, total = max(longest, n), total+n
				if _, err := theirs.Write(crlf(buf[:n])); err != nil {
					return
				}
			}
		})
		s := p.Attach(ours, 0, time.Now())
		require.NoError(t, s.Wait(t.Context()))
		wg.Wait()
		require.Equal(t, size, total)
		require.Equal(t, traffic.MaxLine, longest, "no terminal takes a longer line")
		require.EqualValues(t, 1, p.Stats().Echoed)
		ours.Close()
		theirs.Close()
		s.Close()
	})
}

func TestPumpDoesNotBlameTheEndOfASessionOnThePeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPump(t, terminalPump(traffic.Every(10*time.Millisecond), 100))
		ours, theirs := net.Pipe()
		terminal(theirs, 0)
		s := p.Attach(ours, 0, time.Now())
		time.Sleep(time.Second)
		s.Stop()
		require.NoError(t, s.Drain(t.Context()))
		_, err := theirs.Write([]byte("^C\r\nlogout\r\n")) // what ^C is answered with
		require.NoError(t, err)
		synctest.Wait()
		require.Zero(t, p.Stats().BytesForeign)
		ours.Close()
		theirs.Close()
		s.Close()
	})
}

func TestPumpDoesNotCountWhatComesBehindTheLastEcho(t *testing.T) {
	// The ^C that ends a terminal's program is echoed as well, and is not load.
	synctest.Test(t, func(t *testing.T) {
		p := newPump(t, terminalPump(traffic.Every(100*time.Millisecond), 100))
		ours, theirs := net.Pipe()
		terminal(theirs, 0)
		s := p.Attach(ours, 0, time.Now())
		time.Sleep(time.Second)
		s.Stop()
		require.NoError(t, s.Drain(t.Context()))
		_, err := ours.Write([]byte("\x03"))
		require.NoError(t, err)
		synctest.Wait()
		st := p.Stats()
		require.Equal(t, st.Echoed*101, st.BytesReceived)
		require.Zero(t, st.BytesForeign)
		ours.Close()
		theirs.Close()
		s.Close()
	})
}

func TestPumpDoesNotSendABacklogAfterTheEnd(t *testing.T) {
	// The peer takes a tenth of the load. What it has not taken by the end must
	// not count as achieved.
	synctest.Test(t, func(t *testing.T) {
		cfg := terminalPump(traffic.Every(10*time.Millisecond), 100)
		p := newPump(t, cfg)
		ours, theirs := net.Pipe()
		slow := slowReader{theirs}
		go slow.echo(100 * time.Millisecond)
		s := p.Attach(ours, 0, time.Now())
		time.Sleep(500*time.Millisecond - time.Millisecond)
		s.Stop()
		require.NoError(t, s.Drain(t.Context()))
		st := p.Stats()
		requireConserved(t, st)
		require.EqualValues(t, 50, st.Intended)
		require.Less(t, st.Sent, int64(9))
		require.Equal(t, st.Intended-st.Sent, st.DroppedBlocked)
		ours.Close()
		theirs.Close()
		s.Close()
		time.Sleep(time.Second) // the other end notices
	})
}

// slowReader takes a write at a time.
type slowReader struct{ net.Conn }

func (r slowReader) echo(pause time.Duration) {
	buf := make([]byte, 1024)
	for {
		n, err := r.Read(buf)
		if err != nil {
			return
		}
		if _, err := r.Write(crlf(buf[:n])); err != nil {
			return
		}
		time.Sleep(pause)
	}
}

func TestPumpNeverExceedsItsCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := terminalPump(traffic.Every(10*time.Millisecond), 1000) // 100 KB/s each
		cfg.Cap = rate.NewLimiter(150_000, 1500)
		cfg.Burst = 4
		p := newPump(t, cfg)
		var conns []net.Conn
		var streams []*traffic.Stream
		for i := range 3 { // 300 KB/s are asked for
			ours, theirs := net.Pipe()
			terminal(theirs, 0)
			conns = append(conns, ours, theirs)
			streams = append(streams, p.Attach(ours, i, time.Now()))
		}
		time.Sleep(10 * time.Second)
		st := p.Stats()
		requireConserved(t, st)
		require.LessOrEqual(t, st.BytesSent, int64(1_501_500))
		require.Greater(t, st.BytesSent, int64(1_350_000), "and it is used")
		require.Equal(t, st.Dropped(), st.DroppedCapped)
		require.Positive(t, st.DroppedCapped)
		for _, c := range conns {
			c.Close()
		}
		for _, s := range streams {
			s.Close()
		}
	})
}

func TestPumpRefusesNonsense(t *testing.T) {
	_, err := traffic.NewPump(traffic.PumpConfig{Load: traffic.Constant(5000, time.Second), Cap: rate.NewLimiter(1, 10)})
	require.ErrorContains(t, err, "burst of the cap is 10 bytes")
	_, err = traffic.NewPump(traffic.PumpConfig{Burst: -1, MaxOutstanding: -1, Load: traffic.Constant(0, 0)})
	for _, want := range []string{"burst is -1", "most outstanding ticks is -1", "bytes per tick is 0", "the interval is 0"} {
		require.ErrorContains(t, err, want)
	}
}
