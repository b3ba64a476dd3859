package main

// What the load generators show.

var (
	usersPanel = graph("Users", "Users who run an iteration now, and those whose setup succeeded.", "short",
		q("sum by (scenario) ("+own+"users{@scenario})", "{{scenario}} active"), q("sum by (scenario) ("+own+"users_ready{@scenario})", "{{scenario}} ready"))
	startedPanel = graph("Iterations started and dropped", "Starts a second. Dropped ones were meant to start, but no user was free.", "ops",
		q("sum by (scenario) (rate("+own+"iterations_started_total{@scenario}[@]))", "{{scenario}} started"),
		q("sum by (scenario) (rate("+own+"iterations_dropped_total{@scenario}[@]))", "{{scenario}} dropped"))
	errorsPanel = graph("Failed actions", "Failures a second in the load.", "ops",
		q("sum by (scenario, action) (rate("+own+`action_errors_total{@scenario,phase="load"}[@]))`, "{{scenario}} {{action}}"))
	lagPanel = graph("Lag of the generator", "How late the generator itself was. Beyond 100 ms at p99 the run is invalid.", "s",
		quantiles(own+"lag_seconds", "@scenario", "scenario", "0.5", "0.99")...)
)

var runRow = row{title: "Run", panels: []panel{
	stat("Verdict", "Running until the end, then what the run says of the deployment.", "none", q("max by (name, verdict) ("+own+"run_info{@generator})", "{{verdict}}")),
	stat("Phase", "What the run does now.", "none", q("max by (phase) ("+own+"phase{@generator}) == 1", "{{phase}}")),
	stat("Users ready", "Users whose setup succeeded.", "short", q("sum("+own+"users_ready{@scenario})", "ready")),
	stat("Setups that failed", "Users who did not get ready.", "short", q("sum("+own+"setup_failures_total{@scenario})", "failed")),
	stat("Iterations that failed", "Since the run's beginning.", "short", q("sum("+own+`iterations_total{@scenario,result="failed"})`, "failed")),
	stat("Iterations that hung", "They ignored the end of their time and were abandoned.", "short", q("sum("+own+"stuck_total{@scenario})", "stuck")),
}}

var iterationsRow = row{title: "Iterations", panels: []panel{
	usersPanel, startedPanel,
	graph("Iterations by their result", "Ends a second: succeeded, failed, or interrupted by the end of the load.", "ops",
		q("sum by (scenario, result) (rate("+own+"iterations_total{@scenario}[@]))", "{{scenario}} {{result}}")),
	wide(graph("Time of iterations", "Of whole iterations that succeeded, from when they were meant to start.", "s",
		quantiles(own+"iteration_seconds", "@scenario", "scenario", "0.5", "0.95", "0.99")...)),
	wide(graph("Share of iterations that failed", "Of those that ended by themselves.", "percentunit",
		q("sum by (scenario) (rate("+own+`iterations_total{@scenario,result="failed"}[@])) / sum by (scenario) (rate(`+own+`iterations_total{@scenario,result=~"failed|succeeded"}[@]))`, "{{scenario}}"))),
}}

var actionsRow = row{title: "Actions", panels: []panel{
	graph("Actions", "Successes a second in the load.", "ops",
		q("sum by (scenario, action) (rate("+own+`action_seconds_count{@scenario,phase="load"}[@]))`, "{{scenario}} {{action}}")),
	graph("Response time, p50", "From when an action was meant to start.", "s",
		quantiles(own+"action_seconds", `@scenario,phase="load"`, "scenario, action", "0.5")...),
	graph("Response time, p95", "From when an action was meant to start. Exemplars lead to traces, where there are any.", "s",
		quantiles(own+"action_seconds", `@scenario,phase="load"`, "scenario, action", "0.95")...),
	graph("Response time, p99", "From when an action was meant to start. Exemplars lead to traces, where there are any.", "s",
		quantiles(own+"action_seconds", `@scenario,phase="load"`, "scenario, action", "0.99")...),
	graph("Service time, p95", "From when an action did start: what is left out is waiting for a late start.", "s",
		quantiles(own+"action_service_seconds", `@scenario,phase="load"`, "scenario, action", "0.95")...),
	errorsPanel,
	heat("Response times", "How many actions took how long, all of the scenarios that are chosen.", "s",
		q("sum by (le) (increase("+own+`action_seconds_bucket{@scenario,phase="load"}[@]))`, "{{le}}")),
	graph("Share of actions that failed", "Of all actions of the load.", "percentunit",
		q("sum by (scenario, action) (rate("+own+`action_errors_total{@scenario,phase="load"}[@])) / (sum by (scenario, action) (rate(`+own+
			`action_errors_total{@scenario,phase="load"}[@])) + sum by (scenario, action) (rate(`+own+`action_seconds_count{@scenario,phase="load"}[@])))`, "{{scenario}} {{action}}")),
	graph("Setup, p95", "Actions before the load.", "s",
		quantiles(own+"action_seconds", `@scenario,phase="setup"`, "scenario, action", "0.95")...),
}}

var trafficRow = row{title: "Traffic", panels: []panel{
	graph("Payload meant and sent", "Bytes a second that were meant to be sent, and that were.", "Bps",
		q("sum by (scenario) (rate("+own+"bytes_intended_total{@scenario}[@]))", "{{scenario}} meant"),
		q("sum by (scenario) (rate("+own+"bytes_achieved_total{@scenario}[@]))", "{{scenario}} sent")),
	graph("Bytes written", "By generator.", "Bps", q("sum by (pod) (rate("+own+"bytes_written_total{@scenario}[@]))", "{{pod}}")),
	graph("Bytes read", "By generator.", "Bps", q("sum by (pod) (rate("+own+"bytes_read_total{@scenario}[@]))", "{{pod}}")),
	graph("Echo", "Round trip of what is typed or sent, from when it was meant to be sent.", "s",
		quantiles(own+"echo_seconds", "@scenario", "action", "0.5", "0.95", "0.99")...),
	graph("Echoes that are missing or wrong", "A second.", "ops", q("sum by (action) (rate("+own+"echo_errors_total{@scenario}[@]))", "{{action}}")),
	graph("Ticks that were too late to be sent", "A second. They count against the validity of the run.", "ops",
		q("sum by (scenario) (rate("+own+"events_intended_total{@scenario}[@]))", "{{scenario}} meant"),
		q("sum by (scenario) (rate("+own+"events_dropped_total{@scenario}[@]))", "{{scenario}} dropped")),
}}

var connectionsRow = row{title: "Connections", panels: []panel{
	graph("Open connections", "That last, such as terminals and watches.", "short", q("sum by (scenario) ("+own+"connections{@scenario})", "{{scenario}}")),
	graph("Connections lost and back", "A second.", "ops",
		q("sum by (scenario) (rate("+own+"connections_lost_total{@scenario}[@]))", "{{scenario}} lost"),
		q("sum by (scenario) (rate("+own+"connections_restored_total{@scenario}[@]))", "{{scenario}} back")),
	graph("Connections that broke while reading", "A second.", "ops", q("sum by (pod) (rate("+own+"read_errors_total{@scenario}[@]))", "{{pod}}")),
}}

var pagesRow = row{title: "Dashboard users", panels: []panel{
	wide(graph("Pages, p95", "How long a page of Coder's dashboard took to load.", "s",
		quantiles(own+"dashboard_duration_seconds", "@scenario", "action", "0.95")...)),
	wide(graph("Pages that did not load", "A second.", "ops", q("sum by (action) (rate("+own+"dashboard_errors_total{@scenario}[@]))", "{{action}}"))),
}}

var countedRow = row{title: "What runners count", closed: true, panels: []panel{
	wide(graph("Counters", "A second.", "ops", q("sum by (scenario, counter) (rate("+own+"counted_total{@scenario}[@]))", "{{scenario}} {{counter}}"))),
}}

// ofGenerators keeps what the processes of generators say, in a Prometheus that
// has the same metrics of others.
const ofGenerators = " and on (instance, job) " + own + "run_info{@generator}"

var generatorRow = row{title: "Generators", panels: []panel{
	lagPanel,
	graph("CPU", "Cores that a generator uses.", "short", q("rate(process_cpu_seconds_total{@generator}[@])"+ofGenerators, "{{pod}} {{instance}}")),
	graph("Memory", "Resident memory of a generator.", "bytes", q("process_resident_memory_bytes{@generator}"+ofGenerators, "{{pod}} {{instance}}")),
	graph("Goroutines", "Of a generator.", "short", q("go_goroutines{@generator}"+ofGenerators, "{{pod}} {{instance}}")),
	graph("Garbage collection, longest pause", "Of the last ones.", "s", q(`go_gc_duration_seconds{@generator,quantile=~"1|1.0"}`+ofGenerators, "{{pod}} {{instance}}")),
	graph("Open files", "Sockets among them, and how many a process may have.", "short",
		q("process_open_fds{@generator}"+ofGenerators, "{{pod}} {{instance}}"), q("process_max_fds{@generator}"+ofGenerators, "{{pod}} {{instance}} limit")),
	graph("Network", "Of the generator's network namespace.", "Bps",
		q("rate(process_network_receive_bytes_total{@generator}[@])"+ofGenerators, "{{pod}} {{instance}} received"),
		q("rate(process_network_transmit_bytes_total{@generator}[@])"+ofGenerators, "{{pod}} {{instance}} sent")),
	graph("CPU that was denied", "Seconds a second in which a container had used up its share. Such a generator is late.", "percentunit",
		q(`sum by (pod) (rate(container_cpu_cfs_throttled_seconds_total{@generator,container!=""}[@])) and on (pod) `+own+"run_info{@generator}", "{{pod}}")),
	graph("Restarts", "Of the generators' containers.", "short",
		q("sum by (pod) (increase(kube_pod_container_status_restarts_total{@generator}[@])) and on (pod) "+own+"run_info{@generator}", "{{pod}}")),
}}
