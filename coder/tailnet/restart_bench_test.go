package tailnet_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/coder/internal/agentserve"
	"github.com/coderscale/scaletest/coder/tailnet"
)

// BenchmarkAgentRestart is how long a command over SSH takes to work again once an
// agent that was killed is back: from the start of its new process' coordination,
// with a dialer that has waited for it since the loss. The baseline is the same
// with a new node, which has nothing to forget.
//
//	back-ms       the median
//	back-max-ms   the longest
//	fresh-ms      the median of a node that never knew the agent before
func BenchmarkAgentRestart(b *testing.B) {
	server, client := deploy(b, codertest.Config{Workspaces: 1, RateLimit: -1})
	n := open(b, tailnet.Config{Client: client})
	var back, fresh []float64
	serve := func() (*agent, *agentserve.Server) {
		a := startAgent(b, server, client, "admin/scaletest-0", 0)
		s, err := agentserve.Start(agentserve.Config{Listen: a.node.Listen, Counters: new(agentserve.Counters)})
		require.NoError(b, err)
		return a, s
	}
	a, s := serve()
	id := a.id
	runOK(b, n, id)
	for b.Loop() {
		a.kill()
		s.Close()
		done := make(chan time.Time, 1)
		go func() {
			runOK(b, n, id)
			done <- time.Now()
		}()
		time.Sleep(200 * time.Millisecond) // the loss is known everywhere
		begin := time.Now()
		a, s = serve()
		back = append(back, float64((<-done).Sub(begin).Microseconds())/1000)
		other := open(b, tailnet.Config{Client: client})
		begin = time.Now()
		runOK(b, other, id)
		fresh = append(fresh, float64(time.Since(begin).Microseconds())/1000)
		_ = other.Close()
	}
	s.Close()
	slices.Sort(back)
	slices.Sort(fresh)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(back[len(back)/2], "back-ms")
	b.ReportMetric(back[len(back)-1], "back-max-ms")
	b.ReportMetric(fresh[len(fresh)/2], "fresh-ms")
}

// runOK runs a command over SSH, and tries again until it works.
func runOK(b *testing.B, n *tailnet.Tailnet, id uuid.UUID) {
	for {
		if err := tryOK(n, id); err == nil {
			return
		} else if b.Context().Err() != nil {
			b.Error(err)
			return
		}
	}
}

func tryOK(n *tailnet.Tailnet, id uuid.UUID) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := n.Dial(ctx, id, tailnet.PortSSH)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	c, channels, requests, err := ssh.NewClientConn(conn, "agent", &ssh.ClientConfig{User: "coder", HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err != nil {
		return err
	}
	client := ssh.NewClient(c, channels, requests)
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	_, err = session.Output("echo ok")
	return err
}
