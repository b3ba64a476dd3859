package runners_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/traffic"
)

// deployment starts an embedded deployment and returns its workspaces.
func deployment(t *testing.T, cfg codertest.Config) (*codertest.Server, []runners.Workspace) {
	t.Helper()
	server := codertest.Start(t, cfg)
	client, err := coder.New(coder.Config{URL: server.URL(), Token: server.OwnerToken()})
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	all, err := client.AllWorkspaces(t.Context(), coder.WorkspacesQuery{})
	require.NoError(t, err)
	var out []runners.Workspace
	for _, w := range all {
		require.NotEmpty(t, w.Agents(), w.Name)
		out = append(out, runners.Workspace{Client: client, Name: w.FullName(), ID: w.ID, Agent: w.Agents()[0]})
	}
	require.Len(t, out, cfg.Workspaces)
	return server, out
}

// hold runs terminals for d; during is called once echoes come back.
func hold(t *testing.T, cfg runners.TerminalConfig, users int, d time.Duration, during func()) *harness.ScenarioResult {
	t.Helper()
	begun := make(chan struct{})
	first := true
	run, err := harness.Start(t.Context(), harness.Plan{
		Scenarios: []harness.Scenario{{
			Name: "terminals", Runner: cfg.Runner(), Schedule: harness.AllAtOnce(users).Hold(d),
		}},
		MaxLag:       time.Hour, // the race detector is slow
		GracefulStop: 10 * time.Second,
		OnSnapshot: func(s harness.Snapshot) {
			if first && s.Scenarios[0].Actions["echo"].Count > 0 {
				first = false
				close(begun)
			}
		},
	})
	require.NoError(t, err)
	if during != nil {
		select {
		case <-begun:
			during()
		case <-run.Done():
			t.Fatalf("no echo came back: %+v", run.Wait().Scenarios[0].Failures)
		}
	}
	res := run.Wait()
	s := &res.Scenarios[0]
	for _, f := range s.Failures {
		t.Logf("user %d: %s\n%s", f.User, f.Error, f.Log)
	}
	return s
}

var small = traffic.Constant(1000, 20*time.Millisecond)

func TestEveryByteThatIsTypedComesBackAndIsCompared(t *testing.T) {
	server, ws := deployment(t, codertest.Config{Workspaces: 20})
	s := hold(t, runners.TerminalConfig{Workspaces: ws, Load: small}, 20, time.Second, nil)

	require.Empty(t, s.Failures)
	echo := s.Actions["echo"]
	require.Zero(t, echo.Errors)
	require.InDelta(t, 20*50, int(echo.Count), 40)
	require.EqualValues(t, echo.Count*1000, s.Counters["bytes_sent"])
	require.EqualValues(t, echo.Count*1001, s.Counters["bytes_received"], "a newline comes back as two bytes")
	require.Equal(t, 1.0, s.Throughput.Ratio)
	for _, bad := range []string{"bytes_foreign", "bytes_repeated", "echoes_lost", "echoes_corrupt", "reconnects"} {
		require.Zero(t, s.Counters[bad], bad)
	}
	require.EqualValues(t, 20, s.Setup["terminal_open"].Count)
	require.EqualValues(t, 20, s.Setup["terminal_ready"].Count)
	require.EqualValues(t, 20, server.Stats().TerminalsOpened)
	require.Eventually(t, func() bool { return server.Stats().Terminals == 0 },
		10*time.Second, 10*time.Millisecond, "nobody is left behind")
}

func TestLostConnectionsAreMadeAgainToTheSameSession(t *testing.T) {
	server, ws := deployment(t, codertest.Config{Workspaces: 10})
	s := hold(t, runners.TerminalConfig{Workspaces: ws, Load: small}, 10, 3*time.Second, func() {
		require.Positive(t, server.DropConnections(1))
	})
	require.Empty(t, s.Failures)
	require.EqualValues(t, 10, s.Counters["reconnects"])
	require.EqualValues(t, 10, s.Actions["reconnect"].Count)
	require.Positive(t, s.Counters["bytes_repeated"], "the server replays what it showed")
	require.Zero(t, s.Counters["echoes_corrupt"])
	require.Greater(t, s.Actions["echo"].Count, uint64(10*100))
}

func TestALostConnectionIsAFailureWhenAskedFor(t *testing.T) {
	server, ws := deployment(t, codertest.Config{Workspaces: 3})
	s := hold(t, runners.TerminalConfig{Workspaces: ws, Load: small, NoReconnect: true}, 3, 3*time.Second, func() {
		require.Positive(t, server.DropConnections(1))
	})
	require.GreaterOrEqual(t, int(s.Iterations.Failed), 3)
	require.Contains(t, s.Failures[0].Error, "terminal of ")
	require.Zero(t, s.Counters["reconnects"])
}

func TestADeadAgentEndsInOneClearSentence(t *testing.T) {
	server, ws := deployment(t, codertest.Config{Workspaces: 2, AgentTimeout: time.Millisecond})
	s := hold(t, runners.TerminalConfig{Workspaces: ws, Load: small, ReconnectTimeout: 500 * time.Millisecond}, 2, 3*time.Second, func() {
		require.NoError(t, server.KillAgent(ws[0].Name))
		server.DropConnections(1)
	})
	require.NotEmpty(t, s.Failures)
	require.Contains(t, s.Failures[0].Error, "not found again within")
	require.Equal(t, 0, s.Failures[0].User)
	require.Positive(t, s.Actions["echo"].Count, "the other one goes on")
}

func TestChurnComesBackToTheSameScreen(t *testing.T) {
	_, ws := deployment(t, codertest.Config{Workspaces: 5})
	s := hold(t, runners.TerminalConfig{Workspaces: ws, Load: small, ChurnEvery: 200 * time.Millisecond}, 5, 2*time.Second, nil)
	require.Empty(t, s.Failures)
	require.Greater(t, s.Counters["churns"], int64(5))
	require.Positive(t, s.Counters["bytes_repeated"])
	require.Zero(t, s.Counters["echoes_corrupt"])
	require.Zero(t, s.Counters["reconnects"], "leaving on purpose is not losing")
}

func TestResizingDoesNotDisturbTheEcho(t *testing.T) {
	_, ws := deployment(t, codertest.Config{Workspaces: 3})
	s := hold(t, runners.TerminalConfig{Workspaces: ws, Load: small, ResizeEvery: 50 * time.Millisecond}, 3, time.Second, nil)
	require.Empty(t, s.Failures)
	require.Zero(t, s.Actions["echo"].Errors)
	require.Positive(t, s.Actions["echo"].Count)
}

func TestAStallOfTheDeploymentIsInTheResponseTimes(t *testing.T) {
	server, ws := deployment(t, codertest.Config{Workspaces: 5})
	s := hold(t, runners.TerminalConfig{Workspaces: ws, Load: small}, 5, 4*time.Second, func() {
		server.Stall(time.Second)
	})
	require.Empty(t, s.Failures)
	echo := s.Actions["echo"]
	require.Zero(t, echo.Errors)
	require.Greater(t, echo.Response.Max, 0.9, "a tick from the beginning of the stall waited for all of it")
	// All ticks of a second of four waited: a fifth of them more than 200 ms.
	require.Greater(t, echo.Response.P90, 0.2)
}

func TestGreedyTicksReachTheProcessLineByLine(t *testing.T) {
	server, ws := deployment(t, codertest.Config{Workspaces: 1})
	s := hold(t, runners.TerminalConfig{
		Workspaces: ws,
		Load:       traffic.Load{BytesPerTick: 25 * traffic.MiB / 25, Shape: traffic.For{Shape: traffic.Every(500 * time.Millisecond), Duration: time.Second}},
	}, 1, 3*time.Second, nil)
	require.Empty(t, s.Failures)
	require.Zero(t, s.Actions["echo"].Errors)
	require.Positive(t, s.Actions["echo"].Count)
	require.Eventually(t, func() bool { return server.Stats().BytesIn >= s.Counters["bytes_sent"] },
		10*time.Second, 10*time.Millisecond, "the server counts a terminal when it is closed")
}

func TestTooFewWorkspacesAreRefusedBeforeAnythingBegins(t *testing.T) {
	runner := runners.Terminal(nil, small)
	_, err := runner(0)
	require.ErrorContains(t, err, "there are no workspaces")

	client, err := coder.New(coder.Config{URL: "http://127.0.0.1:1"})
	require.NoError(t, err)
	one := []runners.Workspace{{Client: client, Name: "alice/dev", Agent: coder.Agent{ID: uuid.New()}}}
	runner = runners.Terminal(one, small)
	_, err = runner(0)
	require.NoError(t, err)
	_, err = runner(1)
	require.ErrorContains(t, err, "only 1 workspaces")
	_, err = runners.TerminalConfig{Workspaces: one, Load: small, Share: true}.Runner()(7)
	require.NoError(t, err)

	one[0].Agent.ID = uuid.Nil
	_, err = runner(0)
	require.ErrorContains(t, err, "workspace alice/dev: it has no agent")
}

func TestAllMistakesAreReportedAtOnce(t *testing.T) {
	_, err := runners.TerminalConfig{Load: traffic.Constant(0, 0), Burst: -1, ChurnEvery: -1, Pacer: traffic.PacerConfig{Workers: -1}}.Runner()(0)
	for _, want := range []string{"bytes per tick is 0", "the interval is 0", "burst is -1", "ChurnEvery is -1ns", "pacer workers is -1"} {
		require.ErrorContains(t, err, want)
	}
}

// odd is a server whose terminals behave in another way.
func odd(t *testing.T, terminal func(ws *websocket.Conn)) []runners.Workspace {
	t.Helper()
	var upgrader websocket.Upgrader
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Coder-Build-Version", "v2.17.0")
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		terminal(ws)
	}))
	t.Cleanup(srv.Close)
	client, err := coder.New(coder.Config{URL: srv.URL, Token: "0123456789-0123456789012345678901"})
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return []runners.Workspace{{Client: client, Name: "alice/dev", Agent: coder.Agent{ID: uuid.New()}}}
}

func TestATerminalThatIsRedrawnIsNotReportedAsBroken(t *testing.T) {
	ws := odd(t, func(ws *websocket.Conn) { // as screen does: it clears, and draws what it likes
		_ = ws.WriteMessage(websocket.BinaryMessage, []byte("\x1b[H\x1b[2J"))
		for {
			_, data, err := ws.ReadMessage()
			if err != nil {
				return
			}
			text := strings.TrimSuffix(strings.TrimPrefix(string(data), `{"data":"`), "\\n\"}\n")
			if ws.WriteMessage(websocket.BinaryMessage, fmt.Appendf(nil, "\x1b[1;1H%.80s\r\n", text)) != nil {
				return
			}
		}
	})
	s := hold(t, runners.TerminalConfig{Workspaces: ws, Load: small}, 1, 500*time.Millisecond, nil)
	require.Empty(t, s.Failures)
	require.Len(t, s.Warnings, 1)
	require.Contains(t, s.Warnings[0], "can't be compared")
	require.Zero(t, s.Actions["echo"].Errors)
	require.Zero(t, s.Actions["echo"].Count)
	require.Positive(t, s.Counters["bytes_received"])
	require.Positive(t, s.Counters["bytes_sent"])
}

func TestATerminalThatStaysSilentOrEndsIsNotReady(t *testing.T) {
	for want, terminal := range map[string]func(*websocket.Conn){
		"it did not echo within 100ms, but showed \"hello\"": func(ws *websocket.Conn) {
			_ = ws.WriteMessage(websocket.BinaryMessage, []byte("hello"))
			_, _, _ = ws.ReadMessage()
			_, _, _ = ws.ReadMessage()
		},
		"the process ended before it echoed": func(ws *websocket.Conn) {
			_, _, _ = ws.ReadMessage()
			_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second))
		},
		"the server could not reach the agent before it echoed": func(ws *websocket.Conn) {
			_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1011, "dial workspace agent: gone"), time.Now().Add(time.Second))
			_, _, _ = ws.ReadMessage()
		},
	} {
		ws := odd(t, terminal)
		s := hold(t, runners.TerminalConfig{Workspaces: ws, Load: small, ReadyTimeout: 100 * time.Millisecond}, 1, 500*time.Millisecond, nil)
		require.EqualValues(t, 1, s.Iterations.SetupFailed)
		require.Contains(t, s.Failures[0].Error, "terminal of alice/dev: "+want)
	}
}

func TestCleanupWithoutSetupAndTwiceIsHarmless(t *testing.T) {
	_, ws := deployment(t, codertest.Config{Workspaces: 1})
	r, err := runners.Terminal(ws, small)(0)
	require.NoError(t, err)
	cleaner, ok := r.(harness.Cleaner)
	require.True(t, ok)
	require.NoError(t, cleaner.Cleanup(context.Background()))
	require.NoError(t, cleaner.Cleanup(context.Background()))
}
