package traffic_test

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/traffic"
)

func TestWhatWasDueBeforeTheConnectionIsNotTheGeneratorsLateness(t *testing.T) {
	// A terminal that needs ten seconds to open is the deployment's doing.
	synctest.Test(t, func(t *testing.T) {
		cfg := terminalPump(traffic.Every(100*time.Millisecond), 100)
		cfg.Burst = 8
		p := newPump(t, cfg)
		start := time.Now()
		time.Sleep(10 * time.Second)
		ours, theirs := net.Pipe()
		terminal(theirs, 0)
		s := p.Attach(ours, 0, start)
		time.Sleep(time.Second)
		st := p.Stats()
		requireConserved(t, st)
		require.InDelta(t, 110, st.Intended, 2, "they were meant to be typed")
		require.Zero(t, st.DroppedLate)
		require.InDelta(t, 92, st.DroppedDisconnected, 2, "all but the burst")
		require.Less(t, st.Lag.Max(), 10*time.Millisecond)
		require.GreaterOrEqual(t, st.Response.Max(), 700*time.Millisecond, "those of the burst are measured from their instant")
		ours.Close()
		theirs.Close()
		s.Close()
	})
}

func TestAStreamKnowsWhatItLostAndGotTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPump(t, terminalPump(traffic.Every(100*time.Millisecond), 100))
		ours, theirs := net.Pipe()
		s := p.Attach(ours, 0, time.Now())
		echoed := make(chan []byte, 1)
		go func() { // a session that ends with 5 lines unanswered
			var all []byte
			buf := make([]byte, 1024)
			for lines := 0; lines < 15; lines++ {
				n, err := theirs.Read(buf)
				if err != nil {
					break
				}
				all = append(all, crlf(buf[:n])...)
				if lines < 10 {
					_, _ = theirs.Write(crlf(buf[:n]))
				}
			}
			theirs.Close()
			echoed <- all
		}()
		require.Error(t, s.Wait(t.Context()))
		all := <-echoed
		line := int64(len(all) / 15)
		lost, repeated := s.Losses()
		require.Zero(t, lost, "it may come yet")
		require.Zero(t, repeated)
		ours.Close()

		// The next connection replays the last two of the lines that came, and goes
		// on three lines later.
		again, far := net.Pipe()
		go func() {
			buf := make([]byte, 1024)
			for {
				if _, err := far.Read(buf); err != nil {
					return
				}
			}
		}()
		s.Resume(again)
		_, err := far.Write(append(append([]byte{}, all[8*line:10*line]...), all[13*line:]...))
		require.NoError(t, err)
		synctest.Wait()
		lost, repeated = s.Losses()
		require.Equal(t, 3*line, lost)
		require.Equal(t, 2*line, repeated)
		require.Equal(t, 2*line, p.Stats().BytesRepeated)

		time.Sleep(950 * time.Millisecond) // what is typed now is not answered
		again.Close()
		far.Close()
		s.Close()
		lost, _ = s.Losses()
		require.Equal(t, p.Stats().Lost, lost/line, "what was never answered is lost, too")
		require.Greater(t, lost, 10*line)
	})
}
