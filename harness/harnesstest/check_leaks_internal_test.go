package harnesstest

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOnlyWhatGrowsWithEachLoadIsALeak(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		after func(loads int) int // how many are open
		fails int                 // the load that is not whole; 0 for none
		want  bool
	}{
		"one each":                    {func(n int) int { return n }, 0, true},
		"two each":                    {func(n int) int { return 2 * n }, 0, true},
		"none":                        {func(int) int { return 5 }, 0, false},
		"once":                        {func(n int) int { return min(n, 1) }, 0, false},
		"a pool that fills":           {func(n int) int { return min(2*n, 6) }, 0, false},
		"a pool that fills later":     {func(n int) int { return max(0, min(n-3, 3)) }, 0, false},
		"one each, and no whole load": {func(n int) int { return n }, 5, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				loads := 0
				grows, err := growsWithEach(func() (bool, error) {
					loads++
					if loads == c.fails {
						return false, broken
					}
					return true, nil
				}, func() int { return c.after(loads) }, time.Second)
				require.Equal(t, c.want, grows)
				require.Equal(t, c.fails > 0, errors.Is(err, broken))
				require.LessOrEqual(t, loads, 7)
			})
		})
	}
}

func TestWhatIsClosedAMomentLaterIsNoLeak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened := map[int]time.Time{}
		grows, err := growsWithEach(func() (bool, error) {
			opened[len(opened)] = time.Now()
			return true, nil
		}, func() (n int) {
			for _, at := range opened {
				if time.Since(at) < 500*time.Millisecond {
					n++
				}
			}
			return n
		}, time.Second)
		require.NoError(t, err)
		require.False(t, grows)
	})
}
