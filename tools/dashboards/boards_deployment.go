package main

// What the deployment shows.

// ofCoderd keeps what coderd's processes say, in a Prometheus that has the same
// metrics of others.
const ofCoderd = " and on (instance, job) coderd_build_info{@coderd}"

var (
	cpuPanel = graph("coderd: CPU", "Cores that a replica uses.", "short", q("rate(process_cpu_seconds_total{@coderd}[@])"+ofCoderd, "{{pod}} {{instance}}"))

	memoryPanel = graph("coderd: memory", "Resident memory of a replica.", "bytes", q("process_resident_memory_bytes{@coderd}"+ofCoderd, "{{pod}} {{instance}}"))

	latencyPanel = graph("API requests, p95 of the slowest ten", "By path. WebSockets are requests too, as long as they are open.", "s",
		q("topk(10, histogram_quantile(0.95, sum by (le, method, path) (rate(coderd_api_request_latencies_seconds_bucket{@coderd}[@]))))", "{{method}} {{path}}"))

	queryTimePanel = graph("Database queries, p95 of the slowest ten", "As coderd sees them. Needs CODER_PROMETHEUS_COLLECT_DB_METRICS.", "s",
		q("topk(10, histogram_quantile(0.95, sum by (le, query) (rate(coderd_db_query_latencies_seconds_bucket{@coderd}[@]))))", "{{query}}"))

	transactionsPanel = graph("Transactions", "Commits and rollbacks a second.", "ops",
		q("sum by (datname) (rate(pg_stat_database_xact_commit{@database}[@]))", "{{datname}} commits"),
		q("sum by (datname) (rate(pg_stat_database_xact_rollback{@database}[@]))", "{{datname}} rollbacks"))

	queuePanel = graph("Wait of provisioner jobs, p95", "How long a job waited for a provisioner.", "s",
		quantiles("coderd_provisioner_job_queue_wait_seconds", "@coderd", "job_type, transition", "0.95")...)

	websocketsPanel = graph("Open WebSockets", "By path.", "short", q("sum by (path) (coderd_api_concurrent_websockets{@coderd})", "{{path}}"))

	limitedPanel = graph("Requests over the rate limit", "Answers with status 429 a second, by path.", "reqps",
		q(`sum by (method, path) (rate(coderd_api_requests_processed_total{@coderd,code="429"}[@]))`, "{{method}} {{path}}"))
)

// container is a panel of cAdvisor's numbers beside what Kubernetes grants.
func container(title, about, unit, expr, resource string) panel {
	return graph(title, about, unit, q(expr, "{{pod}}"),
		q(`sum by (pod) (kube_pod_container_resource_requests{@coderd,resource="`+resource+`"}) and on (pod) coderd_build_info{@coderd}`, "{{pod}} requested"),
		q(`sum by (pod) (kube_pod_container_resource_limits{@coderd,resource="`+resource+`"}) and on (pod) coderd_build_info{@coderd}`, "{{pod}} limit"))
}

var resourcesRow = row{title: "coderd", panels: []panel{
	container("Container: CPU", "Cores that a replica's containers use, of those that they asked for and may have.", "short",
		`sum by (pod) (rate(container_cpu_usage_seconds_total{@coderd,container!=""}[@])) and on (pod) coderd_build_info{@coderd}`, "cpu"),
	container("Container: memory", "Working set of a replica's containers: what the kernel can't take back.", "bytes",
		`sum by (pod) (container_memory_working_set_bytes{@coderd,container!=""}) and on (pod) coderd_build_info{@coderd}`, "memory"),
	graph("Container: network", "Of a replica's pod.", "Bps",
		q("sum by (pod) (rate(container_network_receive_bytes_total{@coderd}[@])) and on (pod) coderd_build_info{@coderd}", "{{pod}} received"),
		q("sum by (pod) (rate(container_network_transmit_bytes_total{@coderd}[@])) and on (pod) coderd_build_info{@coderd}", "{{pod}} sent")),
	cpuPanel, memoryPanel,
	graph("Restarts", "Of a replica's containers.", "short",
		q("sum by (pod) (increase(kube_pod_container_status_restarts_total{@coderd}[@])) and on (pod) coderd_build_info{@coderd}", "{{pod}}")),
	graph("Goroutines", "Of a replica.", "short", q("go_goroutines{@coderd}"+ofCoderd, "{{pod}} {{instance}}")),
	graph("Open files", "Sockets among them, and how many a replica may have.", "short",
		q("process_open_fds{@coderd}"+ofCoderd, "{{pod}} {{instance}}"), q("process_max_fds{@coderd}"+ofCoderd, "{{pod}} {{instance}} limit")),
	graph("Garbage collection, longest pause", "Of the last ones.", "s", q(`go_gc_duration_seconds{@coderd,quantile=~"1|1.0"}`+ofCoderd, "{{pod}} {{instance}}")),
}}

var databaseRow = row{title: "Database", panels: []panel{
	graph("CPU", "Cores that the database's pods use, where it runs in Kubernetes.", "short",
		q(`sum by (pod) (rate(container_cpu_usage_seconds_total{@database_pods,container!=""}[@]))`, "{{pod}}"),
		q(`sum by (pod) (kube_pod_container_resource_limits{@database_pods,resource="cpu"})`, "{{pod}} limit")),
	graph("Memory", "Working set of the database's pods, where it runs in Kubernetes.", "bytes",
		q(`sum by (pod) (container_memory_working_set_bytes{@database_pods,container!=""})`, "{{pod}}"),
		q(`sum by (pod) (kube_pod_container_resource_limits{@database_pods,resource="memory"})`, "{{pod}} limit")),
	graph("Disk", "What the database's pods read and write, where it runs in Kubernetes.", "Bps",
		q(`sum by (pod) (rate(container_fs_reads_bytes_total{@database_pods,container!=""}[@]))`, "{{pod}} read"),
		q(`sum by (pod) (rate(container_fs_writes_bytes_total{@database_pods,container!=""}[@]))`, "{{pod}} written")),
	graph("Rows read", "Rows a second that queries fetched, and that scans returned for it.", "ops",
		q("sum by (datname) (rate(pg_stat_database_tup_fetched{@database}[@]))", "{{datname}} fetched"),
		q("sum by (datname) (rate(pg_stat_database_tup_returned{@database}[@]))", "{{datname}} returned")),
	graph("Rows written", "Rows a second that were inserted, updated and deleted.", "ops",
		q("sum by (datname) (rate(pg_stat_database_tup_inserted{@database}[@]))", "{{datname}} inserted"),
		q("sum by (datname) (rate(pg_stat_database_tup_updated{@database}[@]))", "{{datname}} updated"),
		q("sum by (datname) (rate(pg_stat_database_tup_deleted{@database}[@]))", "{{datname}} deleted")),
	graph("Connections", "By what they do, and how many there may be.", "short",
		q("sum by (datname, state) (pg_stat_activity_count{@database})", "{{datname}} {{state}}"), q("max(pg_settings_max_connections)", "limit")),
	transactionsPanel,
	graph("Blocks found in memory", "Share of the blocks that were needed. Less than 99 % is a database that is short of memory.", "percentunit",
		q("sum by (datname) (rate(pg_stat_database_blks_hit{@database}[@])) / (sum by (datname) (rate(pg_stat_database_blks_hit{@database}[@])) + sum by (datname) (rate(pg_stat_database_blks_read{@database}[@])))", "{{datname}}")),
	graph("Size", "How much there is in the database's files.", "bytes", q("max by (datname) (pg_database_size_bytes{@database})", "{{datname}}")),
	graph("Deadlocks", "A second. There should be none.", "ops", q("sum by (datname) (rate(pg_stat_database_deadlocks{@database}[@]))", "{{datname}}")),
}}

var queriesRow = row{title: "Database, as coderd sees it", panels: []panel{
	queryTimePanel,
	graph("Queries, the ten most frequent", "A second. Needs CODER_PROMETHEUS_COLLECT_DB_METRICS.", "ops",
		q("topk(10, sum by (query) (rate(coderd_db_query_latencies_seconds_count{@coderd}[@])))", "{{query}}")),
	graph("Queries by route, the ten most frequent", "Which requests cause them, a second.", "ops",
		q("topk(10, sum by (method, route) (rate(coderd_db_query_counts_total{@coderd}[@])))", "{{method}} {{route}}")),
	graph("Connections of the pool", "Of each replica: in use, idle, and how many there may be.", "short",
		q("go_sql_in_use_connections{@coderd}", "{{pod}} {{db_name}} in use"), q("go_sql_idle_connections{@coderd}", "{{pod}} {{db_name}} idle"),
		q("go_sql_max_open_connections{@coderd}", "{{pod}} {{db_name}} limit")),
	graph("Wait for a connection", "Seconds that requests of a replica waited for the pool, each second.", "s",
		q("rate(go_sql_wait_duration_seconds_total{@coderd}[@])", "{{pod}} {{db_name}}")),
	graph("Transactions, p95", "Of coderd's own transactions.", "s", quantiles("coderd_db_tx_duration_seconds", "@coderd", "tx_id", "0.95")...),
}}

var apiRow = row{title: "HTTP API", panels: []panel{
	graph("Requests by replica", "A second.", "reqps", q("sum by (pod, instance) (rate(coderd_api_requests_processed_total{@coderd}[@]))", "{{pod}} {{instance}}")),
	graph("Requests by method and status", "A second.", "reqps", q("sum by (method, code) (rate(coderd_api_requests_processed_total{@coderd}[@]))", "{{method}} {{code}}")),
	graph("Answers with status 5xx", "A second, by path.", "reqps",
		q(`sum by (method, path, code) (rate(coderd_api_requests_processed_total{@coderd,code=~"5.."}[@]))`, "{{code}} {{method}} {{path}}")),
	graph("Answers with status 4xx", "A second, by path.", "reqps",
		q(`sum by (method, path, code) (rate(coderd_api_requests_processed_total{@coderd,code=~"4.."}[@]))`, "{{code}} {{method}} {{path}}")),
	limitedPanel,
	latencyPanel,
	graph("Requests, the ten most frequent", "A second, by path.", "reqps",
		q("topk(10, sum by (method, path) (rate(coderd_api_request_latencies_seconds_count{@coderd}[@])))", "{{method}} {{path}}")),
	graph("Requests under way", "By path, the ten with most.", "short", q("topk(10, sum by (method, path) (coderd_api_concurrent_requests{@coderd}))", "{{method}} {{path}}")),
	graph("Users", "That the deployment has, and that were active within an hour.", "short",
		q("max by (status) (coderd_api_total_user_count{@coderd})", "{{status}}"), q("max(coderd_api_active_users_duration_hour{@coderd})", "active within an hour")),
}}

var buildsRow = row{title: "Provisioners and builds", panels: []panel{
	graph("Jobs under way and provisioners", "Jobs that are provisioned now, and how many daemons there are for them.", "short",
		q("sum by (provisioner) (coderd_provisionerd_jobs_current{@coderd})", "{{provisioner}} jobs"), q("sum(coderd_provisionerd_num_daemons{@coderd})", "daemons")),
	queuePanel,
	graph("Time of jobs", "Of provisioner jobs, by their result.", "s",
		quantiles("coderd_provisionerd_job_timings_seconds", "@coderd", "provisioner, status", "0.5", "0.9", "0.95")...),
	graph("Starts of workspaces", "Builds a second that ended, by their result.", "ops",
		q(`sum by (status) (rate(coderd_workspace_builds_total{@coderd,workspace_transition="START"}[@]))`, "{{status}}")),
	graph("Builds that were queued", "A second.", "ops", q("sum by (transition, build_reason) (rate(coderd_workspace_builds_enqueued_total{@coderd}[@]))", "{{transition}} {{build_reason}}")),
	graph("Time of builds, p95", "From their creation to their end.", "s",
		quantiles("coderd_template_workspace_build_duration_seconds", "@coderd", "template_name, transition, status", "0.95")...),
	graph("Latest builds", "Workspaces by the state of their latest build.", "short", q("max by (status) (coderd_api_workspace_latest_build{@coderd})", "{{status}}")),
	graph("Workspaces created", "A second.", "ops", q("sum by (template_name) (rate(coderd_workspace_creation_total{@coderd}[@]))", "{{template_name}}")),
	graph("Automatic starts and stops, p95", "How long a pass over all workspaces took.", "s", quantiles("coderd_lifecycle_autobuild_execution_duration_seconds", "@coderd", "", "0.95")...),
}}

var workspacesRow = row{title: "Workspaces", panels: []panel{
	graph("CPU of a workspace", "Cores that a workspace's pod uses on average, of those that it may have.", "short",
		q(`avg(sum by (namespace, pod) (rate(container_cpu_usage_seconds_total{@workspaces,container!=""}[@])))`, "used"),
		q(`avg(sum by (namespace, pod) (kube_pod_container_resource_limits{@workspaces,resource="cpu"}))`, "limit")),
	graph("Memory of a workspace", "Working set of a workspace's pod on average, of what it may have.", "bytes",
		q(`avg(sum by (namespace, pod) (container_memory_working_set_bytes{@workspaces,container!=""}))`, "used"),
		q(`avg(sum by (namespace, pod) (kube_pod_container_resource_limits{@workspaces,resource="memory"}))`, "limit")),
	graph("Pods of workspaces", "By phase.", "short", q("sum by (phase) (kube_pod_status_phase{@workspaces})", "{{phase}}")),
	wide(graph("Network of all workspaces", "Sums of their pods.", "Bps",
		q("sum(rate(container_network_receive_bytes_total{@workspaces}[@]))", "received"), q("sum(rate(container_network_transmit_bytes_total{@workspaces}[@]))", "sent"))),
	wide(graph("Network errors of all workspaces", "Sums of their pods, a second.", "pps",
		q("sum(rate(container_network_receive_errors_total{@workspaces}[@]))", "received"), q("sum(rate(container_network_transmit_errors_total{@workspaces}[@]))", "sent"))),
}}

var agentsRow = row{title: "Agents", panels: []panel{
	graph("Agents", "By their connection and lifecycle.", "short", q("sum by (status, lifecycle_state) (coderd_agents_connections{@coderd})", "{{status}} {{lifecycle_state}}")),
	graph("Bytes of agents", "What agents say of their connections. Needs CODER_PROMETHEUS_COLLECT_AGENT_STATS.", "Bps",
		q("sum(rate(coderd_agentstats_rx_bytes{@coderd}[@]))", "received"), q("sum(rate(coderd_agentstats_tx_bytes{@coderd}[@]))", "sent")),
	graph("Latency of agents to relays", "What agents measured themselves.", "s",
		q("quantile(0.5, coderd_agents_connection_latencies_seconds{@coderd})", "p50"), q("quantile(0.95, coderd_agents_connection_latencies_seconds{@coderd})", "p95"),
		q("quantile(0.99, coderd_agents_connection_latencies_seconds{@coderd})", "p99")),
	graph("Sessions", "Of people in workspaces, by their kind. Needs CODER_PROMETHEUS_COLLECT_AGENT_STATS.", "short",
		q("sum(coderd_agentstats_session_count_reconnecting_pty{@coderd})", "web terminals"), q("sum(coderd_agentstats_session_count_ssh{@coderd})", "SSH"),
		q("sum(coderd_agentstats_session_count_vscode{@coderd})", "VS Code"), q("sum(coderd_agentstats_session_count_jetbrains{@coderd})", "JetBrains")),
	graph("First connection of agents, p95", "From the creation of a workspace's agent until it connects.", "s",
		quantiles("coderd_agents_first_connection_seconds", "@coderd", "template_name", "0.95")...),
	graph("Metadata of agents", "Values a second that were stored, and that were dropped.", "ops",
		q("sum(rate(coderd_agentapi_metadata_flushed_total{@coderd}[@]))", "stored"), q("sum(rate(coderd_agentapi_metadata_dropped_keys_total{@coderd}[@]))", "dropped")),
}}

var websocketsRow = row{title: "WebSockets and relays", panels: []panel{
	websocketsPanel,
	graph("WebSocket probes that failed", "Pings a second without a good end, by path.", "ops",
		q(`sum by (path, result) (rate(coderd_api_websocket_probes_total{@coderd,result!="ok"}[@]))`, "{{path}} {{result}}")),
	graph("Connections to agents through coderd", "That are open, by network.", "short", q("sum by (pod, network) (coder_servertailnet_open_connections{@coderd})", "{{pod}} {{network}}")),
	graph("Relays: connections", "Of each replica.", "short", q("sum by (pod) (coder_derp_server_connections{@coderd})", "{{pod}}")),
	graph("Relays: bytes", "Of all replicas.", "Bps",
		q("sum(rate(coder_derp_server_bytes_received_total{@coderd}[@]))", "received"), q("sum(rate(coder_derp_server_bytes_sent_total{@coderd}[@]))", "sent")),
	graph("Relays: packets dropped", "A second, by their reason.", "pps", q("sum by (reason) (rate(coder_derp_server_packets_dropped_reason_total{@coderd}[@]))", "{{reason}}")),
}}

var internalsRow = row{title: "Internals", panels: []panel{
	graph("Authorization", "Time of a decision.", "s", quantiles("coderd_authz_authorize_duration_seconds", "@coderd", "allowed", "0.5", "0.9", "0.95")...),
	graph("Authorization of lists, p95", "Time to prepare a filter.", "s", quantiles("coderd_authz_prepare_authorize_duration_seconds", "@coderd", "", "0.95")...),
	graph("Pubsub: messages", "A second, received and published.", "ops",
		q("sum by (size) (rate(coder_pubsub_messages_total{@coderd}[@]))", "{{size}} received"), q("sum by (success) (rate(coder_pubsub_publishes_total{@coderd}[@]))", "published, success={{success}}")),
	graph("Pubsub: latency", "Of a message from coderd to itself, by way of the database.", "s",
		q("max by (pod) (coder_pubsub_send_latency_seconds{@coderd})", "{{pod}} send"), q("max by (pod) (coder_pubsub_receive_latency_seconds{@coderd})", "{{pod}} receive")),
	graph("Pubsub: connected", "1 for a replica that is; and disconnections since it started.", "short",
		q("max by (pod) (coder_pubsub_connected{@coderd})", "{{pod}} connected"), q("max by (pod) (coder_pubsub_disconnections_total{@coderd})", "{{pod}} disconnections")),
	graph("Notifications", "That are being sent, and attempts a second by their result.", "short",
		q("sum(coderd_notifications_inflight_dispatches{@coderd})", "under way"), q("sum by (result) (rate(coderd_notifications_dispatch_attempts_total{@coderd}[@]))", "{{result}} a second")),
}}

var logsRow = row{title: "Logs (needs Loki)", closed: true, panels: []panel{
	logs("coderd's logs", "Of the replicas that are chosen.", q(`{@coderd}`, "")),
}}
