package runners_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

// pipes is a listener of in-memory connections, so that a real HTTP server can
// run in a synctest bubble.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (l *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// asked is a request that a fake deployment got.
type asked struct {
	at           time.Duration
	method, path string // without a query
	query        url.Values
	header       http.Header
}

// fakeDashboard is a deployment in a bubble, with one person and one workspace,
// whose answers a test can replace.
type fakeDashboard struct {
	t     *testing.T
	start time.Time
	owner bool // may everything

	// on replaces the answer of a path.
	on map[string]http.HandlerFunc

	mu     sync.Mutex
	got    []asked
	open   map[string]int // sockets, by path
	client *coder.Client
}

var (
	fakeUser      = uuid.MustParse("11111111-0000-4000-8000-000000000000")
	fakeWorkspace = uuid.MustParse("22222222-0000-4000-8000-000000000000")
	fakeAgent     = uuid.MustParse("33333333-0000-4000-8000-000000000000")
	fakeBuild     = uuid.MustParse("44444444-0000-4000-8000-000000000000")
)

func newFakeDashboard(t *testing.T) *fakeDashboard {
	t.Helper()
	f := &fakeDashboard{t: t, start: time.Now(), on: map[string]http.HandlerFunc{}, open: map[string]int{}}
	l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: f}
	go func() { _ = server.Serve(l) }()
	var err error
	f.client, err = coder.New(coder.Config{
		URL: "http://coder.test", Token: "0123456789-0123456789012345678901", DialContext: l.dial,
		Proxy: func(*http.Request) (*url.URL, error) { return nil, nil },
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		f.client.CloseIdleConnections()
		_ = server.Close()
		synctest.Wait()
	})
	return f
}

func (f *fakeDashboard) person() runners.Person {
	return runners.Person{Client: f.client, User: coder.User{ID: fakeUser, Username: "alice"}}
}

// play holds users for d.
func (f *fakeDashboard) play(cfg runners.DashboardConfig, users int, d time.Duration) (*harness.ScenarioResult, *harness.Result) {
	f.t.Helper()
	if cfg.People == nil {
		cfg.People, cfg.Share = []runners.Person{f.person()}, true
	}
	s, res := play(f.t, harness.Scenario{Runner: cfg.Runner(), Schedule: harness.AllAtOnce(users).Hold(d)})
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	for path, n := range f.open {
		require.Zero(f.t, n, "%s is still open", path)
	}
	return s, res
}

// asked are the requests for a path, with * for any number of segments at its
// end.
func (f *fakeDashboard) asked(path string) []asked {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []asked
	for _, a := range f.got {
		if prefix, ok := strings.CutSuffix(path, "*"); a.path == path || ok && strings.HasPrefix(a.path, prefix) {
			out = append(out, a)
		}
	}
	return out
}

func (f *fakeDashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Coder-Build-Version", "v2.37.0")
	path := strings.TrimPrefix(r.URL.Path, "/api/v2")
	f.mu.Lock()
	f.got = append(f.got, asked{time.Since(f.start), r.Method, path, r.URL.Query(), r.Header.Clone()})
	f.mu.Unlock()
	if h := f.on[path]; h != nil {
		h(w, r)
		return
	}
	if r.Header.Get("Upgrade") != "" {
		f.socket(w, r, func(*websocket.Conn) {})
		return
	}
	respond(w, http.StatusOK, f.answer(path, r))
}

func respond(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// refusing answers with a status.
func refusing(status int, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "60")
		}
		respond(w, status, fmt.Sprintf(`{"message":%q}`, message))
	}
}

// socket talks, and then holds the connection until the client hangs up.
func (f *fakeDashboard) socket(w http.ResponseWriter, r *http.Request, talk func(*websocket.Conn)) {
	conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	f.mu.Lock()
	f.open[r.URL.Path]++
	f.mu.Unlock()
	quit := make(chan struct{})
	var pinging sync.WaitGroup
	pinging.Go(func() {
		for {
			select {
			case <-time.After(15 * time.Second):
				_ = conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second))
			case <-quit:
				return
			}
		}
	})
	talk(conn)
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			break
		}
	}
	close(quit)
	pinging.Wait()
	_ = conn.Close()
	f.mu.Lock()
	f.open[r.URL.Path]--
	f.mu.Unlock()
}

const fakeList = `{"workspaces":[{"name":"dev","owner_name":"alice","latest_build":{"status":%q}}],"count":1}`

// shown is the workspace, as it is in a state.
func shown(status, lifecycle string) string {
	return fmt.Sprintf(`{"id":%q,"owner_id":%q,"organization_id":"org","template_id":%q,"latest_build":{"id":%q,"status":%q,`+
		`"job":{"completed_at":"2026-01-01T00:00:00Z"},"resources":[{"agents":[{"id":%q,"status":"connected","lifecycle_state":%q}]}]}}`,
		fakeWorkspace, fakeUser, uuid.Nil, fakeBuild, status, fakeAgent, lifecycle)
}

func (f *fakeDashboard) answer(path string, r *http.Request) string {
	switch path {
	case "/users/me":
		return fmt.Sprintf(`{"id":%q,"username":"alice"}`, fakeUser)
	case "/authcheck":
		var in struct {
			Checks map[string]any `json:"checks"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			f.t.Error("authcheck:", err)
		}
		out := map[string]bool{}
		for name := range in.Checks {
			out[name] = f.owner
		}
		b, _ := json.Marshal(out)
		return string(b)
	case "/organizations":
		return `[{"id":"org"}]`
	case "/templates":
		return `[{"organization_id":"org","name":"tpl"}]`
	case "/workspaces":
		return fmt.Sprintf(fakeList, "running")
	case "/users/alice/workspace/dev":
		return shown("running", "ready")
	case "/buildinfo":
		return `{"version":"v2.37.0"}`
	case "/regions":
		return `{"regions":[{"path_app_url":"http://proxy.test/"}]}`
	}
	return `{}`
}
