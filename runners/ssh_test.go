package runners_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/traffic"
)

func TestWhatIsSentOverSSHIsCompared(t *testing.T) {
	for _, mode := range []runners.SSHMode{runners.SSHEchoMode, runners.SSHTerminalMode} {
		t.Run(string(mode), func(t *testing.T) {
			server, ws := deployment(t, codertest.Config{Workspaces: 5})
			s, res := play(t, harness.Scenario{
				Runner:   runners.SSHConfig{Workspaces: ws, Dialer: runners.ToAgent("codertest", server.DialAgent), Mode: mode, Load: small}.Runner(),
				Schedule: harness.AllAtOnce(5).Hold(time.Second),
			})
			require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
			echo := s.Actions["ssh_echo"]
			require.Zero(t, echo.Errors)
			require.InDelta(t, 5*50, int(echo.Count), 30)
			require.Equal(t, 1.0, s.Throughput.Ratio)
			for _, action := range []string{"ssh_dial", "ssh_handshake", "ssh_session"} {
				require.EqualValues(t, 5, s.Setup[action].Count, action)
			}
			for _, bad := range []string{"bytes_foreign", "bytes_repeated", "echoes_lost", "echoes_corrupt"} {
				require.Zero(t, s.Counters[bad], bad)
			}
			require.Eventually(t, func() bool { return server.Stats().SSH == 0 }, 10*time.Second, 10*time.Millisecond)
		})
	}
}

func TestACommandOverSSHMustSucceedAndPrintWhatItShould(t *testing.T) {
	server, ws := deployment(t, codertest.Config{Workspaces: 1})
	for _, tt := range []struct{ command, expect, want string }{
		{"echo hello", "hello", ""},
		{"", "", ""},
		{"echo hello", "bye", `"echo hello" did not print "bye", but showed "hello\n"`},
		{"exit 3", "", `"exit 3" ended with status 3`},
		{"nosuchcommand", "", "ended with status 127"},
	} {
		s, res := play(t, harness.Scenario{
			Runner: runners.SSHConfig{
				Workspaces: ws, Dialer: runners.ToAgent("codertest", server.DialAgent), Mode: runners.SSHExecMode, Command: tt.command, ExpectOutput: tt.expect,
			}.Runner(),
			Schedule: harness.OneByOne(1),
		})
		if tt.want == "" {
			require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
			require.EqualValues(t, 1, s.Actions["ssh_exec"].Count)
			continue
		}
		require.Equal(t, harness.Fail, res.Verdict)
		require.Contains(t, s.Failures[0].Error, tt.want)
		require.Contains(t, s.Failures[0].Error, "ssh to "+ws[0].Name+" by codertest: exec: ")
	}
}

func TestAShellOverSSHAnswers(t *testing.T) {
	server, ws := deployment(t, codertest.Config{Workspaces: 1})
	s, res := play(t, harness.Scenario{
		Runner:   runners.SSHConfig{Workspaces: ws, Dialer: runners.ToAgent("codertest", server.DialAgent), Mode: runners.SSHShellMode}.Runner(),
		Schedule: harness.OneByOne(1),
	})
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	require.EqualValues(t, 1, s.Actions["ssh_shell"].Count)
}

func TestBulkOverSSHArrivesWhole(t *testing.T) {
	server, ws := deployment(t, codertest.Config{Workspaces: 1})
	s, res := play(t, harness.Scenario{
		Runner:   runners.SSHConfig{Workspaces: ws, Dialer: runners.ToAgent("codertest", server.DialAgent), Mode: runners.SSHBulkMode, Bytes: 3 * traffic.MiB}.Runner(),
		Schedule: harness.OneByOne(1),
	})
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	require.EqualValues(t, 3*traffic.MiB, s.Counters["bytes_sent"])
	require.EqualValues(t, 3*traffic.MiB, s.Counters["bytes_received"])
}

func TestALostSSHConnectionIsMadeAgain(t *testing.T) {
	server, ws := deployment(t, codertest.Config{Workspaces: 3})
	s, res := playDuring(t, harness.Scenario{
		Runner:   runners.SSH(ws, runners.ToAgent("codertest", server.DialAgent), small),
		Schedule: harness.AllAtOnce(3).Hold(3 * time.Second),
	}, func() { require.Positive(t, server.DropConnections(1)) })
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	require.EqualValues(t, 3, s.Counters["reconnects"])
	require.Zero(t, s.Counters["echoes_corrupt"])
}

// dialer is a function.
type dialer func(context.Context, runners.Workspace) (net.Conn, error)

func (d dialer) Dial(ctx context.Context, w runners.Workspace) (net.Conn, error) { return d(ctx, w) }
func (dialer) String() string                                                    { return "test" }

func TestSSHThatCanNotBeReachedSaysWhere(t *testing.T) {
	_, ws := deployment(t, codertest.Config{Workspaces: 1})
	// It accepts, and says nothing.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, silent.Close()) }()
	for _, tt := range []struct {
		name   string
		dialer runners.Dialer
		want   string
	}{
		{"refused", dialer(func(context.Context, runners.Workspace) (net.Conn, error) { return nil, errors.New("no way") }),
			"ssh to " + ws[0].Name + " by test: dial: no way"},
		{"silent", runners.TCP{Address: func(runners.Workspace) string { return silent.Addr().String() }},
			"by tcp: handshake: context deadline exceeded"},
		{"no command line", runners.ProxyCommand{Path: "no-such-binary"},
			"there is no no-such-binary in PATH: install Coder's command line"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, res := play(t, harness.Scenario{
				Runner:   runners.SSHConfig{Workspaces: ws, Dialer: tt.dialer, Load: small, DialTimeout: 100 * time.Millisecond}.Runner(),
				Schedule: harness.AllAtOnce(1).Hold(100 * time.Millisecond),
			})
			require.Equal(t, harness.Error, res.Verdict, "nobody could run")
			require.Contains(t, s.Failures[0].Error, tt.want)
		})
	}
}

func TestTheConfigurationOfSSHIsChecked(t *testing.T) {
	_, err := runners.SSHConfig{Mode: "x", Bytes: -1, DialTimeout: -1}.Runner()(0)
	for _, want := range []string{"there is no dialer", `the mode is "x"`, "Bytes or Burst is negative", "a timeout is negative"} {
		require.ErrorContains(t, err, want)
	}
}
