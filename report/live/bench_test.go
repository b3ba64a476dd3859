package live_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report"
	"github.com/coderscale/scaletest/report/live"
)

// BenchmarkFollowing measures what a stream on disk and a page that somebody has
// open add to a run of 10,000 users with an action a second each: in pairs of runs,
// with and without, of which the difference is the median. The cores that the
// runs take without are the baseline.
func BenchmarkFollowing(b *testing.B) {
	var without, added []float64
	for b.Loop() {
		bare := cores(b, nil)
		page, err := live.Listen("127.0.0.1:0", live.Config{})
		if err != nil {
			b.Fatal(err)
		}
		file, err := os.Create(filepath.Join(b.TempDir(), "stream.ndjson"))
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(b.Context())
		looked := make(chan error, 1)
		go func() { looked <- look(ctx, page.URL()) }()
		watched := cores(b, io.MultiWriter(file, page))
		cancel()
		if err := <-looked; err != nil {
			b.Fatal(err)
		}
		end, cancel := context.WithTimeout(b.Context(), 10*time.Millisecond) // nobody wants the report
		_ = page.Close(end)
		cancel()
		if err := file.Close(); err != nil {
			b.Fatal(err)
		}
		without, added = append(without, bare), append(added, watched-bare)
	}
	median := func(v []float64) float64 { slices.Sort(v); return v[len(v)/2] }
	b.ReportMetric(100*median(without), "baseline-core-%")
	b.ReportMetric(100*median(added), "added-core-%")
	b.ReportMetric(0, "ns/op")
}

// cores is what a run takes.
func cores(b *testing.B, stream io.Writer) float64 {
	b.Helper()
	run, err := harness.Start(b.Context(), harness.Plan{Stream: stream, Scenarios: []harness.Scenario{{
		Name: "people", Schedule: harness.AllAtOnce(10_000).Hold(8 * time.Second),
		Runner: func(user int) (harness.Runner, error) {
			return harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
				return rec.Do(ctx, work, func(ctx context.Context) error {
					timer := time.NewTimer(900*time.Millisecond + time.Duration(user)*20*time.Microsecond)
					defer timer.Stop()
					select {
					case <-timer.C:
					case <-ctx.Done():
					}
					return nil
				})
			}), nil
		},
	}}})
	if err != nil {
		b.Fatal(err)
	}
	return run.Wait().Generator.Watch.CPU
}

// look asks for news once a second, as a page does.
func look(ctx context.Context, page string) error {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	cursor := report.Cursor{}
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		text, err := json.Marshal(cursor)
		if err != nil {
			return err
		}
		resp, err := client.Get(page + "news?since=" + url.QueryEscape(string(text)))
		if err != nil {
			return err
		}
		var news struct{ Until report.Cursor }
		err = json.NewDecoder(resp.Body).Decode(&news)
		resp.Body.Close()
		if err != nil {
			return err
		}
		cursor = news.Until
	}
}
