package otelexport

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
)

// signal is a kind of what is sent, as variables name it.
type signal string

const (
	traces  signal = "TRACES"
	metrics signal = "METRICS"
)

func env(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// exporter is the variable that names who sends it.
func (s signal) exporter() string { return "OTEL_" + string(s) + "_EXPORTER" }

// endpoints are the variables that say where it goes; the first wins.
func (s signal) endpoints() []string {
	return []string{"OTEL_EXPORTER_OTLP_" + string(s) + "_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"}
}

func (s signal) hasEndpoint() bool {
	return slices.ContainsFunc(s.endpoints(), func(name string) bool { return env(name) != "" })
}

// unwanted reports whether somebody says that he wants none.
func (s signal) unwanted() bool {
	return strings.EqualFold(env("OTEL_SDK_DISABLED"), "true") || env(s.exporter()) == "none"
}

// problems are what can't be done.
func (s signal) problems() (errs []error) {
	if exporter := env(s.exporter()); exporter != "" && exporter != "otlp" {
		errs = append(errs, fmt.Errorf("%s is %q, want otlp or none", s.exporter(), exporter))
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_" + string(s) + "_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if p := env(name); p != "" && p != "http/protobuf" {
			errs = append(errs, fmt.Errorf("%s is %q, want http/protobuf, which collectors take at port 4318", name, p))
		}
	}
	for _, name := range s.endpoints() { // the SDK would take the default, and say so nowhere
		if e := env(name); e != "" {
			if u, err := url.Parse(e); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
				errs = append(errs, fmt.Errorf("%s is not a URL such as http://localhost:4318", name))
			}
		}
	}
	return errs
}

// about is who sends it, the same for all signals.
func about(ctx context.Context, o Options) (*resource.Resource, error) {
	attributes := []attribute.KeyValue{attribute.String("service.name", "scaletest"), attribute.String("service.instance.id", instance())}
	if o.ServiceName != "" {
		attributes[0] = attribute.String("service.name", o.ServiceName)
	}
	for name, value := range o.Attributes {
		attributes = append(attributes, attribute.String(name, value))
	}
	// The environment comes last and wins.
	return resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(attributes...), resource.WithFromEnv())
}

// instance tells the processes of a test apart: without it the sums of two
// would look like those of one that goes back and forth.
func instance() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return host + "-" + strconv.Itoa(os.Getpid())
}
