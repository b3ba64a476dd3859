package scaletest

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

// Config is what the environment says. [Connect] reads it; see [Target.Config].
// The token is in there, but nothing that prints a Config shows it.
type Config struct {
	URL   string // CODER_URL, without a slash at the end; empty is the embedded deployment
	token secret // CODER_SESSION_TOKEN

	Template     string        // CODER_SCALETEST_TEMPLATE: only its workspaces are targets
	Targets      runners.Range // CODER_SCALETEST_TARGET_WORKSPACES
	AnyWorkspace bool          // CODER_SCALETEST_ANY_WORKSPACE: also other people's

	Concurrency       *int          // CODER_SCALETEST_CONCURRENCY; nil if unset, 0 is no limit
	MaxFailures       int           // CODER_SCALETEST_MAX_FAILURES: failed runs that are still a pass
	JobTimeout        time.Duration // CODER_SCALETEST_JOB_TIMEOUT, of one run; default 0, no limit
	CleanupTimeout    time.Duration // CODER_SCALETEST_CLEANUP_TIMEOUT, default 30m; 0 is no limit
	CleanupJobTimeout time.Duration // CODER_SCALETEST_CLEANUP_JOB_TIMEOUT, default 5m; 0 is no limit

	CleanupConcurrency int    // CODER_SCALETEST_CLEANUP_CONCURRENCY; 0 if unset, which is 1 for scaletest cleanup
	CleanupTemplate    string // CODER_SCALETEST_CLEANUP_TEMPLATE: scaletest cleanup --all removes only its workspaces

	// Timeout bounds the whole run: CODER_SCALETEST_TIMEOUT where
	// CODER_SCALETEST_DURATION is set too, else 30m, or as long as the plan needs
	// if that is more. 0 is no limit.
	Timeout time.Duration

	// Duration is the steady phase of a traffic scenario:
	// CODER_SCALETEST_DURATION, else CODER_SCALETEST_TIMEOUT if that is set, else
	// 10s embedded and 1m live.
	Duration time.Duration

	// BytesPerTick and TickInterval are what the terminals type:
	// CODER_SCALETEST_WORKSPACE_TRAFFIC_BYTES_PER_TICK and _TICK_INTERVAL; 0 if
	// unset.
	BytesPerTick int
	TickInterval time.Duration

	SSH      bool     // CODER_SCALETEST_WORKSPACE_TRAFFIC_SSH
	App      string   // CODER_SCALETEST_WORKSPACE_TRAFFIC_APP: the slug
	NoDirect bool     // CODER_SCALETEST_WORKSPACE_TRAFFIC_DISABLE_DIRECT_CONNECTIONS: it always goes by relay
	ProxyURL *url.URL // CODER_SCALETEST_WORKSPACE_PROXY_URL; nil is none

	Create    CreateOptions    // what to create, and how
	Connect   ConnectOptions   // the tunnels to hold
	Dashboard DashboardOptions // how people use the dashboard
	Server    ServerMetrics    // how the deployment is looked at from its own side

	// HostLogin acts as the token's own user instead of creating users, or
	// opening sessions for others: CODER_SCALETEST_USE_HOST_LOGIN.
	HostLogin bool

	Scenario string // CODER_SCALETEST_SCENARIO: the path of a scenario file

	PrometheusAddress string        // CODER_SCALETEST_PROMETHEUS_ADDRESS; empty serves no metrics
	PrometheusWait    time.Duration // CODER_SCALETEST_PROMETHEUS_WAIT, default 15s: for the last scrape; 0 does not wait
	PrometheusPushURL *url.URL      // CODER_SCALETEST_PROMETHEUS_PUSH_URL: of a Pushgateway that gets the final numbers; nil is none
	LiveAddress       string        // CODER_SCALETEST_LIVE_ADDRESS, such as 127.0.0.1:0: of the page that follows the run; empty serves none
	Trace             bool          // CODER_SCALETEST_TRACE
	TracePropagate    bool          // CODER_SCALETEST_TRACE_PROPAGATE: into the deployment

	DisruptCommand     string // CODER_SCALETEST_DISRUPT_COMMAND, a line for sh: see Target.Disruption
	DisruptUndoCommand string // CODER_SCALETEST_DISRUPT_UNDO_COMMAND, what takes it back

	// About are facts of the deployment that it does not tell itself, for the row of
	// the public table and for every report: CODER_SCALETEST_ENVIRONMENT ("environment"),
	// _SERVER_CPU ("cpu"), _SERVER_MEMORY ("memory"), _SERVER_REPLICAS ("replicas") and
	// _SERVER_DATABASE ("database").
	About map[string]string

	Sharding Sharding // which part of a run of several processes this one is

	Thresholds map[string][]harness.Threshold // CODER_SCALETEST_THRESHOLDS, by scenario
	Outputs    []Output                       // CODER_SCALETEST_OUTPUTS, default text
	Artifacts  string                         // CODER_SCALETEST_ARTIFACTS
	Seed       uint64                         // CODER_SCALETEST_SEED; 0 takes the run ID's
	Required   bool                           // CODER_SCALETEST_REQUIRED: an embedded fallback or a skip is a failure
	DryRun     bool                           // CODER_SCALETEST_DRY_RUN: print the plan, touch nothing
	Yes        string                         // CODER_SCALETEST_YES: the host that may be loaded beyond the safe limits

	github        bool   // GITHUB_ACTIONS
	githubSummary string // GITHUB_STEP_SUMMARY: a file

	set         map[string]string // what was set, without secrets, for the result
	limitsPlans bool              // Timeout was asked for, and is not the duration
	wholeRun    time.Duration     // CODER_SCALETEST_TIMEOUT as it is, for runs that have no duration
}

// Live reports whether the target is a deployment of somebody's, rather than
// the embedded one.
func (c Config) Live() bool { return c.URL != "" }

// ConfigFromEnv reads the environment, given as os.Environ gives it. The error
// names every bad variable, its value (never that of a secret) and what was
// expected, a line for each.
func ConfigFromEnv(environ []string) (Config, error) {
	p := newEnvParser(environ)
	p.refuseUnknown()
	c := Config{
		URL:   p.url("CODER_URL", p.env["CODER_URL"]),
		token: newSecret(p.token("CODER_SESSION_TOKEN", p.env["CODER_SESSION_TOKEN"])),

		Template:           p.text("TEMPLATE"),
		Targets:            p.targets("TARGET_WORKSPACES"),
		AnyWorkspace:       p.boolean("ANY_WORKSPACE"),
		Concurrency:        p.optionalInt("CONCURRENCY"),
		Timeout:            p.duration("TIMEOUT", defaultTimeout),
		JobTimeout:         p.duration("JOB_TIMEOUT", 0),
		CleanupTimeout:     p.duration("CLEANUP_TIMEOUT", 30*time.Minute),
		CleanupJobTimeout:  p.duration("CLEANUP_JOB_TIMEOUT", 5*time.Minute),
		CleanupConcurrency: p.int("CLEANUP_CONCURRENCY", 1),
		CleanupTemplate:    p.text("CLEANUP_TEMPLATE"),
		MaxFailures:        p.int("MAX_FAILURES", 0),
		Duration:           p.positiveDuration("DURATION"),
		BytesPerTick:       p.int("WORKSPACE_TRAFFIC_BYTES_PER_TICK", 1),
		TickInterval:       p.positiveDuration("WORKSPACE_TRAFFIC_TICK_INTERVAL"),
		SSH:                p.boolean("WORKSPACE_TRAFFIC_SSH"),
		App:                p.text("WORKSPACE_TRAFFIC_APP"),
		NoDirect:           p.boolean("WORKSPACE_TRAFFIC_DISABLE_DIRECT_CONNECTIONS"),
		ProxyURL:           p.optionalURL("WORKSPACE_PROXY_URL"),
		Create:             p.create(),
		Connect:            p.connect(),
		Dashboard:          p.dashboard(),
		Server:             p.serverMetrics(),
		HostLogin:          p.boolean("USE_HOST_LOGIN"),
		Scenario:           p.text("SCENARIO"),
		PrometheusAddress:  p.text("PROMETHEUS_ADDRESS"),
		PrometheusWait:     p.duration("PROMETHEUS_WAIT", 15*time.Second),
		PrometheusPushURL:  p.optionalURL("PROMETHEUS_PUSH_URL"),
		LiveAddress:        p.text("LIVE_ADDRESS"),
		Trace:              p.boolean("TRACE"),
		TracePropagate:     p.boolean("TRACE_PROPAGATE"),
		DisruptCommand:     p.text("DISRUPT_COMMAND"),
		DisruptUndoCommand: p.text("DISRUPT_UNDO_COMMAND"),
		About:              p.about(),
		Sharding:           p.sharding(),
		Thresholds:         p.thresholds("THRESHOLDS"),
		Outputs:            p.outputs("OUTPUTS"),
		Artifacts:          p.text("ARTIFACTS"),
		Seed:               p.uint("SEED"),
		Required:           p.boolean("REQUIRED"),
		DryRun:             p.boolean("DRY_RUN"),
		Yes:                p.text("YES"),
		github:             p.env["GITHUB_ACTIONS"] == "true",
		githubSummary:      p.env["GITHUB_STEP_SUMMARY"],
	}
	p.boolean("DASHBOARD_HEADLESS") // there is no browser
	if c.Connect.URL != "" && c.Create.NoWaitForAgents {
		p.fail("CODER_SCALETEST_NO_WAIT_FOR_AGENTS is set, but CODER_SCALETEST_CONNECT_URL needs an agent: want at most one of the two")
	}
	if c.SSH && c.App != "" {
		p.fail("CODER_SCALETEST_WORKSPACE_TRAFFIC_SSH and CODER_SCALETEST_WORKSPACE_TRAFFIC_APP are both set: want at most one of the two")
	}
	if c.DisruptUndoCommand != "" && c.DisruptCommand == "" {
		p.fail("CODER_SCALETEST_DISRUPT_UNDO_COMMAND is set, but there is nothing to undo: want CODER_SCALETEST_DISRUPT_COMMAND as well, or neither")
	}
	if p.boolean("USE_CLI_LOGIN") {
		p.cliLogin(&c)
	}
	p.login(c)
	p.times(&c)
	if c.DryRun && c.Required {
		p.fail("CODER_SCALETEST_DRY_RUN is set, and CODER_SCALETEST_REQUIRED forbids that tests are skipped: want at most one of the two")
	}
	c.set = p.set()
	return c, errors.Join(p.errs...)
}

const defaultTimeout = 30 * time.Minute

// login holds URL and token against each other. What is set but wrong has been
// reported already.
func (p *envParser) login(c Config) {
	hasURL, hasToken := c.URL != "" || p.env["CODER_URL"] != "", c.token.set() || p.env["CODER_SESSION_TOKEN"] != ""
	switch {
	case hasURL && !hasToken:
		p.fail("CODER_SESSION_TOKEN is not set, want a token for %s: make one with 'coder tokens create', or unset CODER_URL for the embedded deployment", redactURL(c.URL))
	case hasToken && !hasURL:
		p.fail("CODER_URL is not set, but CODER_SESSION_TOKEN is: want both, or neither for the embedded deployment")
	case !hasURL && c.Required:
		p.fail("CODER_URL is not set, but CODER_SCALETEST_REQUIRED forbids the embedded deployment: want the URL of a deployment and a token in CODER_SESSION_TOKEN")
	}
}

// times decides what CODER_SCALETEST_TIMEOUT means: Coder's utility takes it as
// how long traffic lasts, unless there is a better place to say that.
func (p *envParser) times(c *Config) {
	asked := p.text("TIMEOUT") != "" && c.Timeout > 0
	c.wholeRun = c.Timeout
	switch {
	case c.Duration > 0:
		c.limitsPlans = asked
		if asked && c.Duration > c.Timeout {
			p.fail("CODER_SCALETEST_DURATION is %q, want no more than the whole run may take, which is %q by CODER_SCALETEST_TIMEOUT", p.text("DURATION"), p.text("TIMEOUT"))
		}
	case asked:
		c.Duration, c.Timeout = c.Timeout, defaultTimeout
	case c.Live():
		c.Duration = time.Minute
	default:
		c.Duration = 10 * time.Second
	}
}

// cliLogin takes URL and token from where Coder's command line keeps them,
// unless one of them is set.
func (p *envParser) cliLogin(c *Config) {
	if p.env["CODER_URL"] != "" || p.env["CODER_SESSION_TOKEN"] != "" {
		return
	}
	dir := p.env["CODER_CONFIG_DIR"]
	if dir == "" {
		base, err := os.UserConfigDir()
		if err != nil {
			p.fail("CODER_SCALETEST_USE_CLI_LOGIN is set, but there is no home directory to look in: set CODER_CONFIG_DIR")
			return
		}
		dir = filepath.Join(base, "coderv2")
	}
	read := func(name string) (path, text string) {
		path = filepath.Join(dir, name)
		b, err := os.ReadFile(path)
		text = strings.TrimSpace(string(b))
		if err != nil || text == "" {
			p.fail("CODER_SCALETEST_USE_CLI_LOGIN is set, but there is no login in %s: log in with 'coder login', or set CODER_CONFIG_DIR", path)
			return path, ""
		}
		return path, text
	}
	urlPath, address := read("url")
	if address == "" {
		return
	}
	sessionPath, token := read("session")
	c.URL = p.url(urlPath, address)
	c.token = newSecret(p.token(sessionPath, token))
	// So that what was read is not reported as missing, whether right or wrong.
	p.env["CODER_URL"], p.env["CODER_SESSION_TOKEN"] = "read", "read"
}
