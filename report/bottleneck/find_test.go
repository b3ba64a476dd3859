package bottleneck_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder/coderdmetrics"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report/bottleneck"
)

// replayed answers each request with the next of the scrapes.
type replayed struct{ texts []string }

func (r *replayed) RoundTrip(*http.Request) (*http.Response, error) {
	text := r.texts[0]
	r.texts = r.texts[1:]
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text))}, nil
}

// starved is a run against a real server that had two cores together with its
// database and its generator: see coder/coderdmetrics/testdata.
func starved(t *testing.T) *harness.Result {
	t.Helper()
	file, err := os.Open("../../coder/coderdmetrics/testdata/starved.txt.gz")
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	unpacked, err := gzip.NewReader(file)
	require.NoError(t, err)
	all, err := io.ReadAll(unpacked)
	require.NoError(t, err)
	var seconds []int
	server := &replayed{}
	for part := range strings.SplitSeq(strings.TrimPrefix(string(all), "# SCRAPE "), "# SCRAPE ") {
		second, text, _ := strings.Cut(part, "\n")
		n, err := strconv.Atoi(second)
		require.NoError(t, err)
		seconds, server.texts = append(seconds, n), append(server.texts, text)
	}
	res := &harness.Result{
		Verdict: harness.Pass, Seconds: 57, TimelineAt: 1,
		Phases: []harness.PhaseMark{{Name: "setup"}, {Name: "load", At: 1}, {Name: "cleanup", At: 41}, {Name: "done", At: 57}},
		Server: &harness.ServerResult{},
	}
	synctest.Test(t, func(t *testing.T) {
		w, err := coderdmetrics.New(coderdmetrics.Config{URLs: []string{"http://replica:2112"}, HTTPClient: &http.Client{Transport: server}})
		require.NoError(t, err)
		defer w.Close()
		begun := time.Now()
		for _, second := range seconds {
			time.Sleep(time.Until(begun.Add(time.Duration(second) * time.Second)))
			reading, err := w.Scrape(t.Context())
			require.NoError(t, err)
			for _, v := range reading.Values {
				s := res.Server.Find(v.Series, v.Of)
				if s == nil {
					res.Server.Series = append(res.Server.Series, harness.Series{Name: v.Series, Of: v.Of, Unit: v.Unit})
					s = &res.Server.Series[len(res.Server.Series)-1]
				}
				s.Points = append(s.Points, [2]float64{float64(second), v.Value})
			}
		}
	})
	return res
}

// The recorded server used a fifth of two cores, and everything in it was slow: what
// it waited for was CPU, which others had. A slow database and a relay that drops
// packets are what comes of that.
func TestARecordedServerThatHadNoCPUIsToldSo(t *testing.T) {
	found := bottleneck.Find(starved(t))
	require.NotEmpty(t, found)
	require.Equal(t, bottleneck.CPU, found[0].Cause, "%+v", found)
	require.Equal(t, bottleneck.Likely, found[0].Certainty)
	require.Equal(t, "coderd waits for CPU that others have", found[0].Title)
	require.Contains(t, strings.Join(found[0].Evidence, "\n"), "coderd itself used 0.36 of 2 cores")
	for _, f := range found[1:] {
		require.Equal(t, bottleneck.Possible, f.Certainty, "%+v", f)
	}
}

// The same server, when the load was over, has nothing that holds it back.
func TestARecordedServerAtRestHasNoBottleneck(t *testing.T) {
	res := starved(t)
	res.Phases = []harness.PhaseMark{{Name: "setup", At: 47}, {Name: "load", At: 52}, {Name: "cleanup", At: 57}}
	require.Empty(t, bottleneck.Find(res))
}

// at is a run in which series have a value all the time.
func at(values map[string]float64) *harness.Result {
	res := &harness.Result{Verdict: harness.Pass, Seconds: 60, Phases: []harness.PhaseMark{{Name: "load"}, {Name: "cleanup", At: 60}}, Server: &harness.ServerResult{}}
	for name, v := range values {
		s := harness.Series{Name: name}
		for second := 5.0; second < 60; second += 5 {
			s.Points = append(s.Points, [2]float64{second, v})
		}
		res.Server.Series = append(res.Server.Series, s)
	}
	return res
}

func causes(found []bottleneck.Finding) (out []string) {
	for _, f := range found {
		out = append(out, string(f.Cause)+" "+string(f.Certainty))
	}
	return out
}

func TestAGeneratorThatCouldNotKeepUpComesFirstAndBlursTheRest(t *testing.T) {
	server := map[string]float64{"cpu": 2, "cpu_limit": 2, "db_query_p95": 0.2, "api_limited": 3}
	require.Equal(t, []string{"cpu strong", "rate-limits strong", "database possible"}, causes(bottleneck.Find(at(server))))
	res := at(server)
	res.Verdict, res.Reasons = harness.Invalid, []string{"this process was late", "2", "3", "4"}
	found := bottleneck.Find(res)
	require.Equal(t, []string{"generator strong", "cpu likely", "rate-limits likely", "database possible"}, causes(found))
	require.Equal(t, []string{"this process was late", "2", "3"}, found[0].Evidence)
	require.Len(t, res.Reasons, 4, "the result is read only")
}

func TestTheEmbeddedDeploymentSharesItsCPUWithTheGenerator(t *testing.T) {
	res := at(map[string]float64{"cpu": 2, "cpu_limit": 2})
	res.Target = map[string]string{"embedded": "true"}
	found := bottleneck.Find(res)
	require.Equal(t, []string{"cpu likely"}, causes(found), "nobody can tell whose it is")
	require.Contains(t, found[0].Evidence, "the embedded deployment and the generator are one process: what is used is both's")
}

func TestFindingsOfACauseAreOne(t *testing.T) {
	found := bottleneck.Find(at(map[string]float64{"db_tx_retried": 5, "db_query_p95": 0.2, "db_wait": 3}))
	require.Equal(t, []string{"database strong"}, causes(found))
	require.Equal(t, "coderd waits for connections to its database", found[0].Title)
	require.Len(t, found[0].Evidence, 3)
	require.Contains(t, found[0].Evidence[0], "waited 3 in each second")
}

func TestSlowTimesWithoutAReasonAreSaidToHaveNone(t *testing.T) {
	slow := harness.ThresholdResult{Threshold: "echo: p(99)<250ms", Message: "p(99) of echo is 400ms, want less than 250ms"}
	res := at(map[string]float64{"cpu": 0.1, "cpu_limit": 2})
	res.Server.Notes = []string{"coderd does not say how long its queries take"}
	res.Scenarios = []harness.ScenarioResult{{Name: "terminals", Thresholds: []harness.ThresholdResult{slow}}}
	res.Verdict = harness.Fail
	found := bottleneck.Find(res)
	require.Equal(t, []string{"unexplained possible"}, causes(found))
	require.Equal(t, []string{"terminals: " + slow.Message, "not known: coderd does not say how long its queries take"}, found[0].Evidence)
	require.Contains(t, found[0].Try[0], "network")

	for name, other := range map[string]harness.ThresholdResult{
		"it holds":       {Threshold: slow.Threshold, Passed: true},
		"no time":        {Threshold: "errors: rate<0.01"},
		"the generator":  {Threshold: "lag: p(99)<10ms"},
		"not a sentence": {Threshold: "?"},
	} {
		res.Scenarios[0].Thresholds = []harness.ThresholdResult{other}
		require.Empty(t, bottleneck.Find(res), name)
	}
	res.Scenarios[0].Thresholds = []harness.ThresholdResult{slow}
	res.Server.Series = append(res.Server.Series, at(map[string]float64{"queue_wait_p95": 9}).Server.Series...)
	require.Equal(t, []string{"provisioners strong"}, causes(bottleneck.Find(res)))
}

func TestWithoutTheServersSideItIsSaidWhatWouldShowIt(t *testing.T) {
	require.Nil(t, bottleneck.Find(nil))
	found := bottleneck.Find(&harness.Result{Verdict: harness.Pass})
	require.Equal(t, []string{"unseen possible"}, causes(found))
	require.Contains(t, strings.Join(found[0].Try, " "), "CODER_SCALETEST_SERVER_METRICS")
	found = bottleneck.Find(&harness.Result{Verdict: harness.Invalid, Server: &harness.ServerResult{Notes: []string{"use an owner's token"}}})
	require.Equal(t, []string{"generator strong", "unseen possible"}, causes(found))
	require.Equal(t, []string{"use an owner's token"}, found[1].Evidence)
	text, err := json.Marshal(found)
	require.NoError(t, err)
	require.NotContains(t, string(text), "null", "lists are lists")
}

// Whatever a result holds, the findings are the same each time and can be printed.
func TestAnyResultHasFindings(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	var names []string
	for _, d := range coderdmetrics.Describe() {
		names = append(names, d.Series)
	}
	odd := []float64{0, -1, 1, 1e300, -1e300, math.NaN(), math.Inf(1), math.Inf(-1), math.SmallestNonzeroFloat64}
	number := func() float64 {
		if rng.IntN(3) == 0 {
			return odd[rng.IntN(len(odd))]
		}
		return math.Exp(rng.NormFloat64() * 5)
	}
	some := 0
	for range 3000 {
		res := &harness.Result{Seconds: number(), TimelineAt: number(), Reasons: []string{"x"}, Server: &harness.ServerResult{}}
		res.Verdict = []harness.Verdict{harness.Pass, harness.Fail, harness.Invalid}[rng.IntN(3)]
		for range rng.IntN(4) {
			res.Phases = append(res.Phases, harness.PhaseMark{Name: []string{"setup", "load", "cleanup"}[rng.IntN(3)], At: number()})
		}
		for range rng.IntN(20) {
			s := harness.Series{Name: names[rng.IntN(len(names))], Of: []string{"", "", "a", "b"}[rng.IntN(4)], Unit: []string{"seconds", "bytes", "1/s", ""}[rng.IntN(4)]}
			for range rng.IntN(10) {
				s.Points = append(s.Points, [2]float64{number(), number()})
			}
			res.Server.Series = append(res.Server.Series, s)
		}
		if rng.IntN(2) == 0 {
			res.Generator.Watch = &harness.SelfWatch{OwnErrors: int64(rng.IntN(2)), Timeline: []harness.GeneratorSecond{{At: number(), CPU: number(), WakeP99: number()}}}
			res.Generator.GOMAXPROCS = rng.IntN(3)
		}
		found := bottleneck.Find(res)
		require.Equal(t, found, bottleneck.Find(res))
		seen := map[bottleneck.Cause]bool{}
		for _, f := range found {
			some++
			require.False(t, seen[f.Cause])
			seen[f.Cause] = true
			require.NotEmpty(t, f.Title)
			for _, e := range f.Evidence {
				require.NotContains(t, e, "NaN")
				require.NotContains(t, e, "{")
			}
		}
	}
	require.Greater(t, some, 1000)
}
