package runners_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

// standInEnv makes the test binary stand in for Coder's command line, as
// "coder ssh --stdio": it is the address of a relay.
const standInEnv = "SCALETEST_CODER_STAND_IN"

// runStandIn connects standard input and output to the relay, and tells it the
// arguments and the token first.
func runStandIn(relay string) int {
	args := strings.Join(os.Args[1:], " ")
	if relay == "broken" {
		fmt.Fprintf(os.Stderr, "error: no workspace of that name for token %s\n", os.Getenv("CODER_SESSION_TOKEN"))
		return 1
	}
	conn, err := net.Dial("tcp", relay)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintf(conn, "%s %s %s\n", os.Getenv("CODER_URL"), os.Getenv("CODER_SESSION_TOKEN"), args)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		_ = conn.Close()
	}()
	go func() { _, _ = io.Copy(conn, os.Stdin) }()
	_, _ = io.Copy(os.Stdout, conn)
	return 0
}

// relay hands connections of stand-ins to an agent, and tells how they were
// called.
func relay(t *testing.T, server *codertest.Server, agent uuid.UUID) (address string, calls <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	said := make(chan string, 16)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				var line []byte
				for b := make([]byte, 1); len(line) == 0 || line[len(line)-1] != '\n'; line = append(line, b...) {
					if _, err := conn.Read(b); err != nil {
						return
					}
				}
				said <- strings.TrimSpace(string(line))
				to, err := server.DialAgent(t.Context(), agent, 1)
				if err != nil {
					return
				}
				go func() {
					_, _ = io.Copy(to, conn)
					_ = to.Close()
				}()
				_, _ = io.Copy(conn, to)
			}()
		}
	}()
	return l.Addr().String(), said
}

func TestCodersCommandLineIsADialer(t *testing.T) {
	server, ws := deployment(t, codertest.Config{Workspaces: 1})
	address, calls := relay(t, server, ws[0].Agent.ID)
	s, res := play(t, harness.Scenario{
		Runner: runners.SSH(ws, runners.ProxyCommand{
			Path: os.Args[0], Args: []string{"--wait=no"}, Env: []string{standInEnv + "=" + address},
		}, small),
		Schedule: harness.AllAtOnce(1).Hold(300 * time.Millisecond),
	})
	require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
	require.Positive(t, s.Actions["ssh_echo"].Count)
	require.Equal(t, fmt.Sprintf("%s %s ssh --stdio --disable-autostart --wait=no %s.%s",
		server.URL(), server.OwnerToken(), ws[0].Name, ws[0].Agent.Name), <-calls)
	require.Eventually(t, func() bool { return server.Stats().SSH == 0 }, 10*time.Second, 10*time.Millisecond,
		"the process was asked to end, so that the agent's connection is closed")
}

func TestWhatTheCommandLineComplainsAboutIsToldWithoutTheToken(t *testing.T) {
	server, ws := deployment(t, codertest.Config{Workspaces: 1})
	s, res := play(t, harness.Scenario{
		Runner:   runners.SSH(ws, runners.ProxyCommand{Path: os.Args[0], Env: []string{standInEnv + "=broken"}}, small),
		Schedule: harness.AllAtOnce(1).Hold(100 * time.Millisecond),
	})
	require.Equal(t, harness.Error, res.Verdict)
	require.Contains(t, s.Failures[0].Error, "error: no workspace of that name for token (token)")
	require.NotContains(t, s.Failures[0].Error, server.OwnerToken())
}
