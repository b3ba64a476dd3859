package scaletest

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coderscale/scaletest/harness"
)

// Config is what the environment says. [Connect] reads it; the names are those
// of the variables without their prefix. docs: see the table in the README.
type Config struct {
	URL   string // CODER_URL; empty is the embedded deployment
	token string // CODER_SESSION_TOKEN

	Template     string      // CODER_SCALETEST_TEMPLATE: only its workspaces are targets
	Targets      TargetRange // CODER_SCALETEST_TARGET_WORKSPACES
	AnyWorkspace bool        // CODER_SCALETEST_ANY_WORKSPACE: also other people's

	Concurrency       *int          // CODER_SCALETEST_CONCURRENCY; nil if unset, 0 is no limit
	Timeout           time.Duration // CODER_SCALETEST_TIMEOUT, default 30m
	JobTimeout        time.Duration // CODER_SCALETEST_JOB_TIMEOUT; 0 if unset
	CleanupTimeout    time.Duration // CODER_SCALETEST_CLEANUP_TIMEOUT, default 30m
	CleanupJobTimeout time.Duration // CODER_SCALETEST_CLEANUP_JOB_TIMEOUT, default 5m
	MaxFailures       int           // CODER_SCALETEST_MAX_FAILURES

	// Duration is the steady phase of a traffic scenario:
	// CODER_SCALETEST_DURATION, else CODER_SCALETEST_TIMEOUT if that is set, else
	// 10s embedded and 1m live.
	Duration time.Duration

	// BytesPerTick and TickInterval are what the terminals type:
	// CODER_SCALETEST_WORKSPACE_TRAFFIC_BYTES_PER_TICK and _TICK_INTERVAL; 0 if
	// unset.
	BytesPerTick int
	TickInterval time.Duration

	Thresholds map[string][]harness.Threshold // CODER_SCALETEST_THRESHOLDS, by scenario
	Outputs    []Output                       // CODER_SCALETEST_OUTPUTS, default text
	Artifacts  string                         // CODER_SCALETEST_ARTIFACTS
	Seed       uint64                         // CODER_SCALETEST_SEED; 0 takes the run ID's
	Required   bool                           // CODER_SCALETEST_REQUIRED: no embedded fallback
	DryRun     bool                           // CODER_SCALETEST_DRY_RUN: print the plan, touch nothing
	Yes        string                         // CODER_SCALETEST_YES: the host that may be loaded beyond the safe limits

	set map[string]string // what was set, without secrets, for the result
}

// TargetRange is a part of the workspaces: from Start, End excluded. The zero
// value is all of them.
type TargetRange struct{ Start, End int }

// All reports whether the range is all there is.
func (r TargetRange) All() bool { return r == TargetRange{} }

// String is the range as the environment has it.
func (r TargetRange) String() string {
	if r.All() {
		return "all"
	}
	return fmt.Sprintf("%d:%d", r.Start, r.End)
}

// Output is a place for results: a format and, unless it is the terminal, a
// path.
type Output struct{ Format, Path string }

// Token reports whether there is a token. Its value stays inside.
func (c Config) Token() bool { return c.token != "" }

// Live reports whether the target is a deployment of somebody's.
func (c Config) Live() bool { return c.URL != "" }

// ConfigFromEnv reads the environment, given as os.Environ gives it. The error
// names every bad variable, its value and what was expected.
func ConfigFromEnv(environ []string) (Config, error) {
	env := map[string]string{}
	for _, kv := range environ {
		name, value, ok := strings.Cut(kv, "=")
		if ok && (strings.HasPrefix(name, prefix) || strings.HasPrefix(name, "CODER_")) || name == "JOB_COMPLETION_INDEX" {
			env[name] = value
		}
	}
	p := &envParser{env: env}
	p.refuseUnknown()
	c := Config{
		URL:   p.url("CODER_URL"),
		token: strings.TrimSpace(env["CODER_SESSION_TOKEN"]),

		Template:          p.text("TEMPLATE", ""),
		Targets:           p.targets("TARGET_WORKSPACES"),
		AnyWorkspace:      p.boolean("ANY_WORKSPACE"),
		Concurrency:       p.optionalInt("CONCURRENCY"),
		Timeout:           p.duration("TIMEOUT", 30*time.Minute),
		JobTimeout:        p.duration("JOB_TIMEOUT", 0),
		CleanupTimeout:    p.duration("CLEANUP_TIMEOUT", 30*time.Minute),
		CleanupJobTimeout: p.duration("CLEANUP_JOB_TIMEOUT", 5*time.Minute),
		MaxFailures:       p.int("MAX_FAILURES", 0, 0),
		BytesPerTick:      p.int("WORKSPACE_TRAFFIC_BYTES_PER_TICK", 1, 0),
		TickInterval:      p.positiveDuration("WORKSPACE_TRAFFIC_TICK_INTERVAL"),
		Thresholds:        p.thresholds("THRESHOLDS"),
		Outputs:           p.outputs("OUTPUTS"),
		Artifacts:         p.text("ARTIFACTS", ""),
		Seed:              p.uint("SEED"),
		Required:          p.boolean("REQUIRED"),
		DryRun:            p.boolean("DRY_RUN"),
		Yes:               p.text("YES", ""),
	}
	p.boolean("USE_HOST_LOGIN") // terminals act as the token's own user either way
	p.cliLogin(&c)
	switch {
	case c.URL != "" && c.token == "":
		p.fail("CODER_SESSION_TOKEN is not set, want a token for %s: make one with 'coder tokens create', or unset CODER_URL for the embedded deployment", c.URL)
	case c.URL == "" && c.token != "":
		p.fail("CODER_URL is not set, but CODER_SESSION_TOKEN is: want both, or neither for the embedded deployment")
	case c.URL == "" && c.Required:
		p.fail("CODER_URL is not set, and CODER_SCALETEST_REQUIRED forbids the embedded deployment")
	}
	c.Duration = p.positiveDuration("DURATION")
	switch {
	case c.Duration > 0:
	case env[prefix+"TIMEOUT"] != "" && c.Timeout > 0:
		c.Duration = c.Timeout
	case c.Live():
		c.Duration = time.Minute
	default:
		c.Duration = 10 * time.Second
	}
	c.set = p.set()
	return c, errors.Join(p.errs...)
}

// cliLogin takes URL and token from where Coder's command line keeps them.
func (p *envParser) cliLogin(c *Config) {
	if !p.boolean("USE_CLI_LOGIN") || c.URL != "" || c.token != "" {
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
	for _, f := range []struct {
		name string
		into *string
	}{{"url", &c.URL}, {"session", &c.token}} {
		text, err := os.ReadFile(filepath.Join(dir, f.name))
		if err != nil {
			p.fail("CODER_SCALETEST_USE_CLI_LOGIN is set, but %s can't be read: log in with 'coder login', or set CODER_CONFIG_DIR", filepath.Join(dir, f.name))
			return
		}
		*f.into = strings.TrimSpace(string(text))
	}
}

// parseURL checks a deployment's URL.
func parseURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("it must begin with http:// or https://")
	case u.Host == "":
		return errors.New("it has no host")
	case u.User != nil:
		return errors.New("it must not hold a user name or password")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("it must not have a query or a fragment")
	}
	return nil
}
