package runners_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

func TestAPersonWaitsForAsLongAsARateLimitAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeDashboard(t)
		var limit atomic.Bool
		f.on["/templates"] = func(w http.ResponseWriter, r *http.Request) {
			if limit.CompareAndSwap(false, true) {
				refusing(http.StatusTooManyRequests, "You've been rate limited")(w, r)
				return
			}
			respond(w, http.StatusOK, `[{"organization_id":"org","name":"tpl"}]`)
		}
		s, _ := f.play(runners.DashboardConfig{Seed: 1}, 1, 5*time.Minute)
		require.EqualValues(t, 1, s.Counters["dashboard_rate_limited"])
		require.EqualValues(t, 1, s.Actions["call_templates_list"].Errors)
		require.EqualValues(t, 1, s.Actions["page_workspaces"].Errors)
		at := f.asked("/templates")[0].at
		after := 0
		for _, a := range f.asked("*") {
			// The calls of the same page are under way.
			require.False(t, a.at > at && a.at < at+time.Minute && a.path != "/workspaces" && a.path != "/authcheck", "%s at %v, limited at %v", a.path, a.at, at)
			if a.at >= at+time.Minute {
				after++
			}
		}
		require.Greater(t, after, 20, "and then goes on")
	})
}

func TestAnEndedSessionFailsTheVisitAndIsSignedInAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeDashboard(t)
		var asked atomic.Int64
		f.on["/templates"] = func(w http.ResponseWriter, r *http.Request) {
			if asked.Add(1) == 2 {
				refusing(http.StatusUnauthorized, "API key has expired.")(w, r)
				return
			}
			respond(w, http.StatusOK, `[{"organization_id":"org","name":"tpl"}]`)
		}
		s, res := f.play(on2("templates", "workspaces"), 1, 5*time.Minute)
		require.Equal(t, harness.Fail, res.Verdict)
		require.Len(t, s.Failures, 1)
		require.Contains(t, s.Failures[0].Error, "the session of alice is over")
		require.Contains(t, s.Failures[0].Error, "API key has expired")
		require.NotContains(t, s.Failures[0].Error+s.Failures[0].Log, "0123456789-")
		require.EqualValues(t, 2, s.Actions["page_sign_in"].Count)
	})
}

func TestAPollThatIsRefusedEndsTheVisitAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeDashboard(t)
		var reads atomic.Int64
		f.on["/workspaces"] = func(w http.ResponseWriter, r *http.Request) {
			if reads.Add(1) == 3 {
				refusing(http.StatusUnauthorized, "API key has expired.")(w, r)
				return
			}
			respond(w, http.StatusOK, `{"workspaces":[]}`)
		}
		s, _ := f.play(on(runners.PageWorkspaces), 1, 25*time.Minute)
		require.Len(t, s.Failures, 1)
		list, again := f.asked("/workspaces"), f.asked("/users/authmethods")
		require.Len(t, again, 2)
		require.Less(t, again[1].at-list[2].at, 10*time.Minute+time.Second, "not after the think time")
		require.InDelta(t, list[2].at.Seconds(), s.Failures[0].Seconds, 0.1)
	})
}

// on2 is a journey between pages.
func on2(pages ...runners.Page) runners.DashboardConfig {
	cfg := runners.DashboardConfig{Seed: 5}
	for _, p := range pages {
		cfg.Journey = append(cfg.Journey, runners.PageWeight{Page: p, Weight: 1})
	}
	return cfg
}

func TestAVisitThatCanNotBeginFails(t *testing.T) {
	for name, c := range map[string]struct {
		path, body, want string
		status           int
	}{
		"refused":    {"/users/me", `{"message":"Internal error."}`, "Internal error", 500},
		"not JSON":   {"/users/me", `{"id":`, "the answer is not what this endpoint gives", 200},
		"other user": {"/users/me", `{"id":"99999999-0000-4000-8000-000000000000","username":"bob"}`, `the session is of "bob", not of "alice"`, 200},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeDashboard(t)
				f.on[c.path] = func(w http.ResponseWriter, _ *http.Request) { respond(w, c.status, c.body) }
				s, res := f.play(runners.DashboardConfig{Seed: 1}, 1, time.Minute)
				require.Equal(t, harness.Fail, res.Verdict)
				require.NotEmpty(t, s.Failures)
				require.Contains(t, s.Failures[0].Error, c.want)
				require.Empty(t, f.asked("/workspaces"))
				require.Less(t, len(f.asked("/users/me")), 20, "it is not tried without a pause")
			})
		})
	}
}

func TestAFailedCallFailsItsPageAndTheVisitGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeDashboard(t)
		f.on["/workspaces/"+fakeWorkspace.String()+"/builds"] = refusing(http.StatusInternalServerError, "Internal error.")
		s, _ := f.play(on2("workspace", "templates"), 1, 5*time.Minute)
		require.Empty(t, s.Failures)
		require.Zero(t, s.Actions["page_workspace"].Count)
		require.EqualValues(t, s.Actions["page_workspace"].Errors, s.Actions["call_builds_list"].Errors)
		require.Positive(t, s.Actions["call_builds_list"].Errors)
		require.Positive(t, s.Actions["page_templates"].Count)
		require.Zero(t, s.Actions["page_templates"].Errors)
	})
}

func TestWhatTheServerLacksIsNotAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeDashboard(t)
		ports := "/workspaceagents/" + fakeAgent.String() + "/listening-ports"
		f.on["/notifications/inbox"] = refusing(http.StatusNotFound, "Route not found.")
		f.on["/tasks"] = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write([]byte("<html><title>Coder</title></html>"))
		}
		f.on["/appearance"] = refusing(http.StatusMethodNotAllowed, "")
		f.on["/entitlements"] = refusing(http.StatusForbidden, "Forbidden.")
		f.on[ports] = refusing(http.StatusBadRequest, "Agent state is \"disconnected\", it must be in the \"connected\" state.")
		s, res := f.play(on(runners.PageWorkspace), 1, 40*time.Minute)
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		require.Empty(t, f.asked("/notifications/inbox/watch"))
		require.Len(t, f.asked("/tasks"), 1, "once in a visit")
		require.Len(t, f.asked(ports), int(s.Actions["page_workspace"].Count), "once for each page")
		require.EqualValues(t, 4+len(f.asked(ports)), s.Counters["dashboard_absent"])
		for name, a := range s.Actions {
			require.Zero(t, a.Errors, name)
		}
	})
}

func TestPagesOfAdministratorsAreNotAskedForByMembers(t *testing.T) {
	for _, admin := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeDashboard(t)
			f.owner = admin
			cfg := runners.DashboardConfig{Seed: 1}
			for _, p := range runners.DefaultJourney() {
				cfg.Journey = append(cfg.Journey, runners.PageWeight{Page: p.Page, Weight: 1})
			}
			s, res := f.play(cfg, 4, 5*time.Minute)
			require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
			for _, path := range []string{"/users", "/users/roles", "/audit", "/debug/health", "/deployment/stats", "/deployment/config", "/insights/daus", "/templates/examples", "/insights/templates"} {
				require.Equal(t, admin, len(f.asked(path)) > 0, path)
			}
			require.Equal(t, admin, s.Actions["page_audit"].Count > 0)
		})
	}
}

func TestLostSocketsAreOpenedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeDashboard(t)
		watch := "/workspaces/" + fakeWorkspace.String() + "/watch-ws"
		var opened atomic.Int64
		f.on[watch] = func(w http.ResponseWriter, r *http.Request) {
			n := opened.Add(1)
			if n == 3 {
				refusing(http.StatusInternalServerError, "Internal error.")(w, r)
				return
			}
			f.socket(w, r, func(conn *websocket.Conn) {
				if n <= 2 {
					time.Sleep(time.Minute)
					_ = conn.NetConn().Close() // without a word
				}
			})
		}
		s, res := f.play(on(runners.PageWorkspace), 1, 30*time.Minute)
		require.EqualValues(t, 2, s.Counters["sockets_lost"])
		require.EqualValues(t, 2, s.Actions["socket_reopen"].Count)
		require.EqualValues(t, 1, s.Actions["socket_reopen"].Errors)
		require.Positive(t, s.Actions["socket_reopen"].Response.Min, "from the loss on")
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	})
}

func TestASilentSocketCountsAsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeDashboard(t)
		var opened atomic.Int64
		f.on["/notifications/inbox/watch"] = func(w http.ResponseWriter, r *http.Request) {
			if opened.Add(1) > 1 {
				f.socket(w, r, func(*websocket.Conn) {})
				return
			}
			conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
			if err == nil {
				_, _, _ = conn.ReadMessage() // and no pings
				_ = conn.Close()
			}
		}
		s, _ := f.play(on(runners.PageTemplates), 1, 25*time.Minute)
		require.EqualValues(t, 1, s.Counters["sockets_lost"])
		watch := f.asked("/notifications/inbox/watch")
		require.Len(t, watch, 2, "those that ping are not silent")
		require.InDelta(t, 75, (watch[1].at - watch[0].at).Seconds(), 5)
	})
}

func TestServersWithoutWatchSocketsAreWatchedByEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeDashboard(t)
		of := "/workspaces/" + fakeWorkspace.String()
		meta := "/workspaceagents/" + fakeAgent.String() + "/watch-metadata"
		f.on[of+"/watch-ws"] = refusing(http.StatusNotFound, "Route not found.")
		f.on[meta+"-ws"] = refusing(http.StatusNotFound, "Route not found.")
		events := func(data string) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Accept") != "text/event-stream" {
					t.Error("events were not asked for")
				}
				w.Header().Set("Content-Type", "text/event-stream")
				for {
					_, _ = w.Write([]byte("event: ping\n\nevent: data\ndata: " + data + "\n\n"))
					_ = http.NewResponseController(w).Flush()
					select {
					case <-r.Context().Done():
						return
					case <-time.After(15 * time.Second):
					}
				}
			}
		}
		f.on[of+"/watch"] = events(shown("stopping", "shutting_down"))
		f.on[meta] = events(`[]`)
		s, res := f.play(on(runners.PageWorkspace), 1, 45*time.Minute)
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		require.Zero(t, s.Counters["sockets_lost"])
		pages := len(f.asked("/users/alice/workspace/dev"))
		require.Greater(t, pages, 1)
		require.Len(t, f.asked(of+"/watch"), pages)
		require.LessOrEqual(t, len(f.asked(of+"/watch-ws"))+len(f.asked(meta+"-ws")), 2, "it is found out once")
		require.Len(t, f.asked("/workspacebuilds/"+fakeBuild.String()+"/logs"), pages, "what an event tells is acted on")
	})
}

func TestWhatAWatchTellsOpensTheLogsOfABuild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeDashboard(t)
		f.on["/workspaces/"+fakeWorkspace.String()+"/watch-ws"] = func(w http.ResponseWriter, r *http.Request) {
			f.socket(w, r, func(conn *websocket.Conn) {
				for _, text := range []string{`{"type":"ping","data":null}`, `nonsense`,
					`{"type":"data","data":` + shown("starting", "starting") + `}`, `{"type":"data","data":` + shown("running", "ready") + `}`} {
					_ = conn.WriteMessage(websocket.TextMessage, []byte(text))
				}
			})
		}
		done := func(w http.ResponseWriter, r *http.Request) {
			conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
			if err == nil {
				_ = conn.WriteMessage(websocket.TextMessage, []byte(`{"id":1}`))
				_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, "done"), time.Now().Add(time.Second))
				_, _, _ = conn.ReadMessage()
				_ = conn.Close()
			}
		}
		build, agent := "/workspacebuilds/"+fakeBuild.String()+"/logs", "/workspaceagents/"+fakeAgent.String()+"/logs"
		f.on[build], f.on[agent] = done, done
		s, res := f.play(on(runners.PageWorkspace), 1, 45*time.Minute)
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		pages := len(f.asked("/users/alice/workspace/dev"))
		require.Len(t, f.asked(build), pages)
		require.Len(t, f.asked(agent), pages)
		require.Equal(t, "-1", f.asked(build)[0].query.Get("after"))
		require.Zero(t, s.Counters["sockets_lost"], "a log that has ended is not lost")
	})
}

func TestAFreshBrowserLoadsTheHTMLWithItsCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeDashboard(t)
		f.on["/workspaces"] = func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/api") {
				respond(w, http.StatusOK, `{"workspaces":[]}`)
				return
			}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write([]byte(`<html><meta property="user" content="{&#34;id&#34;:1}"/><meta property="experiments" content="[]"/>` +
				`<meta property="entitlements" content=""/></html>`))
		}
		cfg := on(runners.PageWorkspaces)
		cfg.HTML = true
		s, res := f.play(cfg, 1, 15*time.Minute)
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		require.EqualValues(t, 1, s.Actions["call_html"].Count)
		page := f.asked("/workspaces")[0]
		require.Equal(t, "coder_session_token=0123456789-0123456789012345678901", page.header.Get("Cookie"))
		require.Empty(t, page.header.Get("Coder-Session-Token"))
		require.Empty(t, f.asked("/experiments"), "it was in the page")
		require.Empty(t, f.asked("/users/authmethods"))
		require.Len(t, f.asked("/entitlements"), 1, "it was empty in the page")
		cookies := 0
		for _, a := range f.asked("*") {
			if a.header.Get("Cookie") != "" {
				cookies++
			}
		}
		require.Equal(t, 1, cookies, "the API wants no cookie, whose writes it would check for forgery")
	})
}

func TestOtherHostsGetNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeDashboard(t)
		_, res := f.play(on(runners.PageWorkspaces), 2, 15*time.Minute)
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		checks := f.asked("/latency-check")
		require.Len(t, checks, 2)
		for _, c := range checks {
			require.Empty(t, c.header.Get("Coder-Session-Token"))
			require.NotEmpty(t, c.query.Get("cache_bust"))
		}
	})
}

func TestAnOperatorIsToldOfLimitsThatAllPeopleShare(t *testing.T) {
	for version, share := range map[string]bool{"v2.26.0": false, "v2.37.0": true} {
		server := codertest.Start(t, codertest.Config{Users: 2, Version: version})
		cfg := hasty(members(t, server))
		cfg.Share = share
		s, _ := play(t, harness.Scenario{Runner: cfg.Runner(), Schedule: harness.AllAtOnce(2).Hold(200 * time.Millisecond)})
		require.Len(t, s.Warnings, 1, version)
		require.Contains(t, s.Warnings[0], "512 requests a minute")
		require.Contains(t, s.Warnings[0], "CODER_API_RATE_LIMIT=-1")
	}
}

func TestPeopleWhoseConnectionsAreCutGoOn(t *testing.T) {
	server := codertest.Start(t, codertest.Config{Users: 2, Workspaces: 2, RateLimit: -1})
	cfg := hasty(members(t, server))
	cfg.Interval = 200 * time.Millisecond
	s, _ := playDuring(t, harness.Scenario{Runner: cfg.Runner(), Schedule: harness.AllAtOnce(2).Hold(5 * time.Second)},
		func() { require.Positive(t, server.DropConnections(1)) })
	require.Positive(t, s.Counters["sockets_lost"])
	require.Positive(t, s.Actions["socket_reopen"].Count)
	require.Empty(t, s.Failures, "the visit goes on")
}

func TestTheConfigurationOfDashboardsIsChecked(t *testing.T) {
	_, err := runners.DashboardConfig{
		People: []runners.Person{{}}, Workspaces: []runners.Workspace{{Name: "dev"}}, Interval: -1, Connections: -1,
		Journey: []runners.PageWeight{{Page: "nowhere"}, {Page: runners.PageSignIn}, {Page: runners.PageUsers, Weight: -1}, {Page: runners.PageUsers}},
	}.Runner()(0)
	for _, want := range []string{
		"there is no client", "there is no user", "the interval is -1ns", `workspace "dev" has no owner`, "Connections is -1", `step 0 of the journey is "nowhere"`,
		`step 1 of the journey is "sign_in"`, "the weight of page users is -1", "page users is in the journey twice", "no page of the journey has a weight",
	} {
		require.ErrorContains(t, err, want)
	}
	require.ErrorContains(t, runners.DashboardConfig{Interval: time.Second, Jitter: time.Second}.Validate(), "the jitter is 1s, want less than the interval of 1s")
	require.ErrorContains(t, runners.DashboardConfig{Jitter: 10 * time.Second}.Validate(), "want less than the interval of 10s")
	require.NoError(t, runners.DashboardConfig{Interval: time.Second, Jitter: -1}.Validate())
	_, err = runners.Dashboard(nil)(0)
	require.ErrorContains(t, err, "there are no people")
	c, err := coder.New(coder.Config{URL: "http://localhost", Token: "x-y"})
	require.NoError(t, err)
	people := []runners.Person{{Client: c, User: coder.User{ID: fakeUser, Username: "alice"}}}
	_, err = runners.Dashboard(people)(1)
	require.ErrorContains(t, err, "there are only 1 people")
	_, err = runners.DashboardConfig{People: people, Share: true}.Runner()(1)
	require.NoError(t, err)
}
