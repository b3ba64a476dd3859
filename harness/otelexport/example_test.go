package otelexport_test

import (
	"context"
	"fmt"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/otelexport"
)

// A run whose spans go where the OTEL_* variables say.
func ExampleFromEnv() {
	ctx := context.Background()
	exporter, err := otelexport.FromEnv(ctx, otelexport.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	run, err := harness.Start(ctx, harness.Plan{
		Tracer: exporter.Tracer(), // nil if no variable asks for spans
		Scenarios: []harness.Scenario{{
			Name: "people", Schedule: harness.AllAtOnce(3),
			Runner: func(int) (harness.Runner, error) { return person{}, nil },
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(run.Wait().Scenarios[0].Iterations.Succeeded)
	if err := exporter.Shutdown(ctx); err != nil {
		fmt.Println(err)
	}
	// Output: 3
}

// A run whose numbers go where the OTEL_* variables say.
func ExampleMetricsFromEnv() {
	ctx := context.Background()
	metrics, err := otelexport.MetricsFromEnv(ctx, otelexport.Options{Name: "nightly"})
	if err != nil {
		fmt.Println(err)
		return
	}
	run, err := harness.Start(ctx, harness.Plan{
		OnSnapshot: metrics.Observe, OnPhase: metrics.Phase, // they do nothing if no variable asks for metrics
		Scenarios: []harness.Scenario{{
			Name: "people", Schedule: harness.AllAtOnce(3),
			Runner: func(int) (harness.Runner, error) { return person{}, nil },
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	res := run.Wait()
	metrics.Finish(res)
	if err := metrics.Shutdown(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Println(res.Scenarios[0].Iterations.Succeeded)
	// Output: 3
}
