package codertest

import (
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// buildTime is short, but long enough to see a build run.
const buildTime = 300 * time.Millisecond

// stopBuild stops the workspace of which most of the story is.
const stopBuild = "8887c2c7-20b5-4eee-a17e-793e159ac6f0"

// chapter is where a recording belongs: by number but for those that were
// recorded at another time.
func chapter(id string) string {
	switch id {
	case "211", "284", "285", "286", "410d", "410e", "410f", "410g":
		return "423z" + id // after the last start of the workspace
	case "451":
		return "448z" // it was open when the build was canceled
	case "410b":
		return "4103" // the agent was killed while it was open
	}
	return id
}

// unlimited are the ranges that were recorded without rate limits.
func unlimited(id string) bool {
	n := id[:3]
	switch {
	case n >= "211" && n <= "213", n == "274", n == "276", n >= "443" && n <= "479", n >= "510":
		return true
	case len(id) > 3:
		return n == "410" || n == "412" || n == "413"
	}
	return false
}

// prepare brings about what happened between two recordings.
func (rp *replayer) prepare(id string) {
	rp.s.unlimit.Store(unlimited(id))
	st := rp.s.state
	switch id {
	case "017":
		rp.settleKeys()
	case "040":
		rp.addTemplate()
	case "066":
		rp.locked(func() {
			for _, name := range []string{"extra0", "extra1", "extra2", "extra3"} {
				st.addUser(user{username: name, email: name + "@coder.test", password: "x"})
			}
		})
	case "108":
		rp.locked(func() { rp.s.cfg.AgentTime = Fixed(time.Hour) })
	case "114": // it is to run until 117, however slow this machine is
		rp.settle()
		rp.locked(func() { rp.s.cfg.BuildTime = Fixed(time.Hour) })
	case "115":
		rp.waitFor("95e54970-336f-4218-beff-823af24fd3fc", "running")
	case "117":
		rp.end("95e54970-336f-4218-beff-823af24fd3fc", "succeeded", "")
	case "120":
		rp.locked(func() {
			rp.s.cfg.AgentTime = Latency{}
			for _, a := range st.agents {
				a.connect(now())
			}
		})
	case "203":
		rp.restoreShell()
	case "404": // it is to run until 406, or 407 where there is none
		rp.locked(func() { rp.s.cfg.BuildTime = Fixed(time.Hour) })
	case "405":
		rp.waitFor(stopBuild, "running")
	case "406":
		rp.end(stopBuild, "succeeded", "")
	case "407":
		rp.end(stopBuild, "succeeded", "")
		rp.settle()
	case "420":
		rp.end("1113f089-36fb-4a78-b7d7-be9ebe6aacd8", "failed", "terraform apply: exit status 1")
		rp.settle()
	case "118", "140", "412", "413", "414", "423", "430", "431", "433", "436", "437", "441", "454":
		rp.settle()
	case "142":
		rp.locked(func() {
			logs := st.workspaces[mustID(rp.known("95f1d45e-a79e-47c3-ab83-ea47ca7a5d30"))].latest().logs
			n := int64(len(logs))
			rp.ids[rp.own("after=381")] = "after=" + itoa(int(logs[n-3].ID))
			rp.ids[rp.own("after=384")] = "after=" + itoa(int(logs[n-1].ID))
		})
	case "502":
		for range 513 {
			rp.ask("GET", "/api/v2/users/me/roles", "FAKE9c20de-FAKEb192abe2f63b808bcd", "")
		}
	case "505":
		for range 61 {
			rp.ask("POST", "/api/v2/users/login", "", `{"email":"admin@example.com","password":"x"}`)
		}
	}
	rp.prepareBuilds(id)
}

// prepareBuilds is prepare for builds and agents.
func (rp *replayer) prepareBuilds(id string) {
	st := rp.s.state
	switch id {
	case "200":
		delete(rp.ids, rp.own("after=381"))
		delete(rp.ids, rp.own("after=384"))
	case "414": // it is to run until it is canceled, and to be canceling until 420, however slow this machine is
		rp.locked(func() { rp.s.cfg.BuildTime = Fixed(time.Hour) })
	case "415":
		rp.waitFor("1113f089-36fb-4a78-b7d7-be9ebe6aacd8", "running")
	case "285":
		rp.settle()
		rp.learnAgent("ecd88d0d-9cbe-45c2-a567-c9adca1d88f1", "admin/ws1")
		rp.reconnected("admin/ws1")
	case "211":
		rp.settle()
		rp.learnAgent("ecd88d0d-9cbe-45c2-a567-c9adca1d88f1", "admin/ws1")
	case "250":
		rp.s.cfg.PathAppSharing = true
	case "264":
		rp.ids["FAKE.FAKE.FAKE"] = rp.signed
	case "280":
		rp.s.cfg.PathAppSharing = false
	case "281":
		rp.addWorkspace("alice", "alice-ws")
	case "284":
		rp.locked(func() { rp.s.state.removeWorkspace(rp.s.state.byFullName["alice/alice-ws"]) })
	case "286":
		rp.addWorkspace("alice", "alice-pty")
		rp.learnAgent("66e34943-21a3-4071-a6a1-39d35f6f0ce0", "alice/alice-pty")
	case "406":
		rp.addWorkspace("admin", "ws-stop")
		rp.ids["was"] = rp.known(stoppedAgent)
		rp.learnAgent(stoppedAgent, "admin/ws-stop")
		rp.whenOpen(func() {
			if w := st.byFullName["admin/ws-stop"]; w != nil { // the replay waits for no end that is not recorded
				rp.s.enqueue(st.newBuild(w, w.owner, "stop", "initiator"))
			}
		})
	case "407":
		rp.ids[rp.own(stoppedAgent)] = rp.ids["was"]
		delete(rp.ids, "was")
		rp.locked(func() { st.removeWorkspace(st.byFullName["admin/ws-stop"]) })
	case "410d":
		require.NoError(rp.t, rp.s.FreezeAgent("admin/ws1"))
	case "410e":
		rp.locked(func() { st.byFullName["admin/ws1"].latest().agent.dead = now().Add(-time.Hour) })
	case "410g":
		require.NoError(rp.t, rp.s.ThawAgent("admin/ws1"))
	case "510":
		rp.locked(func() {
			for i := range 5 {
				if rp.s.as.old {
					break // nobody had run a scale test
				}
				name := "scaletest-" + itoa(i)
				u := st.addUser(user{username: name, email: name + "@coder.test", password: "x"})
				rp.addRunning(u, name)
			}
			for _, name := range []string{"alice/alice-pty", "admin/qd", "admin/qc", "admin/ws-dead"} {
				if w := st.byFullName[name]; w != nil {
					st.removeWorkspace(w)
				}
			}
		})
		rp.reconnected("alice/alice-ws")
	case "445":
		rp.settle()
		rp.locked(func() { rp.s.jobs.held = true })
	case "446":
		rp.locked(func() {
			w := st.newWorkspace(st.findUser("admin"), rp.template(), "qd")
			b := st.newBuild(w, w.owner, "start", "initiator")
			st.addWorkspace(w)
			rp.s.enqueue(b)
			rp.ids[rp.own("62c6e022-b00f-4828-bdbc-4c590ecbcd76")] = b.id.String()
		})
	case "452":
		if !rp.s.as.canceledRuns {
			rp.locked(func() { rp.s.jobs.held = false; rp.s.dispatch() })
		}
	case "453":
		rp.locked(func() { rp.s.jobs.held = false; rp.s.dispatch() })
		rp.settle()
	case "460":
		rp.cancelPending("cc")
	case "470":
		if rp.s.state.byFullName["admin/ws-rpc"] == nil { // two recordings have this number
			rp.addWorkspace("admin", "ws-rpc")
			rp.ids[recordedAgentToken] = st.byFullName["admin/ws-rpc"].latest().agent.token.String()
		}
	case "472":
		if w := st.byFullName["admin/ws-rpc"]; w != nil {
			rp.locked(func() { st.removeWorkspace(w) })
		}
		rp.addWorkspace("admin", "ws-hang")
		rp.learnAgent("b71c2a2b-8ca2-44fa-be6d-24a15abf27fe", "admin/ws-hang")
	case "474":
		const agent = "ecd88d0d-9cbe-45c2-a567-c9adca1d88f1"
		rp.ids["was"] = rp.known(agent)
		rp.addWorkspace("admin", "ws-logs")
		rp.learnAgent(agent, "admin/ws-logs")
		rp.afterRequest(func() {
			w := st.byFullName["admin/ws-logs"]
			rp.s.enqueue(st.newBuild(w, w.owner, "stop", "initiator"))
		})
	case "475":
		rp.ids[rp.own("ecd88d0d-9cbe-45c2-a567-c9adca1d88f1")] = rp.ids["was"]
		delete(rp.ids, "was")
	case "478":
		rp.locked(func() {
			k := st.addKey(apiKey{user: st.findUser("alice"), name: "sliding", loginType: "token", lifetime: 10 * time.Hour})
			rp.ids["FAKE1bf464-FAKEd4632a5de0f74fa89d"] = k.token()
		})
	case "479":
		rp.addWorkspace("admin", "ws-gone")
		rp.learnAgent("0e5fe7b2-9be2-4929-a6e7-393a86b09489", "admin/ws-gone")
	case "500":
		rp.locked(func() {
			if rp.s.as.old { // it has come back since it was frozen
				st.byFullName["admin/ws1"].latest().agent.lost = nil
			}
			for _, name := range []string{"cc", "ws-hang", "ws-gone", "ws-logs"} {
				if w := st.byFullName["admin/"+name]; w != nil {
					st.removeWorkspace(w)
				}
			}
		})
	case "513":
		rp.ids[rp.own("FAKEdf6a7b-FAKE936bf6d94ff52f9bfa")] = rp.ours(rp.own("FAKEdf6a7b-FAKE936bf6d94ff52f9bfa"))
	case "515":
		token := rp.known("FAKE777ba1-FAKE12025a34f6df82b6c2")
		rp.ids[rp.own("ED2TDX6tX9")] = token[:10]
	case "533":
		rp.ids[rp.own("Wy9PyGOwJs")] = rp.known("FAKE5de1ea-FAKE4a7cfcfedaf094e3ec")[:10]
	case "4103", "410b":
		rp.addWorkspace("admin", "ws-dead")
		rp.learnAgent("3f62b96e-0403-4727-9955-e507da09d75e", "admin/ws-dead")
		rp.locked(func() {
			rp.ids[rp.own("6533dea3-d9e3-46cc-907e-3d50ab3aab6c")] = st.byFullName["admin/ws-dead"].id.String()
		})
	case "410a":
		require.NoError(rp.t, rp.s.KillAgent("admin/ws-dead"))
	}
}

func (rp *replayer) locked(f func()) {
	rp.s.state.mu.Lock()
	defer rp.s.state.mu.Unlock()
	f()
}

func (rp *replayer) template() *template {
	for _, t := range rp.s.state.templates {
		return t
	}
	return nil
}

// addTemplate imports the template of the recordings, in two versions.
func (rp *replayer) addTemplate() {
	rp.locked(func() {
		st := rp.s.state
		parameters := []parameterJSON{
			{Name: "greeting", DisplayName: "Greeting", Description: "A **greeting** to show.", DescriptionPlaintext: "A greeting to show.",
				Type: "string", FormType: "input", Mutable: true, DefaultValue: "hello", Options: []optionJSON{},
				ValidationError: "must be 1-16 lowercase letters", ValidationRegex: "^[a-z]{1,16}$"},
			{Name: "size", Type: "string", FormType: "radio", DefaultValue: "small", Options: []optionJSON{{Name: "Small", Value: "small"}, {Name: "Large", Value: "large"}}},
			{Name: "delay", Type: "number", FormType: "input", Mutable: true, DefaultValue: "0", Options: []optionJSON{}},
		}
		admin := st.findUser("admin")
		t := st.addTemplate(admin, "realtf", parameters)
		messages := []string{"first", "second"}
		if rp.s.as.old {
			messages = []string{"Uploaded from the CLI", "Uploaded from the CLI"}
		}
		t.active.message = messages[0]
		t.apps = trafficApps()
		rp.ids[rp.own("88f62351-7d3a-4c29-8511-5313213e5594")] = t.active.id.String()
		v := st.addVersion(t, admin, messages[1], parameters)
		rp.ids[rp.own("0efdd473-211a-4ca6-8d6f-a02c400f028c")] = v.id.String()
	})
}

// addWorkspace adds a running workspace.
func (rp *replayer) addWorkspace(owner, name string) {
	rp.locked(func() {
		st := rp.s.state
		rp.addRunning(st.findUser(owner), name)
	})
}

func (rp *replayer) addRunning(u *user, name string) {
	st := rp.s.state
	w := st.newWorkspace(u, rp.template(), name)
	b := st.newBuild(w, u, "start", "initiator")
	b.parameters, _ = w.template.active.resolve(nil, nil)
	t := b.created
	b.started, b.completed, b.status, b.worker = &t, &t, "succeeded", st.newID()
	st.attachAgent(b)
	b.agent.connect(t)
	st.addWorkspace(w)
}

// recordedAgentToken is that of an agent of the older version.
const recordedAgentToken = "02b79770-38cb-433e-af46-400517308621"

// stoppedAgent is the agent of the workspace that is stopped.
const stoppedAgent = "83eb17bd-9446-429f-bf4c-2bd39f7e1eea"

// whenOpen does something as soon as a terminal is open.
func (rp *replayer) whenOpen(f func()) {
	rp.s.wg.Go(func() {
		for rp.s.stats.terminals.Load() == 0 && rp.s.ctx.Err() == nil {
			runtime.Gosched()
		}
		rp.locked(f)
	})
}

// afterRequest does something as soon as one more request has come.
func (rp *replayer) afterRequest(f func()) {
	before := rp.s.stats.requests.Load()
	rp.s.wg.Go(func() {
		for rp.s.stats.requests.Load() == before && rp.s.ctx.Err() == nil {
			runtime.Gosched()
		}
		rp.locked(f)
	})
}

// reconnected is what a restart of the server left behind.
func (rp *replayer) reconnected(workspace string) {
	if rp.s.as.old {
		return // it was not restarted
	}
	rp.locked(func() {
		t := now()
		rp.s.state.byFullName[workspace].latest().agent.lost = &t
	})
}

// restoreShell brings the shell back to where recording 200 left it: 203 is the
// whole of a connection of which 201 is the beginning.
func (rp *replayer) restoreShell() {
	a := rp.s.state.byFullName["admin/ws1"].latest().agent
	for _, s := range a.terminals.all() {
		s.end()
	}
	for _, r := range rp.all {
		if r.id == "200" {
			require.Empty(rp.t, rp.play(r))
		}
	}
}

func (rp *replayer) learnAgent(recorded, workspace string) {
	rp.locked(func() { rp.ids[rp.own(recorded)] = rp.s.state.byFullName[workspace].latest().agent.id.String() })
}

// settleKeys makes a key that is known by its ID only.
func (rp *replayer) settleKeys() {
	token := rp.known("FAKEe5daa1-FAKE92e764eff00bc72b2a")
	require.NotEmpty(rp.t, token)
	rp.ids[rp.own("FAKE02a52d-FAKE91a68029360b53d26e")] = token[:11] + strings.Repeat("x", 22)
}

// settle waits until no build is active.
func (rp *replayer) settle() {
	require.Eventually(rp.t, func() bool {
		rp.s.state.mu.RLock()
		defer rp.s.state.mu.RUnlock()
		for _, b := range rp.s.state.builds {
			if !b.done() || slices.Contains(rp.s.jobs.queue, queued(b)) || b.status == "canceled" && b.started != nil && len(b.logs) == 0 {
				return false
			}
		}
		return true
	}, 10*time.Second, time.Millisecond)
}

// end ends a build that has been running for as long as the story needed it to,
// and lets those after it take their usual time.
func (rp *replayer) end(build, status, problem string) {
	rp.locked(func() {
		rp.s.cfg.BuildTime = Fixed(buildTime)
		b := rp.s.state.builds[mustID(rp.known(build))]
		if b.done() {
			return
		}
		b.stop() // a canceled one has stopped already
		b.err = problem
		rp.s.finish(b, status)
	})
}

// cancelPending makes a workspace whose build is canceled before it begins, and
// waits for what comes of it.
func (rp *replayer) cancelPending(name string) {
	st := rp.s.state
	var b *build
	rp.locked(func() {
		rp.s.jobs.held = true
		w := st.newWorkspace(st.findUser("admin"), rp.template(), name)
		b = st.newBuild(w, w.owner, "start", "initiator")
		b.parameters, _ = w.template.active.resolve(nil, nil)
		st.addWorkspace(w)
		rp.s.enqueue(b)
		rp.ids["c023365b-2912-4074-bc34-2da0d950db84"] = b.id.String()
		rp.ids["b416eee5-bd67-4903-9d83-da987533f4f8"] = w.id.String()
	})
	rp.ask("PATCH", "/api/v2/workspacebuilds/"+b.id.String()+"/cancel", "FAKEe5daa1-FAKE92e764eff00bc72b2a", "")
	rp.locked(func() { rp.s.jobs.held = false; rp.s.dispatch() })
	rp.settle()
}

func (rp *replayer) waitFor(build, status string) {
	require.Eventually(rp.t, func() bool {
		rp.s.state.mu.RLock()
		defer rp.s.state.mu.RUnlock()
		b := rp.s.state.builds[mustID(rp.known(build))]
		return b != nil && b.status == status
	}, 10*time.Second, time.Millisecond)
}

func (rp *replayer) ask(method, path, token, body string) {
	req, err := http.NewRequest(method, rp.s.URL()+path, strings.NewReader(body))
	require.NoError(rp.t, err)
	if token != "" {
		req.Header.Set("Coder-Session-Token", rp.ours(rp.own(token)))
	}
	resp, err := rp.client.Do(req)
	require.NoError(rp.t, err)
	require.NoError(rp.t, resp.Body.Close())
}
