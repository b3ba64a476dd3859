package harness

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// aDecider has the defaults of a search.
func aDecider(from, to int64) *decider {
	s := Search{From: float64(from), To: float64(to)}.withDefaults()
	return s.decider()
}

// decide lets the decider go on until it is done.
func decide(t *testing.T, d *decider, holds func(rung int64) bool) (probes int) {
	t.Helper()
	for {
		rung, more := d.next()
		if !more {
			return probes
		}
		require.GreaterOrEqual(t, rung, d.from)
		require.LessOrEqual(t, rung, d.to)
		require.Less(t, d.tallies[rung].probes(), d.doubts.most, "a load is probed more often than it may be")
		d.observe(rung, holds(rung))
		probes++
	}
}

// random is a decider with any settings, and a limit that may lie outside.
func random(rng *rand.Rand) (d *decider, limit float64) {
	from := int64(1 + math.Exp(rng.Float64()*7))
	to := from + int64(float64(from)*math.Exp(rng.Float64()*7))
	s := Search{
		From: float64(from), To: float64(to),
		Factor: 1.1 + 4*rng.Float64(), Precision: 0.002 + 0.3*rng.Float64(), Confidence: 0.9,
	}.withDefaults()
	limit = float64(from) * 0.8 * math.Pow(1.5*float64(to)/float64(from), rng.Float64())
	return s.decider(), limit
}

func TestWithoutNoiseTheEdgeIsExactlyRightAndSoon(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 5000 {
		d, limit := random(rng)
		probes := decide(t, d, func(rung int64) bool { return float64(rung) <= limit })
		e := d.edge()
		where := fmt.Sprintf("from %d to %d, factor %.2f, precision %.3f, limit %.1f: %+v after %d", d.from, d.to, d.factor, d.precision, limit, e, probes)
		require.Empty(t, e.unclear, where)
		require.GreaterOrEqual(t, d.confidence(e), 0.9, where)
		switch {
		case limit < float64(d.from):
			require.Equal(t, edge{breaks: d.from}, e, where)
		case limit >= float64(d.to):
			require.Equal(t, edge{holds: d.to}, e, where)
		default:
			require.LessOrEqual(t, float64(e.holds), limit, where)
			require.Greater(t, float64(e.breaks), limit, where)
			require.False(t, d.wide(e.holds, e.breaks), where)
		}
		growth := math.Log(float64(d.to)/float64(d.from)) / math.Log(d.factor)
		halving := math.Log2(math.Log(d.factor) / d.precision)
		require.LessOrEqual(t, float64(probes), growth+max(halving, 0)+2*4+4, where)
	}
}

// noisy is a deployment where a probe holds with a probability that falls from
// 1 to 0 around the limit; width is a share of the limit.
func noisy(rng *rand.Rand, limit, width float64) func(int64) bool {
	return func(rung int64) bool {
		return rng.Float64() < 1/(1+math.Exp((float64(rung)-limit)/(width*limit)))
	}
}

func TestLimitLiesWhereItIsSaidToBeAsOftenAsIsClaimed(t *testing.T) {
	const searches = 1000
	// The least is what the doc comment of Search says, less three standard
	// deviations. Where nothing has an edge, the claim is known not to hold.
	for _, c := range []struct{ width, least float64 }{{0.001, 0.99}, {0.005, 0.99}, {0.02, 0.98}, {0.05, 0.963}, {0.15, 0.916}, {0.5, 0.835}} {
		rng := rand.New(rand.NewPCG(2, uint64(1000*c.width)))
		claims, right, probes := 0, 0, 0
		for range searches {
			d, limit := random(rng)
			probes += decide(t, d, noisy(rng, limit, c.width))
			e := d.edge()
			if d.confidence(e) < 0.9 {
				continue
			}
			claims++
			if float64(e.holds) <= limit && (e.breaks == 0 || float64(e.breaks) >= limit) {
				right++
			}
		}
		share := float64(right) / float64(claims)
		t.Logf("width %v: %d of %d searches claim 90 %%, %.1f %% of them are right, %.1f probes", c.width, claims, searches, 100*share, float64(probes)/searches)
		require.Greater(t, claims, searches*9/10, "width %v: hardly any search comes to an end", c.width)
		require.GreaterOrEqual(t, share, c.least, "width %v", c.width)
	}
}

func TestSearchOfADeploymentThatDiceEndsWithoutAnEdgeItCannotShow(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for range 300 {
		d, _ := random(rng)
		decide(t, d, func(int64) bool { return rng.Float64() < 0.5 })
		e := d.edge()
		for i, r := range e.unclear {
			require.Greater(t, r, e.holds)
			require.True(t, e.breaks == 0 || r < e.breaks)
			require.True(t, i == 0 || r > e.unclear[i-1])
		}
		if e.holds != 0 || e.breaks != 0 {
			require.GreaterOrEqual(t, d.confidence(e), 0.9, "a side that is not certain is reported at the end: %+v", e)
		}
	}
}

func TestLoadThatIsUndecidedLiesBetweenTwoThatAreCertain(t *testing.T) {
	d := aDecider(10, 1000)
	flip := false
	decide(t, d, func(rung int64) bool {
		if rung >= 96 && rung <= 104 { // a middle that can't make up its mind
			flip = !flip
			return flip
		}
		return rung < 100
	})
	e := d.edge()
	require.NotEmpty(t, e.unclear)
	require.Less(t, e.holds, int64(96))
	require.Greater(t, e.breaks, int64(104))
	require.False(t, d.wide(e.holds, e.unclear[0]))
	require.False(t, d.wide(e.unclear[len(e.unclear)-1], e.breaks))
	require.GreaterOrEqual(t, d.confidence(e), 0.9)
}

func TestProbeThatBrokeByChanceIsFoundOut(t *testing.T) {
	for unlucky := range int64(12) { // the number of the probe
		d := aDecider(10, 1000)
		n := int64(0)
		decide(t, d, func(rung int64) bool {
			n++
			return rung <= 640 && n != unlucky+1
		})
		e := d.edge()
		require.LessOrEqual(t, e.holds, int64(640), "probe %d", unlucky)
		require.Greater(t, e.breaks, int64(640), "probe %d", unlucky)
		require.False(t, d.wide(e.holds, e.breaks), "probe %d", unlucky)
	}
}

func TestLowestLoadThatBrokeByChanceStillHolds(t *testing.T) {
	for unlucky := range 20 {
		d := aDecider(10, 1000)
		n := 0
		decide(t, d, func(rung int64) bool {
			n++
			return rung <= 10 && n != unlucky+1
		})
		require.Equal(t, edge{holds: 10, breaks: 11}, d.edge(), "probe %d", unlucky)
	}
}

func TestBothSidesAreConfirmedInTurn(t *testing.T) {
	d := aDecider(100, 101)
	var probed []int64
	decide(t, d, func(rung int64) bool {
		probed = append(probed, rung)
		return rung == 100
	})
	require.Equal(t, []int64{100, 101, 100, 101, 100, 101, 100, 101, 100, 101}, probed)
}

func TestProbeThatHeldByChanceIsFoundOut(t *testing.T) {
	for lucky := range int64(12) {
		d := aDecider(10, 1000)
		n := int64(0)
		decide(t, d, func(rung int64) bool {
			n++
			return rung <= 140 || n == lucky+1
		})
		e := d.edge()
		require.LessOrEqual(t, e.holds, int64(140), "probe %d", lucky)
		require.Greater(t, e.breaks, int64(140), "probe %d", lucky)
	}
}

func TestOrderOfObservationsDecidesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	type observation struct {
		rung int64
		held bool
	}
	for range 200 {
		d, limit := random(rng)
		var seen []observation
		holds := noisy(rng, limit, 0.1)
		decide(t, d, func(rung int64) bool {
			seen = append(seen, observation{rung, holds(rung)})
			return seen[len(seen)-1].held
		})
		seen = seen[:rng.IntN(len(seen)+1)]
		one, other := *d, *d
		one.tallies, other.tallies = map[int64]tally{}, map[int64]tally{}
		for i, k := range rng.Perm(len(seen)) {
			one.observe(seen[i].rung, seen[i].held)
			other.observe(seen[k].rung, seen[k].held)
		}
		a, more := one.next()
		b, too := other.next()
		require.Equal(t, a, b)
		require.Equal(t, more, too)
		require.Equal(t, one.edge(), other.edge())
	}
}

func TestSingleLoadIsASearchToo(t *testing.T) {
	d := aDecider(7, 7)
	require.Equal(t, 5, decide(t, d, func(int64) bool { return true }))
	require.Equal(t, edge{holds: 7}, d.edge())
	d = aDecider(7, 7)
	require.Equal(t, 5, decide(t, d, func(int64) bool { return false }))
	require.Equal(t, edge{breaks: 7}, d.edge())
	require.InDelta(t, 0.96, d.confidence(d.edge()), 0.01)
}

func TestLoadsAreMultiplesOfTheStep(t *testing.T) {
	s := Search{From: 0.3, To: 12.3, Step: 0.1}.withDefaults()
	require.EqualValues(t, 3, s.rung(0.3))
	for rung := range int64(200) {
		require.Equal(t, fmt.Sprintf("%.1f", s.load(rung)), fmt.Sprintf("%.1f", float64(rung)/10))
		require.Equal(t, rung, s.rung(s.load(rung)))
	}
	require.Equal(t, 0.3, s.load(3), "not 0.30000000000000004")
	s.Step = 65536
	require.Equal(t, 196608.0, s.load(3))
	s.Step = 2.5
	require.Equal(t, 7.5, s.load(3))
}
