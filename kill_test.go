//go:build unix && !scaletest

package scaletest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/ledger"
	"github.com/coderscale/scaletest/runners"
)

const (
	killedUsers      = 20
	killedWorkspaces = 200
)

// killedRun makes the test binary the process that is killed: its value is the
// run's ID.
const killedRun = "SCALETEST_TEST_KILLED_RUN"

// TestKilledProcess is that process. It creates workspaces, and then cleans up
// if nothing has stopped it by then.
func TestKilledProcess(t *testing.T) {
	run := os.Getenv(killedRun)
	if run == "" {
		t.Skip("it is a child process of TestKilledRunsLeaveNothing, which runs it")
	}
	target := scaletest.Connect(t)
	client, err := coder.New(coder.Config{URL: target.Config().URL, Token: os.Getenv("CODER_SESSION_TOKEN"), PollInterval: 15 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	templates, err := client.Templates(t.Context())
	require.NoError(t, err)
	book := target.Ledger(t)

	people := make([]runners.Person, killedUsers)
	users := runners.CreateUsersConfig{Client: client, Ledger: book, NoCleanup: true, OnReady: func(user int, p runners.Person) { people[user] = p }}
	do := func(name string, s harness.Scenario) {
		s.Name = name
		r, err := harness.Start(t.Context(), harness.Plan{RunID: run, Scenarios: []harness.Scenario{s}})
		require.NoError(t, err)
		r.Wait()
	}
	do("users", harness.Scenario{Runner: users.Runner(), Schedule: harness.AllAtOnce(killedUsers)})
	workspaces := runners.CreateWorkspacesConfig{Users: users, People: people, Template: templates[0], NoWaitForAgents: true}
	do("workspaces", harness.Scenario{Runner: workspaces.Runner(), Schedule: harness.AtATime(killedWorkspaces, 40)})
}

// guillotine is in front of a deployment, and kills the process that it serves
// at a request.
type guillotine struct {
	to   http.Handler
	open atomic.Int64 // connections
	now  atomic.Pointer[execution]
}

// execution is when and how one process is killed.
type execution struct {
	requests, creations atomic.Int64 // of this process

	at       int64 // the request at which it is killed; 0 is none
	creation bool  // it is the creation of that number
	how      string

	late chan struct{} // what is on its way comes in when this is closed
	kill func()
}

func (g *guillotine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e := g.now.Load()
	n := e.requests.Add(1)
	if e.creation {
		n = 0
	}
	if r.Method == http.MethodPost && (r.URL.Path == "/api/v2/users" || strings.HasSuffix(r.URL.Path, "/workspaces")) {
		if c := e.creations.Add(1); e.creation {
			n = c
		}
	}
	if e.at == 0 || n != e.at {
		g.to.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	// The server does not stop working because the client is gone.
	r = r.WithContext(context.WithoutCancel(r.Context()))
	r.Body = io.NopCloser(bytes.NewReader(body))
	switch e.how {
	case "before it is handled":
		e.kill()
		g.to.ServeHTTP(httptest.NewRecorder(), r)
	case "before it is answered":
		g.to.ServeHTTP(httptest.NewRecorder(), r)
		e.kill()
	case onItsWay:
		e.kill()
		<-e.late
		g.to.ServeHTTP(httptest.NewRecorder(), r)
	}
}

// count counts connections.
func (g *guillotine) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		g.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		g.open.Add(-1)
	}
}

// onItsWay is a request that reaches the server when the cleanup has begun.
const onItsWay = "while a request is on its way"

// TestKilledRunsLeaveNothing kills a process at random points of a run that
// creates 200 workspaces for 20 users, cleans up from its ledger, and counts.
func TestKilledRunsLeaveNothing(t *testing.T) {
	points := 50
	if testing.Short() {
		points = 3 // of each version
	}
	for _, version := range []string{"v2.26.0", "v2.37.0"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			k := newKiller(t, version)
			for i := range points {
				k.point(t, i)
				if t.Failed() {
					return
				}
			}
			t.Logf("%d points; %d workspaces and users were cleaned up, after kills in %v", points, k.deleted, k.places)
		})
	}
}

type killer struct {
	deployment
	blade   *guillotine
	url     string
	dir     string // of ledgers
	foreign []string
	rng     *rand.Rand
	deleted int
	places  map[string]int

	requests int64 // of a whole run
	length   time.Duration
}

func newKiller(t *testing.T, version string) *killer {
	t.Helper()
	s := codertest.Start(t, codertest.Config{Version: version, BuildTime: codertest.Fixed(time.Millisecond), Provisioners: 20, RateLimit: -1})
	c, err := coder.New(coder.Config{URL: s.URL(), Token: s.OwnerToken(), PollInterval: 15 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(c.CloseIdleConnections)
	k := &killer{deployment: deployment{s, c}, dir: t.TempDir(), blade: &guillotine{to: s}, rng: rand.New(rand.NewPCG(26, 37)), places: map[string]int{}}
	front := httptest.NewUnstartedServer(k.blade)
	front.Config.ConnState = k.blade.count
	front.Start()
	t.Cleanup(front.Close)
	k.url = front.URL

	// What is not the run's, with names like it.
	for _, name := range []string{"alice", "scaletest-other-1", "scaletest-k0-77777"} {
		k.make(t, name, name+"@example.com", name+"-dev", "dev", "scaletest-other-1", "scaletest-k0-99999", "scaletest-k1-99999")
	}
	k.make(t, "scaletest-k0-88888", "scaletest-k0-88888@scaletest.local", "scaletest-k0-99999")
	k.foreign = k.has(t)

	before, start := s.Stats().Builds, time.Now()
	whole := &execution{}
	k.run(t, "whole", 0, whole)
	k.requests, k.length = whole.requests.Load(), time.Since(start)
	require.EqualValues(t, 2*killedWorkspaces, s.Stats().Builds-before, "each was made and deleted")
	k.cleanUp(t, whole, "a run that ended by itself")
	return k
}

func (k *killer) make(t *testing.T, username, email string, workspaces ...string) {
	t.Helper()
	u, err := k.client.CreateUser(t.Context(), coder.CreateUserRequest{Username: username, Email: email, Password: "SomeSecurePassword!"})
	require.NoError(t, err)
	templates, err := k.client.Templates(t.Context())
	require.NoError(t, err)
	for _, name := range workspaces {
		_, err := k.client.CreateWorkspace(t.Context(), u.ID.String(), coder.CreateWorkspaceRequest{Name: name, TemplateID: templates[0].ID})
		require.NoError(t, err)
	}
}

// has are the IDs of all workspaces and users, so that one that was deleted and
// made anew would be noticed.
func (k *killer) has(t *testing.T) (ids []string) {
	t.Helper()
	ws, err := k.client.AllWorkspaces(t.Context(), coder.WorkspacesQuery{})
	require.NoError(t, err)
	for _, w := range ws {
		ids = append(ids, w.FullName()+" "+w.ID.String())
	}
	us, err := k.client.AllUsers(t.Context(), coder.UsersQuery{})
	require.NoError(t, err)
	for _, u := range us {
		ids = append(ids, u.Username+" "+u.ID.String())
	}
	return ids
}

// run starts the process and waits for its end. After is when it is killed, if
// that is not at a request.
func (k *killer) run(t *testing.T, id string, after time.Duration, e *execution) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledProcess$")
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "CODER_") && !strings.Contains(strings.ToLower(kv), "_proxy=") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, live(k.url, k.OwnerToken())...)
	cmd.Env = append(cmd.Env, killedRun+"="+id, p+"ARTIFACTS="+k.dir)
	started := make(chan struct{})
	e.kill = func() {
		<-started
		_ = cmd.Process.Kill() // it may have ended
	}
	k.blade.now.Store(e)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	close(started)
	if after > 0 {
		defer time.AfterFunc(after, e.kill).Stop()
	}
	err := cmd.Wait()
	if e.at == 0 && after == 0 {
		require.NoError(t, err, "%s", out.String())
	}
}

// point kills a run at one point and cleans up.
func (k *killer) point(t *testing.T, i int) {
	t.Helper()
	id := fmt.Sprintf("k%d", i)
	e := &execution{late: make(chan struct{})}
	e.how = []string{"at some time", "before it is handled", onItsWay, "at some time", "before it is answered", "before it is handled", "at some time", "before it is answered"}[i%8]
	var after time.Duration
	switch {
	case e.how == "at some time":
		after = time.Duration(1 + k.rng.Int64N(int64(k.length)))
	case e.how == onItsWay || i%2 == 0:
		e.at, e.creation = 1+k.rng.Int64N(killedUsers+killedWorkspaces), true
	default:
		e.at = 1 + k.rng.Int64N(k.requests)
	}
	k.run(t, id, after, e)
	k.places[e.how]++
	k.cleanUp(t, e, fmt.Sprintf("point %d, killed %s (request %d of %d, creations only: %v, %v of %v)", i, e.how, e.at, k.requests, e.creation, after, k.length))
}

// handled waits until all that a dead process has sent has been handled, also
// what the system still holds for the server.
func (k *killer) handled(t *testing.T) {
	t.Helper()
	k.blade.now.Store(&execution{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, k.url+"/api/v2/buildinfo", http.NoBody)
	require.NoError(t, err)
	req.Close = true
	resp, err := http.DefaultClient.Do(req) // comes after all connections that were made before
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Eventually(t, func() bool { return k.blade.open.Load() == 0 }, time.Minute, time.Millisecond)
}

// cleanUp cleans up from the ledger and counts what is there.
func (k *killer) cleanUp(t *testing.T, e *execution, point string) {
	t.Helper()
	o := scaletest.CleanupOptions{Client: k.client, Settle: -1}
	var out bytes.Buffer
	o.Out = &out
	if e.how == onItsWay {
		// It comes in when the ledger has been read and all has been looked up once.
		come := sync.OnceFunc(func() { time.AfterFunc(300*time.Millisecond, func() { close(e.late) }) })
		defer come() // whatever happens
		o.Settle = 3 * time.Second
		o.Out = writerFunc(func(b []byte) (int, error) {
			come()
			return out.Write(b)
		})
	} else {
		k.handled(t)
	}
	cfg, err := scaletest.ConfigFromEnv(append(live(k.url, k.OwnerToken()), p+"ARTIFACTS="+k.dir, p+"CLEANUP_CONCURRENCY=20"))
	require.NoError(t, err)
	report, err := scaletest.Cleanup(t.Context(), cfg, o)
	require.NoError(t, err, "%s: %s", point, out.String())
	k.handled(t)
	k.deleted += len(report.Deleted)

	assert.Empty(t, report.Left, "%s: %s", point, out.String())
	assert.Empty(t, report.Orphaned, point)
	assert.Equal(t, k.foreign, k.has(t), "%s: %s", point, out.String())
	recs, err := ledger.List(k.dir)
	require.NoError(t, err, point)
	assert.Empty(t, recs, point)
}

type writerFunc func(b []byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
