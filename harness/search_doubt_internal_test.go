package harness

import (
	"math"
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDoubtIsHowOftenChanceLooksAsGood(t *testing.T) {
	const most = 12
	d := newDoubts(most)
	for held := range most + 1 {
		for broke := range most + 1 - held {
			limit, reached := score(held, broke)*(1+1e-9), 0
			for coins := range uint(1 << most) { // every way in which they can fall
				for n := range most + 1 {
					h := bits.OnesCount(coins & (1<<n - 1))
					if score(h, n-h) <= limit {
						reached++
						break
					}
				}
			}
			require.InDelta(t, float64(reached)/(1<<most), d.holding(tally{held, broke}), 1e-9, "%d held, %d broke", held, broke)
		}
	}
}

func TestScoreOfACleanTallyIsTheBinomialTail(t *testing.T) {
	for n := range 30 {
		require.InEpsilon(t, math.Pow(0.5, float64(n)), score(n, 0), 1e-12)
	}
	require.InEpsilon(t, 2*9.0/256, score(7, 1), 1e-12, "7 or 8 of 8 are 9 of 256 ways")
	require.InEpsilon(t, 4*56.0/1024, score(8, 2), 1e-12)
	require.InDelta(t, 1<<5, score(0, 5), 1e-12)
}

func TestMoreThatHeldNeverMakesMoreDoubt(t *testing.T) {
	for _, most := range []int{1, 2, 5, 15, 27} {
		d := newDoubts(most)
		for n := range most {
			for held := range n + 1 {
				now := tally{held, n - held}
				require.LessOrEqual(t, d.holding(tally{held + 1, n - held}), d.holding(now), "%+v of %d", now, most)
				require.GreaterOrEqual(t, d.holding(tally{held, n - held + 1}), d.holding(now), "%+v of %d", now, most)
			}
		}
		require.InDelta(t, 1, d.holding(tally{}), 1e-12)
	}
}

func TestFiveOfFiveOnEitherSideAreEnoughForNinetyPercent(t *testing.T) {
	d := newDoubts(15)
	require.LessOrEqual(t, d.holding(tally{5, 0}), 0.05)
	require.Greater(t, d.holding(tally{4, 0}), 0.05)
	require.LessOrEqual(t, d.holding(tally{8, 1}), 0.05)
	require.LessOrEqual(t, d.holding(tally{11, 2}), 0.05)
	require.True(t, d.mayHold(tally{1, 2}, 0.05))
	require.False(t, d.mayHold(tally{3, 3}, 0.05), "no end of 15 probes with three that broke is certain enough")
}
