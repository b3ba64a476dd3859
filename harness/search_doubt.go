package harness

import "math"

// tally counts what the probes at one load said.
type tally struct{ held, broke int }

func (t tally) probes() int { return t.held + t.broke }

// turned is the tally of the opposite question.
func (t tally) turned() tally { return tally{held: t.broke, broke: t.held} }

// doubts says how little tallies prove. The doubt of one is the probability
// that a load at which a probe breaks as often as it holds would have shown a
// tally at least as good at any time within so many probes. That a search looks
// after each probe, and stops when it likes what it sees, is so accounted for:
// the binomial tail alone would promise more than it keeps.
type doubts struct {
	most int         // probes at one load
	of   [][]float64 // by held, broke
}

func newDoubts(most int) *doubts {
	d := &doubts{most: most}
	scores := make([][]float64, most+1)
	for held := range scores {
		scores[held] = make([]float64, most+1-held)
		for broke := range scores[held] {
			scores[held][broke] = score(held, broke)
		}
	}
	d.of = make([][]float64, most+1)
	for held := range d.of {
		d.of[held] = make([]float64, most+1-held)
		for broke := range d.of[held] {
			d.of[held][broke] = everReached(scores, scores[held][broke])
		}
	}
	return d
}

// score orders tallies by how good they are, the best lowest: the binomial tail,
// doubled for each probe that broke, so that a load where all held is settled by
// few probes, and the many tallies that are not clean get the small rest.
func score(held, broke int) float64 {
	n := held + broke
	tail, way := 0.0, math.Pow(0.5, float64(n)) // of all n, and then with one less
	for k := n; k >= held; k-- {
		tail += way
		way *= float64(k) / float64(n-k+1)
	}
	return tail * math.Pow(2, float64(broke))
}

// everReached is the probability that a fair coin's tally has a score of at most
// limit at some time.
func everReached(scores [][]float64, limit float64) float64 {
	limit *= 1 + 1e-9 // equal ones are equal
	most := len(scores) - 1
	reached := 0.0
	now := make([]float64, most+1) // by held, of those that have not reached it
	now[0] = 1
	for n := 0; ; n++ {
		for held := range n + 1 {
			if scores[held][n-held] <= limit {
				reached += now[held]
				now[held] = 0
			}
		}
		if n == most {
			return reached
		}
		for held := n + 1; held >= 0; held-- {
			now[held] /= 2
			if held > 0 {
				now[held] += now[held-1] / 2
			}
		}
	}
}

// holding is the doubt that the load of the tally holds, and 1 without probes.
func (d *doubts) holding(t tally) float64 {
	return d.of[t.held][t.broke]
}

// mayHold reports whether the doubt that it holds can still become as small as
// enough.
func (d *doubts) mayHold(t tally, enough float64) bool {
	t.held += d.most - t.probes()
	return d.holding(t) <= enough
}
