package otelexport

import (
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/progress"
)

func response(e harness.Exemplar) time.Duration { return e.Response }
func service(e harness.Exemplar) time.Duration  { return e.Service }

// about are the metrics of the run.
func (b *batch) about(s progress.State) {
	if s.RunID != "" {
		b.level("scaletest.run.info", "{run}", "The run: its identity, its name, and its verdict, which is running until the end.", 1,
			attribute.String("scaletest.run_id", s.RunID), attribute.String("test.case.name", b.name), attribute.String("scaletest.verdict", s.Verdict))
	}
	if s.Phase != "" {
		for _, name := range progress.Phases {
			b.level("scaletest.run.phase", "{run}", "1 for the phase that the run is in, 0 for the others.", one(name == s.Phase),
				attribute.String("scaletest.phase", name))
		}
	}
	for name, now := range s.Disruptions {
		for _, state := range progress.DisruptionStates {
			b.level("scaletest.disruption.state", "{disruption}", "1 for how far a disruption is, 0 for the others.", one(state == now),
				attribute.String("scaletest.disruption", name), attribute.String("scaletest.state", state))
		}
	}
}

func one(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// scenario are the metrics of a scenario.
func (b *batch) scenario(t harness.Totals) {
	of := attribute.String("scaletest.scenario", t.Scenario)
	it := t.Iterations
	b.level("scaletest.user.active", "{user}", "Users who run an iteration now.", t.Users, of)
	b.level("scaletest.user.ready", "{user}", "Users whose setup succeeded.", t.Ready, of)
	b.count("scaletest.user.failed", "{user}", "Users who did not get ready.", it.SetupFailed, of)
	b.count("scaletest.iteration.started", "{iteration}", "Iterations that started.", it.Started, of)
	for _, r := range []struct {
		result string
		n      int64
	}{{"succeeded", it.Succeeded}, {"failed", it.Failed}, {"interrupted", it.Interrupted}} {
		b.count("scaletest.iteration.ended", "{iteration}", "Iterations that ended, by their result: succeeded, failed, or interrupted by the end of the load.", r.n,
			of, attribute.String("scaletest.result", r.result))
	}
	b.count("scaletest.iteration.dropped", "{iteration}", "Iterations that were meant to start and did not, because no user was free.", it.Dropped, of)
	b.count("scaletest.iteration.stuck", "{iteration}", "Runs that ignored the end of their time and were abandoned.", it.Stuck, of)
	b.took("scaletest.iteration.duration", "Time of whole iterations that succeeded, from when they were meant to start.", t.Iteration.Response, nil, response, of)
	b.took("scaletest.lag.duration", "How late the generator itself was.", t.Lag, nil, response, of)
	b.count("scaletest.io.intended", "By", "Payload that was meant to be sent until now.", t.BytesIntended, of)
	b.count("scaletest.io.achieved", "By", "Payload that was sent.", t.BytesAchieved, of)
	b.count("scaletest.event.intended", "{event}", "Events that were meant to happen, such as the ticks of terminals.", t.EventsIntended, of)
	b.count("scaletest.event.dropped", "{event}", "Events that did not happen because the generator was too slow.", t.EventsDropped, of)
	if c := t.Connections; c != nil {
		b.level("scaletest.connection.open", "{connection}", "Connections that last and are open now.", c.Open, of)
		b.count("scaletest.connection.lost", "{loss}", "Times that a connection was lost.", c.Lost, of)
		b.count("scaletest.connection.restored", "{return}", "Times that a connection came back.", c.Restored, of)
	}
	b.actions(of, "setup", t.Setup)
	b.actions(of, "load", t.Actions)
	for name, n := range t.Counters {
		b.count("scaletest.counted", "1", "What runners counted, by the counter's name.", n, of, attribute.String("scaletest.counter", name))
	}
}

func (b *batch) actions(of attribute.KeyValue, phase string, actions map[string]harness.ActionTotals) {
	for name, a := range actions {
		about := []attribute.KeyValue{of, attribute.String("scaletest.phase", phase), attribute.String("scaletest.action", name)}
		b.took("scaletest.action.duration", "Response time of actions that succeeded: from when they were meant to start.", a.Response, a.Exemplars, response, about...)
		b.took("scaletest.action.service.duration", "Service time of actions that succeeded: from when they did start.", a.Service, a.Exemplars, service, about...)
		b.count("scaletest.action.failed", "{action}", "Actions that failed.", a.Errors, about...)
	}
}
