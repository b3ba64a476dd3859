package harness_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

// sampler is a tracer whose spans have IDs; only those of even users are kept.
type sampler struct{ *tracer }

type sampledSpan struct{ *span }

func (s sampler) Start(ctx context.Context, info harness.SpanInfo) (context.Context, harness.Span) {
	ctx, sp := s.tracer.Start(ctx, info)
	return ctx, sampledSpan{sp.(*span)}
}

func (s sampledSpan) TraceIDs() (trace [16]byte, id [8]byte, sampled bool) {
	binary.BigEndian.PutUint64(trace[8:], uint64(s.User+1))
	binary.BigEndian.PutUint64(id[:], uint64(s.number+1))
	return trace, id, s.User%2 == 0
}

// measured has one success after the other, of 1 ms to 512 ms, and failures.
var measured = fake{
	setup: func(ctx context.Context, rec *harness.Recorder) error {
		return rec.Do(ctx, work, func(ctx context.Context) error { return sleep(ctx, 3*time.Second) })
	},
	run: func(ctx context.Context, rec *harness.Recorder) error {
		for d := time.Millisecond; d < time.Second; d *= 2 {
			for range 5 {
				_ = rec.Do(ctx, work.Tag("at", "x"), func(ctx context.Context) error { return sleep(ctx, d) })
			}
			_ = rec.Do(ctx, work, func(ctx context.Context) error { return errors.Join(sleep(ctx, 10*d), errBroken) })
		}
		return nil
	},
}

func TestEachOctaveOfAnActionLeadsToATraceThatSomebodyWillSee(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tr := sampler{&tracer{}}
		p := planOf(harness.AllAtOnce(4), measured)
		p.Tracer = tr
		var last harness.Totals
		p.OnSnapshot = func(s harness.Snapshot) { last = s.Totals()[0] }
		res := run(t, p)
		list := last.Actions["work"].Exemplars
		require.Len(t, list, 10, "one for each octave of the successes")
		for i, e := range list {
			require.Equal(t, time.Millisecond<<i, e.Response, "the shortest first, and no failure")
			require.Equal(t, e.Response, e.Service)
			require.WithinDuration(t, time.Now(), e.At, time.Minute)
			id, err := hex.DecodeString(e.Span)
			require.NoError(t, err)
			s := tr.spans[binary.BigEndian.Uint64(id)-1]
			require.Equal(t, harness.SpanAction, s.Kind, "the span of the action itself")
			require.Zero(t, s.User%2, "a span that is not kept")
			require.NoError(t, s.err)
			require.Len(t, e.Trace, 32)
		}
		setup := last.Setup["work"].Exemplars
		require.Len(t, setup, 1, "the setup has its own")
		require.Equal(t, 3*time.Second, setup[0].Response)
		require.Nil(t, res.Totals()[0].Actions["work"].Exemplars)
	})
}

func TestTheNewestExemplarOfAllPartsOfALoadWins(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tr := sampler{&tracer{}}
		p := planOf(harness.ConstantArrivals(10, 9*time.Second, 1), takes(5*time.Millisecond))
		p.Scenarios[0].WarmUp, p.Scenarios[0].CoolDown = 3*time.Second, 3*time.Second
		p.Tracer = tr
		var at []time.Time
		p.OnSnapshot = func(s harness.Snapshot) {
			if list := s.Totals()[0].Actions["work"].Exemplars; len(list) > 0 {
				require.Len(t, list, 1, "one octave")
				at = append(at, list[0].At)
			}
		}
		run(t, p)
		require.GreaterOrEqual(t, len(at), 9)
		for i := 1; i < len(at); i++ {
			require.InDelta(t, 1, at[i].Sub(at[i-1]).Seconds(), 0.11, "one that is old leads to a trace that is gone")
		}
	})
}

func TestNoExemplarsWithoutSpansThatHaveIDs(t *testing.T) {
	for _, tr := range []harness.Tracer{nil, &tracer{}} {
		bubble(t, func(t *testing.T) {
			p := planOf(harness.AllAtOnce(2), takes(time.Second))
			p.Tracer = tr
			var last harness.Totals
			p.OnSnapshot = func(s harness.Snapshot) { last = s.Totals()[0] }
			run(t, p)
			require.EqualValues(t, 2, last.Actions["work"].Response.Count())
			require.Nil(t, last.Actions["work"].Exemplars)
		})
	}
}
