package runners_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

// on is a journey that stays on one page for long.
func on(page runners.Page) runners.DashboardConfig {
	return runners.DashboardConfig{
		Interval: 10 * time.Minute, Jitter: -1, Seed: 3,
		Journey: []runners.PageWeight{{Page: page, Weight: 1}},
	}
}

func TestTheListIsReadMoreOftenWhileABuildIsActive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeDashboard(t)
		var reads atomic.Int64
		f.on["/workspaces"] = func(w http.ResponseWriter, _ *http.Request) {
			status := "running"
			if reads.Add(1) <= 4 {
				status = "starting"
			}
			respond(w, http.StatusOK, fmt.Sprintf(fakeList, status))
		}
		s, res := f.play(on(runners.PageWorkspaces), 1, 19*time.Minute)
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		list := f.asked("/workspaces")
		var gaps []time.Duration
		for i := range list[1:10] {
			gaps = append(gaps, list[i+1].at-list[i].at)
		}
		const busy, idle = 5 * time.Second, 30 * time.Second
		require.Equal(t, []time.Duration{busy, busy, busy, busy, idle, idle, idle, idle, idle}, gaps)
		require.Zero(t, s.Actions["call_workspaces_list"].Response.Max, "measured from the instant at which it was due")
		require.InDelta(t, 19*60, s.Counters["dashboard_polls"]*30, 19*60)
		for _, a := range f.asked("/tasks")[1:] {
			require.Zero(t, (a.at-f.asked("/tasks")[0].at)%time.Minute)
		}
	})
}

func TestASlowPollIsMeasuredInFullAndNotSentTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeDashboard(t)
		f.on["/workspaceagents/"+fakeAgent.String()+"/listening-ports"] = func(w http.ResponseWriter, r *http.Request) {
			sleepy(r, 12*time.Second)
			respond(w, http.StatusOK, `{}`)
		}
		s, _ := f.play(on(runners.PageWorkspace), 1, 40*time.Minute)
		ports := f.asked("/workspaceagents/" + fakeAgent.String() + "/listening-ports")
		require.Greater(t, len(ports), 10)
		for i := range ports[2:10] {
			require.Equal(t, 15*time.Second, ports[i+3].at-ports[i+2].at)
		}
		require.Positive(t, s.Counters["dashboard_polls_skipped"])
		require.InDelta(t, 12, s.Actions["call_listening_ports"].Response.Max, 0.1)
	})
}

func TestStatisticsAreReadWhenThereAreNewOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeDashboard(t)
		f.owner = true
		f.on["/deployment/stats"] = func(w http.ResponseWriter, _ *http.Request) {
			respond(w, http.StatusOK, fmt.Sprintf(`{"next_update_at":%q}`, time.Now().Add(42*time.Second).Format(time.RFC3339Nano)))
		}
		f.play(on(runners.PageHealth), 1, 40*time.Minute)
		stats := f.asked("/deployment/stats")
		require.Greater(t, len(stats), 10)
		for i := range stats[1:] {
			require.Equal(t, 42*time.Second, stats[i+1].at-stats[i].at)
		}
		require.Greater(t, len(f.asked("/debug/health")), 15, "each 30 s on the page")
	})
}

func TestPeopleDoNotClickInStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := func(seed uint64) (at []time.Duration) {
			f := newFakeDashboard(t)
			cfg := runners.DashboardConfig{Seed: seed, NoSockets: true, NoPolls: true}
			s, res := f.play(cfg, 20, 5*time.Minute)
			require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
			require.Zero(t, s.Counters["dashboard_polls"])
			require.Empty(t, f.asked("/notifications/inbox/watch"))
			for _, a := range f.asked("/users/authmethods") {
				at = append(at, a.at)
			}
			pages := 0
			for _, p := range []string{"workspaces", "workspace", "templates", "template"} {
				n := int(s.Actions["page_"+p].Count)
				require.Positive(t, n, p)
				pages += n
			}
			require.InDelta(t, 20*5*60/10, pages, 60, "one click in 10 s for each")
			return at
		}
		first := begin(1)
		require.Len(t, first, 20)
		early := 0
		for _, at := range first {
			require.Less(t, at, 10*time.Second)
			if at < 5*time.Second {
				early++
			}
		}
		require.InDelta(t, 10, early, 7, "over the first interval")
		require.Equal(t, first, begin(1), "the same seed")
		require.NotEqual(t, first, begin(2))
	})
}

func TestALateClickIsMeasuredFromItsInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeDashboard(t)
		f.on["/users/alice/workspace/dev"] = func(w http.ResponseWriter, r *http.Request) {
			sleepy(r, 3*time.Second)
			respond(w, http.StatusOK, shown("running", "ready"))
		}
		f.on["/workspaces/"+fakeWorkspace.String()+"/builds"] = func(w http.ResponseWriter, r *http.Request) {
			sleepy(r, time.Second)
			respond(w, http.StatusOK, `[]`)
		}
		s, _ := f.play(on(runners.PageWorkspace), 1, 60*time.Minute)
		require.InDelta(t, 4, s.Actions["page_workspace"].Response.P50, 0.1, "one after the other")
		require.InDelta(t, 1, s.Actions["call_builds_list"].Response.P50, 0.1)
	})
}

// sleepy is a server that takes its time, unless nobody waits for it any more.
func sleepy(r *http.Request, d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.Context().Done():
	}
}
