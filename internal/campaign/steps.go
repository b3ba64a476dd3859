package campaign

import (
	"net/url"
	"strconv"
	"time"

	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/scenario"
)

// step is one child process: what it is for, and what it is told.
type step struct {
	name  string         // of its phase, its folder and its results
	title string         // for people
	test  string         // the test that it runs
	file  *scenario.File // what TestScenario does; nil for other tests
	env   map[string]string
	watch bool // whether its live page is the one that is shown
}

// p begins the names of variables that the library reads.
const p = "CODER_SCALETEST_"

// The test functions of the compiled tests.
const (
	testCreate   = "TestCreateWorkspaces"
	testScenario = "TestScenario"
)

// createStep makes the workspaces. They stay when the child ends: what becomes of
// them is the strategy's.
func (c Config) createStep() step { return c.creation("create", c.Template, c.Workspaces) }

// greedyCreateStep makes the one that is flooded.
func (c Config) greedyCreateStep() step { return c.creation("create-greedy", c.Greedy, 1) }

func (c Config) creation(name, template string, n int) step {
	return step{
		name: name, title: strconv.Itoa(n) + " of " + template, test: testCreate, watch: true,
		env: map[string]string{
			p + "TEMPLATE": template, p + "COUNT": strconv.Itoa(n), p + "NO_CLEANUP": "true",
			p + "CONCURRENCY": strconv.Itoa(max(c.Create.Concurrency, 1)), p + "RETRY": strconv.Itoa(c.Create.Retries),
			p + "MAX_FAILURES": strconv.Itoa(c.Create.MaxFailures),
			p + "TIMEOUT":      or(time.Duration(c.Create.Timeout), 5*time.Hour).String(),
			p + "JOB_TIMEOUT":  or(time.Duration(c.Create.JobTimeout), 25*time.Minute).String(),
		},
	}
}

// loadSteps are the loads: a child for each, or one for all that run side by side.
func (c Config) loadSteps() []step {
	var steps []step
	together := scenario.File{Name: or(c.Name, "campaign"), Stagger: c.Stagger}
	for _, l := range c.Loads {
		s := c.scenario(l)
		if c.SideBySide {
			together.Scenarios = append(together.Scenarios, s)
			continue
		}
		steps = append(steps, c.loadStep(string(l.Kind), scenario.File{Name: string(l.Kind), Scenarios: []scenario.Scenario{s}}, c.Template))
	}
	if c.SideBySide {
		steps = append(steps, c.loadStep("load", together, c.Template))
	}
	return steps
}

// greedyStep floods the terminal of one workspace in the second third of a load.
func (c Config) greedyStep(of step) step {
	third := of.file.Length() / 3
	s := c.loadStep(of.name+"-greedy", scenario.File{Name: "greedy", Scenarios: []scenario.Scenario{{
		Name: "greedy", Kind: scenario.Terminal, StartAfter: scenario.Duration(third), Duration: scenario.Duration(third),
		Targets:      scenario.Targets{Range: runners.Range{End: 1}}, // whoever has others of it
		BytesPerTick: 25 << 20, TickInterval: scenario.Duration(40 * time.Millisecond),
	}}}, c.Greedy)
	s.watch = false
	return s
}

func (c Config) loadStep(name string, file scenario.File, template string) step {
	var kinds string
	for i, s := range file.Scenarios {
		if i > 0 {
			kinds += ", "
		}
		kinds += string(s.Kind)
		if s.Targets.Share > 0 {
			kinds += " " + s.Targets.String()
		}
	}
	n := c.Workspaces
	if template == c.Greedy {
		n = 1
	}
	if c.DryRun { // what is not there is stood in for
		file.Create = &scenario.Create{Workspaces: max(n, 1), Template: template, Concurrency: max(c.Create.Concurrency, 1)}
	}
	return step{
		name: name, title: kinds + " for " + brief(file.Length()), test: testScenario, file: &file, watch: true,
		env: map[string]string{p + "TEMPLATE": template},
	}
}

func (c Config) scenario(l Load) scenario.Scenario {
	s := scenario.Scenario{Kind: l.Kind, Duration: l.Duration, Thresholds: l.Thresholds}
	if share := or(l.Percentage, 100); share < 100 || c.SideBySide {
		s.Targets.Share = share
	}
	if l.Kind != scenario.Dashboard {
		s.BytesPerTick, s.TickInterval, s.Concurrency = scenario.Bytes(l.BytesPerTick), l.TickInterval, c.JobConcurrency
	}
	s.App = l.App
	return s
}

// environment is what a child is told beside the step's own. It is about to have the
// load of a deployment's own choosing, which is what the safe limits ask for.
func (c Config) environment(s step) map[string]string {
	env := map[string]string{
		p + "NO_CLEANUP": "", p + "COUNT": "", p + "SCENARIO": "", p + "OUTPUTS": "text",
		p + "LIVE_ADDRESS": "",
		// A child is no shard, and a run of its own, whatever is still exported.
		p + "SHARD": "", p + "SHARDS": "", p + "COLLECTOR": "", p + "START_AT": "", p + "RUN_ID": "",
		p + "CLEANUP_CONCURRENCY": strconv.Itoa(max(c.Cleanup.Concurrency, 1)),
	}
	if c.URL != "" {
		env["CODER_URL"] = c.URL
		if u, err := url.Parse(c.URL); err == nil {
			env[p+"YES"] = u.Hostname()
		}
	}
	if c.DryRun {
		env[p+"DRY_RUN"], env[p+"REQUIRED"] = "true", ""
	} else {
		env[p+"DRY_RUN"], env[p+"REQUIRED"] = "", "true"
	}
	if s.watch && !c.DryRun {
		env[p+"LIVE_ADDRESS"] = "127.0.0.1:0"
	} else { // the one that is watched has them
		env[p+"PROMETHEUS_ADDRESS"], env[p+"PROMETHEUS_PUSH_URL"] = "", ""
	}
	for name, value := range s.env {
		env[name] = value
	}
	return env
}
