package report

import (
	"fmt"
	"strings"

	"github.com/coderscale/scaletest/harness"
)

// writeDisruption shows what a disruption did: before, during and after it.
func writeDisruption(b *strings.Builder, d *harness.DisruptionResult) {
	lasted := ""
	if d.Seconds >= 0.05 {
		lasted = fmt.Sprintf(", undone after %.1fs", d.Seconds)
	}
	fmt.Fprintf(b, "\ndisruption %s: at %.1fs of the load%s\n\n", d.Name, d.At, lasted)
	switch {
	case d.Error != "":
		fact(b, "FAILED", d.Error)
	case d.Recovered:
		fact(b, "recovered", fmt.Sprintf("within %.1fs of its beginning", d.RecoverySeconds))
	default:
		fact(b, "recovered", "NOT before the load ended")
	}
	for i := range d.Scenarios {
		s := &d.Scenarios[i]
		fmt.Fprintf(b, "  %-26s %12s %12s %12s\n", s.Name, "before", "during", "after")
		parts := []harness.Part{s.Before, s.During, s.After}
		row := func(name string, cell func(p harness.Part) string) {
			cells := make([]string, len(parts))
			any := false
			for i, p := range parts {
				cells[i] = "-"
				if p.Seconds > 0 {
					if text := cell(p); text != "" {
						cells[i], any = text, true
					}
				}
			}
			if any {
				fmt.Fprintf(b, "  %-26s %12s %12s %12s\n", name, cells[0], cells[1], cells[2])
			}
		}
		row("seconds", func(p harness.Part) string { return fmt.Sprintf("%.1f", p.Seconds) })
		row("sending rate", func(p harness.Part) string {
			if p.Throughput == nil {
				return ""
			}
			return fmt.Sprintf("%.1f %%", 100*p.Throughput.Ratio)
		})
		for _, name := range sorted(s.During.Actions) {
			row(name+" p99", func(p harness.Part) string {
				if p.Actions[name].Count == 0 {
					return ""
				}
				return short(p.Actions[name].Response.P99)
			})
			row(name+" failed", func(p harness.Part) string {
				if p.Actions[name].Errors == 0 {
					return ""
				}
				return fmt.Sprint(p.Actions[name].Errors)
			})
		}
		row("connections lost", func(p harness.Part) string {
			if p.Connections == nil {
				return ""
			}
			return fmt.Sprintf("%d (%.1f %%)", p.Connections.Lost, 100*p.Connections.LostShare)
		})
		row("time to reconnect, p50", func(p harness.Part) string {
			if p.Connections == nil || p.Connections.Restored == 0 {
				return ""
			}
			return short(p.Connections.Reconnect.P50)
		})
		row("time to reconnect, max", func(p harness.Part) string {
			if p.Connections == nil || p.Connections.Restored == 0 {
				return ""
			}
			return short(p.Connections.Reconnect.Max)
		})
		for _, of := range []struct {
			name string
			of   func(*harness.Connections) *harness.PerConnection
		}{
			{"bytes lost", func(c *harness.Connections) *harness.PerConnection { return c.BytesLost }},
			{"bytes repeated", func(c *harness.Connections) *harness.PerConnection { return c.BytesRepeated }},
		} {
			row(of.name+", each", func(p harness.Part) string {
				if p.Connections == nil || of.of(p.Connections) == nil || of.of(p.Connections).Total == 0 {
					return ""
				}
				return fmt.Sprintf("%.0f", of.of(p.Connections).Mean)
			})
			row(of.name+", most", func(p harness.Part) string {
				if p.Connections == nil || of.of(p.Connections) == nil || of.of(p.Connections).Total == 0 {
					return ""
				}
				return fmt.Sprint(of.of(p.Connections).Max)
			})
		}
	}
}
