package scaletest

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

const prefix = "CODER_SCALETEST_"

// known are the variables that are read, without their prefix.
var known = []string{
	"TEMPLATE", "TARGET_WORKSPACES", "ANY_WORKSPACE", "CONCURRENCY", "TIMEOUT", "JOB_TIMEOUT",
	"CLEANUP_TIMEOUT", "CLEANUP_JOB_TIMEOUT", "CLEANUP_CONCURRENCY", "CLEANUP_TEMPLATE", "MAX_FAILURES", "USE_HOST_LOGIN", "USE_CLI_LOGIN",
	"COUNT", "RETRY", "NO_CLEANUP", "NO_WAIT_FOR_AGENTS",
	"RUN_COMMAND", "RUN_TIMEOUT", "RUN_EXPECT_TIMEOUT", "RUN_EXPECT_OUTPUT", "RUN_LOG_OUTPUT",
	"CONNECT_URL", "CONNECT_MODE", "CONNECT_HOLD", "CONNECT_INTERVAL", "CONNECT_TIMEOUT",
	"DASHBOARD_TARGET_USERS", "DASHBOARD_INTERVAL", "DASHBOARD_JITTER", "DASHBOARD_RAND_SEED", "DASHBOARD_HEADLESS",
	"WORKSPACE_TRAFFIC_BYTES_PER_TICK", "WORKSPACE_TRAFFIC_TICK_INTERVAL",
	"WORKSPACE_TRAFFIC_SSH", "WORKSPACE_TRAFFIC_APP", "WORKSPACE_TRAFFIC_DISABLE_DIRECT_CONNECTIONS", "WORKSPACE_PROXY_URL",
	"PROMETHEUS_ADDRESS", "PROMETHEUS_WAIT", "PROMETHEUS_PUSH_URL", "LIVE_ADDRESS", "TRACE", "TRACE_PROPAGATE", "SCENARIO",
	"ENVIRONMENT", "SERVER_CPU", "SERVER_MEMORY", "SERVER_REPLICAS", "SERVER_DATABASE",
	"SERVER_METRICS", "SERVER_INTERVAL",
	"SHARD", "SHARDS", "RUN_ID", "COLLECTOR", "START_AT",
	"DISRUPT_COMMAND", "DISRUPT_UNDO_COMMAND", "DURATION", "THRESHOLDS", "OUTPUTS", "ARTIFACTS", "SEED", "REQUIRED", "DRY_RUN", "YES",
}

// never are variables of Coder's utility that will not be read.
var never = map[string]string{
	"TRACE_CODER":             "set the standard OTEL_* variables for your own collector instead",
	"TRACE_HONEYCOMB_API_KEY": "set the standard OTEL_EXPORTER_OTLP_* variables instead",
}

// refuseUnknown refuses what nobody reads, by name and never by value: a
// variable that is not known may hold a secret. An empty one counts as unset.
func (p *envParser) refuseUnknown() {
	for _, name := range sortedKeys(p.env) {
		short, ours := strings.CutPrefix(name, prefix)
		if !ours || p.env[name] == "" || slices.Contains(known, short) {
			continue
		}
		if instead, ok := never[short]; ok {
			if !sameValue(p.env[name], "false") {
				p.fail("%s is not supported: %s", name, instead)
			}
			continue
		}
		near, distance := nearest(short, known)
		if distance > len(short)/2 {
			p.fail("%s is not a known variable: the README lists those that there are", name)
			continue
		}
		p.fail("%s is not a known variable: the nearest is %s%s", name, prefix, near)
	}
}

// sameValue reports whether two texts mean the same number, truth or duration.
func sameValue(a, b string) bool {
	if a == b {
		return true
	}
	if x, err := strconv.ParseBool(a); err == nil {
		if y, err := strconv.ParseBool(b); err == nil {
			return x == y
		}
	}
	x, err1 := time.ParseDuration(a)
	y, err2 := time.ParseDuration(b)
	return err1 == nil && err2 == nil && x == y
}

// nearest is the name that takes the fewest changes, and how many.
func nearest(name string, names []string) (best string, distance int) {
	distance = 1 << 30
	for _, k := range names {
		if d := editDistance(name, k); d < distance {
			best, distance = k, d
		}
	}
	return best, distance
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

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
