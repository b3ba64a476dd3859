package harness_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
)

// streamed runs a plan in which everything happens that a stream tells of.
func streamed(t *testing.T) (*harness.Result, []byte) {
	t.Helper()
	setup := harness.NewAction("setup_work")
	plan := planOf(harness.RampUsers(5, 5*time.Second).Hold(20*time.Second), fake{
		setup: func(ctx context.Context, rec *harness.Recorder) error {
			if rec.User() == 4 {
				return errBroken
			}
			return rec.Do(ctx, setup, func(ctx context.Context) error { return sleep(ctx, 2500*time.Millisecond) })
		},
		run: func(ctx context.Context, rec *harness.Recorder) error {
			c := rec.Connected()
			defer c.Close()
			rec.Add(testBytes, 7)
			i := rec.Iteration()
			err := rec.Do(ctx, work.Tag("region", "eu"), func(ctx context.Context) error {
				if err := sleep(ctx, time.Duration(50+i*37%211)*time.Millisecond); err != nil || i%11 != 5 {
					return err
				}
				c.Lost()
				return errBroken
			})
			c.Restored()
			return err
		},
	}, harness.P99("work").Below(time.Second), harness.Rate("errors").Below(0.001), harness.P50("setup_work").In(harness.Setup).Below(time.Second))
	plan.Scenarios[0].WarmUp, plan.Scenarios[0].CoolDown = 3*time.Second, 2*time.Second
	plan.Observer = looker(func(context.Context) (harness.Observation, error) {
		return harness.Observation{Values: []harness.Value{{Series: "cpu", Unit: "cores", Value: 1.5}}, Facts: map[string]string{"version": "v1"}}, errors.New("half of it")
	})
	var out bytes.Buffer
	plan.Stream = &out
	return run(t, plan), out.Bytes()
}

func TestAStreamThatCameToItsEndIsTheResult(t *testing.T) {
	bubble(t, func(t *testing.T) {
		res, text := streamed(t)
		back, err := harness.ReadStream(bytes.NewReader(text))
		require.NoError(t, err)
		requireSameJSON(t, res, back)

		path := filepath.Join(t.TempDir(), "stream.ndjson")
		require.NoError(t, os.WriteFile(path, text, 0o600))
		back, err = harness.ReadResult(path)
		require.NoError(t, err)
		requireSameJSON(t, res, back)
	})
}

func requireSameJSON(t *testing.T, want, got any) {
	t.Helper()
	w, err := json.Marshal(want)
	require.NoError(t, err)
	g, err := json.Marshal(got)
	require.NoError(t, err)
	require.JSONEq(t, string(w), string(g))
}

func TestAStreamWithoutItsEndHasTheNumbersOfTheRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		want, text := streamed(t)
		lines := bytes.SplitAfter(text, []byte("\n"))
		lines = lines[:len(lines)-2] // the result, and nothing
		torn := append(bytes.Join(lines, nil), []byte(`{"at":31,"second":{"scen`)...)
		got, err := harness.ReadStream(bytes.NewReader(torn))
		require.NoError(t, err)

		require.Equal(t, harness.Interrupted, got.Verdict)
		require.Contains(t, got.Reasons[0], "without its end")
		require.Equal(t, want.TimelineAt, got.TimelineAt)
		require.Equal(t, want.Phases, got.Phases)
		require.Equal(t, want.Server, got.Server)
		require.Len(t, got.Generator.Watch.Timeline, len(want.Generator.Watch.Timeline))
		w, g := want.Scenarios[0], got.Scenarios[0]
		require.Equal(t, w.Timeline[:len(g.Timeline)], withoutNames(g.Timeline, w.Timeline))
		require.Equal(t, w.Failures, g.Failures)
		require.Equal(t, w.Ready, g.Ready)
		require.Equal(t, w.Schedule, g.Schedule)
		// What was begun in the second in which the warm-up ended is told apart by
		// that second only, so sums are of all parts.
		require.Equal(t, sumOf(w), sumOf(g))
		require.Equal(t, w.Setup["setup_work"].Count, g.Setup["setup_work"].Count)
		require.InEpsilon(t, w.Setup["setup_work"].Response.P99, g.Setup["setup_work"].Response.P99, 0.01)
		require.InEpsilon(t, w.Actions["work"].Response.P99, g.Actions["work"].Response.P99, 0.05)
		require.InEpsilon(t, w.Actions["work"].Tags["region=eu"].Count, g.Actions["work"].Tags["region=eu"].Count, 0.05)
		require.Len(t, g.Thresholds, 3)
		for i := range g.Thresholds {
			require.Equal(t, w.Thresholds[i].Passed, g.Thresholds[i].Passed, w.Thresholds[i].Threshold)
		}
		require.Equal(t, w.Connections.Lost > 0, g.Connections.Lost > 0)
	})
}

// withoutNames gives one timeline what the other has and JSON does not.
func withoutNames(list, like []harness.Second) []harness.Second {
	for i := range list {
		if len(list[i].Actions) == 0 {
			list[i].Actions = like[i].Actions
		}
		if len(list[i].Counters) == 0 {
			list[i].Counters = like[i].Counters
		}
	}
	return list
}

// sumOf are a scenario's sums over all parts.
func sumOf(s harness.ScenarioResult) map[string]int64 {
	sums := map[string]int64{}
	add := func(it harness.Iterations, actions map[string]harness.ActionResult, counted map[string]int64, c *harness.Connections) {
		for name, n := range map[string]int64{
			"started": it.Started, "succeeded": it.Succeeded, "failed": it.Failed, "interrupted": it.Interrupted, "setup": it.SetupFailed,
			"work": int64(actions["work"].Count), "errors": actions["work"].Errors, "bytes": counted["test_bytes"],
		} {
			sums[name] += n
		}
		if c != nil {
			sums["lost"] += c.Lost
			sums["restored"] += c.Restored
			sums["reconnects"] += int64(c.Reconnect.Count)
		}
	}
	add(s.Iterations, s.Actions, s.Counters, s.Connections)
	for _, p := range []*harness.Part{s.WarmUp, s.CoolDown} {
		add(p.Iterations, p.Actions, p.Counters, p.Connections)
	}
	return sums
}

func TestEveryBeginningOfAStreamIsRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, text := streamed(t)
		first := bytes.IndexByte(text, '\n') + 1
		_, err := harness.ReadStream(bytes.NewReader(text[:first-1]))
		require.ErrorContains(t, err, "it is empty")
		last := 0.0
		for end := first; end < len(text); end += 997 {
			res, err := harness.ReadStream(bytes.NewReader(text[:end]))
			require.NoError(t, err)
			require.Equal(t, harness.Interrupted, res.Verdict)
			require.GreaterOrEqual(t, res.Seconds, last)
			last = res.Seconds
		}
	})
}

// file can be read while it is written.
type file struct {
	mu   sync.Mutex
	text []byte
}

func (f *file) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text = append(f.text, p...)
	return len(p), nil
}

func (f *file) content() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return bytes.Clone(f.text)
}

func TestAtMostASecondOfAStreamIsNotWrittenYet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var out file
		plan := planOf(harness.AllAtOnce(2).Hold(10*time.Second), fake{
			setup: func(ctx context.Context, rec *harness.Recorder) error {
				for range 10 {
					if err := rec.Do(ctx, work, func(ctx context.Context) error { return sleep(ctx, 500*time.Millisecond) }); err != nil {
						return err
					}
				}
				return nil
			},
			run: func(ctx context.Context, rec *harness.Recorder) error {
				return rec.Do(ctx, work, func(ctx context.Context) error { return sleep(ctx, 100*time.Millisecond) })
			},
			cleanup: func(ctx context.Context) error { return sleep(ctx, 3*time.Second) },
		})
		plan.Stream = &out
		r := start(t, plan)
		defer r.Abort()
		for i := 1; i <= 15; i++ {
			time.Sleep(time.Second)
			synctest.Wait()
			if i == 5 || i == 15 {
				continue // the load begins or ends just now
			}
			res, err := harness.ReadStream(bytes.NewReader(out.content()))
			require.NoError(t, err)
			s := res.Scenarios[0]
			done := s.Actions["work"].Count + s.Setup["work"].Count
			want := 4 * i
			if i > 5 {
				want = 20 + 20*(i-5)
			}
			require.InDelta(t, want, done, 22, "after %d s", i)
		}
		wait(t, r)
	})
}

func TestAFollowerHasTheNumbersWhileTheRunGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, text := streamed(t)
		var f harness.Follower
		_, _, err := f.Result()
		require.ErrorContains(t, err, "it is empty")
		var half *harness.Result
		var before []byte
		for i, b := range text { // however it comes in
			n, err := f.Write([]byte{b})
			require.NoError(t, err)
			require.Equal(t, 1, n)
			if i == len(text)/4 {
				var ended bool
				half, ended, err = f.Result()
				require.NoError(t, err)
				require.False(t, ended)
				require.Empty(t, half.Verdict)
				before, err = json.Marshal(half)
				require.NoError(t, err)
			}
		}
		after, err := json.Marshal(half)
		require.NoError(t, err)
		require.Equal(t, string(before), string(after), "a result changed after it was given away")
		res, ended, err := f.Result()
		require.NoError(t, err)
		require.True(t, ended)
		require.Equal(t, harness.Fail, res.Verdict)

		_, err = f.Write([]byte("nonsense\n"))
		require.ErrorContains(t, err, "read stream: line ")
		_, err = f.Write([]byte("{}\n"))
		require.Error(t, err)
		_, _, err = f.Result()
		require.Error(t, err)
	})
}

type brokenDisk struct{ writes int }

func (d *brokenDisk) Write([]byte) (int, error) {
	d.writes++
	return 0, errors.New("no space left on device")
}

func TestAStreamThatCanNotBeWrittenIsAWarning(t *testing.T) {
	bubble(t, func(t *testing.T) {
		disk := &brokenDisk{}
		plan := planOf(harness.AllAtOnce(1).Hold(5*time.Second), takes(time.Second))
		plan.Stream = disk
		res := run(t, plan)
		require.Equal(t, harness.Pass, res.Verdict)
		require.Len(t, res.Warnings, 1)
		require.Contains(t, res.Warnings[0], "no space left on device")
		require.Equal(t, 1, disk.writes, "it is not asked again and again")
	})
}

// hungDisk takes no byte until it is released.
type hungDisk struct{ released chan struct{} }

func (d hungDisk) Write(p []byte) (int, error) {
	<-d.released
	return len(p), nil
}

func TestAStreamThatHangsHoldsUpNobody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		disk := hungDisk{make(chan struct{})}
		defer close(disk.released)
		plan := planOf(harness.AllAtOnce(1).Hold(5*time.Second), takes(time.Second))
		plan.Stream = disk
		begun := time.Now()
		res := run(t, plan)
		require.Less(t, time.Since(begun), 11*time.Second)
		require.Len(t, res.Warnings, 1)
		require.Contains(t, res.Warnings[0], "it did not end within 5s")
		require.Equal(t, int64(5), int64(res.Scenarios[0].Actions["work"].Count))
	})
}

func TestDamagedStreamsAreErrorsThatNameTheLine(t *testing.T) {
	const begin = `{"at":0,"start":{"schema_version":1,"run_id":"r","scenarios":[{"name":"s","thresholds":["work: p(99)<1s"]}]}}` + "\n"
	for _, c := range []struct{ text, want string }{
		{"", "it is empty"},
		{"{}\n", "line 1: it does not begin with a start"},
		{"hello\n", "line 1: invalid character"},
		{strings.Replace(begin, `version":1`, `version":7`, 1), "line 1: schema version 7, want 1"},
		{begin + begin, "line 2: a second start"},
		{begin + "{\"at\":1,\"phase\":\n{}\n", "line 2: unexpected end"},
		{begin + `{"at":1,"second":{"scenario":"x","ready":1,"iterations":{},"lag":[]}}` + "\n", `line 2: there is no scenario "x"`},
		{begin + `{"at":1,"second":{"scenario":"s","lag":[1]}}` + "\n", "line 2: decode histogram: 1 numbers"},
		{begin + `{"at":1,"result":{"schema_version":2}}` + "\n", "line 2: a result of schema version 2"},
		{strings.Replace(begin, "work: p(99)<1s", "nonsense", 1), `scenario "s": threshold`},
	} {
		_, err := harness.ReadStream(strings.NewReader(c.text))
		require.ErrorContains(t, err, c.want)
	}
	_, err := harness.ReadStream(strings.NewReader(begin + `{"at":1,"news":{"of":"a later version"}}` + "\n"))
	require.NoError(t, err)
}

func FuzzReadStream(f *testing.F) {
	f.Add([]byte(`{"at":0,"start":{"schema_version":1,"run_id":"r","scenarios":[{"name":"s","warm_up":1,"thresholds":["p99(work)<1s"]}]}}
{"at":1,"second":{"scenario":"s","second":{"at":1,"span":1,"phase":"warm-up","counters":{"n":1}},"ready":1,"iterations":{"started":2},"actions":{"work":{"response":[5,1],"service":[5,1],"tags":{"a=b":{"response":[5,1],"service":[5,1]}}}},"lag":[1,2],"opened":1,"restored":1,"reconnect":[7,1]}}
{"at":2,"observation":{"values":[{"series":"cpu","value":1}]}}
{"at":2,"generator":{"at":1,"cpu":1}}
{"at":3,"failure":{"scenario":"s","phase":"load","error":"x"}}
`))
	f.Fuzz(func(t *testing.T, text []byte) {
		res, err := harness.ReadStream(bytes.NewReader(text))
		if err != nil {
			return
		}
		_, err = json.Marshal(res)
		require.NoError(t, err)
	})
}
