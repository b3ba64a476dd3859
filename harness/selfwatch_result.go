package harness

import "time"

// SelfWatch is what the generator saw of itself while the load was on. Times are
// seconds. What follows from it is with [Invalid].
type SelfWatch struct {
	Seconds float64 `json:"seconds"`  // that it watched
	CPU     float64 `json:"cpu"`      // cores, on average
	CPUPeak float64 `json:"cpu_peak"` // cores, in the busiest second

	// Wake is how late a goroutine of this process was that asked to be woken five
	// times a second, and LateWakes are those later than the plan's MaxLag.
	Wake      Distribution `json:"wake"`
	LateWakes int          `json:"late_wakes"`

	// Scheduling is how long goroutines waited for a core once they could run, by
	// the Go runtime's own sampling, and LateSchedulings are those of these samples
	// that waited longer than MaxLag. A timer's goroutine is run before others that
	// wait, one for which data came is not: Wake alone would not see that.
	Scheduling      RuntimeTimes `json:"scheduling"`
	LateSchedulings uint64       `json:"late_schedulings"`

	GCPauses RuntimeTimes `json:"gc_pauses"` // in which all goroutines stood still
	GCShare  float64      `json:"gc_share"`  // of the CPU time

	HeapPeak        uint64 `json:"heap_peak_bytes"`   // live and not yet collected objects
	MemoryPeak      uint64 `json:"memory_peak_bytes"` // that the Go runtime holds
	GoroutinesPeak  int    `json:"goroutines_peak"`
	DescriptorsPeak int    `json:"descriptors_peak"` // 0 where unknown; counted every five seconds
	DescriptorLimit int    `json:"descriptor_limit"` // 0 where unknown

	// OwnErrors are failures for want of something here: descriptors, ports or
	// memory of this machine. They are those that count, and of users who did not
	// get ready.
	OwnErrors int64 `json:"own_errors"`

	// SamplesDropped were recorded after the load's numbers were final, by runners
	// that ignored their end. SnapshotsMissed became part of the next one.
	SamplesDropped  int64 `json:"samples_dropped"`
	SnapshotsMissed int64 `json:"snapshots_missed"`

	Timeline []GeneratorSecond `json:"timeline"`

	// faked says that time did not pass as the machine's does: in a test, where
	// neither its CPU nor the waits of its goroutines mean anything.
	faked bool
}

// RuntimeTimes are times that the Go runtime has counted, in seconds. They are as
// exact as its buckets, which are 10 to 25 % wide; each is the upper end of its own.
type RuntimeTimes struct {
	Count uint64  `json:"count"`
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
	Sum   float64 `json:"sum"`
}

// GeneratorSecond is how the generator was in one second of the load.
type GeneratorSecond struct {
	At             float64 `json:"at"`  // seconds since the load's beginning, at the end of this second
	CPU            float64 `json:"cpu"` // cores
	HeapBytes      uint64  `json:"heap_bytes"`
	Goroutines     int     `json:"goroutines"`
	Descriptors    int     `json:"descriptors"`
	WakeP99        float64 `json:"wake_p99"`
	GCPauseSeconds float64 `json:"gc_pause_seconds"` // in this second
}

// peaks are the highest that was seen.
type peaks struct {
	cpu                     float64
	heap, memory            uint64
	goroutines, descriptors int
}

func (p *peaks) see(v vitals) {
	p.heap, p.memory = max(p.heap, v.heap), max(p.memory, v.memory)
	p.goroutines, p.descriptors = max(p.goroutines, v.goroutines), max(p.descriptors, v.descriptors)
}

// selfWatched sums up what was seen.
func (r *Run) selfWatched() *SelfWatch {
	w := r.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.began {
		return nil
	}
	scheduling := w.end.scheduling.since(w.begin.scheduling)
	s := &SelfWatch{
		Seconds: w.lasted.Seconds(), CPUPeak: w.peak.cpu,
		Wake: Distribute(&w.wake), LateWakes: w.late,
		Scheduling: scheduling.times(), LateSchedulings: scheduling.above(r.plan.MaxLag.Seconds()),
		GCPauses: w.end.pauses.since(w.begin.pauses).times(),
		HeapPeak: w.peak.heap, MemoryPeak: w.peak.memory,
		GoroutinesPeak: w.peak.goroutines, DescriptorsPeak: w.peak.descriptors, DescriptorLimit: descriptorLimit(),
		SnapshotsMissed: w.missed.Load(),
		Timeline:        append([]GeneratorSecond{}, w.timeline...),
	}
	passed := w.last.wall - w.first.wall
	s.faked = w.last.wall != 0 && (passed < w.lasted/2 || passed > 2*w.lasted+time.Second)
	used := (w.last.cpu - w.first.cpu).Seconds()
	if s.Seconds > 0 {
		s.CPU = used / s.Seconds
	}
	if used > 0 {
		s.GCShare = (w.last.gc - w.first.gc) / used
	}
	for _, sr := range r.scenarios {
		s.OwnErrors += sr.own.Load() + sr.ownSetup.Load()
		s.SamplesDropped += sr.tooLate.Load()
	}
	return s
}
