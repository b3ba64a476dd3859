package scaletest

import (
	"context"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/otelexport"
)

// sendMetrics has the plan's numbers sent to OpenTelemetry, if the environment
// asks for it.
func (t *Target) sendMetrics(plan *harness.Plan) (*otelexport.Metrics, error) {
	otlp, err := otelexport.MetricsFromEnv(context.Background(), otelexport.Options{Name: plan.Name, Attributes: t.attributes()})
	if err != nil || otlp == nil {
		return nil, err
	}
	plan.OnSnapshot = chain(plan.OnSnapshot, otlp.Observe)
	plan.OnPhase = chain(plan.OnPhase, otlp.Phase)
	return otlp, nil
}

// flushMetrics sends the final numbers and the verdict. A collector that does not
// take them is said, and fails nothing: the result has them all.
func flushMetrics(ctx context.Context, otlp *otelexport.Metrics, res *harness.Result, c *console) {
	otlp.Finish(res)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	if err := otlp.Shutdown(ctx); err != nil {
		c.printf("%s\n", oneLine(err))
	}
}
