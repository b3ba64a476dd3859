package traffic_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/traffic"
)

// deterministic holds every shape whose number of events is its integral.
func deterministic(rng *rand.Rand) []traffic.Shape {
	rate := func() float64 { return math.Exp(rng.Float64()*9 - 2) }
	span := func() time.Duration { return time.Duration(1+rng.Int64N(20_000)) * time.Millisecond }
	mean := rate()
	replay := traffic.Replay{}
	for i, d := 0, time.Duration(0); i < 100; i++ {
		d += time.Duration(rng.Int64N(int64(time.Second)))
		replay = append(replay, d)
	}
	return []traffic.Shape{
		traffic.Flat{PerSecond: rate()},
		traffic.Every(span()),
		traffic.Ramp{From: rate(), To: rate(), Over: span()},
		traffic.Ramp{From: 0, To: rate(), Over: span()},
		traffic.Ramp{From: rate(), To: 0, Over: span()},
		traffic.Steps{{rate(), span()}, {0, span()}, {rate(), span()}},
		traffic.Stages{{rate(), 0}, {rate(), span()}, {0, span()}, {0, span()}, {rate(), span()}},
		traffic.Spikes{Base: rate(), Peak: rate(), Length: span(), Every: 20*time.Second + span()},
		traffic.Spikes{Base: 0, Peak: rate(), Length: time.Second, Every: time.Second + span()},
		traffic.Spikes{Base: rate(), Peak: 0, Length: time.Second, Every: time.Second + span()},
		traffic.Sine{Mean: mean, Amplitude: mean * rng.Float64(), Period: span()},
		traffic.Sine{Mean: mean, Amplitude: mean, Period: span()},
		traffic.Bursts{Size: 1 + rng.IntN(50), Every: span()},
		traffic.For{Shape: traffic.Flat{PerSecond: rate()}, Duration: span()},
		replay,
	}
}

func TestStartsAreTheIntegralOfTheRateGiveOrTakeOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 30 {
		for _, s := range deterministic(rng) {
			require.NoError(t, s.Validate(), "%v", s)
			until := time.Duration(rng.Int64N(int64(30 * time.Second)))
			require.InDelta(t, s.Integral(until), float64(traffic.Count(s, until)), 1.001, "%v until %v", s, until)
		}
	}
}

func TestEventsAreInOrderAndNumberedWithoutGaps(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	shapes := append(deterministic(rng), traffic.Poisson{PerSecond: 100, Seed: 1})
	for _, s := range shapes {
		last := traffic.Before
		for n := int64(0); n < 2_000; n++ {
			c, ok := s.Next(last)
			if !ok {
				break
			}
			require.Equal(t, n, c.K, "%v", s)
			require.GreaterOrEqual(t, c.At, last.At, "%v event %d", s, n)
			last = c
		}
	}
}

func TestIntegralIsTheAreaUnderTheRate(t *testing.T) {
	for _, s := range []traffic.Shape{
		traffic.Flat{PerSecond: 12},
		traffic.Ramp{From: 3, To: 90, Over: 7 * time.Second},
		traffic.Steps{{10, time.Second}, {50, 3 * time.Second}},
		traffic.Stages{{5, 0}, {50, 3 * time.Second}, {50, time.Second}, {0, 2 * time.Second}},
		traffic.Spikes{Base: 4, Peak: 70, Length: time.Second, Every: 4 * time.Second},
		traffic.Sine{Mean: 20, Amplitude: 15, Period: 4 * time.Second},
	} {
		const dt = time.Millisecond
		var area float64
		for at := time.Duration(0); at < 10*time.Second; at += dt {
			area += s.Rate(at+dt/2) * dt.Seconds()
		}
		require.InEpsilon(t, area, s.Integral(10*time.Second), 1e-3, "%v", s)
	}
}

func TestPoissonGapsAreExponential(t *testing.T) {
	const n, rate = 20_000, 50.0
	p := traffic.Poisson{PerSecond: rate, Seed: 42}
	var gaps, squares float64
	last := traffic.Before
	for range n {
		c, ok := p.Next(last)
		require.True(t, ok)
		gap := (c.At - last.At).Seconds()
		gaps += gap
		squares += gap * gap
		last = c
	}
	mean := gaps / n
	require.InEpsilon(t, 1/rate, mean, 0.03)
	require.InEpsilon(t, 1/rate, math.Sqrt(squares/n-mean*mean), 0.05, "an exponential's deviation is its mean")

	again, _ := p.Next(traffic.Before)
	first, _ := traffic.Poisson{PerSecond: rate, Seed: 43}.Next(traffic.Before)
	require.NotEqual(t, again.At, first.At, "another seed, another schedule")
}

func TestValidateNamesEverythingThatIsWrong(t *testing.T) {
	for _, tc := range []struct {
		shape traffic.Shape
		want  []string
	}{
		{traffic.Every(0), []string{"the interval is 0"}},
		{traffic.Flat{PerSecond: -1}, []string{"constant rate is -1"}},
		{traffic.Flat{PerSecond: math.NaN()}, []string{"NaN"}},
		{traffic.Ramp{From: -1, To: -2}, []string{"ramp from is -1", "ramp to is -2", "duration of the ramp is 0s"}},
		{traffic.Steps{}, []string{"there are none"}},
		{traffic.Steps{{-1, 0}}, []string{"step 1 is -1", "duration of step 1"}},
		{traffic.Stages{}, []string{"there are none"}},
		{traffic.Stages{{-1, -1}}, []string{"stage 1 is -1", "duration of stage 1", "together last -1ns"}},
		{traffic.Stages{{5, 0}}, []string{"together last 0s"}},
		{traffic.Spikes{Base: -1, Peak: -2}, []string{"rate between spikes is -1", "rate of a spike is -2", "length of a spike is 0s", "interval between spikes is 0s"}},
		{traffic.Spikes{Base: 1, Peak: 2, Length: 2, Every: 1}, []string{"at most the interval"}},
		{traffic.Sine{Mean: 1, Amplitude: 2, Period: -1}, []string{"at most its mean", "period of the sine"}},
		{traffic.Poisson{PerSecond: math.Inf(1)}, []string{"Poisson rate"}},
		{traffic.Bursts{}, []string{"size of a burst is 0", "interval between bursts"}},
		{traffic.Replay{}, []string{"no events"}},
		{traffic.Replay{2, 1}, []string{"never go back"}},
		{traffic.For{}, []string{"no shape"}},
		{traffic.For{Shape: traffic.Flat{PerSecond: -3}}, []string{"constant rate is -3", "duration of the shape"}},
	} {
		err := tc.shape.Validate()
		require.Error(t, err, "%#v", tc.shape)
		for _, w := range tc.want {
			require.ErrorContains(t, err, w)
		}
	}
}

func TestNoEventsWithoutARate(t *testing.T) {
	c, ok := traffic.Flat{}.Next(traffic.Before)
	require.False(t, ok, "0/s has no events, not one at %v", c.At)
}

func TestDescriptionsAreOneHumanLine(t *testing.T) {
	for want, s := range map[string]traffic.Shape{
		"10/s":                                      traffic.Every(100 * time.Millisecond),
		"0/s to 100/s over 10s":                     traffic.Ramp{To: 100, Over: 10 * time.Second},
		"5/s for 1s, then 10/s for 2s":              traffic.Steps{{5, time.Second}, {10, 2 * time.Second}},
		"5/s to 9/s over 1s, then 9/s for 2s":       traffic.Stages{{5, 0}, {9, time.Second}, {9, 2 * time.Second}},
		"5/s with spikes of 50/s for 1s every 1m0s": traffic.Spikes{Base: 5, Peak: 50, Length: time.Second, Every: time.Minute},
		"10/s ± 5/s with a period of 1m0s":          traffic.Sine{Mean: 10, Amplitude: 5, Period: time.Minute},
		"3/s at random (Poisson)":                   traffic.Poisson{PerSecond: 3},
		"bursts of 4 every 1s":                      traffic.Bursts{Size: 4, Every: time.Second},
		"2 recorded events over 3s":                 traffic.Replay{0, 3 * time.Second},
		"1/s for 5s":                                traffic.For{Shape: traffic.Flat{PerSecond: 1}, Duration: 5 * time.Second},
		"a recorded schedule without events":        traffic.Replay{},
	} {
		require.Equal(t, want, s.String())
	}
}

func TestFiniteShapesHaveNoEventAfterTheirLength(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for range 30 {
		for _, s := range deterministic(rng) {
			f, ok := s.(traffic.Finite)
			if !ok {
				continue
			}
			end := traffic.Before
			for c, more := s.Next(traffic.Before); more && c.K < 1e6; c, more = s.Next(c) {
				end = c
			}
			require.LessOrEqual(t, end.At, f.Length(), "%v", s)
			require.InDelta(t, s.Integral(f.Length()), float64(end.K+1), 1.001, "%v", s)
		}
	}
	require.Zero(t, traffic.Replay{}.Length())
}

func TestReadReplaySaysWhichLineIsWrong(t *testing.T) {
	got, err := traffic.ReadReplay(strings.NewReader("# recorded\n0\n\n0.25\n1250ms\n"))
	require.NoError(t, err)
	require.Equal(t, traffic.Replay{0, 250 * time.Millisecond, 1250 * time.Millisecond}, got)

	for text, want := range map[string]string{
		"":            "no events",
		"0\nabc\n":    `line 2 is "abc"`,
		"2\n1\n":      "line 2",
		"-1\n":        "line 1",
		"1e300\n":     "line 1",
		"NaN\n":       "line 1",
		"0\n# x\n?\n": "line 3",
	} {
		_, err := traffic.ReadReplay(strings.NewReader(text))
		require.ErrorContains(t, err, want, "%q", text)
	}
}

func FuzzReadReplay(f *testing.F) {
	f.Add([]byte("0\n1.5\n2s\n"))
	f.Add([]byte("#\n\n-1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := traffic.ReadReplay(bytes.NewReader(text))
		if err == nil {
			require.NoError(t, r.Validate())
		}
	})
}

func ExampleRamp() {
	r := traffic.Ramp{From: 0, To: 10, Over: 5 * time.Second}
	c := traffic.Before
	for range 4 {
		c, _ = r.Next(c)
		fmt.Println(c.K, c.At.Round(time.Millisecond))
	}
	// Output:
	// 0 0s
	// 1 1s
	// 2 1.414s
	// 3 1.732s
}
