package harness

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// generator is the worst of all shards' generators.
func (m *merge) generator() Generator {
	var all Generator
	var watches []*SelfWatch
	var goes, systems, arches []string
	for i, s := range m.shards {
		g := s.Generator
		goes, systems, arches = append(goes, g.Go), append(systems, g.OS), append(arches, g.Arch)
		if i == 0 {
			all.CPUs, all.GOMAXPROCS = g.CPUs, g.GOMAXPROCS
		}
		all.CPUs, all.GOMAXPROCS = min(all.CPUs, g.CPUs), min(all.GOMAXPROCS, g.GOMAXPROCS)
		all.LoadStart, all.LoadEnd = max(all.LoadStart, g.LoadStart), max(all.LoadEnd, g.LoadEnd)
		all.CPUSeconds += g.CPUSeconds
		if g.Watch != nil {
			watches = append(watches, g.Watch)
		}
	}
	all.Go, all.OS, all.Arch = distinct(goes), distinct(systems), distinct(arches)
	if len(watches) > 0 {
		all.Watch = worst(watches)
		all.Watch.Timeline = m.watched()
	}
	return all
}

func distinct(list []string) string {
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ", ")
}

// worst is the worst of each number.
func worst(list []*SelfWatch) *SelfWatch {
	w := &SelfWatch{}
	var wakes []Distribution
	for _, o := range list {
		w.Seconds, w.CPU, w.CPUPeak = max(w.Seconds, o.Seconds), max(w.CPU, o.CPU), max(w.CPUPeak, o.CPUPeak)
		wakes = append(wakes, o.Wake)
		w.LateWakes += o.LateWakes
		w.Scheduling = w.Scheduling.worse(o.Scheduling)
		w.LateSchedulings += o.LateSchedulings
		w.GCPauses, w.GCShare = w.GCPauses.worse(o.GCPauses), max(w.GCShare, o.GCShare)
		w.HeapPeak, w.MemoryPeak = max(w.HeapPeak, o.HeapPeak), max(w.MemoryPeak, o.MemoryPeak)
		w.GoroutinesPeak, w.DescriptorsPeak = max(w.GoroutinesPeak, o.GoroutinesPeak), max(w.DescriptorsPeak, o.DescriptorsPeak)
		if o.DescriptorLimit > 0 && (w.DescriptorLimit == 0 || o.DescriptorLimit < w.DescriptorLimit) {
			w.DescriptorLimit = o.DescriptorLimit
		}
		w.OwnErrors += o.OwnErrors
		w.SamplesDropped += o.SamplesDropped
		w.SnapshotsMissed += o.SnapshotsMissed
		w.faked = w.faked || o.faked
	}
	w.Wake = mergeDistributions(wakes)
	return w
}

// worse are the worst times, and the sums of what there are.
func (t RuntimeTimes) worse(o RuntimeTimes) RuntimeTimes {
	return RuntimeTimes{
		Count: t.Count + o.Count, P50: max(t.P50, o.P50), P99: max(t.P99, o.P99), Max: max(t.Max, o.Max), Sum: t.Sum + o.Sum,
	}
}

// watched is the worst of each second.
func (m *merge) watched() []GeneratorSecond {
	sum := map[int64]GeneratorSecond{}
	for _, s := range m.shards {
		if s.Generator.Watch == nil {
			continue
		}
		for at, sec := range byWall(s.Generator.Watch.Timeline, s.zero(), func(g GeneratorSecond) float64 { return g.At }, GeneratorSecond.worse) {
			sum[at] = sum[at].worse(sec)
		}
	}
	out := []GeneratorSecond{}
	for _, at := range slices.Sorted(maps.Keys(sum)) {
		sec := sum[at]
		sec.At = float64(at - m.zero)
		out = append(out, sec)
	}
	return out
}

func (g GeneratorSecond) worse(o GeneratorSecond) GeneratorSecond {
	return GeneratorSecond{
		At: o.At, CPU: max(g.CPU, o.CPU), HeapBytes: max(g.HeapBytes, o.HeapBytes), Goroutines: max(g.Goroutines, o.Goroutines),
		Descriptors: max(g.Descriptors, o.Descriptors), WakeP99: max(g.WakeP99, o.WakeP99), GCPauseSeconds: max(g.GCPauseSeconds, o.GCPauseSeconds),
	}
}

// disruptions are those that began in any shard, the n-th of a name with the n-th.
func (m *merge) disruptions() []DisruptionResult {
	type nth struct {
		name string
		n    int
	}
	by := map[nth][]DisruptionResult{}
	for _, r := range m.results {
		seen := map[string]int{}
		for _, d := range r.Disruptions {
			k := nth{d.Name, seen[d.Name]}
			seen[d.Name]++
			by[k] = append(by[k], d)
		}
	}
	problems := map[nth][]string{}
	for _, s := range m.shards {
		seen := map[string]int{}
		for _, d := range s.Disruptions {
			k := nth{d.Name, seen[d.Name]}
			seen[d.Name]++
			if d.Error != "" {
				problems[k] = append(problems[k], "shard "+s.Shard+": "+d.Error)
			}
		}
	}
	var out []DisruptionResult
	for k, list := range by {
		d := m.disruption(list)
		d.Name, d.Error = k.name, strings.Join(problems[k], "; ")
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b DisruptionResult) int {
		return cmp.Or(cmp.Compare(a.At, b.At), strings.Compare(a.Name, b.Name))
	})
	return out
}

func (m *merge) disruption(list []DisruptionResult) DisruptionResult {
	sum := DisruptionResult{At: list[0].At, Recovered: true, Scenarios: []DisruptedScenario{}}
	before, during, after := map[string][]*Part{}, map[string][]*Part{}, map[string][]*Part{}
	for _, d := range list {
		sum.At, sum.Seconds = min(sum.At, d.At), max(sum.Seconds, d.Seconds)
		sum.Recovered, sum.RecoverySeconds = sum.Recovered && d.Recovered, max(sum.RecoverySeconds, d.RecoverySeconds)
		for i := range d.Scenarios {
			s := &d.Scenarios[i]
			before[s.Name] = append(before[s.Name], &s.Before)
			during[s.Name] = append(during[s.Name], &s.During)
			after[s.Name] = append(after[s.Name], &s.After)
		}
	}
	if !sum.Recovered {
		sum.RecoverySeconds = 0
	}
	for _, s := range m.results[0].Scenarios {
		if name := s.Name; before[name] != nil {
			sum.Scenarios = append(sum.Scenarios, DisruptedScenario{name, *mergeParts(before[name]), *mergeParts(during[name]), *mergeParts(after[name])})
		}
	}
	return sum
}
