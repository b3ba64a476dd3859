package harness_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

// looker is an observer made of a function.
type looker func(ctx context.Context) (harness.Observation, error)

func (l looker) Observe(ctx context.Context) (harness.Observation, error) { return l(ctx) }

func observed(t *testing.T, every time.Duration, l looker) *harness.ServerResult {
	t.Helper()
	plan := planOf(harness.AllAtOnce(1).Hold(20*time.Second), takes(time.Second))
	plan.Observer, plan.ObserveEvery = l, every
	return run(t, plan).Server
}

func TestObservationsAreOnTheTimeAxisOfTheRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := 0.0
		res := observed(t, 2*time.Second, func(context.Context) (harness.Observation, error) {
			n++
			return harness.Observation{
				Values: []harness.Value{
					{Series: "cpu", Of: "a", Unit: "cores", Value: n},
					{Series: "broken", Value: math.NaN()}, // JSON has none
					{Series: "share", Value: 1.0 / 3},
				},
				Facts: map[string]string{"version": "v1"},
				Notes: []string{"no database metrics"},
			}, nil
		})
		require.Equal(t, map[string]string{"version": "v1"}, res.Facts)
		require.Equal(t, []string{"no database metrics"}, res.Notes, "each is said once")
		require.Len(t, res.Series, 2)
		cpu := res.Find("cpu", "a")
		require.Equal(t, "cores", cpu.Unit)
		require.GreaterOrEqual(t, len(cpu.Points), 10)
		for i, p := range cpu.Points {
			require.Equal(t, [2]float64{float64(2 * i), float64(i + 1)}, p)
		}
		require.Equal(t, 0.333333, res.Find("share", "").Points[0][1])
		require.Nil(t, res.Find("cpu", "b"))
	})
}

// describing is an observer that says what its series are.
type describing struct{ looker }

func (describing) Describe() []harness.Description {
	return []harness.Description{{Series: "zebras", Means: "zebras in the field"}, {Series: "cpu", Means: "cores"}, {Series: "none", Means: "never seen"}}
}

func TestSeriesAreInTheOrderOfTheirDescriptions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		plan := planOf(harness.AllAtOnce(1), takes(time.Second))
		plan.Observer = describing{func(context.Context) (harness.Observation, error) {
			return harness.Observation{Values: []harness.Value{{Series: "ants"}, {Series: "cpu", Of: "b"}, {Series: "cpu", Of: "a"}, {Series: "zebras"}}}, nil
		}}
		var out bytes.Buffer
		plan.Stream = &out
		res := run(t, plan)
		var names []string
		for _, s := range res.Server.Series {
			names = append(names, s.Name+s.Of)
		}
		require.Equal(t, []string{"zebras", "cpua", "cpub", "ants"}, names)
		require.Equal(t, []harness.Description{{Series: "zebras", Means: "zebras in the field"}, {Series: "cpu", Means: "cores"}}, res.Server.Descriptions)
		text := out.Bytes()
		partial, err := harness.ReadStream(bytes.NewReader(text[:bytes.LastIndexByte(text[:len(text)-1], '\n')+1]))
		require.NoError(t, err)
		require.Equal(t, res.Server, partial.Server)
	})
}

func TestAnObserverThatFailsFailsNothingElse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := 0
		res := observed(t, 5*time.Second, func(context.Context) (harness.Observation, error) {
			if n++; n == 2 {
				panic("no such metric")
			}
			return harness.Observation{Values: []harness.Value{{Series: "seen", Value: 1}}}, errors.New("replica b: connection refused")
		})
		require.Equal(t, []string{"replica b: connection refused", "observe: panic: no such metric"}, res.Notes)
		require.Equal(t, res.Observations+1, res.Failed, "what came beside an error counts")
		require.Len(t, res.Find("seen", "").Points, res.Observations)
	})
}

func TestAnObserverThatHangsDelaysTheResultByTheGraceTimeAtMost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		begun := time.Now()
		res := observed(t, time.Second, func(context.Context) (harness.Observation, error) {
			<-release
			return harness.Observation{}, nil
		})
		require.Less(t, time.Since(begun), 27*time.Second)
		require.Contains(t, res.Notes[0], "did not end within 5s")
	})
}

func TestNobodyLooksUnlessAsked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		res := run(t, planOf(harness.AllAtOnce(1), takes(time.Second)))
		require.Nil(t, res.Server)
		require.Nil(t, res.Server.Find("cpu", ""))
	})
}
