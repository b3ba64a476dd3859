package harness

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coderscale/scaletest/traffic/histogram"
)

// selfWatch looks at the generator itself while the load is on.
type selfWatch struct {
	cpuStart time.Duration
	start    time.Time
	load     string
	missed   atomic.Int64 // snapshots
	tell     func(GeneratorSecond)

	mu       sync.Mutex
	began    bool
	wake     histogram.Histogram
	late     int // wake-ups that were later than the plan's MaxLag
	monitor  *monitor
	first    vitals
	last     vitals
	begin    runtimeTimes
	end      runtimeTimes
	lasted   time.Duration
	peak     peaks
	timeline []GeneratorSecond
}

// wakeEvery is how often the watch asks for a wake-up. It is seldom enough to cost
// nothing, and often enough to see what a person would.
const wakeEvery = 200 * time.Millisecond

// secondsPerDescriptors is how often open descriptors are counted, which costs
// something when there are many.
const secondsPerDescriptors = 5

func newSelfWatch() *selfWatch {
	return &selfWatch{cpuStart: processCPU(), start: time.Now(), load: hostLoad()}
}

// cpu is the CPU time that this process has used since the run began.
func (w *selfWatch) cpu() time.Duration { return processCPU() - w.cpuStart }

// watch measures from begin until quit. Wake-ups are on an absolute schedule, so
// that a process that stands still for a second is late five times, also if that is
// before this comes to run.
func (w *selfWatch) watch(begin time.Time, maxLag time.Duration, quit <-chan struct{}) {
	w.mu.Lock()
	w.monitor = newMonitor()
	now := w.monitor.vitals(true)
	w.began, w.first, w.last = true, now, now
	w.begin = readRuntimeTimes()
	w.peak.see(now)
	w.mu.Unlock()
	timer := time.NewTimer(wakeEvery)
	defer timer.Stop()
	slot, second := time.Duration(1), 1
	var wakes histogram.Histogram // of this second
	for {
		select {
		case <-timer.C:
		case <-quit:
			w.take(begin, second, &wakes, true)
			return
		}
		at := time.Since(begin)
		w.mu.Lock()
		for ; slot*wakeEvery <= at; slot++ {
			late := at - slot*wakeEvery
			w.wake.Record(late)
			wakes.Record(late)
			if late > maxLag {
				w.late++
			}
		}
		w.mu.Unlock()
		if at >= time.Duration(second)*time.Second {
			w.take(begin, second, &wakes, false)
			second = int(at/time.Second) + 1
			wakes = histogram.Histogram{}
		}
		timer.Reset(slot*wakeEvery - time.Since(begin))
	}
}

// look reads the process' vitals. Where time is faked they are not read so often:
// ten hours pass in a second then, and would be spent on reading them.
func (w *selfWatch) look(rest bool, second int) vitals {
	if wall := wallClock(); !rest && wall != 0 && wall-w.last.wall < wakeEvery {
		now := w.last
		now.at = time.Now()
		return now
	}
	return w.monitor.vitals(rest || second%secondsPerDescriptors == 0)
}

// take notes how the process is.
func (w *selfWatch) take(begin time.Time, second int, wakes *histogram.Histogram, rest bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.look(rest, second)
	before := w.last
	if now.descriptors == 0 {
		now.descriptors = before.descriptors
	}
	span := now.at.Sub(before.at)
	w.last, w.lasted = now, now.at.Sub(begin)
	w.peak.see(now)
	if rest {
		w.end = readRuntimeTimes()
	}
	if rest && span < shortestRest {
		return
	}
	s := GeneratorSecond{
		At: w.lasted.Seconds(), CPU: (now.cpu - before.cpu).Seconds() / max(span.Seconds(), 1e-9),
		HeapBytes: now.heap, Goroutines: now.goroutines, Descriptors: now.descriptors,
		WakeP99: wakes.Percentile(99).Seconds(), GCPauseSeconds: now.pauses - before.pauses,
	}
	w.peak.cpu = max(w.peak.cpu, s.CPU)
	w.timeline = append(w.timeline, s)
	if w.tell != nil {
		w.tell(s)
	}
}

// hostLoad is the host's load average over a minute, or empty where the system
// does not tell.
func hostLoad() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	load, _, _ := strings.Cut(string(text), " ")
	return load
}

// Generator describes the machine and process that made the load.
type Generator struct {
	Go         string  `json:"go"`
	OS         string  `json:"os"`
	Arch       string  `json:"arch"`
	CPUs       int     `json:"cpus"`
	GOMAXPROCS int     `json:"gomaxprocs"`
	LoadStart  float64 `json:"host_load_start"` // average over a minute; 0 where unknown
	LoadEnd    float64 `json:"host_load_end"`
	CPUSeconds float64 `json:"cpu_seconds"` // of this process

	// Watch is what this process saw of itself while the load was on. Nil when
	// there was none.
	Watch *SelfWatch `json:"watch,omitempty"`
}

func (r *Run) generator() Generator {
	w := r.watch
	parse := func(s string) float64 { f, _ := strconv.ParseFloat(s, 64); return f }
	return Generator{
		Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
		CPUs: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0),
		LoadStart: parse(w.load), LoadEnd: parse(hostLoad()),
		CPUSeconds: w.cpu().Seconds(), Watch: r.selfWatched(),
	}
}
