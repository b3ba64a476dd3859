package promexport_test

import (
	"io"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/promexport"
	"github.com/coderscale/scaletest/traffic/histogram"
)

// discard is a scraper that does not look.
type discard struct{ *httptest.ResponseRecorder }

func (discard) Write(p []byte) (int, error) { return io.Discard.Write(p) }

// BenchmarkScrape is what a scrape costs the generator: of ten scenarios with
// ten actions each, whose histograms are full.
func BenchmarkScrape(b *testing.B) {
	var h histogram.Histogram
	for d := time.Microsecond; d < 10*time.Minute; d += d/200 + 1 {
		h.Record(d)
	}
	d := harness.Distribute(&h)
	a := harness.ActionResult{Count: h.Count(), Response: d, Service: d}
	res := &harness.Result{RunID: "ab12", Verdict: harness.Pass}
	for i := range 10 {
		s := harness.ScenarioResult{Name: string(rune('a' + i)), Iteration: a, Lag: d, Actions: map[string]harness.ActionResult{}}
		for j := range 10 {
			s.Actions[string(rune('a'+j))] = a
		}
		res.Scenarios = append(res.Scenarios, s)
	}
	e, err := promexport.New(promexport.Config{})
	if err != nil {
		b.Fatal(err)
	}
	e.Finish(res)
	for _, c := range []struct{ name, accept string }{
		{"format=text", "text/plain"},
		{"format=protobuf", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"},
	} {
		b.Run(c.name, func(b *testing.B) {
			handler := e.Handler()
			req := httptest.NewRequest("GET", "/metrics", nil)
			req.Header.Set("Accept", c.accept)
			b.ReportAllocs()
			for b.Loop() {
				handler.ServeHTTP(discard{httptest.NewRecorder()}, req)
			}
		})
	}
}
