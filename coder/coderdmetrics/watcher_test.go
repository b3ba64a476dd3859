package coderdmetrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestConfigurationTellsAllThatIsWrongAtOnceAndNoPassword(t *testing.T) {
	_, err := New(Config{})
	require.ErrorContains(t, err, "neither URLs nor a Client")
	_, err = New(Config{URLs: []string{"10.0.0.7:2112", "http://", "http://a:hush@b:1", "http://a:hush@b:1/metrics", "http://a:hush@\x00"}, MaxBytes: -1})
	require.Error(t, err)
	for _, want := range []string{"URLs[0]", "URLs[1]: it has no host", "URLs[3] is the same as URLs[2]", "URLs[4]", "MaxBytes is -1"} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "hush")
	require.NoError(t, Config{URLs: []string{"http://a:1", "https://b/prom/metrics"}}.Validate())
}

// Recorded scrapes of a real server must give the numbers that one can work out
// from them by hand.
func TestRecordedScrapesGiveWhatWasInThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		scrapes := starved(t)
		next := 0
		w := newWatcher(t, Config{URLs: []string{"http://replica:2112"}, HTTPClient: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			require.Equal(t, "/metrics", r.URL.Path)
			next++
			return metricsAnswer(scrapes[next-1].text), nil
		})}})
		var readings []Reading
		begun := time.Now()
		for _, s := range scrapes {
			time.Sleep(time.Until(begun.Add(time.Duration(s.second) * time.Second)))
			r, err := w.Scrape(t.Context())
			require.NoError(t, err)
			require.Empty(t, r.Notes, "all that this server could be told to say it says")
			readings = append(readings, r)
		}
		_, rated := find(readings[0], "cpu", "")
		require.False(t, rated, "one scrape has no rates")
		r := readings[1]
		require.InDelta(t, (115.89-113.88)/5, valueIn(t, r, "cpu", ""), 1e-9)
		require.InDelta(t, (115.89-113.88)/5, valueIn(t, r, "cpu", "replica:2112"), 1e-9)
		require.Equal(t, 2.0, valueIn(t, r, "cpu_limit", "replica:2112"))
		require.InDelta(t, (2.807001008e9-2.780491296e9)/5, valueIn(t, r, "derp_sent", ""), 1)
		require.Equal(t, 10.0, valueIn(t, r, "db_max", ""))
		require.Equal(t, 7.0, valueIn(t, r, "agents", "connected"))
		require.Equal(t, 5.0, valueIn(t, r, "websockets", "/api/v2/workspaceagents/{workspaceagent}/pty"))
		require.Equal(t, 12.0, valueIn(t, r, "websockets", ""))
		_, limited := find(r, "memory_limit", "")
		require.False(t, limited, "the highest number there is means that there is no limit")
		require.Greater(t, valueIn(t, readings[5], "authz_p95", ""), 0.01)
		require.Equal(t, map[string]string{
			"version": "v2.37.0-devel+c9a1e2bce", "go_version": "go1.26.8", "replicas": "1", "cores_per_replica": "2",
			"db_connections_per_replica": "10", "descriptor_limit": "20000", "provisioners_per_replica": "2", "users": "11",
		}, r.Facts)
		series := map[[2]string]bool{}
		for _, r := range readings {
			for _, v := range r.Values {
				series[[2]string{v.Series, v.Of}] = true
			}
		}
		require.Less(t, len(series), 150)
	})
}

func TestReplicasBehindABalancerAreNotSubtractedFromEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := process{start: 100, cpu: 50}, process{start: 200, cpu: 9000}
		answers := []*process{&a, &b, &a, &a, &b, &a}
		i := 0
		w := newWatcher(t, Config{HealthEvery: -1, Client: api(t, func(*http.Request) (*http.Response, error) {
			i++
			return metricsAnswer(answers[i-1].String()), nil
		})})
		var r Reading
		for range answers {
			var err error
			r, err = w.Scrape(t.Context())
			require.NoError(t, err)
			for _, v := range r.Values {
				if v.Series == "cpu" {
					require.LessOrEqual(t, v.Value, 2.0)
				}
			}
			time.Sleep(5 * time.Second)
			a.cpu += 5 * 0.5
			b.cpu += 5 * 1.5
		}
		require.InDelta(t, 0.5, valueIn(t, r, "cpu", "replica 1"), 1e-9)
		require.InDelta(t, 2, valueIn(t, r, "cpu", ""), 1e-9, "the other replica counts with what it had when it was last seen")
		_, fresh := find(r, "cpu", "replica 2")
		require.False(t, fresh, "what was not seen now has no new value")
		require.Equal(t, "2", r.Facts["replicas"])

		a.cpu += 1000
		i = 0
		answers[0] = &a
		time.Sleep(2 * time.Minute)
		r, err := w.Scrape(t.Context())
		require.NoError(t, err)
		require.Equal(t, "2", r.Facts["replicas"], "nobody was seen for so long because nobody looked")
	})
}

func TestTwoProcessesThatBeganTogetherAreToldApartByWhatTheyUsed(t *testing.T) {
	w := newWatcher(t, Config{URLs: []string{"http://a"}})
	w.urls = nil
	for i, cpu := range []float64{100, 20, 101, 21, 102} {
		s, err := decode(strings.NewReader(process{start: 7, cpu: cpu}.String()), at(float64(i)), 1<<20)
		require.NoError(t, err)
		name := w.keep(0, s).name
		require.Equal(t, fmt.Sprintf("replica %d", i%2+1), name)
	}
}

func TestARestartIsANewProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := process{start: 100, cpu: 5000, requests: map[string]float64{"200": 5000}}
		w := newWatcher(t, Config{URLs: []string{"http://a"}, HTTPClient: &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
			return metricsAnswer(p.String()), nil
		})}})
		scrape := func() Reading {
			time.Sleep(5 * time.Second)
			r, err := w.Scrape(t.Context())
			require.NoError(t, err)
			return r
		}
		scrape()
		p.cpu += 5
		require.InDelta(t, 1, valueIn(t, scrape(), "cpu", ""), 1e-9)
		p = process{start: 300, cpu: 6000, requests: map[string]float64{"200": 9000}} // it has caught up
		r := scrape()
		_, known := find(r, "cpu", "")
		require.False(t, known, "what another process has used is no difference")
		_, known = find(r, "api_requests", "2xx")
		require.False(t, known)
		require.Equal(t, "1", r.Facts["replicas"])
		p.cpu += 2.5
		require.InDelta(t, 0.5, valueIn(t, scrape(), "cpu", ""), 1e-9)
	})
}

func TestAReplicaThatIsGoneStopsCounting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := map[string]bool{"a": true, "b": true}
		w := newWatcher(t, Config{URLs: []string{"http://a", "http://b"}, HTTPClient: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			if !up[r.URL.Host] {
				return nil, errors.New("connection refused")
			}
			return metricsAnswer("# TYPE go_goroutines gauge\ngo_goroutines 7\n"), nil
		})}})
		r, err := w.Scrape(t.Context())
		require.NoError(t, err)
		require.Equal(t, 14.0, valueIn(t, r, "goroutines", ""))
		up["b"] = false
		for range 14 {
			time.Sleep(5 * time.Second)
			r, err = w.Scrape(t.Context())
			require.EqualError(t, err, "read the metrics at http://b/metrics: connection refused")
			require.Equal(t, 7.0, valueIn(t, r, "goroutines", "a"), "the others are read all the same")
		}
		require.Equal(t, 7.0, valueIn(t, r, "goroutines", ""))
		require.Equal(t, "1", r.Facts["replicas"])
	})
}

func TestWhatIsRefusedForGoodIsNotAskedForAgain(t *testing.T) {
	for name, c := range map[string]struct {
		answer func() *http.Response
		want   string
		again  bool
	}{
		"a member's token": {func() *http.Response { return answer(403, "application/json", `{"message":"Forbidden."}`) }, "use an owner's token", false},
		"2.26": {func() *http.Response {
			return answer(400, "application/json", `{"message":"\"user\" must be an existing uuid or username."}`)
		}, "too old", false},
		"2.17":         {func() *http.Response { return answer(404, "application/json", `{"message":"Route not found."}`) }, "too old", false},
		"an outage":    {func() *http.Response { return answer(500, "application/json", `{"message":"Out of it."}`) }, "Out of it", true},
		"a rate limit": {func() *http.Response { return answer(429, "application/json", `{"message":"Slow down."}`) }, "Slow down", true},
		"a lost token": {func() *http.Response { return answer(401, "application/json", `{"message":"`+testToken+`"}`) }, "get a new token", true},
		"a page":       {func() *http.Response { return answer(200, "text/html", "<html>") }, "no metric of coderd", true},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			w := newWatcher(t, Config{HealthEvery: -1, Client: api(t, func(r *http.Request) (*http.Response, error) {
				asked++
				require.Equal(t, "/api/v2/debug/metrics", r.URL.Path)
				require.True(t, r.Close, "a balancer must be able to choose another replica")
				require.Equal(t, testToken, r.Header.Get("Coder-Session-Token"))
				return c.answer(), nil
			})})
			for range 3 {
				r, err := w.Scrape(t.Context())
				require.ErrorContains(t, err, c.want)
				require.Equal(t, !c.again, errors.Is(err, ErrRefused))
				require.NotContains(t, err.Error(), testToken)
				require.NotContains(t, err.Error(), "\n")
				require.Empty(t, r.Values)
			}
			require.Equal(t, map[bool]int{true: 3, false: 1}[c.again], asked, "each scrape is one request, with no repeats")
		})
	}
}

func TestErrorsOfAddressesHaveNoSecretInThem(t *testing.T) {
	for _, c := range []struct {
		answer transport
		want   string
	}{
		{func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") }, "no route"},
		{func(*http.Request) (*http.Response, error) { return answer(404, "text/plain", "not here"), nil }, "404 Not Found"},
		{func(*http.Request) (*http.Response, error) { return metricsAnswer("x 1\n"), nil }, "CODER_PROMETHEUS_ADDRESS"},
	} {
		w := newWatcher(t, Config{URLs: []string{"http://me:hush@a:1/m?key=hush"}, HTTPClient: &http.Client{Transport: c.answer}})
		_, err := w.Scrape(t.Context())
		require.ErrorContains(t, err, "read the metrics at http://a:1/m: ")
		require.ErrorContains(t, err, c.want)
		require.NotContains(t, err.Error(), "hush")
	}
}

func TestAScrapeEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatcher(t, Config{URLs: []string{"http://a"}, HTTPClient: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			resp := metricsAnswer("")
			resp.Body = io.NopCloser(silent{r.Context()})
			return resp, nil
		})}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := w.Scrape(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// silent is a body that never comes.
type silent struct{ ctx context.Context }

func (s silent) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func TestNotesSayWhichSettingGivesWhatIsMissing(t *testing.T) {
	w := newWatcher(t, Config{URLs: []string{"http://a"}})
	s, err := decode(strings.NewReader(`coderd_api_requests_processed_total{code="200"} 1`), at(0), 1<<20)
	require.NoError(t, err)
	w.keep(0, s)
	require.Equal(t, []string{settings[0].note}, missing(w.replicas), "what depends on the first can't be known without it")
	s, err = decode(strings.NewReader("process_cpu_seconds_total 1\ngo_goroutines 1\ncoderd_agents_connections{status=\"connected\"} 1\n"), at(1), 1<<20)
	require.NoError(t, err)
	w.keep(0, s)
	require.Equal(t, []string{settings[1].note, settings[2].note, settings[3].note}, missing(w.replicas))
}
