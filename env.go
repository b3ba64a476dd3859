package scaletest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coderscale/scaletest/harness"
)

const prefix = "CODER_SCALETEST_"

// known are the variables that are read, without their prefix.
var known = []string{
	"TEMPLATE", "TARGET_WORKSPACES", "ANY_WORKSPACE", "CONCURRENCY", "TIMEOUT", "JOB_TIMEOUT",
	"CLEANUP_TIMEOUT", "CLEANUP_JOB_TIMEOUT", "MAX_FAILURES", "USE_HOST_LOGIN", "USE_CLI_LOGIN",
	"WORKSPACE_TRAFFIC_BYTES_PER_TICK", "WORKSPACE_TRAFFIC_TICK_INTERVAL",
	"DURATION", "THRESHOLDS", "OUTPUTS", "ARTIFACTS", "SEED", "REQUIRED", "DRY_RUN", "YES",
}

// later are variables whose feature does not exist yet. Ignoring them would
// make a test do something else than it was asked.
var later = map[string]string{
	"COUNT": "creating workspaces", "RETRY": "creating workspaces", "NO_CLEANUP": "creating workspaces",
	"NO_WAIT_FOR_AGENTS": "creating workspaces", "RUN_COMMAND": "creating workspaces",
	"RUN_TIMEOUT": "creating workspaces", "RUN_EXPECT_TIMEOUT": "creating workspaces",
	"RUN_EXPECT_OUTPUT": "creating workspaces", "RUN_LOG_OUTPUT": "creating workspaces",
	"CONNECT_URL": "tunnels", "CONNECT_MODE": "tunnels", "CONNECT_HOLD": "tunnels",
	"CONNECT_INTERVAL": "tunnels", "CONNECT_TIMEOUT": "tunnels",
	"CLEANUP_CONCURRENCY": "cleaning up created things", "CLEANUP_TEMPLATE": "cleaning up created things",
	"DASHBOARD_TARGET_USERS": "dashboard users", "DASHBOARD_INTERVAL": "dashboard users",
	"DASHBOARD_JITTER": "dashboard users", "DASHBOARD_RAND_SEED": "dashboard users",
	"DASHBOARD_HEADLESS":    "dashboard users",
	"WORKSPACE_TRAFFIC_SSH": "SSH traffic", "WORKSPACE_TRAFFIC_APP": "app traffic",
	"WORKSPACE_TRAFFIC_DISABLE_DIRECT_CONNECTIONS": "SSH traffic",
	"WORKSPACE_PROXY_URL":                          "workspace proxies",
	"PROMETHEUS_ADDRESS":                           "Prometheus metrics", "PROMETHEUS_WAIT": "Prometheus metrics",
	"TRACE": "tracing", "TRACE_PROPAGATE": "tracing",
	"SCENARIO": "scenario files",
	"SHARD":    "sharding", "SHARDS": "sharding", "START_AT": "sharding",
}

// never are variables of Coder's utility that will not be read.
var never = map[string]string{
	"TRACE_CODER":             "set the standard OTEL_* variables for your own collector instead",
	"TRACE_HONEYCOMB_API_KEY": "set the standard OTEL_EXPORTER_OTLP_* variables instead",
}

// envParser reads variables and collects all that is wrong with them.
type envParser struct {
	env  map[string]string
	errs []error
}

func (p *envParser) fail(format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf(format, args...))
}

// bad reports a value that is not as it should be.
func (p *envParser) bad(name, want string) {
	p.fail("%s%s is %q, want %s", prefix, name, p.env[prefix+name], want)
}

func (p *envParser) refuseUnknown() {
	names := make([]string, 0, len(p.env))
	for name := range p.env {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		short, ours := strings.CutPrefix(name, prefix)
		switch {
		case name == "JOB_COMPLETION_INDEX" && p.env[prefix+"SHARDS"] == "":
			// Any Kubernetes Job has it.
		case !ours || slices.Contains(known, short):
		case later[short] != "":
			p.fail("%s is set, but %s can't be done yet: unset it", name, later[short])
		case never[short] != "":
			p.fail("%s is not supported: %s", name, never[short])
		default:
			p.fail("%s is not a known variable; the nearest is %s%s", name, prefix, nearest(short))
		}
	}
}

// set is what was set, for the result.
func (p *envParser) set() map[string]string {
	out := map[string]string{}
	for name, value := range p.env {
		if short, ours := strings.CutPrefix(name, prefix); ours && slices.Contains(known, short) {
			out[name] = value
		}
	}
	return out
}

func (p *envParser) text(name, def string) string {
	if v, ok := p.env[prefix+name]; ok && v != "" {
		return v
	}
	return def
}

func (p *envParser) url(name string) string {
	v := strings.TrimRight(strings.TrimSpace(p.env[name]), "/")
	if v == "" {
		return ""
	}
	if err := parseURL(v); err != nil {
		p.fail("%s is %q, want the access URL of a Coder deployment, such as https://coder.example.com: %w", name, redactURL(v), err)
	}
	return v
}

// redactURL leaves out what may be a password.
func redactURL(v string) string {
	if i := strings.LastIndexByte(v, '@'); i >= 0 {
		return "…" + v[i:]
	}
	return v
}

func (p *envParser) boolean(name string) bool {
	v := p.text(name, "false")
	b, err := strconv.ParseBool(v)
	if err != nil {
		p.bad(name, "true or false")
	}
	return b
}

func (p *envParser) int(name string, lowest, def int) int {
	v := p.text(name, "")
	if v == "" {
		return def
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < lowest {
		p.bad(name, fmt.Sprintf("a whole number, at least %d", lowest))
	}
	return n
}

func (p *envParser) optionalInt(name string) *int {
	if p.text(name, "") == "" {
		return nil
	}
	n := p.int(name, 0, 0)
	return &n
}

func (p *envParser) uint(name string) uint64 {
	v := p.text(name, "0")
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		p.bad(name, "a whole number, at least 0")
	}
	return n
}

func (p *envParser) duration(name string, def time.Duration) time.Duration {
	v := p.text(name, "")
	if v == "" {
		return def
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		p.bad(name, "a duration such as 90s or 10m; 0 is none")
	}
	return d
}

// positiveDuration is 0 if unset.
func (p *envParser) positiveDuration(name string) time.Duration {
	v := p.text(name, "")
	if v == "" {
		return 0
	}
	d, err := time.ParseDuration(v)
	if err != nil || d <= 0 {
		p.bad(name, "a duration of more than 0, such as 100ms")
	}
	return d
}

func (p *envParser) targets(name string) TargetRange {
	v := p.text(name, "")
	if v == "" {
		return TargetRange{}
	}
	from, to, ok := strings.Cut(v, ":")
	start, err1 := strconv.Atoi(from)
	end, err2 := strconv.Atoi(to)
	if !ok || err1 != nil || err2 != nil || start < 0 || end <= start {
		p.bad(name, "START:END, counted from 0, END excluded and larger than START, such as 0:100")
		return TargetRange{}
	}
	return TargetRange{start, end}
}

func (p *envParser) thresholds(name string) map[string][]harness.Threshold {
	t, err := harness.ParseThresholds(p.text(name, ""))
	if err != nil {
		p.fail("%s%s: %w", prefix, name, err)
	}
	return t
}

// formats are the outputs that exist, and the ones to come.
var formats = map[string]bool{
	"text": true, "result": true,
	"json": false, "html": false, "junit": false, "csv": false, "bench": false, "markdown": false,
}

func (p *envParser) outputs(name string) []Output {
	var out []Output
	for spec := range strings.SplitSeq(p.text(name, "text"), ",") {
		format, path, _ := strings.Cut(strings.TrimSpace(spec), ":")
		exists, planned := formats[format]
		switch {
		case !planned:
			p.bad(name, "format or format:path, separated by commas, with the formats text and result")
		case !exists:
			p.fail("%s%s asks for %s, which can't be written yet: use text or result", prefix, name, format)
		default:
			out = append(out, Output{format, path})
		}
	}
	return out
}

// nearest is the known name that takes the fewest changes.
func nearest(name string) string {
	best, distance := "", 1<<30
	for _, k := range known {
		if d := editDistance(name, k); d < distance {
			best, distance = k, d
		}
	}
	return best
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
