package runners_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/traffic"
)

// ports is what listens in a workspace, by port.
type ports map[uint16]string

func (p ports) dial(ctx context.Context, _ uuid.UUID, port uint16) (net.Conn, error) {
	address, ok := p[port]
	if !ok {
		return nil, fmt.Errorf("port %d: connection refused", port)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}

// listen serves connections, and ends those that are open with the test.
func listen(t *testing.T, serve func(net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			wg.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

func nothing(net.Conn) {}

func every(d time.Duration, bytes int) traffic.Load {
	return traffic.Load{Shape: traffic.Every(d), BytesPerTick: bytes}
}

func TestATunnelAsksForItsURLOverOneConnection(t *testing.T) {
	_, ws := deployment(t, codertest.Config{Workspaces: 2})
	var requests, conns atomic.Int64
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.Host != "localhost:8080" || r.URL.Path != "/x" {
			w.WriteHeader(http.StatusTeapot)
		}
		_, _ = io.WriteString(w, "hello")
	}))
	web.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	web.Start()
	defer web.Close()
	dial := ports{8080: web.Listener.Addr().String(), 4: listen(t, nothing)}.dial
	s, res := play(t, harness.Scenario{
		Runner:   runners.TunnelConfig{Workspaces: ws, Dial: dial, URL: "http://localhost:8080/x", Load: every(20*time.Millisecond, 0)}.Runner(),
		Schedule: harness.AllAtOnce(2).Hold(500 * time.Millisecond),
	})
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	require.EqualValues(t, 2, s.Setup["tunnel_ping"].Count)
	require.EqualValues(t, 2, s.Setup["tunnel_dial"].Count)
	require.EqualValues(t, requests.Load(), s.Actions["tunnel_request"].Count)
	require.Greater(t, requests.Load(), int64(20))
	require.EqualValues(t, 2, conns.Load())
	require.EqualValues(t, 5*requests.Load(), s.Counters["bytes_received"])
	require.Zero(t, s.Counters["reconnects"])
}

func TestATunnelComparesWhatComesBackOverTCP(t *testing.T) {
	for name, tt := range map[string]struct {
		serve func(net.Conn)
		bad   bool
	}{
		"an echo":          {func(c net.Conn) { _, _ = io.Copy(c, c) }, false},
		"something else":   {func(c net.Conn) { _, _ = io.Copy(c, io.MultiReader(io.LimitReader(zeros{}, 1<<20))) }, true},
		"an end":           {nothing, true},
		"a part and a end": {func(c net.Conn) { _, _ = io.CopyN(c, c, 100) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			_, ws := deployment(t, codertest.Config{Workspaces: 1})
			dial := ports{7: listen(t, tt.serve), 4: listen(t, nothing)}.dial
			s, _ := play(t, harness.Scenario{
				Runner:   runners.TunnelConfig{Workspaces: ws, Dial: dial, Port: 7, Load: every(20*time.Millisecond, 1000)}.Runner(),
				Schedule: harness.AllAtOnce(1).Hold(300 * time.Millisecond),
			})
			echo := s.Actions["tunnel_echo"]
			if tt.bad {
				require.Positive(t, echo.Errors)
				require.Zero(t, echo.Count)
				require.Positive(t, s.Counters["reconnects"])
				return
			}
			require.Zero(t, echo.Errors)
			require.Positive(t, echo.Count)
			require.EqualValues(t, 1000*echo.Count, s.Counters["bytes_sent"])
			require.EqualValues(t, 1000*echo.Count, s.Counters["bytes_received"])
		})
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func TestATunnelWithoutAPortAsksForSignsOfLife(t *testing.T) {
	_, ws := deployment(t, codertest.Config{Workspaces: 1})
	var pings atomic.Int64
	s, res := play(t, harness.Scenario{
		Runner: runners.TunnelConfig{
			Workspaces: ws, Dial: ports{}.dial, Load: every(20*time.Millisecond, 0),
			Ping: func(context.Context, uuid.UUID) (time.Duration, error) {
				pings.Add(1)
				return time.Millisecond, nil
			},
		}.Runner(),
		Schedule: harness.AllAtOnce(1).Hold(300 * time.Millisecond),
	})
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	require.EqualValues(t, pings.Load(), s.Actions["tunnel_ping"].Count+s.Setup["tunnel_ping"].Count)
	require.Positive(t, s.Actions["tunnel_ping"].Count)
	// What the agent has measured is there at the end.
	require.EqualValues(t, 1, s.Actions["agent_latency"].Count)
}

func TestATunnelToAnAgentThatIsNotThereFailsInItsSetup(t *testing.T) {
	_, ws := deployment(t, codertest.Config{Workspaces: 1})
	gone := errors.New("nobody is there")
	_, res := play(t, harness.Scenario{
		Runner: runners.TunnelConfig{Workspaces: ws, Port: 7, Dial: func(context.Context, uuid.UUID, uint16) (net.Conn, error) {
			return nil, gone
		}}.Runner(),
		Schedule: harness.AllAtOnce(1).Hold(100 * time.Millisecond),
	})
	require.NotEqual(t, harness.Pass, res.Verdict)
}

func TestTheCleanupOfATunnelClosesIt(t *testing.T) {
	_, ws := deployment(t, codertest.Config{Workspaces: 1})
	ended := make(chan struct{})
	dial := ports{4: listen(t, nothing), 7: listen(t, func(c net.Conn) {
		_, _ = io.Copy(c, c)
		close(ended)
	})}.dial
	_, res := play(t, harness.Scenario{
		Runner:   runners.TunnelConfig{Workspaces: ws, Dial: dial, Port: 7, Load: every(20*time.Millisecond, 100)}.Runner(),
		Schedule: harness.AllAtOnce(1).Hold(100 * time.Millisecond),
	})
	require.EqualValues(t, 1, res.Cleanup.Cleaned)
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("the connection is still open")
	}
}

func TestAnAnswerThatIsAnErrorIsOne(t *testing.T) {
	_, ws := deployment(t, codertest.Config{Workspaces: 1})
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	dial := ports{8080: web.Listener.Addr().String(), 4: listen(t, nothing)}.dial
	s, _ := play(t, harness.Scenario{
		Runner:   runners.TunnelConfig{Workspaces: ws, Dial: dial, URL: "http://localhost:8080/", Load: every(20*time.Millisecond, 0)}.Runner(),
		Schedule: harness.AllAtOnce(1).Hold(100 * time.Millisecond),
	})
	require.Positive(t, s.Actions["tunnel_request"].Errors)
	require.Zero(t, s.Actions["tunnel_request"].Count)
}

func TestATunnelThatCannotWorkIsRefusedAtOnce(t *testing.T) {
	dial := ports{}.dial
	for _, tt := range []struct {
		cfg  runners.TunnelConfig
		want string
	}{
		{runners.TunnelConfig{}, "tunnel: there is nothing to dial with"},
		{runners.TunnelConfig{Dial: dial, URL: "https://localhost"}, `the URL is "https://localhost", want one such as http://localhost:8080/`},
		{runners.TunnelConfig{Dial: dial, URL: "http://localhost:99999"}, `the URL's port is "99999", want 1 to 65535`},
		{runners.TunnelConfig{Dial: dial, URL: "http://localhost:0"}, `the URL's port is "0", want 1 to 65535`},
		{runners.TunnelConfig{Dial: dial, URL: "http://localhost", Port: 5}, "URL and Port exclude each other"},
		{runners.TunnelConfig{Dial: dial, Load: every(time.Second, 5)}, "there are bytes to send, but no Port to send them to"},
		{runners.TunnelConfig{Dial: dial, Load: every(time.Second, -5)}, "BytesPerTick is -5"},
		{runners.TunnelConfig{Dial: dial, Load: every(-time.Second, 0)}, "tunnel: "},
		{runners.TunnelConfig{Dial: dial, Timeout: -1}, "Timeout is -1ns, want 0 (5 s) or more"},
	} {
		require.ErrorContains(t, tt.cfg.Validate(), tt.want)
		_, err := tt.cfg.Runner()(0)
		require.ErrorContains(t, err, tt.want)
	}
}

func TestATunnelOfANewWorkspaceIsHeldAndItsFailureIsTheCreations(t *testing.T) {
	server, _ := deployment(t, codertest.Config{})
	client := owner(t, server)
	for _, working := range []bool{true, false} {
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if !working {
				w.WriteHeader(http.StatusBadGateway)
			}
		}))
		dial := ports{80: web.Listener.Addr().String(), 4: listen(t, nothing)}.dial
		tunnel := runners.TunnelConfig{Dial: dial, URL: "http://localhost/", Load: every(20*time.Millisecond, 0)}
		s, res := play(t, harness.Scenario{
			Runner: runners.CreateWorkspacesConfig{
				Users: runners.CreateUsersConfig{Client: client}, HostLogin: true, Template: template(t, client), After: tunnel.Hold(100 * time.Millisecond),
			}.Runner(),
			Schedule: harness.OneByOne(1),
		})
		web.Close()
		if working {
			require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
			require.InDelta(t, 6, int(s.Actions["tunnel_request"].Count), 1)
		} else {
			require.NotEqual(t, harness.Pass, res.Verdict)
			require.EqualValues(t, 1, s.Actions["tunnel_request"].Errors)
		}
	}
}
