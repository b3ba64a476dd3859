package codertest

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

// dialSSH is a client of an agent's SSH server.
func dialSSH(t testing.TB, s *Server, workspace string) (*ssh.Client, ssh.PublicKey) {
	t.Helper()
	conn, err := s.DialAgent(t.Context(), agentOf(s, workspace).id, 22)
	require.NoError(t, err)
	var key ssh.PublicKey
	c, channels, requests, err := ssh.NewClientConn(conn, "agent", &ssh.ClientConfig{
		User: "anybody",
		HostKeyCallback: func(_ string, _ net.Addr, k ssh.PublicKey) error {
			key = k
			return nil
		},
	})
	require.NoError(t, err)
	client := ssh.NewClient(c, channels, requests)
	t.Cleanup(func() { _ = client.Close() })
	return client, key
}

func newSession(t testing.TB, c *ssh.Client) *ssh.Session {
	t.Helper()
	x, err := c.NewSession()
	require.NoError(t, err)
	t.Cleanup(func() { _ = x.Close() })
	return x
}

func TestAnAgentThatIsNotThereIsNotDialed(t *testing.T) {
	s := Start(t, Config{Workspaces: 3, BuildTime: Fixed(time.Millisecond), RateLimit: -1, AgentTimeout: time.Hour})
	dial := func(id uuid.UUID, port uint16) error {
		_, err := s.DialAgent(t.Context(), id, port)
		return err
	}
	id := func(n string) uuid.UUID { return agentOf(s, "admin/scaletest-"+n).id }
	require.ErrorContains(t, dial(uuid.New(), 1), "no such agent")
	require.ErrorIs(t, dial(id("0"), 8080), syscall.ECONNREFUSED)
	require.NoError(t, s.KillAgent("admin/scaletest-0"))
	require.ErrorContains(t, dial(id("0"), 1), "disconnected")

	old := id("1")
	w := agentOf(s, "admin/scaletest-1").build.workspace.id.String()
	ask(t, s, s.OwnerToken(), "POST", "/api/v2/workspaces/"+w+"/builds", `{"transition":"stop"}`).into(t, 201, &struct{}{})
	until(t, "the old agent is off", func() bool { return dial(old, 1) != nil })
	require.ErrorContains(t, dial(old, 1), "stopped")

	require.NoError(t, s.FreezeAgent("admin/scaletest-2"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.DialAgent(ctx, id("2"), 1)
	require.ErrorIs(t, err, context.Canceled)
	s.Close()
	require.ErrorContains(t, dial(id("2"), 1), "closed")
}

func TestSSHCommandsHaveTheirOutputAndStatus(t *testing.T) {
	s := Start(t, Config{Workspaces: 1})
	c, _ := dialSSH(t, s, "admin/scaletest-0")
	for _, x := range []struct {
		command, in, out, errOut string
		status                   int
	}{
		{command: "echo hello 'two  words'", out: "hello two  words\n"},
		{command: "true"},
		{command: "false", status: 1},
		{command: "exit 42", status: 42},
		{command: "false; true"},
		{command: "cat", in: "a\nb", out: "a\nb"},
		{command: "cat >/dev/null", in: "gone"},
		{command: "cat > /dev/null; echo done", in: "gone", out: "done\n"},
		{command: "dd if=/dev/stdin of=/dev/stdout bs=4096 status=none", in: strings.Repeat("x", 10_000), out: strings.Repeat("x", 10_000)},
		{command: "dd if=/dev/zero bs=1k count=3 status=none", out: string(make([]byte, 3072))},
		{command: "dd if=/dev/stdin of=/dev/null bs=10", in: "0123456789abc", errOut: "1+1 records in\n1+1 records out\n"},
		{command: "dd bs=x", errOut: "dd: invalid number: 'x'\n", status: 1},
		{command: "head -c 5 /dev/zero", out: "\x00\x00\x00\x00\x00"},
		{command: "head -c 3", in: "abcdef", out: "abc"},
		{command: "head", errOut: "head: want -c and a number of bytes\n", status: 1},
		{command: "nosuch --flag", errOut: "bash: line 1: nosuch: command not found\n", status: 127},
		{command: "nosuch 2>/dev/null", status: 127},
		{command: "echo a: command not found", out: "a: command not found\n"},
		{command: "echo $GREETING", out: "hi\n"},
	} {
		ses := newSession(t, c)
		require.NoError(t, ses.Setenv("GREETING", "hi"))
		var out, errOut bytes.Buffer
		ses.Stdin, ses.Stdout, ses.Stderr = strings.NewReader(x.in), &out, &errOut
		err := ses.Run(x.command)
		if x.status == 0 {
			require.NoError(t, err, x.command)
		} else {
			var exit *ssh.ExitError
			require.ErrorAs(t, err, &exit, x.command)
			require.Equal(t, x.status, exit.ExitStatus(), x.command)
		}
		require.Equal(t, x.out, out.String(), x.command)
		require.Equal(t, x.errOut, errOut.String(), x.command)
	}
	st := s.Stats()
	require.EqualValues(t, 1, st.SSH)
	require.Greater(t, st.SSHBytesIn, int64(10_000))
	require.Greater(t, st.SSHBytesOut, int64(13_000))
}

func TestAnSSHShellReadsCommandsAndATerminalEchoesThem(t *testing.T) {
	s := Start(t, Config{Workspaces: 1})
	c, _ := dialSSH(t, s, "admin/scaletest-0")
	ses := newSession(t, c)
	var out bytes.Buffer
	ses.Stdin, ses.Stdout = strings.NewReader("echo one\necho two\nexit 3\necho never\n"), &out
	require.NoError(t, ses.Shell())
	var exit *ssh.ExitError
	require.ErrorAs(t, ses.Wait(), &exit)
	require.Equal(t, 3, exit.ExitStatus())
	require.Equal(t, "one\ntwo\n", out.String())

	ses = newSession(t, c)
	require.NoError(t, ses.RequestPty("xterm", 25, 80, ssh.TerminalModes{}))
	in, err := ses.StdinPipe()
	require.NoError(t, err)
	from, err := ses.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, ses.Shell())
	// Input does not wait for requests, unless they are answered.
	ok, err := ses.SendRequest("window-change", true, ssh.Marshal(struct{ Columns, Rows, Width, Height uint32 }{120, 40, 0, 0}))
	require.NoError(t, err)
	require.True(t, ok)
	_, err = io.WriteString(in, "stty size\rexit 4\r")
	require.NoError(t, err)
	all, err := io.ReadAll(from)
	require.NoError(t, err)
	require.Contains(t, string(all), "root@vm:~# stty size\r\n")
	require.Contains(t, string(all), "40 120\r\n")
	require.ErrorAs(t, ses.Wait(), &exit)
	require.Equal(t, 4, exit.ExitStatus())
}

func TestACommandInAnSSHTerminalHasItsStatus(t *testing.T) {
	s := Start(t, Config{Workspaces: 1})
	c, _ := dialSSH(t, s, "admin/scaletest-0")
	for command, want := range map[string]struct {
		typed, out string
		status     int
	}{
		"nosuch": {"", "/bin/bash: line 1: nosuch: command not found\r\n", 127},
		"false":  {"", "", 1},
		"cat":    {"half\x03", "half^C", 130},
		"echo a": {"", "a\r\n", 0},
		// Without echo, what comes back is what the program has written.
		"cat; true": {"once\nhalf\x04\x04", "once\r\nhalf", 0},
	} {
		ses := newSession(t, c)
		modes := ssh.TerminalModes{ssh.ECHO: 1}
		if command == "cat; true" {
			modes[ssh.ECHO] = 0
		}
		require.NoError(t, ses.RequestPty("xterm", 25, 80, modes))
		in, err := ses.StdinPipe()
		require.NoError(t, err)
		var out bytes.Buffer
		ses.Stdout = &out
		require.NoError(t, ses.Start(command))
		_, err = io.WriteString(in, want.typed)
		require.True(t, err == nil || want.typed == "")
		err = ses.Wait()
		var exit *ssh.ExitError
		if want.status != 0 {
			require.ErrorAs(t, err, &exit, command)
			require.Equal(t, want.status, exit.ExitStatus(), command)
		} else {
			require.NoError(t, err, command)
		}
		require.Equal(t, want.out, out.String(), command)
	}
}

func TestSSHRequestsAreAnsweredAndSignalsEndAProgram(t *testing.T) {
	s := Start(t, Config{Workspaces: 1})
	c, _ := dialSSH(t, s, "admin/scaletest-0")
	ok, _, err := c.SendRequest("keepalive@openssh.com", true, nil)
	require.NoError(t, err)
	require.True(t, ok)
	ok, _, err = c.SendRequest("tcpip-forward", true, nil)
	require.NoError(t, err)
	require.False(t, ok)
	_, err = c.Dial("tcp", "127.0.0.1:80")
	require.ErrorContains(t, err, "connection refused")
	require.Error(t, newSession(t, c).RequestSubsystem("sftp"))
	for _, command := range []string{"cat", "sleep 1000"} {
		ses := newSession(t, c)
		in, err := ses.StdinPipe()
		require.NoError(t, err)
		defer in.Close()
		require.NoError(t, ses.Start(command))
		require.NoError(t, ses.Signal(ssh.SIGTERM))
		var exit *ssh.ExitError
		require.ErrorAs(t, ses.Wait(), &exit)
		require.Equal(t, "TERM", exit.Signal())
	}
}

func TestTheHostKeyOfAnAgentIsItsOwnAndStaysTheSame(t *testing.T) {
	first := Start(t, Config{Workspaces: 2, Seed: 7})
	again := Start(t, Config{Workspaces: 2, Seed: 7})
	_, a := dialSSH(t, first, "admin/scaletest-0")
	_, b := dialSSH(t, again, "admin/scaletest-0")
	_, other := dialSSH(t, first, "admin/scaletest-1")
	require.Equal(t, a.Marshal(), b.Marshal())
	require.NotEqual(t, a.Marshal(), other.Marshal())
	require.Equal(t, ssh.KeyAlgoED25519, a.Type())
}

func TestSSHConnectionsAreLostWithTheirAgentOrReplica(t *testing.T) {
	s := Start(t, Config{Workspaces: 2, Replicas: 2})
	killed, _ := dialSSH(t, s, "admin/scaletest-0")
	survivor, _ := dialSSH(t, s, "admin/scaletest-1")
	busy := newSession(t, killed)
	in, err := busy.StdinPipe()
	require.NoError(t, err)
	defer in.Close()
	require.NoError(t, busy.Start("cat"))
	require.NoError(t, s.KillAgent("admin/scaletest-0"))
	require.Error(t, busy.Wait())
	until(t, "it is forgotten", func() bool { return s.Stats().SSH == 1 })
	require.NoError(t, newSession(t, survivor).Run("true"))
	require.NoError(t, s.StopReplica(1))
	require.Error(t, survivor.Wait())
	_, err = s.DialAgent(t.Context(), agentOf(s, "admin/scaletest-1").id, 1)
	require.NoError(t, err, "the other replica is left")
}

func TestAFrozenAgentsSSHSessionsGoOnWhenItThaws(t *testing.T) {
	s := Start(t, Config{Workspaces: 1})
	c, _ := dialSSH(t, s, "admin/scaletest-0")
	require.NoError(t, s.FreezeAgent("admin/scaletest-0"))
	done := make(chan error, 1)
	go func() {
		ses, err := c.NewSession()
		if err == nil {
			err = ses.Run("true")
		}
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("answered while it was frozen: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	require.NoError(t, s.ThawAgent("admin/scaletest-0"))
	require.NoError(t, <-done)
}
