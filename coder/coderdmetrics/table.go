package coderdmetrics

import "strings"

// how a series comes of a metric. Within a replica, label sets that are not told
// apart are added up, unless it says otherwise.
type how int

const (
	gauge   how = iota // the value
	mean               // the mean over the label sets
	highest            // the highest of the label sets
	rate               // increase in a second; of histograms and summaries that of their sum
	p50                // percentiles of what a histogram has got since
	p95
	p99
)

func (h how) percentile() float64 { return map[how]float64{p50: 0.50, p95: 0.95, p99: 0.99}[h] }

// across says what becomes of several replicas.
type across int

const (
	sum  across = iota // added up; percentiles are of all together
	most               // the highest, for what each of them reads from the database
	each               // one series for each, and none for the whole
	both               // each and sum
	tops               // each and the highest
)

// row is a series.
type row struct {
	series, unit string
	metric       string
	how          how
	across       across
	where        string   // label=a|b* and label!=a, separated by blanks
	by           []string // labels that make the series' Of, "code:class" for 2xx
	of           string   // Of where there is no label for it
	top          int      // how many Ofs, by what they take; 0 means all that there are
	scale        float64  // 0 means 1
	unlimited    float64  // values from here on mean none; 0 means no such value
	means        string
}

// route is what tells the API's endpoints apart.
var route = []string{"method", "path"}

// table is all series. Metrics are those of coderd 2.17 to 2.37.
var table = []row{
	{series: "cpu", unit: "cores", metric: "process_cpu_seconds_total", how: rate, across: both, means: "cores that coderd used"},
	{series: "cpu_limit", unit: "cores", metric: "go_sched_gomaxprocs_threads", across: both, means: "cores that coderd may use at a time (GOMAXPROCS)"},
	{series: "memory", unit: "bytes", metric: "process_resident_memory_bytes", across: both, means: "resident memory"},
	{series: "memory_limit", unit: "bytes", metric: "go_gc_gomemlimit_bytes", across: both, unlimited: 1 << 60, means: "the limit of memory that the collector keeps to (GOMEMLIMIT), if there is one"},
	{series: "goroutines", metric: "go_goroutines", across: both, means: "goroutines"},
	{series: "descriptors", metric: "process_open_fds", across: each, means: "open file descriptors"},
	{series: "descriptor_limit", metric: "process_max_fds", across: each, unlimited: 1 << 60, means: "file descriptors that may be open"},
	{series: "gc_pause", unit: "share", metric: "go_gc_duration_seconds", how: rate, across: tops, means: "share of the time that all goroutines stood still for the garbage collector"},
	{series: "network_received", unit: "bytes/s", metric: "process_network_receive_bytes_total", how: rate, across: both, means: "bytes that the host or container received, others than coderd too"},
	{series: "network_sent", unit: "bytes/s", metric: "process_network_transmit_bytes_total", how: rate, across: both, means: "bytes that the host or container sent, others than coderd too"},

	{series: "api_requests", unit: "1/s", metric: "coderd_api_requests_processed_total", how: rate, means: "requests that ended"},
	{series: "api_requests", unit: "1/s", metric: "coderd_api_requests_processed_total", how: rate, by: []string{"code:class"}, means: "the same by the class of their status; 0xx had none"},
	{series: "api_limited", unit: "1/s", metric: "coderd_api_requests_processed_total", how: rate, where: "code=429", means: "requests that a rate limit refused"},
	{series: "api_failed", unit: "1/s", metric: "coderd_api_requests_processed_total", how: rate, where: "code=5*", means: "requests that ended with a status of 500 or above"},
	{series: "api_latency_p50", unit: "seconds", metric: "coderd_api_request_latencies_seconds", how: p50, where: notSockets, means: "time of requests that are no WebSockets, median"},
	{series: "api_latency_p95", unit: "seconds", metric: "coderd_api_request_latencies_seconds", how: p95, where: notSockets, means: "time of requests that are no WebSockets, 95th percentile"},
	{series: "api_latency_p99", unit: "seconds", metric: "coderd_api_request_latencies_seconds", how: p99, where: notSockets, means: "time of requests that are no WebSockets, 99th percentile"},
	{series: "api_time", unit: "seconds/s", metric: "coderd_api_request_latencies_seconds", how: rate, where: notSockets, by: route, top: 5, means: "time that requests to an endpoint took, of the 5 that took most"},
	{series: "api_route_p95", unit: "seconds", metric: "coderd_api_request_latencies_seconds", how: p95, where: notSockets, by: route, top: 5, means: "time of requests to the endpoints that took most, 95th percentile"},
	{series: "api_concurrent", metric: "coderd_api_concurrent_requests", means: "requests under way"},
	{series: "api_concurrent", metric: "coderd_api_concurrent_requests", by: route, top: 5, means: "the same by endpoint, the 5 with most"},
	{series: "websockets", metric: "coderd_api_concurrent_websockets", means: "open WebSockets"},
	{series: "websockets", metric: "coderd_api_concurrent_websockets", by: []string{"path"}, top: 8, means: "the same by path, the 8 with most"},
	{series: "websocket_probes_failed", unit: "1/s", metric: "coderd_api_websocket_probes_total", how: rate, where: "result=timeout|error", means: "pings to WebSockets that had no answer"},
	{series: "authz_p95", unit: "seconds", metric: "coderd_authz_authorize_duration_seconds", how: p95, means: "time to decide what somebody may do, which takes nothing but CPU"},
	{series: "users", metric: "coderd_api_total_user_count", across: most, by: []string{"status"}, means: "users by status"},

	{series: "builds", unit: "1/s", metric: "coderd_workspace_builds_total", how: rate, by: []string{"status"}, means: "workspace builds that ended, by status"},
	{series: "build_time_p50", unit: "seconds", metric: "coderd_provisionerd_workspace_build_timings_seconds", how: p50, by: []string{"workspace_transition"}, means: "time of builds by transition, without their wait, median"},
	{series: "build_time_p95", unit: "seconds", metric: "coderd_provisionerd_workspace_build_timings_seconds", how: p95, by: []string{"workspace_transition"}, means: "time of builds by transition, without their wait, 95th percentile"},
	{series: "provisioners", metric: "coderd_provisionerd_num_daemons", means: "provisioner daemons inside coderd; those outside are not counted"},
	{series: "jobs_running", metric: "coderd_provisionerd_jobs_current", means: "jobs that these daemons work on"},
	{series: "builds_pending", metric: "coderd_api_workspace_latest_build", across: most, where: "status=pending", means: "workspaces whose build waits for a provisioner"},
	{series: "queue_wait_p50", unit: "seconds", metric: "coderd_provisioner_job_queue_wait_seconds", how: p50, means: "how long jobs waited for a provisioner, median"},
	{series: "queue_wait_p95", unit: "seconds", metric: "coderd_provisioner_job_queue_wait_seconds", how: p95, means: "how long jobs waited for a provisioner, 95th percentile"},
	{series: "autobuild_p95", unit: "seconds", metric: "coderd_lifecycle_autobuild_execution_duration_seconds", how: p95, means: "time of a round that looks for workspaces to start and stop"},

	{series: "agents", metric: "coderd_agents_connections", across: most, by: []string{"status"}, means: "agents of running workspaces by status"},
	{series: "agent_latency", unit: "seconds", metric: "coderd_agents_connection_latencies_seconds", how: mean, across: most, where: "preferred=true", means: "round trip from agents to their relay, the mean over agents"},
	{series: "agent_latency_max", unit: "seconds", metric: "coderd_agents_connection_latencies_seconds", how: highest, across: most, where: "preferred=true", means: "round trip to its relay of the agent with the longest"},
	{series: "sessions", metric: "coderd_agentstats_session_count_reconnecting_pty", across: most, of: "terminal", means: "sessions that agents have, by kind"},
	{series: "sessions", metric: "coderd_agentstats_session_count_ssh", across: most, of: "ssh"},
	{series: "sessions", metric: "coderd_agentstats_session_count_vscode", across: most, of: "vscode"},
	{series: "sessions", metric: "coderd_agentstats_session_count_jetbrains", across: most, of: "jetbrains"},
	{series: "workspaces_received", unit: "bytes", metric: "coderd_agentstats_rx_bytes", across: most, means: "bytes that agents received, of their reports that the server has last added up, which it does each minute"},
	{series: "workspaces_sent", unit: "bytes", metric: "coderd_agentstats_tx_bytes", across: most, means: "bytes that agents sent, of their reports that the server has last added up"},
	{series: "metadata_dropped", unit: "1/s", metric: "coderd_agentapi_metadata_dropped_keys_total", how: rate, means: "metadata of agents that found the batch full"},

	{series: "db_in_use", metric: "go_sql_in_use_connections", across: both, means: "connections to the database that are in use"},
	{series: "db_max", metric: "go_sql_max_open_connections", across: both, means: "connections that there may be (CODER_PG_CONN_MAX_OPEN)"},
	{series: "db_waits", unit: "1/s", metric: "go_sql_wait_count_total", how: rate, means: "times that somebody waited for a connection, because all were in use"},
	{series: "db_wait", unit: "seconds/s", metric: "go_sql_wait_duration_seconds_total", how: rate, across: tops, means: "time that they waited"},
	{series: "db_query_p95", unit: "seconds", metric: "coderd_db_query_latencies_seconds", how: p95, means: "time of queries"},
	{series: "db_queries", unit: "seconds/s", metric: "coderd_db_query_latencies_seconds", how: rate, means: "time that all queries took"},
	{series: "db_query_time", unit: "seconds/s", metric: "coderd_db_query_latencies_seconds", how: rate, by: []string{"query"}, top: 5, means: "time that a query took, of the 5 that took most"},
	{series: "db_tx_p95", unit: "seconds", metric: "coderd_db_tx_duration_seconds", how: p95, means: "time of transactions"},
	{series: "db_tx_retried", unit: "1/s", metric: "coderd_db_tx_executions_count", how: rate, where: "retries!=0", means: "transactions that had to be made again"},

	{series: "pubsub_send_latency", unit: "seconds", metric: "coder_pubsub_send_latency_seconds", across: tops, means: "time to publish a message, as last measured"},
	{series: "pubsub_receive_latency", unit: "seconds", metric: "coder_pubsub_receive_latency_seconds", across: tops, means: "time until it comes back"},
	{series: "pubsub_publishes", unit: "1/s", metric: "coder_pubsub_publishes_total", how: rate, means: "messages published"},
	{series: "pubsub_disconnects", unit: "1/s", metric: "coder_pubsub_disconnections_total", how: rate, means: "losses of the connection that brings messages"},

	{series: "derp_received", unit: "bytes/s", metric: "coder_derp_server_bytes_received_total", how: rate, means: "bytes that the relay received"},
	{series: "derp_sent", unit: "bytes/s", metric: "coder_derp_server_bytes_sent_total", how: rate, means: "bytes that the relay handed on"},
	{series: "derp_clients", metric: "coder_derp_server_clients_local", across: both, means: "clients of the relay"},
	{series: "derp_dropped", unit: "1/s", metric: "coder_derp_server_packets_dropped_total", how: rate, means: "packets that the relay dropped"},
	{series: "derp_dropped", unit: "1/s", metric: "coder_derp_server_packets_dropped_reason_total", how: rate, by: []string{"reason"}, means: "the same by reason"},
	{series: "derp_queue", unit: "seconds", metric: "coder_derp_server_average_queue_duration_ms", scale: 0.001, across: most, means: "time that packets wait in the relay, as it last was"},
	{series: "tunnels", metric: "coder_servertailnet_open_connections", means: "connections to agents that coderd holds for terminals and apps"},

	{series: "notifications_pending", metric: "coderd_notifications_pending_updates", means: "results of notifications that are not in the database yet"},
}

// notSockets keeps out what lasts as long as its user stays: the relay's upgrade
// is counted among the requests by some servers.
const notSockets = "path!=/derp"

// Description says what a series is.
type Description struct {
	Series string
	Unit   string // "" for a number of things
	Metric string // of coderd, that it comes of
	Means  string
}

// Describe lists all series. "health" comes of no metric: it is 0 for ok, 1 for a
// warning and 2 for an error of each section of the health report.
func Describe() []Description {
	var out []Description
	for _, r := range table {
		if r.means != "" {
			out = append(out, Description{Series: r.series, Unit: r.unit, Metric: r.metric, Means: r.means})
		}
	}
	return append(out, Description{Series: "health", Means: "a section of the health report: 0 is ok, 1 a warning, 2 an error"})
}

// setting is what makes metrics appear.
type setting struct {
	metrics []string // that are there with it, at once
	when    string   // a metric without which nothing can be said; "" for always
	note    string
}

var settings = []setting{
	{[]string{"process_cpu_seconds_total", "go_goroutines"}, "",
		"coderd does not say what CPU and memory it uses: set CODER_PROMETHEUS_ENABLE=true on the server"},
	{[]string{"coderd_db_query_latencies_seconds"}, "go_goroutines",
		"coderd does not say how long its queries take: set CODER_PROMETHEUS_COLLECT_DB_METRICS=true on the server"},
	{[]string{"coderd_agentstats_session_count_ssh", "coderd_agentstats_rx_bytes"}, "coderd_agents_connections",
		"coderd has not said yet what traffic and sessions its workspaces have: set CODER_PROMETHEUS_COLLECT_AGENT_STATS=true on the server, or wait for an agent's next report if it is"},
	{[]string{"coder_derp_server_bytes_sent_total", "coder_derp_server_bytes_received_total"}, "go_goroutines",
		"coderd does not say what its relay does: older servers (2.26) can't, and those without a relay of their own have nothing to say"},
}

// facts are metrics that are said once.
var facts = []struct{ fact, metric, label string }{
	{"version", "coderd_build_info", "version"},
	{"go_version", "go_info", "version"},
}

const startTime = "process_start_time_seconds"

// condition is a part of row.where.
type condition struct {
	label string
	not   bool
	texts []string // with * at the end for a prefix
}

func conditions(where string) []condition {
	var out []condition
	for part := range strings.FieldsSeq(where) {
		label, texts, _ := strings.Cut(part, "=")
		name, not := strings.CutSuffix(label, "!")
		out = append(out, condition{name, not, strings.Split(texts, "|")})
	}
	return out
}

func (c condition) holds(value string) bool {
	for _, text := range c.texts {
		prefix, isPrefix := strings.CutSuffix(text, "*")
		if value == text || isPrefix && strings.HasPrefix(value, prefix) {
			return !c.not
		}
	}
	return c.not
}
