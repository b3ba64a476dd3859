package harness_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

func TestThresholdsAreReadFromText(t *testing.T) {
	for text, want := range map[string]harness.Threshold{
		"echo: p(99)<250ms":           {Metric: "echo", Aggregate: "p(99)", Op: "<", Value: 0.25},
		"  echo :p( 99.9 ) <= 1m30s ": {Metric: "echo", Aggregate: "p(99.9)", Op: "<=", Value: 90},
		"echo:p(\t050.0\t)<1s":        {Metric: "echo", Aggregate: "p(50)", Op: "<", Value: 1},
		"echo: med!=1s":               {Metric: "echo", Aggregate: "med", Op: "!=", Value: 1},
		"errors: rate<0.01":           {Metric: "errors", Aggregate: "rate", Op: "<", Value: 0.01},
		"errors: rate<1%":             {Metric: "errors", Aggregate: "rate", Op: "<", Value: 0.01},
		"errors: rate < 7%":           {Metric: "errors", Aggregate: "rate", Op: "<", Value: 0.07},
		"errors: count==0":            {Metric: "errors", Aggregate: "count", Op: "==", Value: 0},
		"echo {a=1 , b=2} @ during : p(99)<1s  abort  after 1m": {
			Metric: "echo", Aggregate: "p(99)", Op: "<", Value: 1, Tags: "a=1,b=2", Phase: harness.During, Abort: true, AbortDelay: time.Minute,
		},
		"echo{}@load: p(99)<1s abort": {Metric: "echo", Aggregate: "p(99)", Op: "<", Value: 1, Abort: true},
		"lag: max<5ms":                {Metric: "lag", Aggregate: "max", Op: "<", Value: 0.005},
		"work_service: count>=1e3":    {Metric: "work_service", Aggregate: "count", Op: ">=", Value: 1000},
	} {
		got, err := harness.ParseThreshold(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

func TestThresholdsThatAreWrongSayWhatIsWanted(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "want a metric",
		"echo":                           "want a metric",
		"p(99)<250ms":                    "want a metric",
		"echo: p(99)":                    "want a metric",
		"echo: p(99)<":                   "want a metric",
		"echo: p99<250ms":                "p(N), avg, min, med, max, count or rate",
		"echo: p(-1)<250ms":              "want a metric",
		"echo: p(100.1)<250ms":           "percentile between 0 and 100",
		"echo: p(1.2.3)<250ms":           "percentile between 0 and 100",
		"echo: p(.)<250ms":               "percentile between 0 and 100",
		"echo: p(99)=<250ms":             "want a metric",
		"echo: p(99)<250":                "is not a time with a unit",
		"echo: p(99)<250mss":             "is not a time with a unit",
		"echo: p(99)<1%":                 "is not a time with a unit",
		"echo: p(99)<1s 2s":              "want a metric",
		"errors: rate<x":                 "is not a number",
		"errors: rate<NaN":               "is not a number",
		"errors: rate<Inf":               "is not a number",
		"errors: rate<1e999":             "is not a number",
		"errors: count<1%":               "is not a number",
		"errors: rate<%":                 "is not a number",
		"errors: p(99)<1s":               "errors has no p(99)",
		"throughput: count>1":            "throughput has no count",
		"lag: rate<1":                    "lag has no rate",
		"Echo: p(99)<250ms":              "want a metric",
		"echo{a}: p(99)<1s":              "is no tag: want key=value",
		"echo{a=1,a=2}: p(99)<1s":        "there twice",
		"echo{a=}: p(99)<1s":             "has the value",
		"echo{a=x y}: p(99)<1s":          "has the value",
		"echo{a=1: p(99)<1s":             "want a metric",
		"lag{a=1}: p(99)<1s":             "lag has no tags",
		"echo@later: p(99)<1s":           `"later" is no phase: want one of [setup warm-up load cool-down before during after]`,
		"echo: p(99)<1s abort after 10":  "not a time with a unit",
		"echo: p(99)<1s abort after -1s": "not a time with a unit",
		"echo: p(99)<1s after 10s":       "want a metric",
		"a/echo: p(99)<250ms":            "want a metric",
		"echo: p(99)<250ms\x00":          "not a time",
	} {
		_, err := harness.ParseThreshold(text)
		require.ErrorContains(t, err, want, "%q", text)
	}
}

func TestThresholdsOfSeveralScenariosAreReadTogether(t *testing.T) {
	got, err := harness.ParseThresholds(" terminals/echo: p(99)<250ms; errors: rate<1% ;; terminals/lag: max<1s;other-1/errors: count<1;")
	require.NoError(t, err)
	require.Equal(t, map[string][]harness.Threshold{
		"terminals": {harness.P99("echo").Below(250 * time.Millisecond), harness.Max("lag").Below(time.Second)},
		"":          {harness.Rate("errors").Below(0.01)},
		"other-1":   {harness.Count("errors").Below(1)},
	}, got)

	got, err = harness.ParseThresholds("a/echo{region=eu}@after: p(99)<1s abort after 1s; echo{region=eu}: count>0")
	require.NoError(t, err)
	require.Equal(t, map[string][]harness.Threshold{
		"a": {harness.P99("echo").Tagged("region", "eu").In(harness.After).Below(time.Second).AbortOnFail(time.Second)},
		"":  {{Metric: "echo", Aggregate: "count", Op: ">", Tags: "region=eu"}},
	}, got)

	got, err = harness.ParseThresholds(" ; ")
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestAllThatIsWrongWithThresholdsIsReportedAtOnce(t *testing.T) {
	got, err := harness.ParseThresholds("/echo: p(99)<1s; a b/echo: p(99)<1s; ok: count>1; echo: p(99)<5; x/y/z: count>1")
	require.Nil(t, got)
	for _, want := range []string{`"" is not a scenario's name`, `"a b" is not a scenario's name`, "not a time with a unit", `"y/z: count>1"`} {
		require.ErrorContains(t, err, want)
	}
}

func FuzzParseThreshold(f *testing.F) {
	for _, seed := range []string{"echo: p(99)<250ms", "errors: rate<1%", "x: count>=1e5", "a:p(0.1)!=1h", "lag: max==1ns", "b: rate<-0.0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		th, err := harness.ParseThreshold(text)
		if err != nil {
			return
		}
		require.NoError(t, th.Validate(), "%q", text)
		again, err := harness.ParseThreshold(th.String())
		require.NoError(t, err)
		require.Equal(t, th.String(), again.String(), "%q", text)
	})
}

func FuzzParseThresholds(f *testing.F) {
	f.Add("a/echo: p(99)<250ms; errors: rate<1%")
	f.Add(";;/:<")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := harness.ParseThresholds(text)
		if err != nil {
			require.Nil(t, got)
			return
		}
		for _, list := range got {
			for _, th := range list {
				require.NoError(t, th.Validate())
			}
		}
	})
}
