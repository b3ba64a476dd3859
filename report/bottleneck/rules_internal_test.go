package bottleneck

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder/coderdmetrics"
	"github.com/coderscale/scaletest/harness"
)

// line is a series that a test plays: its value before the load and during it.
type line struct {
	name, of, unit string
	before, during float64
}

// minute is a run whose load is from 10 s to 70 s, looked at every 5 s.
func minute(lines ...line) *harness.Result {
	res := &harness.Result{
		Verdict: harness.Pass, Seconds: 80, TimelineAt: 10,
		Phases: []harness.PhaseMark{{Name: "setup"}, {Name: "load", At: 10}, {Name: "cleanup", At: 70}, {Name: "done", At: 80}},
		Server: &harness.ServerResult{Interval: 5},
	}
	for _, l := range lines {
		s := harness.Series{Name: l.name, Of: l.of, Unit: l.unit}
		for at := 0.0; at < 80; at += 5 {
			value := l.before
			if at >= 10 && at <= 70 {
				value = l.during
			}
			s.Points = append(s.Points, [2]float64{at, value})
		}
		res.Server.Series = append(res.Server.Series, s)
	}
	return res
}

// played is what the generator saw of itself, each second of that minute.
func played(cpu, wake float64, own int64) *harness.Result {
	res := minute(line{"goroutines", "", "", 1, 1})
	w := &harness.SelfWatch{OwnErrors: own}
	for at := range 60 {
		w.Timeline = append(w.Timeline, harness.GeneratorSecond{At: float64(at + 1), CPU: cpu, WakeP99: wake})
	}
	res.Generator = harness.Generator{GOMAXPROCS: 4, Watch: w}
	return res
}

// firings has two results for each rule: one that it is for, and one just below.
var firings = []struct {
	title      string
	fires, not *harness.Result
	evidence   []string // a part of each
	certainty  Certainty
	cause      Cause
}{
	{"The generator had little CPU left", played(3.7, 0, 0), played(3.5, 0, 0), []string{"the generator used 3.70 of its 4 cores during all of the load"}, Likely, Generator},
	{"The generator was woken too late", played(1, 0.06, 0), played(1, 0.049, 0), []string{"60ms late"}, Likely, Generator},
	{"The generator's machine refused it something", played(1, 0, 3), played(1, 0, 0), []string{"3 failures"}, Likely, Generator},
	{"coderd has no CPU left",
		minute(line{"cpu", "replica 1", "cores", 0.1, 1.97}, line{"cpu_limit", "replica 1", "cores", 2, 2}, line{"cpu", "replica 2", "cores", 0.1, 0.3}, line{"cpu_limit", "replica 2", "cores", 2, 2}),
		minute(line{"cpu", "replica 1", "cores", 0.1, 1.69}, line{"cpu_limit", "replica 1", "cores", 2, 2}),
		[]string{"replica 1 used 1.97 of 2 cores during all of the load"}, Strong, CPU},
	{"coderd waits for CPU that others have",
		minute(line{"cpu", "", "cores", 0.1, 0.4}, line{"cpu_limit", "", "cores", 2, 2}, line{"authz_p95", "", "seconds", 0.001, 0.012}, line{"pubsub_send_latency", "", "seconds", 0.001, 0.02}),
		minute(line{"cpu", "", "cores", 0.1, 0.4}, line{"cpu_limit", "", "cores", 2, 2}, line{"authz_p95", "", "seconds", 0.001, 0.0049}, line{"pubsub_send_latency", "", "seconds", 0.001, 0.02}),
		[]string{"took 12ms at the 95th percentile", "used 0.40 of 2 cores", "took 20ms during all of the load, and 1ms before the load"}, Likely, CPU},
	{"coderd is at its limit of memory",
		minute(line{"memory", "a:1", "bytes", 1e9, 3.7e9}, line{"memory_limit", "a:1", "bytes", 4e9, 4e9}), minute(line{"memory", "a:1", "bytes", 1e9, 3.5e9}, line{"memory_limit", "a:1", "bytes", 4e9, 4e9}),
		[]string{"a:1 had 3.70 GB of 4.00 GB of memory"}, Strong, Memory},
	{"coderd stands still to collect garbage", minute(line{"gc_pause", "", "share", 0, 0.06}), minute(line{"gc_pause", "", "share", 0, 0.049}), []string{"stopped coderd for 6.0 % of the time"}, Likely, Memory},
	{"coderd has few file descriptors left",
		minute(line{"descriptors", "a:1", "", 9, 950}, line{"descriptor_limit", "a:1", "", 1024, 1024}), minute(line{"descriptors", "a:1", "", 9, 900}, line{"descriptor_limit", "a:1", "", 1024, 1024}),
		[]string{"a:1 had 950 of 1024 file descriptors open"}, Strong, Descriptors},
	{"Rate limits of the API refuse requests", minute(line{"api_limited", "", "1/s", 0, 12.5}), minute(line{"api_limited", "", "1/s", 0, 0.19}), []string{"refused 12.50 requests a second with 429"}, Strong, RateLimits},
	{"coderd waits for connections to its database",
		minute(line{"db_wait", "", "seconds/s", 0, 7}, line{"db_in_use", "", "", 0, 9.2}, line{"db_max", "", "", 10, 10}, line{"db_query_time", "GetX", "seconds/s", 0, 2}),
		minute(line{"db_wait", "", "seconds/s", 0, 0.49}, line{"db_in_use", "", "", 0, 9.2}, line{"db_max", "", "", 10, 10}),
		[]string{"requests waited 7s in each second", "9.20 of 10 connections", "the query GetX took 2s of each second"}, Strong, Database},
	{"All connections to the database are in use", minute(line{"db_in_use", "", "", 0, 10}, line{"db_max", "", "", 10, 10}), minute(line{"db_in_use", "", "", 0, 9}, line{"db_max", "", "", 10, 10}), []string{"10 of 10 connections"}, Likely, Database},
	{"The database answers slowly", minute(line{"db_query_p95", "", "seconds", 0, 0.08}), minute(line{"db_query_p95", "", "seconds", 0, 0.049}), []string{"queries took 80ms"}, Likely, Database},
	{"Transactions get into each other's way", minute(line{"db_tx_retried", "", "1/s", 0, 3}), minute(line{"db_tx_retried", "", "1/s", 0, 0.9}), []string{"3 transactions a second"}, Possible, Database},
	{"Builds wait for a provisioner",
		minute(line{"queue_wait_p95", "", "seconds", 0.1, 42}, line{"builds_pending", "", "", 0, 17}, line{"jobs_running", "", "", 0, 3}, line{"provisioners", "", "", 3, 3}),
		minute(line{"queue_wait_p95", "", "seconds", 0.1, 4.9}),
		[]string{"jobs waited 42s", "17 builds were waiting", "3 of 3 provisioners"}, Strong, Provisioners},
	{"All provisioners of coderd are busy while builds wait",
		minute(line{"jobs_running", "", "", 0, 3}, line{"provisioners", "", "", 3, 3}, line{"builds_pending", "", "", 0, 2}), minute(line{"jobs_running", "", "", 0, 3}, line{"provisioners", "", "", 3, 3}, line{"builds_pending", "", "", 0, 0}),
		[]string{"3 of 3 provisioners", "2 builds were waiting"}, Likely, Provisioners},
	{"Messages between coderd and its database are slow", minute(line{"pubsub_receive_latency", "", "seconds", 0, 0.4}), minute(line{"pubsub_receive_latency", "", "seconds", 0, 0.09}), []string{"took 400ms to come back"}, Likely, PubSub},
	{"coderd lost its connection for messages", minute(line{"pubsub_disconnects", "", "1/s", 0, 0.2}), minute(line{"pubsub_disconnects", "", "1/s", 0, 0}), []string{"was lost"}, Likely, PubSub},
	{"The relay drops packets", minute(line{"derp_dropped", "", "1/s", 0, 30}, line{"derp_dropped", "queue_head", "1/s", 0, 29}, line{"derp_sent", "", "bytes/s", 0, 8e6}), minute(line{"derp_dropped", "", "1/s", 0, 9}), []string{"dropped 30 packets", "29 of them a second for queue_head", "handed on 8.00 MB/s"}, Likely, Relay},
	{"Packets wait in the relay", minute(line{"derp_queue", "", "seconds", 0, 0.06}), minute(line{"derp_queue", "", "seconds", 0, 0.049}), []string{"waited 60ms"}, Likely, Relay},
	{"WebSockets have an end that does not answer", minute(line{"websocket_probes_failed", "", "1/s", 0, 2}), minute(line{"websocket_probes_failed", "", "1/s", 0, 0.1}), []string{"2 pings a second"}, Likely, WebSockets},
}

func TestEachRuleIsForItsOwnNumbersAndNotForThoseJustBelow(t *testing.T) {
	tested := map[string]bool{}
	for _, c := range firings {
		t.Run(c.title, func(t *testing.T) {
			tested[c.title] = true
			found := Find(c.fires)
			require.Len(t, found, 1, "%+v", found)
			f := found[0]
			require.Equal(t, c.title, f.Title)
			require.Equal(t, c.cause, f.Cause)
			require.Equal(t, c.certainty, f.Certainty)
			require.Len(t, f.Evidence, len(c.evidence), f.Evidence)
			for i, want := range c.evidence {
				require.Contains(t, f.Evidence[i], want)
				require.NotContains(t, f.Evidence[i], "{")
			}
			require.NotEmpty(t, f.Try)
			require.Empty(t, Find(c.not))
			if c.cause == Generator {
				return
			}
			// What is only outside of the load, or in a moment of it, held nothing up.
			for i := range c.fires.Server.Series {
				s := &c.fires.Server.Series[i]
				if strings.HasSuffix(s.Name, "_limit") || s.Name == "db_max" || s.Name == "provisioners" {
					continue
				}
				for n, p := range s.Points {
					if p[0] >= 10 && p[0] <= 70 {
						s.Points[n][1] = 0
					} else {
						s.Points[n][1] *= 1000
					}
				}
			}
			require.Empty(t, Find(c.fires))
		})
	}
	for _, r := range rules {
		require.True(t, tested[r.title], "no test for the rule %q", r.title)
	}
}

// A series' name with a typing error would be a rule that is never for anything.
func TestRulesSayWhatTheyLookAt(t *testing.T) {
	known := map[string]bool{"generator_cpu": true, "generator_cores": true, "generator_wake_p99": true, "generator_own_errors": true}
	for _, d := range coderdmetrics.Describe() {
		known[d.Series] = true
	}
	for _, r := range rules {
		require.Contains(t, order, r.cause)
		require.Contains(t, grades, r.certainty)
		require.NotEmpty(t, r.when)
		require.NotEmpty(t, r.try)
		for _, c := range append(append([]condition{}, r.when...), r.also...) {
			require.True(t, known[c.series] && (c.against == "" || known[c.against]), "%s of %s", c.series, c.against)
			require.True(t, c.atLeast > 0 || c.below > 0, c.series)
			require.NotEmpty(t, c.says)
			require.Equal(t, strings.Contains(c.says, "{limit}"), c.against != "", c.says)
			require.Equal(t, strings.Contains(c.says, "{usual}"), c.times > 0, c.says)
			rest := strings.NewReplacer("{value}", "", "{limit}", "", "{usual}", "", "{of}", "", "{span}", "").Replace(c.says)
			require.NotContains(t, rest, "{")
		}
	}
}
