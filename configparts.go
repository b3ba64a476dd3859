package scaletest

import (
	"encoding/csv"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/runners"
)

// CreateOptions say what is created, and how.
type CreateOptions struct {
	Count           int  // CODER_SCALETEST_COUNT; 0 if unset
	Retries         int  // CODER_SCALETEST_RETRY: new builds after one that failed
	NoCleanup       bool // CODER_SCALETEST_NO_CLEANUP: leave what was created
	NoWaitForAgents bool // CODER_SCALETEST_NO_WAIT_FOR_AGENTS

	// Command is run in each workspace: CODER_SCALETEST_RUN_COMMAND,
	// _RUN_TIMEOUT (default 5s), _RUN_EXPECT_TIMEOUT, _RUN_EXPECT_OUTPUT and
	// _RUN_LOG_OUTPUT. Nil runs none.
	Command *runners.CommandConfig

	// Parameters are values for the template, from the variables of Coder's own
	// command line: CODER_RICH_PARAMETER (name=value, separated by commas) and
	// CODER_RICH_PARAMETER_FILE (YAML). The former win.
	Parameters []coder.BuildParameter
}

// ConnectOptions say which tunnels are held: by the workspaces that are created,
// if there is a URL, and by TestTunnel.
type ConnectOptions struct {
	URL      string        // CODER_SCALETEST_CONNECT_URL: as it is inside the workspace, http only
	Hold     time.Duration // CODER_SCALETEST_CONNECT_HOLD, default 30s: how long; 0 connects once
	Interval time.Duration // CODER_SCALETEST_CONNECT_INTERVAL, default 1s: between two requests; 0 makes one
	Timeout  time.Duration // CODER_SCALETEST_CONNECT_TIMEOUT, default 5s: of a request
}

// DashboardOptions say how people use the dashboard.
type DashboardOptions struct {
	Users    runners.Range // CODER_SCALETEST_DASHBOARD_TARGET_USERS
	Interval time.Duration // CODER_SCALETEST_DASHBOARD_INTERVAL, default 10s: between two clicks
	Jitter   time.Duration // CODER_SCALETEST_DASHBOARD_JITTER, default 5s: more or less
	Seed     uint64        // CODER_SCALETEST_DASHBOARD_RAND_SEED; 0 takes the run's
}

func (p *envParser) create() CreateOptions {
	o := CreateOptions{
		Count:           p.int("COUNT", 1),
		Retries:         p.int("RETRY", 0),
		NoCleanup:       p.boolean("NO_CLEANUP"),
		NoWaitForAgents: p.boolean("NO_WAIT_FOR_AGENTS"),
		Parameters:      p.parameters(),
	}
	command := runners.CommandConfig{
		Command:       p.text("RUN_COMMAND"),
		Timeout:       p.positiveDuration("RUN_TIMEOUT"),
		ExpectTimeout: p.boolean("RUN_EXPECT_TIMEOUT"),
		ExpectOutput:  p.text("RUN_EXPECT_OUTPUT"),
		LogOutput:     p.boolean("RUN_LOG_OUTPUT"),
	}
	switch {
	case command.Command == "" && (command.ExpectTimeout || command.ExpectOutput != "" || command.LogOutput):
		p.fail("CODER_SCALETEST_RUN_COMMAND is not set, but what to expect of it is: want a command, or none of the others")
	case command.Command != "" && o.NoWaitForAgents:
		p.fail("CODER_SCALETEST_NO_WAIT_FOR_AGENTS is set, but CODER_SCALETEST_RUN_COMMAND needs an agent: want at most one of the two")
	case command.Command != "":
		o.Command = &command
	}
	return o
}

func (p *envParser) connect() ConnectOptions {
	o := ConnectOptions{
		URL:      p.text("CONNECT_URL"),
		Hold:     p.duration("CONNECT_HOLD", 30*time.Second),
		Interval: p.duration("CONNECT_INTERVAL", time.Second),
		Timeout:  p.positiveDuration("CONNECT_TIMEOUT"),
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	if u, err := url.Parse(o.URL); o.URL != "" && (err != nil || u.Scheme != "http" || u.Host == "") {
		p.bad("CONNECT_URL", "a URL inside the workspace that begins with http://, such as http://localhost:8080/")
	}
	if mode := p.text("CONNECT_MODE"); mode != "" && mode != "derp" {
		p.bad("CONNECT_MODE", "derp: all traffic goes by relays here, never directly")
	}
	if o.Hold == 0 && o.Interval > 0 && p.text("CONNECT_INTERVAL") != "" {
		p.fail("CODER_SCALETEST_CONNECT_INTERVAL is %q, but CODER_SCALETEST_CONNECT_HOLD is 0, which connects once: want an interval of 0, or to hold the tunnel", p.text("CONNECT_INTERVAL"))
	}
	return o
}

func (p *envParser) dashboard() DashboardOptions {
	o := DashboardOptions{
		Users:    p.targets("DASHBOARD_TARGET_USERS"),
		Interval: p.positiveDuration("DASHBOARD_INTERVAL"),
		Jitter:   p.duration("DASHBOARD_JITTER", 5*time.Second),
		Seed:     p.uint("DASHBOARD_RAND_SEED"),
	}
	if o.Interval == 0 {
		o.Interval = 10 * time.Second
	}
	if o.Jitter >= o.Interval {
		if p.text("DASHBOARD_JITTER") != "" {
			p.bad("DASHBOARD_JITTER", "less than the interval of "+o.Interval.String())
		}
		o.Jitter = o.Interval / 2 // nobody asked for the default
	}
	return o
}

// about reads what people know of a deployment, and it does not say.
func (p *envParser) about() map[string]string {
	about := map[string]string{}
	for fact, name := range map[string]string{
		"environment": "ENVIRONMENT", "cpu": "SERVER_CPU", "memory": "SERVER_MEMORY", "replicas": "SERVER_REPLICAS", "database": "SERVER_DATABASE",
	} {
		if value := p.text(name); value != "" {
			about[fact] = value
		}
	}
	return about
}

// parameters reads what Coder's own command line reads.
func (p *envParser) parameters() []coder.BuildParameter {
	values := map[string]string{}
	var order []string
	put := func(name, value string) {
		if _, there := values[name]; !there {
			order = append(order, name)
		}
		values[name] = value
	}
	if path := p.env["CODER_RICH_PARAMETER_FILE"]; path != "" {
		var file map[string]string
		b, err := os.ReadFile(path)
		if err == nil {
			err = yaml.Unmarshal(b, &file)
		}
		if err != nil {
			p.fail("CODER_RICH_PARAMETER_FILE is %q, want a YAML file with a line 'name: value' for each parameter: %w", path, err)
		}
		for _, name := range sortedKeys(file) {
			put(name, file[name])
		}
	}
	if list := p.env["CODER_RICH_PARAMETER"]; list != "" {
		fields, err := csv.NewReader(strings.NewReader(list)).Read()
		if err != nil || slices.ContainsFunc(fields, func(f string) bool { return !strings.Contains(f, "=") }) {
			p.fail("CODER_RICH_PARAMETER is %q, want name=value, separated by commas; in quotes where the value has a comma", list)
			return nil
		}
		for _, f := range fields {
			name, value, _ := strings.Cut(f, "=")
			put(strings.TrimSpace(name), value)
		}
	}
	var out []coder.BuildParameter
	for _, name := range order {
		out = append(out, coder.BuildParameter{Name: name, Value: values[name]})
	}
	return out
}
