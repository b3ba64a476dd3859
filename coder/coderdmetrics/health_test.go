package coderdmetrics

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

const sickReport = `{"healthy":false,"severity":"error","time":"2026-01-01T00:00:00Z","coder_version":"v2.37.0",
	"access_url":{"severity":"ok","error":null,"warnings":[]},
	"database":{"severity":"warning","error":null,"warnings":[{"code":"EDB02","message":"high latency"},"of an\n older server"]},
	"derp":{"severity":"error","error":"nobody\tthere","warnings":null},
	"websocket":{"severity":"error"},
	"later":{"severity":"unheard of"}}`

func TestHealthIsANumberForEachSectionAndANoteForEachMessage(t *testing.T) {
	values, notes := readHealth(json.RawMessage(sickReport))
	require.Equal(t, []Value{
		{Series: "health", Of: "access_url", Value: 0}, {Series: "health", Of: "database", Value: 1},
		{Series: "health", Of: "derp", Value: 2}, {Series: "health", Of: "websocket", Value: 2},
	}, values)
	require.Equal(t, []string{
		"the deployment's health report has this warning of database: EDB02: high latency",
		"the deployment's health report has this warning of database: of an older server",
		"the deployment's health report has this error of derp: nobody there",
		"the deployment's health report has this error of websocket: it does not say why",
	}, notes)
	_, notes = readHealth(json.RawMessage(`[]`))
	require.Len(t, notes, 1)
	_, notes = readHealth(json.RawMessage(`{"derp":{"severity":"error","error":"` + strings.Repeat("é", 1000) + `"}}`))
	require.Less(t, len(notes[0]), 400)
}

// The server may take half a minute for its report. The metrics don't wait for it.
func TestMetricsDoNotWaitForTheHealthReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reports atomic.Int64
		w := newWatcher(t, Config{Client: api(t, func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/api/v2/debug/metrics" {
				return metricsAnswer("go_goroutines 3\n"), nil
			}
			require.Equal(t, "/api/v2/debug/health", r.URL.Path)
			reports.Add(1)
			time.Sleep(12 * time.Second)
			return answer(http.StatusOK, "application/json", sickReport), nil
		})})
		for i := range 13 { // a minute
			begun := time.Now()
			r, err := w.Scrape(t.Context())
			require.NoError(t, err)
			require.Equal(t, begun, time.Now())
			require.Equal(t, 3.0, valueIn(t, r, "goroutines", ""))
			_, told := find(r, "health", "derp")
			require.Equal(t, i == 3 || i == 9, told, "%d: once, when it is there", i)
			time.Sleep(5 * time.Second)
			synctest.Wait()
		}
		require.EqualValues(t, 3, reports.Load())
	})
}

func TestAHealthReportThatIsRefusedIsNotAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reports, status atomic.Int64
		status.Store(http.StatusInternalServerError)
		w := newWatcher(t, Config{URLs: []string{"http://a"}, HTTPClient: &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
			return metricsAnswer("go_goroutines 3\n"), nil
		})}, Client: api(t, func(*http.Request) (*http.Response, error) {
			reports.Add(1)
			return answer(int(status.Load()), "application/json", `{"message":"No."}`), nil
		})})
		var notes []string
		for i := range 5 {
			if i == 1 {
				status.Store(http.StatusForbidden)
			}
			r, err := w.Scrape(t.Context())
			require.NoError(t, err)
			notes = append(notes, r.Notes...)
			time.Sleep(40 * time.Second)
		}
		require.EqualValues(t, 2, reports.Load())
		require.Contains(t, strings.Join(notes, "\n"), "only an owner's token may")
	})
}

func TestClosingEndsAReportThatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatcher(t, Config{Client: api(t, func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/api/v2/debug/metrics" {
				return metricsAnswer("go_goroutines 3\n"), nil
			}
			<-r.Context().Done()
			return nil, r.Context().Err()
		})})
		begun := time.Now()
		_, err := w.Scrape(t.Context())
		require.NoError(t, err)
		w.Close()
		require.Equal(t, begun, time.Now())
		_, err = w.Scrape(t.Context())
		require.NoError(t, err, "it begins no other")
	})
}
