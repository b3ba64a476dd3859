package agentfleet

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
)

// asDeployment makes the test binary a deployment, so that what agents cost can be
// measured without it.
const asDeployment = "SCALETEST_TEST_AS_DEPLOYMENT"

// servingAgents is how many workspaces a deployment has whose agents are to serve.
const servingAgents = 100

// runDeployment serves until its input ends.
func runDeployment() {
	if os.Getenv(asDeployment) == "serving" {
		s, err := codertest.New(codertest.Config{Workspaces: servingAgents, ExternalAgents: true, RateLimit: -1})
		if err != nil {
			os.Exit(1)
		}
		fmt.Println(s.URL() + " " + s.OwnerToken())
		_, _ = os.Stdin.Read(make([]byte, 1))
		s.Close()
		os.Exit(0)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		os.Exit(1)
	}
	d := newDeployment()
	d.items, d.quiet, d.ping = 16, true, 15*time.Second
	if os.Getenv(asDeployment) == "idle" {
		d.items = 0
	}
	fmt.Println("http://" + l.Addr().String())
	go func() {
		_ = (&http.Server{Handler: d}).Serve(l)
	}()
	_, _ = os.Stdin.Read(make([]byte, 1))
	os.Exit(0)
}

// elsewhere starts a deployment in a process of its own.
func elsewhere(tb testing.TB, how string) *coder.Client {
	tb.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asDeployment+"="+how)
	in, err := cmd.StdinPipe()
	require.NoError(tb, err)
	out, err := cmd.StdoutPipe()
	require.NoError(tb, err)
	require.NoError(tb, cmd.Start())
	url, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(tb, err)
	url, token, _ := strings.Cut(strings.TrimSpace(url), " ")
	c, err := coder.New(coder.Config{URL: url, Token: token})
	require.NoError(tb, err)
	tb.Cleanup(func() {
		c.CloseIdleConnections()
		_ = in.Close()
		_ = cmd.Wait()
	})
	return c
}
