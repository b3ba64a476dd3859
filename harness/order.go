package harness

import (
	"sync"
	"time"
)

// runTogether runs the scenarios side by side. Those that begin at once get
// ready before anything starts, the others when their time comes.
func (r *Run) runTogether() {
	var atOnce []*scenarioRun
	for i, s := range r.scenarios {
		if r.plan.delay(i) <= r.plan.Baseline {
			atOnce = append(atOnce, s)
		}
	}
	ready := func() {
		r.phase("setup")
		r.runSetup(atOnce)
	}
	if r.plan.Baseline == 0 {
		ready()
		r.together("")
	}
	start := r.now()
	r.watchLoad(start, func() {
		if r.plan.Baseline > 0 {
			r.phase("baseline")
			r.sleepUntil(start + r.plan.Baseline)
			ready()
			r.together("")
		}
		r.loadPhase()
		begin := r.now()
		r.disruptor.loadBegins(begin)
		r.disturb(func() {
			var scenarios sync.WaitGroup
			for i, s := range r.scenarios {
				delay := r.plan.delay(i) - r.plan.Baseline
				scenarios.Go(func() { s.runLoad(begin+delay, delay > 0) })
			}
			scenarios.Wait()
		})
	})
}

// runSequence runs the scenarios one after the other.
func (r *Run) runSequence() {
	r.watchLoad(r.now(), func() {
		r.disturb(func() {
			for i, s := range r.scenarios {
				if r.plan.Baseline > 0 {
					r.phase("baseline")
				}
				r.sleepUntil(r.now() + r.plan.delay(i))
				r.phase("setup")
				s.begun.Store(true)
				r.runSetup([]*scenarioRun{s})
				r.together(s.Name)
				r.loadPhase()
				r.disruptor.loadBegins(r.now())
				s.runLoad(r.now(), false)
			}
		})
	})
}

// disturb does the plan's disruptions while f makes the load.
func (r *Run) disturb(f func()) {
	if len(r.plan.Disruptions) == 0 {
		f()
		return
	}
	ends := make(chan struct{})
	var disrupting sync.WaitGroup
	disrupting.Go(func() { r.disruptor.disrupt(ends) })
	f()
	close(ends)
	disrupting.Wait()
}

// watchLoad takes a snapshot each second while f makes the load.
func (r *Run) watchLoad(start time.Duration, f func()) {
	r.zero = start
	quit := make(chan struct{})
	var snapshots sync.WaitGroup
	snapshots.Go(func() { r.snapshots(start, quit) })
	begin := time.Now()
	snapshots.Go(func() { r.watch.watch(begin, r.plan.MaxLag, quit) })
	f()
	close(quit)
	snapshots.Wait()
}

// sleepUntil waits until an instant, or until the run is to end.
func (r *Run) sleepUntil(until time.Duration) {
	wait := until - r.now()
	if wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.stop:
	case <-r.loadCtx.Done():
	}
}
