package otelexport

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestClientIsAsTheVariablesSay(t *testing.T) {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "OTEL_EXPORTER_OTLP_CERTIFICATE"} {
		t.Setenv(name, "")
	}
	assert.Equal(t, 10*time.Second, newClient(traces).Timeout)
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "250")
	assert.Equal(t, 250*time.Millisecond, newClient(traces).Timeout, "milliseconds")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "300")
	assert.Equal(t, 300*time.Millisecond, newClient(traces).Timeout, "that of traces wins")
	assert.Equal(t, 250*time.Millisecond, newClient(metrics).Timeout, "for traces only")
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "soon")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "-1")
	assert.Equal(t, 10*time.Second, newClient(traces).Timeout)
	t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem")
	assert.Nil(t, newClient(traces), "only the SDK's own client reads certificates")
}
