package harness_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic/histogram"
)

var tagged = harness.NewAction("tagged")

func TestTagsAreKeptApartAndCountForTheirAction(t *testing.T) {
	region := func(user int) harness.Action {
		a := tagged.Tag("region", []string{"eu", "us"}[user%2])
		if user >= 8 {
			a = a.Tag("spare", "yes")
		}
		return a
	}
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(10), harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
			return rec.Do(ctx, region(rec.User()), func(ctx context.Context) error {
				if rec.User() == 1 {
					return errBroken
				}
				return sleep(ctx, time.Duration(1+rec.User()%2)*time.Second)
			})
		}),
			harness.P99("tagged").Tagged("region", "eu").Below(1100*time.Millisecond),
			harness.P99("tagged").Tagged("region", "us").Below(1100*time.Millisecond),
			harness.Count("tagged").Tagged("region", "eu").AtLeast(5),
			harness.Count("tagged").Tagged("spare", "yes").Tagged("region", "us").AtLeast(1),
			harness.Rate("tagged_errors").Tagged("region", "us").Below(0.1),
			harness.Rate("errors").Tagged("region", "eu").Below(0.1),
			harness.Count("tagged").Tagged("region", "mars").AtLeast(0),
		)
		s := run(t, p).Scenarios[0]
		a := s.Actions["tagged"]
		require.Len(t, s.Actions, 1, "tags are no actions")
		require.EqualValues(t, 9, a.Count)
		require.EqualValues(t, 1, a.Errors)
		require.EqualValues(t, 4, a.Tags["region=eu"].Count)
		require.EqualValues(t, 1, a.Tags["region=eu,spare=yes"].Count)
		require.EqualValues(t, 3, a.Tags["region=us"].Count)
		require.EqualValues(t, 1, a.Tags["region=us"].Errors)
		within(t, 2, a.Tags["region=us"].Response.P50, 0.01, "us")

		passed := []bool{}
		for _, th := range s.Thresholds {
			passed = append(passed, th.Passed)
		}
		require.Equal(t, []bool{true, false, true, true, false, true, false}, passed, "%v", s.Thresholds)
		require.Contains(t, s.Thresholds[1].Message, "tagged{region=us}: p(99)<1.1s is broken: 2s")
		require.Contains(t, s.Thresholds[6].Message, "no samples (there are of tagged, tagged{region=eu")
	})
}

func TestTagsStayBoundedAndReadable(t *testing.T) {
	a := harness.NewAction("crowded")
	require.Equal(t, "crowded{a=2,b=x_y_z}", a.Tag("b", "x y/z").Tag("a", "1").Tag("a", "2").String())
	require.Equal(t, a.Tag("b", "1").Tag("a", "1"), a.Tag("a", "1").Tag("b", "1"), "the order does not matter")
	require.Equal(t, "crowded{a=_}", a.Tag("a", "").String())
	require.Equal(t, "crowded{a="+strings.Repeat("v", 64)+"}", a.Tag("a", strings.Repeat("v", 100)).String())
	require.Panics(t, func() { a.Tag("A", "1") })
	for i := range 200 {
		a.Tag("user", fmt.Sprint(i))
	}
	require.Equal(t, "crowded{other=true}", a.Tag("user", "201").String())
	require.NotContains(t, harness.Metrics(), "crowded{other=true}")
	require.Contains(t, harness.Metrics(), "crowded")
}

func TestSourcesHaveTagsToo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := planOf(harness.AllAtOnce(1), harness.RunnerFunc(func(_ context.Context, rec *harness.Recorder) error {
			rec.Observe(&taggedSource{})
			<-rec.Done()
			return nil
		}))
		p.Scenarios[0].WarmUp = time.Second
		p.Scenarios[0].Schedule = harness.AllAtOnce(1).Hold(3 * time.Second)
		s := run(t, p).Scenarios[0]
		// It has 10 more each time that it is asked: all that matters is that they add up.
		sum := s.Actions["tagged"].Errors + s.WarmUp.Actions["tagged"].Errors
		require.Positive(t, sum)
		require.Equal(t, sum, s.Actions["tagged"].Tags["of=source"].Errors+s.WarmUp.Actions["tagged"].Tags["of=source"].Errors)
	})
}

// taggedSource has more errors each time.
type taggedSource struct{ errors int64 }

func (s *taggedSource) Collect(into *harness.Collection) {
	s.errors += 10
	into.Action(tagged.Tag("of", "source"), &histogram.Histogram{}, &histogram.Histogram{}, s.errors)
}
