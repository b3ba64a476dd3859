package collector

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"time"
)

// freshness is how long a process that says something every few seconds may be
// silent until another one may take its place.
const freshness = 15 * time.Second

// newProcess tells this process from all others, and tells people which one it is.
func newProcess() string {
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown host"
	}
	return fmt.Sprintf("process %d on %s/%s", os.Getpid(), host, rand.Text()[:12])
}

// processName is what people are told of a process.
func processName(process string) string {
	name, _, _ := strings.Cut(process, "/")
	if name == "" {
		return "another process"
	}
	return name[:min(len(name), 200)]
}

// take notes which process speaks for a shard. A second one that does would load the
// same targets again.
func (m *member) take(process string) error {
	if m.process == process {
		return nil
	}
	if m.process != "" && !m.left && time.Since(m.heard) < freshness {
		return fmt.Errorf("shard %s is there already, as %s: want a shard of its own for each process, or wait %v if that one has ended",
			nameOf(m.shard), processName(m.process), freshness)
	}
	m.process = process
	return nil
}
