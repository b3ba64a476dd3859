package harness

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/coderscale/scaletest/internal/facts"
)

// Amount is a load with its unit, as in "640 users".
func (s Search) Amount(load float64) string { return trimFloat(load) + " " + s.withDefaults().Of }

// amounts are several.
func (s Search) amounts(rungs []int64) string {
	var loads []float64
	for _, r := range rungs {
		loads = append(loads, s.load(r))
	}
	return listed(loads) + " " + s.Of
}

func listed(loads []float64) string {
	var texts []string
	for _, l := range loads {
		texts = append(texts, trimFloat(l))
	}
	return strings.Join(texts, ", ")
}

// percent is rounded down, because it is a promise.
func percent(share float64) string { return fmt.Sprintf("%d %%", int(math.Floor(share*100+1e-9))) }

// String is the limit in one line.
func (l *Limit) String() string {
	certain := ", " + percent(l.Confidence) + " certain"
	switch {
	case l.Holds > 0 && l.Breaks > 0:
		return fmt.Sprintf("between %s and %s %s%s", trimFloat(l.Holds), trimFloat(l.Breaks), l.Of, certain)
	case l.Holds > 0:
		return fmt.Sprintf("at least %s %s%s", trimFloat(l.Holds), l.Of, certain)
	case l.Breaks > 0:
		return fmt.Sprintf("below %s %s%s", trimFloat(l.Breaks), l.Of, certain)
	}
	return fmt.Sprintf("not known: no load of %s to %s %s was seen to hold or to break", trimFloat(l.From), trimFloat(l.To), l.Of)
}

// Text is the limit for people: what it is, why the search ended, and the
// evidence on either side. Its lines fit 76 columns where the names in them are
// short.
func (l *Limit) Text() string {
	var b strings.Builder
	writeLine(&b, "limit", l.String())
	writeLine(&b, "", string(l.Stopped)+": "+l.Reason)
	broken := l.brokenAt(l.Breaks)
	if l.Holds > 0 {
		l.writeSide(&b, "holds", l.Holds, Held, broken)
	}
	for _, load := range l.Unclear {
		l.writeSide(&b, "unclear", load, Held, broken)
	}
	if l.Breaks > 0 {
		l.writeSide(&b, "breaks", l.Breaks, Broke, broken)
	}
	checks := 0
	for _, p := range l.Probes {
		if p.Check {
			checks++
		}
	}
	text := plural(int64(len(l.Probes)-checks), "probe")
	if checks > 0 {
		text += " and " + plural(int64(checks), "check") + " of the recovery"
	}
	writeLine(&b, "searched", fmt.Sprintf("%s in %v", text, l.EndedAt.Sub(l.StartedAt).Round(time.Second)))
	return b.String()
}

// brokenAt are the thresholds that a load broke, by scenario and text.
func (l *Limit) brokenAt(load float64) map[[2]string]bool {
	broken := map[[2]string]bool{}
	for _, p := range l.At(load) {
		for _, t := range p.Thresholds {
			if !t.Passed {
				broken[t.key()] = true
			}
		}
	}
	return broken
}

func (t ProbeThreshold) key() [2]string { return [2]string{t.Scenario, t.Threshold} }

// writeSide writes the evidence at a load: how many probes came out as it says,
// and the values of the thresholds that matter, which are those that broke on
// the other side, or all.
func (l *Limit) writeSide(b *strings.Builder, name string, load float64, want Outcome, broken map[[2]string]bool) {
	probes := l.At(load)
	n, recovered := 0, -1.0
	var keys [][2]string
	for _, p := range probes {
		if p.Outcome == want {
			n++
		}
		if p.Recovery != nil && p.Recovery.Recovered {
			recovered = max(recovered, p.Recovery.Seconds)
		}
		for _, t := range p.Thresholds {
			if (len(broken) == 0 || broken[t.key()]) && !slices.Contains(keys, t.key()) {
				keys = append(keys, t.key())
			}
		}
	}
	text := fmt.Sprintf("%s %s: %d of %s %s", trimFloat(load), l.Of, n, plural(int64(len(probes)), "probe"), want)
	if recovered >= 0 {
		text += fmt.Sprintf(", recovered within %v", roundDuration(seconds(recovered)))
	}
	writeLine(b, name, text)
	for _, key := range keys {
		writeLine(b, "", fmt.Sprintf("%s: %s: %s", key[0], key[1], valuesOf(probes, key)))
	}
	if want == Broke && len(broken) == 0 { // it was something else
		for _, p := range probes {
			if p.Outcome == Broke {
				writeLine(b, "", first(p.Reasons))
				break
			}
		}
	}
}

// valuesOf are what a threshold's metric was in all probes.
func valuesOf(probes []Probe, key [2]string) string {
	var values []float64
	without := false
	for _, p := range probes {
		for _, t := range p.Thresholds {
			switch {
			case t.key() != key:
			case t.Value != nil:
				values = append(values, *t.Value)
			default:
				without = true
			}
		}
	}
	if len(values) == 0 {
		return "no samples"
	}
	t, err := ParseThreshold(key[1])
	show := func(v float64) string {
		if err != nil || t.isNumber() {
			return fmt.Sprintf("%.4g", v)
		}
		return roundDuration(seconds(v)).String()
	}
	text := show(slices.Min(values))
	if most := show(slices.Max(values)); most != text {
		text += " to " + most
	}
	if without {
		text += ", or no samples"
	}
	return text
}

const nameWidth = 12

func writeLine(b *strings.Builder, name, text string) { facts.Write(b, nameWidth, name, text) }
