package bottleneck

// rule is a bottleneck and what one sees of it.
type rule struct {
	cause     Cause
	title     string
	certainty Certainty
	when      []condition // all of these
	also      []condition // more evidence, where they hold
	try       []string
}

// condition is a series that is beyond a limit for a share of the load.
type condition struct {
	series  string
	of      string  // whose; "" for the whole
	each    bool    // of each replica, query or path; one is enough
	against string  // a series that it is in proportion to
	atLeast float64 // the limit
	below   float64 // where set, the limit is that, and atLeast none
	times   float64 // where set, also so many times what was usual before the load
	share   float64 // of the load's points for which it must hold
	says    string  // {value}, {limit} (of against), {usual}, {of}, {span}
}

// The limits. A share is of the points in the load: what is only a peak holds
// nobody back.
const (
	sustained = 0.3
	often     = 0.2
)

var cpuUsed = condition{series: "cpu", against: "cpu_limit", each: true, atLeast: 0.85, share: sustained,
	says: "{of} used {value} of {limit} cores {span}"}

var slowAuthz = condition{series: "authz_p95", atLeast: 0.005, share: often,
	says: "deciding what somebody may do, which takes nothing but CPU, took {value} at the 95th percentile {span}"}

var queries = condition{series: "db_query_time", each: true, atLeast: 0.02, share: sustained,
	says: "the query {of} took {value} of each second {span}"}

var generatorTry = []string{
	"use a faster or a second machine for the generator, or ask for less",
	"run nothing else beside it, and the deployment elsewhere",
}

// rules are all that is looked for.
var rules = []rule{
	{
		cause: Generator, title: "The generator had little CPU left", certainty: Likely,
		when: []condition{{series: "generator_cpu", against: "generator_cores", atLeast: 0.9, share: sustained,
			says: "the generator used {value} of its {limit} cores {span}"}},
		try: generatorTry,
	},
	{
		cause: Generator, title: "The generator was woken too late", certainty: Likely,
		when: []condition{{series: "generator_wake_p99", atLeast: 0.05, share: often,
			says: "the generator was woken {value} late at the 99th percentile {span}"}},
		try: generatorTry,
	},
	{
		cause: Generator, title: "The generator's machine refused it something", certainty: Likely,
		when: []condition{{series: "generator_own_errors", atLeast: 1,
			says: "{value} failures were for want of descriptors, ports or memory of the generator's machine"}},
		try: []string{"raise its limits (ulimit -n), or use a second machine"},
	},
	{
		cause: CPU, title: "coderd has no CPU left", certainty: Strong,
		when: []condition{cpuUsed},
		also: []condition{slowAuthz},
		try: []string{
			"give coderd more cores, or more replicas",
			"look at what it spends them on, with a CPU profile (CODER_PPROF_ENABLE)",
		},
	},
	{
		cause: CPU, title: "coderd waits for CPU that others have", certainty: Likely,
		when: []condition{slowAuthz, {series: "cpu", against: "cpu_limit", below: 0.85, share: 0.5,
			says: "coderd itself used {value} of {limit} cores {span}"}},
		also: []condition{
			{series: "pubsub_send_latency", atLeast: 0.005, times: 4, share: sustained, says: "publishing a message took {value} {span}, and {usual} before the load"},
			{series: "db_query_p95", atLeast: 0.02, share: sustained, says: "queries took {value} at the 95th percentile {span}"},
		},
		try: []string{
			"look at what else runs on coderd's machine: the database, provisioners, workspaces, the generator",
			"look at whether its container is throttled (CPU limits, container_cpu_cfs_throttled_seconds_total)",
		},
	},
	{
		cause: Memory, title: "coderd is at its limit of memory", certainty: Strong,
		when: []condition{{series: "memory", against: "memory_limit", each: true, atLeast: 0.9, share: often,
			says: "{of} had {value} of {limit} of memory {span}"}},
		try: []string{"give coderd more memory, and raise GOMEMLIMIT with it", "use more replicas"},
	},
	{
		cause: Memory, title: "coderd stands still to collect garbage", certainty: Likely,
		when: []condition{{series: "gc_pause", atLeast: 0.05, share: often,
			says: "the garbage collector stopped coderd for {value} of the time {span}"}},
		try: []string{"give coderd more memory and cores", "look at GOGC and GOMEMLIMIT of coderd"},
	},
	{
		cause: Descriptors, title: "coderd has few file descriptors left", certainty: Strong,
		when: []condition{{series: "descriptors", against: "descriptor_limit", each: true, atLeast: 0.9,
			says: "{of} had {value} of {limit} file descriptors open {span}"}},
		try: []string{"raise coderd's limit of open files (LimitNOFILE, ulimit -n)", "use more replicas"},
	},
	{
		cause: RateLimits, title: "Rate limits of the API refuse requests", certainty: Strong,
		when: []condition{{series: "api_limited", atLeast: 0.2, share: often,
			says: "the API refused {value} requests a second with 429 {span}"}},
		try: []string{
			"set CODER_API_RATE_LIMIT=-1 on a server that is only tested, or raise it",
			"use an owner's token, which newer servers let past their limits",
		},
	},
	{
		cause: Database, title: "coderd waits for connections to its database", certainty: Strong,
		when: []condition{{series: "db_wait", atLeast: 0.5, share: often,
			says: "requests waited {value} in each second for a connection to the database {span}"}},
		also: []condition{
			{series: "db_in_use", against: "db_max", atLeast: 0.9, share: often, says: "{value} of {limit} connections were in use {span}"},
			queries,
		},
		try: []string{
			"raise CODER_PG_CONN_MAX_OPEN (of newer servers), if the database has CPU and connections (max_connections) for more",
			"look at the queries that take most of the time",
		},
	},
	{
		cause: Database, title: "All connections to the database are in use", certainty: Likely,
		when: []condition{{series: "db_in_use", against: "db_max", atLeast: 0.95, share: sustained,
			says: "{value} of {limit} connections were in use {span}"}},
		also: []condition{queries},
		try:  []string{"raise CODER_PG_CONN_MAX_OPEN (of newer servers), if the database has CPU and connections (max_connections) for more"},
	},
	{
		cause: Database, title: "The database answers slowly", certainty: Likely,
		when: []condition{{series: "db_query_p95", atLeast: 0.05, share: sustained,
			says: "queries took {value} at the 95th percentile {span}"}},
		also: []condition{queries},
		try:  []string{"look at the database's CPU, disk and locks (pg_stat_activity), and at its distance from coderd"},
	},
	{
		cause: Database, title: "Transactions get into each other's way", certainty: Possible,
		when: []condition{{series: "db_tx_retried", atLeast: 1, share: often,
			says: "{value} transactions a second had to be made again {span}"}},
		try: []string{"look for what changes the same rows at the same time"},
	},
	{
		cause: Provisioners, title: "Builds wait for a provisioner", certainty: Strong,
		when: []condition{{series: "queue_wait_p95", atLeast: 5, share: often,
			says: "jobs waited {value} for a provisioner at the 95th percentile {span}"}},
		also: []condition{
			{series: "builds_pending", atLeast: 1, share: often, says: "{value} builds were waiting {span}"},
			{series: "jobs_running", against: "provisioners", atLeast: 0.9, share: often, says: "{value} of {limit} provisioners of coderd were busy {span}"},
		},
		try: []string{
			"use more provisioners: CODER_PROVISIONER_DAEMONS, or external ones (coder provisioner start)",
			"make builds shorter: look at the timings of a build in the dashboard",
		},
	},
	{
		cause: Provisioners, title: "All provisioners of coderd are busy while builds wait", certainty: Likely,
		when: []condition{
			{series: "jobs_running", against: "provisioners", atLeast: 0.95, share: sustained, says: "{value} of {limit} provisioners of coderd were busy {span}"},
			{series: "builds_pending", atLeast: 1, share: sustained, says: "{value} builds were waiting {span}"},
		},
		try: []string{"use more provisioners: CODER_PROVISIONER_DAEMONS, or external ones (coder provisioner start)"},
	},
	{
		cause: PubSub, title: "Messages between coderd and its database are slow", certainty: Likely,
		when: []condition{{series: "pubsub_receive_latency", atLeast: 0.1, share: sustained,
			says: "a message took {value} to come back {span}"}},
		also: []condition{{series: "pubsub_publishes", atLeast: 100, share: often, says: "{value} messages a second were published {span}"}},
		try:  []string{"look at the database's CPU, and at what is published most (agents' metadata and statistics)"},
	},
	{
		cause: PubSub, title: "coderd lost its connection for messages", certainty: Likely,
		when: []condition{{series: "pubsub_disconnects", atLeast: 1e-9,
			says: "the connection that brings messages was lost {span}"}},
		try: []string{"look at the database's log, and at the network between coderd and it"},
	},
	{
		cause: Relay, title: "The relay drops packets", certainty: Likely,
		when: []condition{{series: "derp_dropped", atLeast: 10, share: sustained,
			says: "the relay dropped {value} packets a second {span}"}},
		also: []condition{
			{series: "derp_dropped", each: true, atLeast: 10, share: sustained, says: "{value} of them a second for {of} {span}"},
			{series: "derp_sent", atLeast: 1, share: sustained, says: "it handed on {value} {span}"},
		},
		try: []string{
			"use more relays: workspace proxies near the workspaces, or more replicas",
			"let clients and agents connect directly (UDP), so that less goes by the relay",
		},
	},
	{
		cause: Relay, title: "Packets wait in the relay", certainty: Likely,
		when: []condition{{series: "derp_queue", atLeast: 0.05, share: sustained,
			says: "packets waited {value} in the relay {span}"}},
		try: []string{"use more relays: workspace proxies near the workspaces, or more replicas"},
	},
	{
		cause: WebSockets, title: "WebSockets have an end that does not answer", certainty: Likely,
		when: []condition{{series: "websocket_probes_failed", atLeast: 0.2, share: often,
			says: "{value} pings a second had no answer {span}"}},
		try: []string{"look at the proxies and load balancers in between, and at whether the generator reads what it gets"},
	},
}
