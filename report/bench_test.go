package report_test

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"

	"github.com/coderscale/scaletest/report"
)

// BenchmarkHTML makes the page of an hour and a million samples, beside what it
// takes to write the same result as JSON, which has to be written in any case.
func BenchmarkHTML(b *testing.B) {
	res := drawn(3600, 278)
	b.Run("page", func(b *testing.B) {
		var page bytes.Buffer
		for b.Loop() {
			page.Reset()
			if err := report.HTML(&page, res); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(page.Len()), "page-B")
		b.ReportMetric(float64(res.Scenarios[0].Actions["echo"].Count), "samples")
	})
	b.Run("baseline=json", func(b *testing.B) {
		for b.Loop() {
			if err := json.NewEncoder(io.Discard).Encode(res); err != nil {
				b.Fatal(err)
			}
		}
	})
}
