package harness

import (
	"maps"
	"math"
	"slices"
)

// decider says which load to probe next. It knows neither clocks nor runs: it
// is all in what was observed so far, by rung, and the same observations in any
// order lead to the same decision. A rung is a load in steps.
type decider struct {
	from, to  int64
	factor    float64
	precision float64
	enough    float64 // the doubt that either side may keep
	doubts    *doubts
	tallies   map[int64]tally
}

// observe counts a probe.
func (d *decider) observe(rung int64, held bool) {
	t := d.tallies[rung]
	if held {
		t.held++
	} else {
		t.broke++
	}
	d.tallies[rung] = t
}

// edge is where the limit is, as far as is known.
type edge struct {
	holds, breaks int64   // 0 is none
	unclear       []int64 // between them, in their order
}

// edge takes the lowest load that breaks more often than it holds, and the
// highest below it that holds more often than it breaks. So a load that holds
// above one that breaks proves nothing; if it was chance that broke the lower
// one, then its confirmation will find out.
func (d *decider) edge() edge {
	rungs := slices.Sorted(maps.Keys(d.tallies))
	var e edge
	for _, r := range rungs {
		if t := d.tallies[r]; t.broke > t.held && !d.unclear(r) {
			e.breaks = r
			break
		}
	}
	for _, r := range rungs {
		t := d.tallies[r]
		if e.breaks != 0 && r >= e.breaks {
			break
		}
		switch {
		case d.unclear(r):
			e.unclear = append(e.unclear, r)
		case t.held > t.broke:
			e.holds, e.unclear = r, nil
		}
	}
	return e
}

// next is the rung to probe next, or false when there is nothing more to learn.
func (d *decider) next() (rung int64, more bool) {
	e := d.edge()
	if rung, tied := d.tied(e); tied {
		return rung, true
	}
	floor := e.holds // the highest that does not break
	if n := len(e.unclear); n > 0 {
		floor = e.unclear[n-1]
	}
	switch {
	case floor == 0 && e.breaks == 0:
		return d.from, true
	case e.breaks == 0 && floor < d.to:
		return min(max(int64(math.Ceil(float64(floor)*d.factor)), floor+1), d.to), true
	}
	// Unclear loads have a gap on either side.
	ceiling := e.breaks // the lowest that does not hold
	if len(e.unclear) > 0 {
		ceiling = e.unclear[0]
	}
	if e.holds != 0 && d.wide(e.holds, ceiling) {
		return middle(e.holds, ceiling), true
	}
	if floor != 0 && d.wide(floor, e.breaks) {
		return middle(floor, e.breaks), true
	}
	return d.confirm(e)
}

// tied is a load that holds as often as it breaks, where that matters.
func (d *decider) tied(e edge) (rung int64, tied bool) {
	for r, t := range d.tallies {
		between := r > e.holds && (e.breaks == 0 || r < e.breaks)
		if between && t.held == t.broke && !d.unclear(r) && (!tied || r < rung) {
			rung, tied = r, true
		}
	}
	return rung, tied
}

// wide reports whether there is a load between two whose distance is too large.
// An upper one of 0 is none.
func (d *decider) wide(low, high int64) bool {
	return high-low > 1 && float64(high-low) > d.precision*float64(high)
}

// middle is the geometric mean. Precision is relative, and so halving the ratio
// takes as many probes at any load; the arithmetic mean would take more of them
// where the lower side is.
func middle(low, high int64) int64 {
	m := int64(math.Round(math.Sqrt(float64(low) * float64(high))))
	return min(max(m, low+1), high-1)
}

// confirm takes the side that is less certain, so that both grow together and a
// side that was found by chance is found out early.
func (d *decider) confirm(e edge) (rung int64, more bool) {
	holding, breaking := d.doubtsOf(e)
	switch {
	case holding > d.enough && holding >= breaking:
		return e.holds, true
	case breaking > d.enough:
		return e.breaks, true
	}
	return 0, false
}

// doubtsOf are the doubts of both sides; that of a side which is not there is 0.
func (d *decider) doubtsOf(e edge) (holding, breaking float64) {
	if e.holds != 0 {
		holding = d.doubts.holding(d.tallies[e.holds])
	}
	if e.breaks != 0 {
		breaking = d.doubts.holding(d.tallies[e.breaks].turned())
	}
	return holding, breaking
}

// unclear reports whether no further probe within what a load may have could
// make it certain that it holds, or that it breaks.
func (d *decider) unclear(rung int64) bool {
	t := d.tallies[rung]
	return !d.doubts.mayHold(t, d.enough) && !d.doubts.mayHold(t.turned(), d.enough)
}

// confidence is how certain the edge is.
func (d *decider) confidence(e edge) float64 {
	if e.holds == 0 && e.breaks == 0 {
		return 0
	}
	holding, breaking := d.doubtsOf(e)
	return max(0, 1-holding-breaking)
}
