package collector_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/collector"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inMemory hands requests to a handler without a socket, so that time can be faked.
type inMemory struct {
	mu      sync.Mutex
	handler http.Handler
	broken  error // nil while the network works
}

func (m *inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	m.mu.Lock()
	handler, broken := m.handler, m.broken
	m.mu.Unlock()
	if broken != nil {
		return nil, broken
	}
	done := make(chan *http.Response, 1)
	go func() {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		done <- w.Result()
	}()
	select {
	case resp := <-done:
		return resp, nil
	case <-r.Context().Done():
		<-done // the handler sees it too
		return nil, r.Context().Err()
	}
}

func (m *inMemory) set(handler http.Handler, broken error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.handler, m.broken = handler, broken
}

// shard is a client of the shard with an index from 0.
func (m *inMemory) shard(i, of int) *collector.Client {
	return &collector.Client{URL: "http://collector", RunID: "r", Shard: harness.Shard{Index: i, Of: of}, HTTP: &http.Client{Transport: m}}
}

func serve(t *testing.T, cfg collector.Config) (*collector.Server, *inMemory) {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	cfg.Logf = t.Logf
	s, err := collector.New(cfg)
	require.NoError(t, err)
	return s, &inMemory{handler: s}
}

// ran is the stream of a shard's run.
func ran(t *testing.T, i, of int) []byte {
	t.Helper()
	var out bytes.Buffer
	run, err := harness.Start(t.Context(), harness.Plan{
		Name: "TestX", RunID: "r", Shard: harness.Shard{Index: i, Of: of}, Stream: &out,
		Scenarios: []harness.Scenario{{
			Name: "x", Schedule: harness.AllAtOnce(7).Hold(3 * time.Second),
			Runner: func(int) (harness.Runner, error) {
				return harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
					return rec.Do(ctx, act, func(ctx context.Context) error {
						timer := time.NewTimer(100 * time.Millisecond)
						defer timer.Stop()
						select {
						case <-timer.C:
						case <-ctx.Done():
						}
						return nil
					})
				}), nil
			},
		}},
	})
	require.NoError(t, err)
	require.Equal(t, harness.Pass, run.Wait().Verdict)
	return out.Bytes()
}

var act = harness.NewAction("collected")

func TestAllGoOnAtOneInstantAndNotBeforeTheLastHasCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, net := serve(t, collector.Config{Shards: 3})
		begin := time.Now()
		var wg sync.WaitGroup
		at := make([]time.Time, 3)
		for i := range 3 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 40 * time.Second) // the first has to ask several times
				var err error
				at[i], err = net.shard(i, 3).Meet(t.Context(), "load", "same", false)
				require.NoError(t, err)
			})
		}
		wg.Wait()
		for i := range 3 {
			require.WithinDuration(t, begin.Add(82*time.Second), at[i], time.Microsecond)
		}
	})
}

func TestAMeetingSurvivesANetworkThatBreaksAndACollectorThatIsNotThereYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, net := serve(t, collector.Config{Shards: 2})
		server := net.handler
		net.set(server, errors.New("connection refused"))
		begin := time.Now()
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				at, err := net.shard(i, 2).Meet(t.Context(), "load", "", false)
				require.NoError(t, err)
				require.WithinDuration(t, begin.Add(32*time.Second), at, 2*time.Second)
			})
		}
		time.Sleep(30 * time.Second)
		net.set(server, nil)
		wg.Wait()
	})
}

func TestWhoCanNotMeetIsToldWhy(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  collector.Config
		meet func(t *testing.T, net *inMemory) error
		says string
	}{
		{"one never comes", collector.Config{Shards: 3, MeetTimeout: time.Minute}, func(t *testing.T, net *inMemory) error {
			_, err := net.shard(0, 3).Meet(t.Context(), "load", "", false)
			return err
		}, "after 1m0s shard 2/3, 3/3 was still not there, so they can't begin together"},
		{"one dies before", collector.Config{Shards: 2}, func(t *testing.T, net *inMemory) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			net.shard(1, 2).Stay(ctx)
			_, err := net.shard(0, 2).Meet(t.Context(), "load", "", false)
			return err
		}, "shard 2/2 has said nothing for 1m0s"},
		{"they would not do the same", collector.Config{Shards: 2}, func(t *testing.T, net *inMemory) error {
			var wg sync.WaitGroup
			wg.Go(func() {
				_, err := net.shard(1, 2).Meet(t.Context(), "load", "99 targets", false)
				require.ErrorContains(t, err, "would not do the same")
			})
			_, err := net.shard(0, 2).Meet(t.Context(), "load", "100 targets", false)
			wg.Wait()
			return err
		}, "shards 1/2 and 2/2 would not do the same (100 targets, and 99 targets)"},
		{"another number of shards", collector.Config{Shards: 2}, func(t *testing.T, net *inMemory) error {
			_, err := net.shard(0, 3).Meet(t.Context(), "load", "", false)
			return err
		}, "this is shard 1/3, and the collector waits for 2"},
		{"another run", collector.Config{Shards: 2}, func(t *testing.T, net *inMemory) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			net.shard(0, 2).Stay(ctx)
			other := net.shard(1, 2)
			other.RunID = "q"
			_, err := other.Meet(t.Context(), "load", "", false)
			return err
		}, "this is run q, and the collector has run r"},
		{"something else answers", collector.Config{Shards: 2}, func(t *testing.T, net *inMemory) error {
			net.set(http.NotFoundHandler(), nil)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := net.shard(0, 2).Meet(ctx, "load", "", false)
			return err
		}, "the answer of http://collector (404) is not a collector's"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, net := serve(t, c.cfg)
				err := c.meet(t, net)
				require.ErrorContains(t, err, "meet the other shards")
				require.ErrorContains(t, err, c.says)
			})
		})
	}
}

func TestALenientMeetingGoesOnWithoutTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, net := serve(t, collector.Config{Shards: 2})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		net.shard(1, 2).Stay(ctx)
		begin := time.Now()
		at, err := net.shard(0, 2).Meet(t.Context(), "end", "", true)
		require.NoError(t, err)
		require.WithinDuration(t, begin.Add(time.Minute), at, 3*time.Second)
	})
}

func TestStreamsOfAllShardsBecomeOneResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, net := serve(t, collector.Config{Shards: 3})
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				ended := make(chan struct{})
				stream := &growing{all: ran(t, i, 3)}
				go func() {
					time.Sleep(10 * time.Second) // it is sent while it grows
					stream.end()
					close(ended)
				}()
				require.NoError(t, net.shard(i, 3).Send(t.Context(), "TestX", stream, ended))
			})
		}
		runs, err := s.Wait(t.Context())
		wg.Wait()
		require.NoError(t, err)
		require.Len(t, runs, 1)
		res := runs[0].Result
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		require.Len(t, res.Shards, 3)
		require.Equal(t, 7, res.Scenarios[0].Users)
		require.EqualValues(t, 7*30, res.Scenarios[0].Actions["collected"].Count)
		path, err := runs[0].WriteFile()
		require.NoError(t, err)
		again, err := harness.ReadResult(path)
		require.NoError(t, err)
		require.Equal(t, 7, again.Scenarios[0].Users)
	})
}

// growing is a file that is written while it is read.
type growing struct {
	mu    sync.Mutex
	all   []byte
	reads int
	whole bool
}

func (g *growing) ReadAt(b []byte, off int64) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reads++
	size := int64(len(g.all))
	if !g.whole {
		size = min(size, int64(g.reads)*377) // in the middle of lines
	}
	if off >= size {
		return 0, io.EOF
	}
	n := copy(b, g.all[off:size])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (g *growing) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.whole = true
}

func TestAShardThatIsKilledIsPartialAndMakesTheWholeInvalid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, net := serve(t, collector.Config{Shards: 2})
		ended := make(chan struct{})
		close(ended)
		require.NoError(t, net.shard(0, 2).Send(t.Context(), "TestX", bytes.NewReader(ran(t, 0, 2)), ended))
		all := ran(t, 1, 2)
		dying, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		err := net.shard(1, 2).Send(dying, "TestX", bytes.NewReader(all[:len(all)*2/3]), nil)
		require.ErrorContains(t, err, "send the numbers of shard 2/2")

		runs, err := s.Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, harness.Invalid, runs[0].Result.Verdict)
		require.Contains(t, runs[0].Result.Reasons[0], "shard 2/2 is partial")
	})
}

func TestAShardThatNeverComesIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, net := serve(t, collector.Config{Shards: 2, MeetTimeout: 5 * time.Minute})
		ended := make(chan struct{})
		close(ended)
		require.NoError(t, net.shard(0, 2).Send(t.Context(), "TestX", bytes.NewReader(ran(t, 0, 2)), ended))
		runs, err := s.Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, harness.Invalid, runs[0].Result.Verdict)
		require.Contains(t, runs[0].Result.Reasons[0], "shard 2/2 is missing")
	})
}

func TestACollectorThatNobodyComesToGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := serve(t, collector.Config{Shards: 2, MeetTimeout: 5 * time.Minute})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.Wait(ctx)
		require.ErrorIs(t, err, context.Canceled)

		begin := time.Now()
		_, err = s.Wait(t.Context())
		require.ErrorContains(t, err, "no shard has come within 5m0s")
		require.WithinDuration(t, begin.Add(5*time.Minute), time.Now(), 2*time.Second)
	})
}

func TestAProcessThatIsStillThereMayBeginAnotherRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, net := serve(t, collector.Config{Shards: 1})
		stay, leave := context.WithCancel(t.Context())
		process := net.shard(0, 1)
		var wg sync.WaitGroup
		wg.Go(func() { process.Stay(stay) })
		wg.Go(func() {
			ended := make(chan struct{})
			close(ended)
			for n := range 3 {
				time.Sleep(time.Minute)
				require.NoError(t, process.Send(t.Context(), fmt.Sprintf("TestX #%d", n), bytes.NewReader(ran(t, 0, 0)), ended))
			}
			leave()
		})
		runs, err := s.Wait(t.Context())
		wg.Wait()
		require.NoError(t, err)
		require.Len(t, runs, 3)
		require.Empty(t, runs[0].Result.Shards, "the only shard is a whole")
	})
}

func TestACollectorThatWasRestartedTakesUpWhatItHad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		_, net := serve(t, collector.Config{Shards: 2, Dir: dir})
		ended := make(chan struct{})
		close(ended)
		require.NoError(t, net.shard(0, 2).Send(t.Context(), "TestX", bytes.NewReader(ran(t, 0, 2)), ended))
		stream := &growing{all: ran(t, 1, 2)}
		dying, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		sent := make(chan error, 1)
		open := make(chan struct{})
		go func() { sent <- net.shard(1, 2).Send(t.Context(), "TestX", stream, open) }()
		<-dying.Done()

		s, second := serve(t, collector.Config{Shards: 2, Dir: dir})
		net.set(second.handler, nil)
		stream.end()
		close(open)
		require.NoError(t, <-sent)
		runs, err := s.Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, harness.Pass, runs[0].Result.Verdict, runs[0].Result.Reasons)

		_, err = collector.New(collector.Config{Shards: 3, Dir: dir})
		require.ErrorContains(t, err, "has streams of another run")
		require.NoError(t, os.WriteFile(filepath.Join(runs[0].Dir, "shard-1-of-2", "stream.ndjson"), []byte("{"), 0o600))
		_, err = collector.New(collector.Config{Shards: 2, Dir: dir})
		require.ErrorContains(t, err, "can't be taken up again")
	})
}

func TestNamesCannotLeaveTheFolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s, net := serve(t, collector.Config{Shards: 1, Dir: dir})
		ended := make(chan struct{})
		close(ended)
		names := []string{"../../etc", "..", "a/b", "a_b", "TestÜ/größe"}
		process := net.shard(0, 1)
		for _, name := range names {
			require.NoError(t, process.Send(t.Context(), name, bytes.NewReader(ran(t, 0, 0)), ended))
		}
		runs, err := s.Wait(t.Context())
		require.NoError(t, err)
		require.Len(t, runs, len(names))
		dirs := map[string]bool{}
		for _, r := range runs {
			require.Equal(t, dir, filepath.Dir(r.Dir))
			require.False(t, dirs[r.Dir], r.Dir)
			dirs[r.Dir] = true
		}
	})
}

func TestThePageSaysHowEachShardIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, net := serve(t, collector.Config{Shards: 4})
		ended := make(chan struct{})
		close(ended)
		require.NoError(t, net.shard(0, 4).Send(t.Context(), "TestX", bytes.NewReader(ran(t, 0, 4)), ended))
		half := ran(t, 1, 4)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.Error(t, net.shard(1, 4).Send(short, "TestX", bytes.NewReader(half[:len(half)/2]), nil))
		waiting, leave := context.WithTimeout(t.Context(), 10*time.Second)
		defer leave()
		go func() { _, _ = net.shard(2, 4).Meet(waiting, "load", "", false) }()
		time.Sleep(5 * time.Second)
		page := get(net.handler, "/")
		require.Contains(t, page, "<td>1/4</td><td>ended</td>")
		require.Contains(t, page, "<td>2/4</td><td>in TestX</td><td>5s ago</td>")
		require.Contains(t, page, "<td>3/4</td><td>waits for the others</td>")
		require.Contains(t, page, "<td>4/4</td><td>not there yet</td><td></td>")
		require.Contains(t, page, `<a href="report?run=TestX">TestX</a>`)
		require.Contains(t, get(net.handler, "/report?run=TestX"), "shard 4/4 is missing")
		require.Contains(t, get(net.handler, "/report?run=none"), "there is no such run")
		require.NoError(t, json.Unmarshal([]byte(get(net.handler, "/result?run=TestX")), new(harness.Result)))
		require.Contains(t, page, `<a href="result?run=TestX">result.json</a>`)
		time.Sleep(2 * time.Minute)
		require.Contains(t, get(net.handler, "/"), "<td>2/4</td><td>given up</td>")
	})
}

func get(h http.Handler, path string) string {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Body.String()
}

func TestAConfigurationThatMakesNoSenseSaysAllThatIsWrong(t *testing.T) {
	_, err := collector.New(collector.Config{Silence: -1})
	require.ErrorContains(t, err, "there are 0 shards")
	require.ErrorContains(t, err, "there is no folder")
	require.ErrorContains(t, err, "Silence is -1ns")
}

func FuzzRequests(f *testing.F) {
	f.Add("/v1/meet", "", []byte(`{"run_id":"r","shard":"1/1","process":"p","point":"p"}`))
	f.Add("/v1/stream", "run_id=r&shard=1/1&process=p&name=x&offset=0", []byte("{}\n"))
	f.Add("/v1/alive", "", []byte(`{"shard":"9/1"}`))
	f.Fuzz(func(t *testing.T, path, query string, body []byte) {
		if path != "/v1/meet" && path != "/v1/stream" && path != "/v1/alive" {
			return
		}
		s, err := collector.New(collector.Config{Shards: 1, Dir: t.TempDir(), Lead: time.Nanosecond})
		require.NoError(t, err)
		r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
		r.URL.RawQuery = query
		s.ServeHTTP(httptest.NewRecorder(), r)
		_ = get(s, "/")
	})
}
