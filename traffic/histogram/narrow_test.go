package histogram_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/traffic/histogram"
)

func TestNarrowBringsBackWhatTheEncodingLost(t *testing.T) {
	var h, back histogram.Histogram
	for _, d := range []time.Duration{1234567, 2345678, 98765432} {
		h.Record(d)
	}
	text, err := h.MarshalText()
	require.NoError(t, err)
	require.NoError(t, back.UnmarshalText(text))
	require.NotEqual(t, h.Max(), back.Max())
	back.Narrow(h.Min(), h.Max())
	require.Equal(t, h.Min(), back.Min())
	require.Equal(t, h.Max(), back.Max())
	require.Equal(t, h.Percentile(99), back.Percentile(99))
}

func TestNarrowIgnoresWhatCantBe(t *testing.T) {
	var h histogram.Histogram
	h.Narrow(1, 2)
	require.Zero(t, h.Max(), "an empty one stays empty")
	h.Record(time.Second)
	h.Narrow(time.Millisecond, time.Hour)
	require.Equal(t, time.Second, h.Min())
	require.Equal(t, time.Second, h.Max())
}
