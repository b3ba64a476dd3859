package report

import (
	"fmt"
	"strings"

	"github.com/coderscale/scaletest/harness"
)

// What is said of the generator from: the shares of its cores, and of its CPU for
// garbage collection, from which on package harness explains by them why it was
// slow.
const (
	busyCores = 0.9
	busyGC    = 0.25
)

// writeGenerator says what is notable about this process as the generator: the
// result has the rest.
func writeGenerator(b *strings.Builder, g *harness.Generator) {
	w := g.Watch
	if w == nil {
		return
	}
	var notable []string
	add := func(format string, args ...any) { notable = append(notable, fmt.Sprintf(format, args...)) }
	if w.LateWakes > 0 {
		add("woken too late %d of %d times (p99 %s, longest %s)", w.LateWakes, w.Wake.Count, short(w.Wake.P99), short(w.Wake.Max))
	}
	if w.GCShare >= busyGC {
		add("%.0f %% of its CPU for garbage collection", 100*w.GCShare)
	}
	if w.OwnErrors > 0 {
		add("%s for want of something of this machine", plural(w.OwnErrors, "failure"))
	}
	if w.SnapshotsMissed > 0 {
		add("%s missed", plural(w.SnapshotsMissed, "snapshot"))
	}
	if len(notable) == 0 && (g.GOMAXPROCS < 1 || w.CPU < busyCores*float64(g.GOMAXPROCS)) {
		return
	}
	text := fmt.Sprintf("used %.1f of its %d cores (%.1f in the busiest second)", w.CPU, g.GOMAXPROCS, w.CPUPeak)
	b.WriteByte('\n')
	writeFact(b, 12, "generator", strings.Join(append([]string{text}, notable...), ", "))
}
