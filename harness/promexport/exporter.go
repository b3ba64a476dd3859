package promexport

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/progress"
	"github.com/coderscale/scaletest/traffic/histogram"
)

// Exporter is a [prometheus.Collector] of a run's numbers. It belongs to one
// run; a second one needs an exporter of its own, and its counters begin at 0.
// It is safe for concurrent use.
type Exporter struct {
	cfg      Config
	registry *prometheus.Registry
	descs    map[string]*prometheus.Desc // by name, without the namespace
	started  time.Time

	run         *progress.Run
	scraped     chan struct{}
	scrapedOnce sync.Once
}

// New makes an exporter. The error says everything that is wrong with the
// configuration.
func New(cfg Config) (*Exporter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Namespace == "" {
		cfg.Namespace = "scaletest"
	}
	if cfg.Buckets == nil {
		cfg.Buckets = DefaultBuckets
	}
	if cfg.MaxNames == 0 {
		cfg.MaxNames = DefaultMaxNames
	}
	e := &Exporter{
		cfg: cfg, registry: prometheus.NewRegistry(), descs: map[string]*prometheus.Desc{},
		started: time.Now(), run: progress.New(cfg.MaxNames), scraped: make(chan struct{}),
	}
	e.describe()
	own := []prometheus.Collector{e}
	if !cfg.NoProcess {
		own = append(own, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	for _, c := range own {
		if err := e.registry.Register(c); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// describe makes the descriptions of all metrics.
func (e *Exporter) describe() {
	add := func(name, help string, labels ...string) {
		e.descs[name] = prometheus.NewDesc(e.cfg.Namespace+"_"+name, help, labels, nil)
	}
	add("run_info", "The run: its identity, its name, and its verdict, which is running until the end.", "run_id", "name", "verdict")
	add("phase", "1 for the phase that the run is in, 0 for the others.", "phase")
	add("disruption", "1 for how far a disruption is: active, undone or recovered; 0 for the others.", "disruption", "state")
	add("users", "Users who run an iteration now.", "scenario")
	add("users_ready", "Users whose setup succeeded.", "scenario")
	add("iterations_started_total", "Iterations that started.", "scenario")
	add("iterations_total", "Iterations that ended, by their result: succeeded, failed, or interrupted by the end of the load.", "scenario", "result")
	add("iteration_seconds", "Time of whole iterations that succeeded, from when they were meant to start.", "scenario")
	add("iterations_dropped_total", "Iterations that were meant to start and did not, because no user was free.", "scenario")
	add("setup_failures_total", "Users who did not get ready.", "scenario")
	add("stuck_total", "Runs that ignored the end of their time and were abandoned.", "scenario")
	add("action_seconds", "Response time of actions that succeeded: from when they were meant to start.", "scenario", "phase", "action")
	add("action_service_seconds", "Service time of actions that succeeded: from when they did start.", "scenario", "phase", "action")
	add("action_errors_total", "Actions that failed.", "scenario", "phase", "action")
	add("lag_seconds", "How late the generator itself was.", "scenario")
	add("bytes_intended_total", "Payload that was meant to be sent until now.", "scenario")
	add("bytes_achieved_total", "Payload that was sent.", "scenario")
	add("events_intended_total", "Events that were meant to happen, such as the ticks of terminals.", "scenario")
	add("events_dropped_total", "Events that did not happen because the generator was too slow.", "scenario")
	add("connections", "Connections that last and are open now.", "scenario")
	add("connections_lost_total", "Times that a connection was lost.", "scenario")
	add("connections_restored_total", "Times that a connection came back.", "scenario")
	add("counted_total", "What runners counted, by the counter's name.", "scenario", "counter")
	for _, d := range e.cfg.Durations {
		add(d.Name, d.Help, "scenario", "action")
		if d.Errors != "" {
			add(d.Errors, d.ErrorsHelp, "scenario", "action")
		}
	}
	for _, c := range e.cfg.Counters {
		add(c.Name, c.Help, "scenario")
	}
}

// Observe takes a snapshot's sums. It is what [harness.Plan.OnSnapshot] wants.
func (e *Exporter) Observe(s harness.Snapshot) { e.run.Observe(s) }

// Finish takes the final numbers and the verdict.
func (e *Exporter) Finish(res *harness.Result) { e.run.Finish(res) }

// Scraped is closed when the final numbers have been read: a scrape that began
// after [Exporter.Finish] has been answered.
func (e *Exporter) Scraped() <-chan struct{} { return e.scraped }

// Describe implements [prometheus.Collector].
func (e *Exporter) Describe(out chan<- *prometheus.Desc) {
	for _, d := range e.descs {
		out <- d
	}
}

// Collect implements [prometheus.Collector].
func (e *Exporter) Collect(out chan<- prometheus.Metric) {
	now := e.run.Now()
	c := collection{e, out}
	c.phases(now)
	if now.RunID != "" {
		c.gauge("run_info", 1, now.RunID, e.cfg.Name, now.Verdict)
	}
	for _, s := range now.Scenarios {
		c.scenario(s)
	}
}

// collection is one answer to Prometheus.
type collection struct {
	*Exporter
	out chan<- prometheus.Metric
}

func (c collection) scenario(t progress.Scenario) {
	it := t.Iterations
	c.gauge("users", float64(t.Users), t.Scenario)
	c.gauge("users_ready", float64(t.Ready), t.Scenario)
	c.counter("iterations_started_total", it.Started, t.Scenario)
	c.counter("iterations_total", it.Succeeded, t.Scenario, "succeeded")
	c.counter("iterations_total", it.Failed, t.Scenario, "failed")
	c.counter("iterations_total", it.Interrupted, t.Scenario, "interrupted")
	c.histogram("iteration_seconds", t.Iteration.Response, nil, t.Scenario)
	c.counter("iterations_dropped_total", it.Dropped, t.Scenario)
	c.counter("setup_failures_total", it.SetupFailed, t.Scenario)
	c.counter("stuck_total", it.Stuck, t.Scenario)
	c.histogram("lag_seconds", t.Lag, nil, t.Scenario)
	c.counter("bytes_intended_total", t.BytesIntended, t.Scenario)
	c.counter("bytes_achieved_total", t.BytesAchieved, t.Scenario)
	c.counter("events_intended_total", t.EventsIntended, t.Scenario)
	c.counter("events_dropped_total", t.EventsDropped, t.Scenario)
	if n := t.Connections; n != nil {
		c.gauge("connections", float64(n.Open), t.Scenario)
		c.counter("connections_lost_total", n.Lost, t.Scenario)
		c.counter("connections_restored_total", n.Restored, t.Scenario)
	}
	c.actions(t.Scenario, "setup", t.Setup)
	c.actions(t.Scenario, "load", t.Actions)
	for name, n := range t.Counters {
		c.counter("counted_total", n, t.Scenario, name)
	}
	for _, d := range c.cfg.Durations {
		c.duration(t.All, d)
	}
	for _, m := range c.cfg.Counters { // from 0 on, or the first increase could not be seen
		c.counter(m.Name, t.All.Counters[m.Counter], t.Scenario)
	}
}

func (c collection) actions(scenario, phase string, actions map[string]harness.ActionTotals) {
	for name, a := range actions {
		c.responses("action_seconds", a, scenario, phase, name)
		c.services("action_service_seconds", a, scenario, phase, name)
		c.counter("action_errors_total", a.Errors, scenario, phase, name)
	}
}

// duration is a metric that was asked for, of the load.
func (c collection) duration(t harness.Totals, d Duration) {
	for name, label := range d.Actions {
		a, ok := t.Actions[name]
		if !ok {
			continue
		}
		times := c.responses
		if d.Service {
			times = c.services
		}
		times(d.Name, a, t.Scenario, label)
		if d.Errors != "" {
			c.counter(d.Errors, a.Errors, t.Scenario, label)
		}
	}
}

func (c collection) responses(name string, a harness.ActionTotals, labels ...string) {
	response := func(e harness.Exemplar) time.Duration { return e.Response }
	c.histogram(name, a.Response, exemplarsOf(a.Exemplars, response), labels...)
}

func (c collection) services(name string, a harness.ActionTotals, labels ...string) {
	service := func(e harness.Exemplar) time.Duration { return e.Service }
	c.histogram(name, a.Service, exemplarsOf(a.Exemplars, service), labels...)
}

func (c collection) gauge(name string, v float64, labels ...string) {
	c.send(name)(prometheus.NewConstMetric(c.descs[name], prometheus.GaugeValue, v, labels...))
}

func (c collection) counter(name string, n int64, labels ...string) {
	c.send(name)(prometheus.NewConstMetricWithCreatedTimestamp(c.descs[name], prometheus.CounterValue, float64(n), c.started, labels...))
}

func (c collection) histogram(name string, h *histogram.Histogram, exemplars []timed, labels ...string) {
	c.send(name)(newDurations(c.descs[name], h, exemplars, c.cfg.Buckets, c.started, labels...))
}

// send sends a metric, or why there is none.
func (c collection) send(name string) func(prometheus.Metric, error) {
	return func(m prometheus.Metric, err error) {
		if err != nil {
			m = prometheus.NewInvalidMetric(c.descs[name], err)
		}
		c.out <- m
	}
}
