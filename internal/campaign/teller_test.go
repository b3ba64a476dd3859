package campaign_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/internal/campaign"
)

// heard is one request that somebody got.
type heard struct {
	host, method, path, token string
	body                      map[string]any
}

// others are Grafana and a webhook, without a socket.
type others struct {
	t      *testing.T
	answer func(h heard) (status int, body string, after time.Duration)

	mu  sync.Mutex
	got []heard
}

func (o *others) RoundTrip(r *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(r.Body)
	require.NoError(o.t, err)
	h := heard{r.URL.Host, r.Method, r.URL.Path, r.Header.Get("Authorization"), nil}
	require.NoError(o.t, json.Unmarshal(b, &h.body), string(b))
	o.mu.Lock()
	o.got = append(o.got, h)
	o.mu.Unlock()
	status, body, after := o.answer(h)
	select {
	case <-time.After(after):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Location": {"https://elsewhere.example.com/"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// of are the requests to a host.
func (o *others) of(host string) (got []heard) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, h := range o.got {
		if h.host == host {
			got = append(got, h)
		}
	}
	return got
}

const (
	hookURL     = "https://hooks.example.com/services/T0/B0/s3cret"
	grafanaHost = "grafana.example.com"
	token       = "glsa_s3cret"
)

// told runs a campaign that tells others, and returns its page.
func told(t *testing.T, o *others, change func(*campaign.Config)) (rec campaign.Record, page string, took time.Duration) {
	t.Helper()
	w := &world{t: t}
	cfg := config(t)
	cfg.Comment, cfg.Grafana = "on Tuesdays", "https://"+grafanaHost+"/sub/"
	if change != nil {
		change(&cfg)
	}
	means := w.means()
	means.GrafanaToken, means.WebhookURL, means.Transport = token, hookURL, o
	c, err := campaign.Open(cfg, means)
	require.NoError(t, err)
	began := time.Now()
	outcome := c.Run(t.Context())
	took = time.Since(began)
	require.NoError(t, c.Close())
	require.Equal(t, harness.Pass, outcome.Verdict, "who is told does not decide: %v", outcome.Reasons)
	page = get(t, c, "/").Body.String()
	for _, secret := range []string{"s3cret", token} {
		require.NotContains(t, page, secret)
		require.NotContains(t, w.said(), secret)
	}
	return record(t, cfg.Results), page, took
}

// asUsual is how long a campaign of the helper takes that tells nobody.
const asUsual = 5*time.Minute + time.Second

func TestPhasesAreToldToAWebhookAsSlackTakesThem(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &others{t: t, answer: func(heard) (int, string, time.Duration) { return 200, `{"id": 7}`, 0 }}
		rec, page, _ := told(t, o, nil)
		got := o.of("hooks.example.com")
		require.Len(t, got, 2*len(rec.Phases)+1)
		require.Equal(t, "/services/T0/B0/s3cret", got[0].path)
		require.Empty(t, got[0].token, "Grafana's token is Grafana's")
		require.Equal(t, "Scale test nightly: prepare begins, the deployment and the program are looked at", got[0].body["text"])
		last := got[len(got)-1].body
		require.Equal(t, "Scale test nightly ended after 5m1s: pass", last["text"])
		require.Equal(t, "pass", last["verdict"])
		require.Equal(t, rec.ID, last["campaign"])
		require.Equal(t, "on Tuesdays", last["comment"])
		require.Equal(t, deployment, last["url"])
		require.NotContains(t, page, "could not be told")
	})
}

func TestPhasesAreRegionsInGrafana(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var made atomic.Int64
		o := &others{t: t}
		o.answer = func(h heard) (int, string, time.Duration) {
			id := made.Load()
			if h.method == http.MethodPost && h.host == grafanaHost {
				id = made.Add(1)
			}
			return 200, fmt.Sprintf(`{"id": %d}`, id), 0
		}
		rec, _, _ := told(t, o, nil)
		got := o.of(grafanaHost)
		require.Len(t, got, 2*len(rec.Phases))
		for i, ph := range rec.Phases {
			begin, end := got[2*i], got[2*i+1]
			require.Equal(t, "Bearer "+token, begin.token)
			require.Equal(t, []string{"POST /sub/api/annotations", fmt.Sprintf("PATCH /sub/api/annotations/%d", i+1)},
				[]string{begin.method + " " + begin.path, end.method + " " + end.path})
			require.Equal(t, []any{"scaletest", rec.ID, ph.Name}, begin.body["tags"])
			require.InDelta(t, ph.Began.UnixMilli(), begin.body["time"], 0)
			require.NotContains(t, begin.body, "timeEnd", "it would be a region that has ended")
			require.InDelta(t, ph.Ended.UnixMilli(), end.body["timeEnd"], 0)
		}
	})
}

func TestAPhaseWhoseBeginningGrafanaMissedIsARegionAtItsEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &others{t: t}
		o.answer = func(h heard) (int, string, time.Duration) {
			if _, ended := h.body["timeEnd"]; h.host == grafanaHost && !ended {
				return 503, "", 0
			}
			return 200, `{"id": 1}`, 0
		}
		rec, page, _ := told(t, o, nil)
		var regions int
		for _, h := range o.of(grafanaHost) {
			if _, ended := h.body["timeEnd"]; ended {
				regions++
				require.Equal(t, http.MethodPost, h.method)
				require.Contains(t, h.body, "time")
				require.Contains(t, h.body, "tags")
			}
		}
		require.Equal(t, len(rec.Phases), regions)
		require.Contains(t, page, "Grafana at grafana.example.com was not told of the beginning of ssh: it answered 503 Service Unavailable")
	})
}

func TestNobodyWhoIsToldHoldsUpOrFailsACampaign(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		after  time.Duration
		tries  int // of the first message
		says   string
	}{
		{"never answers", 200, "", time.Hour, 2, "it did not answer within 5s"},
		{"is broken", 500, "", 0, 2, "it answered 500 Internal Server Error"},
		{"has had enough", 429, "", 0, 2, "it answered 429 Too Many Requests"},
		{"refuses", 403, "", 0, 1, "it answered 403 Forbidden"},
		{"leads elsewhere", 307, "", 0, 1, "it answered 307 Temporary Redirect"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				o := &others{t: t, answer: func(heard) (int, string, time.Duration) { return c.status, c.body, c.after }}
				began := time.Now()
				_, page, took := told(t, o, nil)
				require.Equal(t, asUsual, took)
				require.LessOrEqual(t, time.Since(began), asUsual+10*time.Second, "the end waits a little for what is left to tell")
				first := o.of("hooks.example.com")[0].body
				tries := 0
				for _, h := range o.of("hooks.example.com") {
					if h.body["text"] == first["text"] {
						tries++
					}
				}
				require.Equal(t, c.tries, tries)
				require.Empty(t, o.of("elsewhere.example.com"), "it would get what was not meant for it")
				require.Contains(t, page, "the webhook at hooks.example.com was not told of the beginning of prepare: "+c.says)
				require.Contains(t, page, "Grafana at grafana.example.com was not told of ")
			})
		})
	}
}

func TestADryRunTellsNobody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &others{t: t, answer: func(heard) (int, string, time.Duration) { return 200, `{"id": 1}`, 0 }}
		told(t, o, func(c *campaign.Config) { c.DryRun = true })
		require.Empty(t, o.got)
	})
}

// TestWhatIsToldGoesOverTheWire has real servers, one of which is not there.
func TestWhatIsToldGoesOverTheWire(t *testing.T) {
	var mu sync.Mutex
	var texts []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m struct{ Text string }
		if json.NewDecoder(r.Body).Decode(&m) != nil || r.Header.Get("Content-Type") != "application/json" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		texts = append(texts, m.Text)
	}))
	defer server.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	w := &world{t: t}
	cfg := config(t)
	cfg.Webhook, cfg.Grafana, cfg.Cleanup.Strategy = server.URL, gone.URL, campaign.OnStop
	means := w.means()
	means.Check = func(context.Context) error { return context.Canceled } // it ends at once
	c, err := campaign.Open(cfg, means)
	require.NoError(t, err)
	c.Run(t.Context())
	require.NoError(t, c.Close())
	require.Len(t, texts, 3, "the beginning and the end of prepare, and of all")
	require.Contains(t, get(t, c, "/").Body.String(), "connection refused")
}
