package otelexport

import (
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// newClient is a client whose connections can be closed when the run is over: a
// test that looks for goroutines would find those of the SDK's own. It is nil
// where the environment has certificates, which only that one reads.
func newClient(s signal) *http.Client {
	certificates := slices.ContainsFunc(os.Environ(), func(kv string) bool {
		name, value, _ := strings.Cut(kv, "=")
		certificate := strings.HasSuffix(name, "_CERTIFICATE") || strings.HasSuffix(name, "_CLIENT_KEY")
		return strings.HasPrefix(name, "OTEL_EXPORTER_OTLP_") && certificate && value != ""
	})
	if certificates {
		return nil
	}
	return &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone(), Timeout: s.sendTimeout()}
}

// sendTimeout bounds one request: the variable holds milliseconds.
func (s signal) sendTimeout() time.Duration {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_" + string(s) + "_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"} {
		if ms, err := strconv.Atoi(strings.TrimSpace(os.Getenv(name))); err == nil && ms > 0 {
			return time.Duration(ms) * time.Millisecond
		}
	}
	return 10 * time.Second
}
