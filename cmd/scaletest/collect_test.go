package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/collector"
)

func TestCollectMakesOneResultOfWhatShardsSend(t *testing.T) {
	dir := t.TempDir()
	out, in := io.Pipe()
	var errs bytes.Buffer
	code := make(chan int, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		code <- run(ctx, []string{"collect", "-shards", "2", "-o", dir, "-listen", "127.0.0.1:0", "-keep", "1h", "-linger", "1s"}, streams{in, &errs})
		_ = in.Close()
	}()
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	address, ok := strings.CutPrefix(lines.Text(), "CODER_SCALETEST_COLLECTOR=")
	require.True(t, ok, lines.Text())

	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			var stream bytes.Buffer
			shard := harness.Shard{Index: i, Of: 2}
			r, err := harness.Start(t.Context(), harness.Plan{
				Name: "TestVisits", RunID: "sharded", Shard: shard, Stream: &stream,
				Scenarios: []harness.Scenario{{
					Name: "visits", Schedule: harness.AllAtOnce(5),
					Thresholds: []harness.Threshold{{Metric: "visit", Aggregate: "count", Op: "<", Value: 5}},
					Runner: func(int) (harness.Runner, error) {
						return harness.RunnerFunc(func(_ context.Context, rec *harness.Recorder) error {
							rec.Record(visit, time.Millisecond, time.Millisecond, nil)
							return nil
						}), nil
					},
				}},
			})
			require.NoError(t, err)
			r.Wait()
			client := &collector.Client{URL: address, RunID: "sharded", Shard: shard}
			defer client.Close()
			ended := make(chan struct{})
			close(ended)
			require.NoError(t, client.Send(t.Context(), "TestVisits", bytes.NewReader(stream.Bytes()), ended))
		})
	}
	wg.Wait()
	said := ""
	for lines.Scan() {
		said += lines.Text() + "\n"
		if strings.Contains(lines.Text(), "the reports are at "+address) {
			resp, err := http.Get(address + "/report?run=TestVisits")
			require.NoError(t, err)
			page, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Contains(t, string(page), "<!doctype html>")
			http.DefaultClient.CloseIdleConnections()
			cancel()
		}
	}
	assert.Equal(t, exitFail, <-code, "a threshold that only the whole breaks")
	assert.Contains(t, errs.String(), "TestVisits: the verdict is fail: visits: visit: count<5 is broken: 5")
	assert.Contains(t, said, filepath.Join(dir, "TestVisits", "result.json"))
	res, err := harness.ReadResult(filepath.Join(dir, "TestVisits", "result.json"))
	require.NoError(t, err)
	assert.Len(t, res.Shards, 2)
	assert.FileExists(t, filepath.Join(dir, "TestVisits", "report.html"))
	for _, shard := range []string{"shard-1-of-2", "shard-2-of-2"} {
		assert.FileExists(t, filepath.Join(dir, "TestVisits", shard, "stream.ndjson"))
	}

	c, _, again := spoken(t, "collect", "-shards", "2", "-o", dir)
	assert.Equal(t, exitError, c)
	assert.Contains(t, again, "has the results of run sharded, which has ended: want an empty folder")

	// The streams alone can be merged as well, wherever they are.
	require.NoError(t, os.Remove(filepath.Join(dir, "TestVisits", "result.json")))
	c, _, mergeErrs := spoken(t, "merge", dir, "-o", filepath.Join(dir, "again.json"))
	assert.Equal(t, exitFail, c)
	assert.Contains(t, mergeErrs, "the verdict is fail")
}

func TestCollectThatMakesNoSenseIsAMistake(t *testing.T) {
	code, _, errs := spoken(t, "collect", "-keep", "-1s")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, errs, "there are 0 shards, want 1 or more; -keep is -1s, want 0 or more")
	code, _, errs = spoken(t, "collect", "-shards", "1", "-o", t.TempDir(), "-listen", "nowhere")
	assert.Equal(t, exitError, code)
	assert.Contains(t, errs, "collect from shards: ")
}
