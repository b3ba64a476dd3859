package harness_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestTypedThresholdsAreTheSameAsTheirText(t *testing.T) {
	for want, th := range map[string]harness.Threshold{
		"echo: p(99)<250ms":             harness.P99("echo").Below(250 * time.Millisecond),
		"echo: p(99.95)<1.5s":           harness.P(99.95, "echo").Below(1500 * time.Millisecond),
		"echo: p(50)<1h0m0s":            harness.P50("echo").Below(time.Hour),
		"echo: p(90)>1ns":               harness.P90("echo").Above(1),
		"echo_service: p(95)<3µs":       harness.P95("echo_service").Below(3 * time.Microsecond),
		"iteration: avg<1s":             harness.Avg("iteration").Below(time.Second),
		"lag: max<100ms":                harness.Max("lag").Below(100 * time.Millisecond),
		"echo: min>0s":                  harness.Min("echo").Above(0),
		"errors: rate<0.01":             harness.Rate("errors").Below(0.01),
		"errors: count<=3":              harness.Count("errors").AtMost(3),
		"throughput: rate>=0.99":        harness.Rate("throughput").AtLeast(0.99),
		"iterations: count>1000000":     harness.Count("iterations").Above(1_000_000),
		"sent: rate>1e+300":             harness.Rate("sent").Above(1e300),
		"sent: rate>-1e-09":             harness.Rate("sent").Above(-1e-9),
		"echo: p(0.0000001)<1s":         harness.P(0.0000001, "echo").Below(time.Second),
		"echo: p(99.99999999999)<1s":    harness.P(99.99999999999, "echo").Below(time.Second),
		"echo: p(99)<2562047h0m0s":      harness.P99("echo").Below(2562047 * time.Hour),
		"dropped_iterations: rate<0.07": harness.Rate("dropped_iterations").Below(0.07),
		"disconnects: rate<0.01":        harness.Rate("disconnects").Below(0.01),
		"echo@warm-up: p(99)<1s":        harness.P99("echo").In(harness.WarmUp).Below(time.Second),
		"echo: p(99)<1s":                harness.P99("echo").In(harness.Load).Below(time.Second),
		"echo{a=1,b=x-2}@after: p(50)<1s abort": harness.P50("echo").Tagged("b", "x-2").Tagged("a", "1").In(harness.After).
			Below(time.Second).AbortOnFail(0),
		"errors{region=eu_west}: rate<0.2 abort after 10s": harness.Rate("errors").Tagged("region", "eu west").Below(0.2).AbortOnFail(10 * time.Second),
	} {
		require.Equal(t, want, th.String())
		require.NoError(t, th.Validate())
		parsed, err := harness.ParseThreshold(want)
		require.NoError(t, err)
		require.Equal(t, th, parsed, "typed and parsed")
	}
}

func TestTypedThresholdsThatCantBeAreRefused(t *testing.T) {
	for _, th := range []harness.Threshold{
		{},
		{Metric: "echo"},
		{Metric: "echo", Aggregate: "p(99)", Value: 1},
		{Metric: "echo", Aggregate: "p(99)", Op: "<", Value: math.NaN()},
		{Metric: "echo", Aggregate: "p(99)", Op: "<", Value: 1e10},
		{Metric: "errors", Aggregate: "rate", Op: "<", Value: math.Inf(1)},
		{Metric: "errors", Aggregate: "rate", Op: "=<", Value: 1},
		{Metric: "Echo", Aggregate: "p(99)", Op: "<", Value: 1},
		{Metric: "echo ", Aggregate: "p(99)", Op: "<", Value: 1},
		{Metric: "echo", Aggregate: "p(99.0)", Op: "<", Value: 1},
		{Metric: "echo", Aggregate: "p(99)", Op: "<", Value: 1, Phase: "later"},
		{Metric: "echo", Aggregate: "p(99)", Op: "<", Value: 1, Tags: "b=1,a=1"},
		{Metric: "echo", Aggregate: "p(99)", Op: "<", Value: 1, Tags: "a"},
		{Metric: "echo", Aggregate: "p(99)", Op: "<", Value: 1, AbortDelay: 1},
		{Metric: "echo", Aggregate: "p(99)", Op: "<", Value: 1, Abort: true, AbortDelay: -1},
		harness.P99("echo").Tagged("A", "1").Below(1),
		harness.P99("iteration").Tagged("a", "1").Below(1),
		harness.P99("disconnects").Below(1),
		harness.P(101, "echo").Below(1),
		harness.P(-1, "echo").Below(1),
		harness.P(math.NaN(), "echo").Below(1),
		harness.P99("errors").Below(1),
		harness.P99("throughput").Below(1),
		harness.Count("throughput").Below(1),
		harness.Rate("lag").Below(1),
	} {
		require.Error(t, th.Validate(), "%#v", th)
	}
}
