package harness

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// selfWatch looks at the generator itself.
type selfWatch struct {
	cpuStart time.Duration
	start    time.Time
	load     string
}

func newSelfWatch() *selfWatch {
	return &selfWatch{cpuStart: processCPU(), start: time.Now(), load: hostLoad()}
}

// cpu is the CPU time that this process has used since the run began.
func (w *selfWatch) cpu() time.Duration { return processCPU() - w.cpuStart }

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
}

func (w *selfWatch) generator() Generator {
	parse := func(s string) float64 { f, _ := strconv.ParseFloat(s, 64); return f }
	return Generator{
		Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
		CPUs: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0),
		LoadStart: parse(w.load), LoadEnd: parse(hostLoad()),
		CPUSeconds: w.cpu().Seconds(),
	}
}
