package promexport

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic/histogram"
)

func exposed(t *testing.T, list []harness.Exemplar, bounds []float64, durations ...time.Duration) *dto.Histogram {
	t.Helper()
	var h histogram.Histogram
	for _, d := range durations {
		h.Record(d)
	}
	exemplars := exemplarsOf(list, func(e harness.Exemplar) time.Duration { return e.Response })
	m, err := newDurations(prometheus.NewDesc("x_seconds", "X.", nil, nil), &h, exemplars, bounds, time.Unix(1, 0))
	require.NoError(t, err)
	var out dto.Metric
	require.NoError(t, m.Write(&out))
	return out.GetHistogram()
}

func exemplarOf(trace string, response time.Duration, at int64) harness.Exemplar {
	return harness.Exemplar{Trace: trace, Span: "s", Response: response, At: time.Unix(at, 0)}
}

func TestABucketHasTheNewestExemplarInIt(t *testing.T) {
	h := exposed(t, []harness.Exemplar{
		exemplarOf("late", 100*time.Millisecond, 9), exemplarOf("early", 300*time.Millisecond, 3), exemplarOf("beyond", 3*time.Second, 5),
	}, []float64{.01, .5}, 100*time.Millisecond, 300*time.Millisecond, 3*time.Second)
	require.Len(t, h.Bucket, 3, "what is beyond all bounds has a bucket")
	require.Nil(t, h.Bucket[0].Exemplar)
	require.Equal(t, "late", h.Bucket[1].Exemplar.Label[0].GetValue())
	require.Equal(t, "beyond", h.Bucket[2].Exemplar.Label[0].GetValue())
	require.True(t, math.IsInf(h.Bucket[2].GetUpperBound(), 1))
	require.EqualValues(t, 3, h.Bucket[2].GetCumulativeCount())
	require.Len(t, h.Exemplars, 3)
}

func TestAnExemplarOfWhatIsNotCountedYetWaits(t *testing.T) {
	h := exposed(t, []harness.Exemplar{exemplarOf("soon", time.Second, 9)}, []float64{.5, 5}, time.Millisecond)
	require.Nil(t, h.Bucket[1].Exemplar)
	require.Empty(t, h.Exemplars)
	h = exposed(t, []harness.Exemplar{exemplarOf("in-time", time.Second, 9)}, nil, time.Second)
	require.Len(t, h.Exemplars, 1)
	require.Empty(t, h.Bucket, "classic buckets stay out")
}

func TestExemplarsThatPrometheusWouldRefuseAreLeftOut(t *testing.T) {
	list := []harness.Exemplar{exemplarOf(strings.Repeat("a", 128), time.Second, 1), exemplarOf("", time.Second, 1), exemplarOf("good", time.Second, 1)}
	h := exposed(t, list, []float64{5}, time.Second)
	require.Len(t, h.Exemplars, 1, "one of them loses the whole scrape")
}

func TestEveryExemplarIsFoundWhereItsValueWasCounted(t *testing.T) {
	for d := time.Duration(0); d < time.Minute; d += d/7 + 1 {
		require.Len(t, exposed(t, []harness.Exemplar{exemplarOf("t", d, 1)}, nil, d).Exemplars, 1, "%v", d)
	}
}
