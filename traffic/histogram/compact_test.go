package histogram_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/traffic/histogram"
)

func TestCompactLosesNoSample(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var h histogram.Histogram
		for range rng.IntN(300) {
			h.RecordN(time.Duration(rng.Int64N(1<<rng.IntN(46)+1)), 1+rng.Uint64N(1000))
		}
		text, err := json.Marshal(histogram.Compact{Histogram: &h})
		require.NoError(t, err)
		var back histogram.Compact
		require.NoError(t, json.Unmarshal(text, &back))
		require.Equal(t, h.Count(), back.Count())
		var want, got []histogram.Bucket
		for b := range h.Buckets() {
			want = append(want, b)
		}
		for b := range back.Buckets() {
			got = append(got, b)
		}
		require.Equal(t, want, got)
		if h.Count() > 0 {
			require.InEpsilon(t, float64(h.Max()+8), float64(back.Max()+8), 0.01)
		}
	}
}

func TestCompactIsWhatItsCommentSays(t *testing.T) {
	var h histogram.Histogram
	h.Record(9)
	h.RecordN(time.Millisecond, 3)
	text, err := json.Marshal(histogram.Compact{Histogram: &h})
	require.NoError(t, err)
	require.Equal(t, "[1,1,1395,3]", string(text))
	i := 1 + 1395
	s := i/128 - 1
	low := int64(i%128+128) << (s + 3)
	require.LessOrEqual(t, low, int64(time.Millisecond))
	require.Greater(t, low+8<<s, int64(time.Millisecond))
	text, err = json.Marshal(histogram.Compact{})
	require.NoError(t, err)
	require.Equal(t, "[]", string(text))
}

func TestDamagedCompactIsAnError(t *testing.T) {
	for text, want := range map[string]string{
		`[1]`:                      "1 numbers, want two for each bucket",
		`[-1,1]`:                   "cannot unmarshal",
		`{}`:                       "cannot unmarshal",
		`[4864,1]`:                 "there is no bucket 4864",
		`[1,1,4863,1]`:             "there is no bucket 4864",
		`[5,1,0,1]`:                "bucket 5 comes twice",
		`[5,0]`:                    "bucket 5 has 0 samples",
		`[5,18446744073709551615]`: "bucket 5 has 18446744073709551615 samples",
		`[18446744073709551615,1]`: "there is no bucket",
		`[5,9223372036854775807,1,9223372036854775807]`: "at most",
	} {
		c := histogram.Compact{}
		require.ErrorContains(t, json.Unmarshal([]byte(text), &c), want, text)
		require.Nil(t, c.Histogram, "it changes nothing")
	}
}
