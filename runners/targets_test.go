package runners_test

import (
	"testing"
	property "testing/quick"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/runners"
)

func TestParseRange(t *testing.T) {
	for text, want := range map[string]runners.Range{
		"0:100":      {End: 100},
		"5:6":        {Start: 5, End: 6},
		"0%:50%":     {End: 50, Percent: true},
		"0:33.3%":    {End: 33.3, Percent: true},
		"99.5%:100%": {Start: 99.5, End: 100, Percent: true},
	} {
		r, err := runners.ParseRange(text)
		require.NoError(t, err, text)
		require.Equal(t, want, r, text)
	}
	for _, bad := range []string{"", "5", ":", "5:", ":5", "5:5", "6:5", "-1:5", "1:50%", "0%:101%", "a:b", "0:NaN%", "1.5:3", "0:5:6"} {
		_, err := runners.ParseRange(bad)
		require.Error(t, err, bad)
	}
}

func TestARangeBeyondTheEndIsAnError(t *testing.T) {
	_, err := runners.Cut(make([]int, 10), runners.Range{End: 11})
	require.EqualError(t, err, "it goes to 11, but there are only 10")
	part, err := runners.Cut([]int{0, 1, 2, 3}, runners.Range{Start: 1, End: 3})
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, part)
}

func TestConsecutiveRangesLeaveNothingOutAndShareNothing(t *testing.T) {
	require.NoError(t, property.Check(func(n uint16, cuts [3]uint8) bool {
		list := make([]int, n%1000)
		for i := range list {
			list[i] = i
		}
		a, b, c := float64(cuts[0]%34), float64(cuts[1]%34), float64(cuts[2]%33)
		rest := 100 - a - b - c
		parts, err := runners.Slices(list, a, b, c, rest)
		if err != nil {
			return false
		}
		next := 0
		for _, part := range parts {
			for _, v := range part {
				if v != next {
					return false
				}
				next++
			}
		}
		return next == len(list)
	}, nil))
	_, err := runners.Slices([]int{1}, 60, 50)
	require.ErrorContains(t, err, "more than 100%")
	_, err = runners.Slices([]int{1}, -1)
	require.ErrorContains(t, err, "want 0 or more")
}
