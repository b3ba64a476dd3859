package scaletest

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/coderscale/scaletest/harness"
)

// console prints what a person follows. Its lines fit 80 columns where the
// names in them are short.
type console struct {
	mu        sync.Mutex
	out       io.Writer
	quiet     bool // no heartbeat: a benchmark's lines stand alone
	scenarios int
	baseline  time.Duration
}

func (c *console) printf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// A terminal that is gone is no reason to end a run.
	_, _ = fmt.Fprintf(c.out, format, args...)
}

func (c *console) say(text string) { c.printf("%s\n", text) }

// plan says what is about to happen.
func (c *console) plan(plan harness.Plan, target *Target) {
	c.printf("target      %s\n", target.Describe())
	c.scenariosOf(plan)
}

// scenariosOf says what they do.
func (c *console) scenariosOf(plan harness.Plan) {
	c.scenarios, c.baseline = len(plan.Scenarios), plan.Baseline
	for _, s := range plan.Scenarios {
		after := ""
		if s.StartAfter > 0 {
			after = fmt.Sprintf(", after %v", s.StartAfter)
		}
		if s.WarmUp > 0 {
			after += fmt.Sprintf(", the first %v to warm up", s.WarmUp)
		}
		if s.CoolDown > 0 {
			after += fmt.Sprintf(", the last %v to cool down", s.CoolDown)
		}
		if shard := plan.Shard; shard.Of > 1 {
			after += ", in all shards"
		}
		c.printf("%-11s %s%s\n", s.Name, harness.Describe(s.Schedule), after)
		for _, t := range s.Thresholds {
			c.printf("            must hold: %v\n", t)
		}
	}
	for _, d := range plan.Disruptions {
		lasts := ""
		if d.For > 0 {
			lasts = fmt.Sprintf(", for %v", d.For)
		}
		c.printf("%-11s %s after %v%s\n", "disruption", d.Name, d.At, lasts)
	}
}

func (c *console) phase(name string) {
	switch name {
	case "baseline":
		c.printf("quiet for %v (baseline)\n", c.baseline)
	case "setup":
		c.say("getting ready")
	case "cleanup":
		c.say("load ended, cleaning up")
	case "load", "done":
	default: // disruptions
		c.say(name)
	}
}

// snapshot prints the heartbeat.
func (c *console) snapshot(s harness.Snapshot) {
	if c.quiet {
		return
	}
	for _, sec := range s.Scenarios {
		if sec.Span < 0.05 { // the rest behind the last full second
			continue
		}
		name := ""
		if c.scenarios > 1 {
			name = fmt.Sprintf("%-11s ", sec.Scenario)
		}
		c.printf("%s%s\n", name, sec.Line())
	}
}
