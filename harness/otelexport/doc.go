// Package otelexport sends what a run does to OpenTelemetry, as spans and as
// metrics, by the standard OTEL_* variables:
//
//	exporter, err := otelexport.FromEnv(ctx, otelexport.Options{})
//	if err != nil {
//		return err
//	}
//	run, err := harness.Start(ctx, harness.Plan{Scenarios: scenarios, Tracer: exporter.Tracer()})
//	if err != nil {
//		return err
//	}
//	res := run.Wait()
//	err = exporter.Shutdown(ctx) // or what is not sent yet is lost
//
// A run and its scenarios are one trace. Each setup, iteration and cleanup of a
// user is a trace of its own, with the actions in it and a link to its scenario:
// a trace of millions of spans can be shown by nobody, and a sampler can choose
// between traces only. For many users set one:
//
//	OTEL_TRACES_SAMPLER=traceidratio
//	OTEL_TRACES_SAMPLER_ARG=0.01
//
// The spans are "run NAME", "scenario NAME", "setup NAME", "iteration NAME" and
// "cleanup NAME", and an action's span has its name. They carry
// scaletest.run_id, scaletest.scenario, scaletest.user, scaletest.iteration and,
// for iterations, scaletest.lag_seconds: how late they began. What failed has
// the status error; what only the end of the load cut short has
// scaletest.interrupted instead. What a source measures on its own, such as the
// echoes of terminals, has no spans: there are too many of them.
//
// Metrics are the run's sums, every ten seconds and at the end:
//
//	metrics, err := otelexport.MetricsFromEnv(ctx, otelexport.Options{})
//	if err != nil {
//		return err
//	}
//	run, err := harness.Start(ctx, harness.Plan{Scenarios: scenarios, OnSnapshot: metrics.Observe, OnPhase: metrics.Phase})
//	if err != nil {
//		return err
//	}
//	metrics.Finish(run.Wait())
//	err = metrics.Shutdown(ctx) // the final numbers and the verdict
//
// They are these, with the attribute scaletest.scenario; durations are in seconds:
//
//	scaletest.run.info                  1, with scaletest.run_id, test.case.name, scaletest.verdict
//	scaletest.run.phase                 1 for the scaletest.phase that the run is in
//	scaletest.disruption.state          1 for the scaletest.state of a scaletest.disruption
//	scaletest.user.active, .ready, .failed
//	scaletest.iteration.started, .dropped, .stuck
//	scaletest.iteration.ended           by scaletest.result: succeeded, failed, interrupted
//	scaletest.iteration.duration        response time
//	scaletest.action.duration           response time, by scaletest.phase (setup, load), scaletest.action
//	scaletest.action.service.duration   service time
//	scaletest.action.failed
//	scaletest.lag.duration              the generator's own lateness
//	scaletest.io.intended, .achieved    payload
//	scaletest.event.intended, .dropped  ticks of sources
//	scaletest.connection.open, .lost, .restored
//	scaletest.counted                   by scaletest.counter
//
// Of a scenario's actions and counters a hundred are kept apart; the rest is "other".
// Histograms are exponential, made of the run's own without losing a count: at
// scale 6, whose buckets are 1.1 % wide, as long as 160 of them hold all durations,
// and at a lower one when they are further apart; a value is at most 0.8 % beyond its
// bucket. Sums are cumulative unless a variable prefers deltas. Where spans are
// sampled too, durations of actions have exemplars. Each process has a
// service.instance.id, its host's name and its number.
package otelexport
