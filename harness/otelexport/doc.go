// Package otelexport sends what a run does to OpenTelemetry, as spans, by the
// standard OTEL_* variables:
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
package otelexport
