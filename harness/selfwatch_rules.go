package harness

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"
)

// leastLateWakes is how many wake-ups must be late before they say anything: one
// hiccup of a short run is not a starved machine.
const leastLateWakes = 2

// leastLateSchedulings is the same for goroutines that waited for a core. The
// runtime samples one of eight.
const leastLateSchedulings = 5

// lateShare is the share of late wake-ups above which a run is invalid: then more
// than a hundredth of its time was lost, and with it the 99th percentile.
const lateShare = 0.01

// usedUp is the share of the cores from which on a time that was measured may be
// this machine's own, and idle the one below which it can't have been short of them
// by its own work.
const (
	usedUp = 0.9
	idle   = 0.5
)

// ownPart is the share of a limit above which this machine's own lateness is worth
// a doubt, and hops how often a request and its answer may wait for a core here: to
// start, to be read, and twice in between, where others do that on this machine.
const (
	ownPart = 0.25
	hops    = 4
)

// heavyGC is the share of the CPU from which on the collector does.
const heavyGC = 0.25

// ownErrors are what the generator's own machine refuses.
var ownErrors = []error{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM}

// isOwn reports whether an error is one of this machine.
func isOwn(err error) bool {
	for _, own := range ownErrors {
		if errors.Is(err, own) {
			return true
		}
	}
	return false
}

// generated is what the rules of [Invalid] look at in a scenario.
type generated struct {
	name               string
	dropped, intended  int64 // iterations
	ticksDropped       int64
	ticks              int64
	lagP99             time.Duration
	own, tooLate, done int64 // samples
	ownSetup, users    int64 // users who did not get ready, and all
}

// crowded says that there were too few users, or nothing. A deployment that is too
// slow keeps them busy, so this machine need not be starved.
func (g generated) crowded() string {
	if !exceeds(g.dropped, g.intended) {
		return ""
	}
	return fmt.Sprintf("%s: %d of %d iterations were dropped because all users were busy with what they had asked for: the deployment is too slow for so many users, or the schedule needs more of them", g.name, g.dropped, g.intended)
}

// judge says why this machine could not keep up. Nothing means that it could.
func (g generated) judge(w *SelfWatch, maxLag time.Duration, cores int) (reasons []string) {
	add := func(format string, args ...any) {
		reasons = append(reasons, g.name+": "+fmt.Sprintf(format, args...))
	}
	if exceeds(g.ticksDropped, g.ticks) {
		add("this process was too slow to send %d of %d ticks%s: use a faster or a second machine, or ask for less", g.ticksDropped, g.ticks, w.why(cores))
	}
	if g.lagP99 > maxLag {
		add("this process was late by %v at the 99th percentile, more than %v%s: the machine is too busy; use a faster or a second one, or ask for less",
			roundDuration(g.lagP99), maxLag, w.why(cores))
	}
	if exceeds(g.own, g.done) {
		add("%d of %d actions failed for want of descriptors, ports or memory of this machine%s: raise its limits (ulimit -n), or use a second one", g.own, g.done, w.want())
	}
	if exceeds(g.ownSetup, g.users) {
		add("%d of %d users did not get ready for want of descriptors, ports or memory of this machine%s: raise its limits (ulimit -n), or use a second one", g.ownSetup, g.users, w.want())
	}
	if exceeds(g.tooLate, g.done) {
		add("%d measurements came after the numbers were final, beside %d in time: its runners go on after their end", g.tooLate, g.done)
	}
	return reasons
}

// judge says whether the process as a whole was starved.
func (w *SelfWatch) judge(maxLag time.Duration, cores int) (reasons []string) {
	if w == nil {
		return nil
	}
	if w.LateWakes >= leastLateWakes && float64(w.LateWakes) > lateShare*float64(w.Wake.Count) {
		reasons = append(reasons, fmt.Sprintf("this process was woken more than %v late %d of %d times%s: the machine is too busy; use a faster or a second one, or ask for less",
			maxLag, w.LateWakes, w.Wake.Count, w.why(cores)))
	}
	if n := w.LateSchedulings; !w.faked && n >= leastLateSchedulings && float64(n) > lateShare*float64(w.Scheduling.Count) {
		reasons = append(reasons, fmt.Sprintf("goroutines of this process waited more than %v for a core in %.1f %% of the runtime's samples%s: the machine is too busy; use a faster or a second one, or ask for less",
			maxLag, 100*float64(n)/float64(w.Scheduling.Count), w.why(cores)))
	}
	return reasons
}

// blurs says why this machine may itself have broken a limit on a time, or nothing.
// Its lateness is that of its starts, and of goroutines for which data had come.
func (w *SelfWatch) blurs(value, limit, lagP99 time.Duration, cores int) string {
	var waits time.Duration
	if w != nil && !w.faked {
		if w.Seconds >= 1 && w.CPU >= usedUp*float64(cores) {
			return fmt.Sprintf("it used %.1f of its %d cores", w.CPU, cores)
		}
		waits = time.Duration(w.Scheduling.P99 * 1e9)
	}
	own := lagP99 + hops*waits
	if own > time.Duration(ownPart*float64(limit)) && value-own <= limit {
		return fmt.Sprintf("at the 99th percentile its starts were %v late, and its goroutines waited %v for a core each time", roundDuration(lagP99), roundDuration(waits))
	}
	return ""
}

// why is what explains that the process was slow, in brackets, or nothing.
func (w *SelfWatch) why(cores int) string {
	if w == nil || w.Seconds == 0 {
		return ""
	}
	var causes []string
	used := fmt.Sprintf("it used %.1f of its %d cores", w.CPU, cores)
	if w.CPU < idle*float64(cores) {
		used += ", so others had them, or it stood still"
	}
	causes = append(causes, used)
	if w.GCShare >= heavyGC {
		causes = append(causes, fmt.Sprintf("%.0f %% of that went to collect garbage of a heap of %d MB", 100*w.GCShare, w.HeapPeak>>20))
	}
	return " (" + strings.Join(causes, ", ") + ")"
}

// want is how many descriptors there were, in brackets.
func (w *SelfWatch) want() string {
	if w == nil || w.DescriptorLimit == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d descriptors open at most, %d allowed)", w.DescriptorsPeak, w.DescriptorLimit)
}
