package compare

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coderscale/scaletest/harness"
)

// Change is something that the two sides were not alike in.
type Change struct {
	Name     string
	Old, New []string // all values that there were; empty is unset
}

// String is one line.
func (c Change) String() string {
	return fmt.Sprintf("%s: %s → %s", c.Name, oneOf(c.Old), oneOf(c.New))
}

func oneOf(values []string) string {
	if len(values) == 0 {
		return "unset"
	}
	return strings.Join(values, " or ")
}

// noise differs from run to run, and does not matter.
var noise = map[string]bool{
	"CODER_SCALETEST_ARTIFACTS": true, "CODER_SCALETEST_OUTPUTS": true, "CODER_SCALETEST_SEED": true,
	"CODER_SCALETEST_LIVE_ADDRESS": true, "CODER_SCALETEST_PROMETHEUS_ADDRESS": true,
	"target deployment_id": true, // of an embedded one, which is new each time
}

func changes(before, after []*harness.Result) (out []Change) {
	old, now := settings(before), settings(after)
	names := map[string]bool{}
	for name := range old {
		names[name] = true
	}
	for name := range now {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if noise[name] || slices.Equal(old[name], now[name]) {
			continue
		}
		out = append(out, Change{name, old[name], now[name]})
	}
	return out
}

// settings are all values that something had in the runs of a side, sorted.
func settings(runs []*harness.Result) map[string][]string {
	seen := map[string]map[string]bool{}
	put := func(name, value string) {
		if value == "" {
			return
		}
		if seen[name] == nil {
			seen[name] = map[string]bool{}
		}
		seen[name][value] = true
	}
	for _, r := range runs {
		for name, value := range r.Target {
			put("target "+name, value)
		}
		for name, value := range r.Configuration {
			put(name, value)
		}
		g := r.Generator
		put("generator", fmt.Sprintf("%s/%s, %d CPUs, GOMAXPROCS %d, %s", g.OS, g.Arch, g.CPUs, g.GOMAXPROCS, g.Go))
		for i := range r.Scenarios {
			s := &r.Scenarios[i]
			put("schedule of "+s.Name, s.Schedule)
			put("users of "+s.Name, fmt.Sprint(s.Users))
			for _, t := range s.Thresholds {
				put("thresholds of "+s.Name, t.Threshold)
			}
		}
		if r.Server != nil {
			for _, name := range []string{"version", "replicas", "cpu", "memory"} {
				put("server "+name, r.Server.Facts[name])
			}
		}
	}
	out := map[string][]string{}
	for name, values := range seen {
		out[name] = slices.Sorted(maps.Keys(values))
	}
	return out
}
