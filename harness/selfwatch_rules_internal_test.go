package harness

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/traffic/histogram"
)

// watched is a process that was looked at for a minute.
func watched(late int) *SelfWatch {
	h := &histogram.Histogram{}
	h.RecordN(time.Millisecond, uint64(300-late))
	if late > 0 {
		h.RecordN(time.Second, uint64(late))
	}
	return &SelfWatch{Seconds: 60, CPU: 0.5, Wake: Distribute(h), LateWakes: late, DescriptorsPeak: 100, DescriptorLimit: 1024}
}

func TestAStarvedGeneratorIsAlwaysInvalidAndAFineOneNever(t *testing.T) {
	const maxLag = 100 * time.Millisecond
	fine := generated{name: "s", intended: 100_000, ticks: 1_000_000, lagP99: time.Millisecond, done: 100_000}
	for name, c := range map[string]struct {
		change func(g *generated, w *SelfWatch)
		want   string // of the reason; empty is fine
	}{
		"nothing is wrong":        {func(*generated, *SelfWatch) {}, ""},
		"busy cores that keep up": {func(_ *generated, w *SelfWatch) { w.CPU, w.CPUPeak = 2, 2 }, ""},
		"much garbage":            {func(_ *generated, w *SelfWatch) { w.GCShare = 0.9 }, ""},
		"few descriptors left":    {func(_ *generated, w *SelfWatch) { w.DescriptorsPeak = 1024 }, ""},

		"0.1 % of the iterations dropped": {func(g *generated, _ *SelfWatch) { g.dropped = 100 }, ""},
		"more of them":                    {func(g *generated, _ *SelfWatch) { g.dropped = 101 }, "101 of 100000 iterations were dropped because all users were busy"},
		"0.1 % of the ticks dropped":      {func(g *generated, _ *SelfWatch) { g.ticksDropped = 1000 }, ""},
		"more ticks":                      {func(g *generated, _ *SelfWatch) { g.ticksDropped = 1001 }, "too slow to send 1001 of 1000000 ticks (it used 0.5 of its 2 cores, so others had them, or it stood still)"},
		"lag at the limit":                {func(g *generated, _ *SelfWatch) { g.lagP99 = maxLag }, ""},
		"lag above it":                    {func(g *generated, _ *SelfWatch) { g.lagP99 = maxLag + 1 }, "late by 100ms at the 99th percentile, more than 100ms (it used 0.5 of its 2 cores, so others had them, or it stood still)"},
		"lag with busy cores": {func(g *generated, w *SelfWatch) {
			g.lagP99, w.CPU, w.GCShare, w.HeapPeak = time.Second, 1.9, 0.31, 900<<20
		}, "late by 1s at the 99th percentile, more than 100ms (it used 1.9 of its 2 cores, 31 % of that went to collect garbage of a heap of 900 MB)"},

		"no wake-up late":         {func(_ *generated, w *SelfWatch) { *w = *watched(0) }, ""},
		"1 % of the wake-ups":     {func(_ *generated, w *SelfWatch) { *w = *watched(3) }, ""},
		"more than that":          {func(_ *generated, w *SelfWatch) { *w = *watched(4) }, "woken more than 100ms late 4 of 300 times"},
		"a hiccup of a short run": {func(_ *generated, w *SelfWatch) { w.LateWakes, w.Wake.Count = 1, 5 }, ""},
		"two of a short run":      {func(_ *generated, w *SelfWatch) { w.LateWakes, w.Wake.Count = 2, 5 }, "woken more than 100ms late 2 of 5 times"},

		"1 % of the goroutines waited": {func(_ *generated, w *SelfWatch) { w.LateSchedulings, w.Scheduling.Count = 10, 1000 }, ""},
		"more goroutines waited":       {func(_ *generated, w *SelfWatch) { w.LateSchedulings, w.Scheduling.Count = 11, 1000 }, "waited more than 100ms for a core in 1.1 % of the runtime's samples"},
		"few samples":                  {func(_ *generated, w *SelfWatch) { w.LateSchedulings, w.Scheduling.Count = 4, 4 }, ""},

		"0.1 % for want of descriptors": {func(g *generated, _ *SelfWatch) { g.own = 100 }, ""},
		"more of that": {func(g *generated, w *SelfWatch) { g.own, w.DescriptorsPeak = 101, 1024 },
			"101 of 100000 actions failed for want of descriptors, ports or memory of this machine (1024 descriptors open at most, 1024 allowed): raise its limits"},
		"0.1 % of the users not ready for it": {func(g *generated, _ *SelfWatch) { g.ownSetup, g.users = 1, 1000 }, ""},
		"more of the users":                   {func(g *generated, _ *SelfWatch) { g.ownSetup, g.users = 1, 999 }, "1 of 999 users did not get ready for want of descriptors"},

		"0.1 % too late": {func(g *generated, _ *SelfWatch) { g.tooLate = 100 }, ""},
		"more too late":  {func(g *generated, _ *SelfWatch) { g.tooLate = 101 }, "101 measurements came after the numbers were final"},
	} {
		g, w := fine, watched(0)
		c.change(&g, w)
		reasons := append(g.judge(w, maxLag, 2), w.judge(maxLag, 2)...)
		if crowded := g.crowded(); crowded != "" {
			reasons = append(reasons, crowded)
		}
		if c.want == "" {
			require.Empty(t, reasons, name)
			continue
		}
		require.Len(t, reasons, 1, name)
		require.Contains(t, reasons[0], c.want, name)
	}
}

func TestAThresholdThatThisMachineMayHaveBrokenIsNotTheDeployments(t *testing.T) {
	w := watched(0)
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	require.Empty(t, w.blurs(ms(260), ms(250), ms(9), 2), "it was on time")
	require.Empty(t, w.blurs(ms(251), ms(250), ms(62), 2), "a quarter of the limit is no doubt")
	require.Equal(t, "at the 99th percentile its starts were 37ms late, and its goroutines waited 0s for a core each time", w.blurs(ms(87), ms(50), ms(37), 2))
	require.Empty(t, w.blurs(ms(88), ms(50), ms(37), 2), "it is broken without that, too")
	w.Scheduling.P99 = 0.0587 // four busy goroutines on two cores, measured
	require.Contains(t, w.blurs(ms(155), ms(50), ms(38), 2), "its goroutines waited 58.7ms for a core")
	w.Scheduling.P99 = 0.0008 // none
	require.Empty(t, w.blurs(ms(155), ms(50), ms(2), 2))
	require.Empty(t, w.blurs(ms(51), ms(50), ms(2), 2), "to be a little late is no doubt either")
	w.Scheduling.P99 = 0.1
	require.Empty(t, w.blurs(time.Second, 1, 0, 2))
	w.CPU = 1.85
	require.Equal(t, "it used 1.9 of its 2 cores", w.blurs(time.Hour, time.Second, 0, 2))
	w.faked = true
	require.Empty(t, w.blurs(time.Hour, time.Second, 0, 2), "CPU of another clock's seconds")
	w.LateSchedulings, w.Scheduling.Count = 1000, 1000
	require.Empty(t, w.judge(time.Millisecond, 2))
	var none *SelfWatch
	require.Empty(t, none.blurs(time.Minute, time.Second, 0, 2))
}

func TestTheRulesFollowTheirLimitsForAnyNumbers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const maxLag = 100 * time.Millisecond
	for range 20_000 {
		n := 1 + rng.Int64N(1_000_000)
		g := generated{name: "s", intended: n, ticks: n, done: n, lagP99: time.Duration(rng.Int64N(int64(2 * maxLag)))}
		g.dropped, g.ticksDropped = rng.Int64N(1+n/500), rng.Int64N(1+n/500)
		g.own, g.tooLate = rng.Int64N(1+n/500), rng.Int64N(1+n/500)
		w := &SelfWatch{LateWakes: rng.IntN(20)}
		w.Wake.Count = uint64(w.LateWakes + rng.IntN(2000))
		w.LateSchedulings = rng.Uint64N(20)
		w.Scheduling.Count = w.LateSchedulings + rng.Uint64N(2000)
		bad := 0
		for _, share := range []float64{float64(g.dropped) / float64(n), float64(g.ticksDropped) / float64(n), float64(g.own) / float64(n), float64(g.tooLate) / float64(n)} {
			if share > 0.001 {
				bad++
			}
		}
		if g.lagP99 > maxLag {
			bad++
		}
		if w.LateWakes >= 2 && float64(w.LateWakes) > 0.01*float64(w.Wake.Count) {
			bad++
		}
		if w.LateSchedulings >= 5 && float64(w.LateSchedulings) > 0.01*float64(w.Scheduling.Count) {
			bad++
		}
		found := len(g.judge(w, maxLag, 2)) + len(w.judge(maxLag, 2))
		if g.crowded() != "" {
			found++
		}
		require.Equal(t, bad, found, "%+v %+v", g, w)
	}
}

func TestWhatThisMachineRefusesIsItsOwnFault(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM} {
		err := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", errno)}
		require.True(t, isOwn(fmt.Errorf("ask: %w", err)), "%v", errno)
	}
	require.False(t, isOwn(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}), "that is the other side's")
	require.False(t, isOwn(nil))
}

func TestRuntimeCountsAreDifferencesAndUpperEnds(t *testing.T) {
	inf := func(sign int) float64 { return float64(sign) * 1e308 * 10 }
	bounds := []float64{inf(-1), 0, 0.001, 0.01, 0.1, inf(1)}
	old := runtimeCounts{[]uint64{0, 10, 0, 0, 0}, bounds}
	now := runtimeCounts{[]uint64{0, 108, 1, 1, 0}, bounds}
	got := now.since(old).times()
	require.InDelta(t, 98*0.001+0.01+0.1, got.Sum, 1e-9)
	got.Sum = 0
	require.Equal(t, RuntimeTimes{Count: 100, P50: 0.001, P99: 0.01, Max: 0.1}, got)
	require.EqualValues(t, 1, now.since(old).above(0.005), "of those between 1 and 10 ms nobody knows")
	require.EqualValues(t, 1, now.since(old).above(0.01))
	require.EqualValues(t, 0, now.since(old).above(0.02))
	require.Equal(t, 0.1, runtimeCounts{[]uint64{0, 0, 0, 0, 3}, bounds}.times().Max, "the last bucket has no end")
	require.Equal(t, RuntimeTimes{}, runtimeCounts{}.times(), "a runtime that does not count")
}
