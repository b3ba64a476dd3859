package runners_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

// deploymentEnv makes the test binary a deployment: what it costs must not be
// counted with the client.
const deploymentEnv = "RUNNERS_TEST_DEPLOYMENT"

// runDeployment serves a deployment with as many members as the variable says,
// and a workspace for each. It never returns.
func runDeployment() {
	n, _ := strconv.Atoi(os.Getenv(deploymentEnv)) // it is set by startDeployment
	server, err := codertest.New(codertest.Config{Users: n, Workspaces: n, RateLimit: -1, LoginRateLimit: -1})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(server.URL(), server.OwnerToken())
	_, _ = io.Copy(io.Discard, os.Stdin) // ends with its parent
	os.Exit(0)
}

func init() {
	if os.Getenv(deploymentEnv) != "" {
		runDeployment()
	}
}

// startDeployment runs a deployment of n workspaces in a process of its own.
func startDeployment(tb testing.TB, n int) *coder.Client {
	tb.Helper()
	url, token, _ := strings.Cut(startChild(tb, fmt.Sprintf("%s=%d", deploymentEnv, n)), " ")
	c, err := coder.New(coder.Config{URL: url, Token: token})
	require.NoError(tb, err)
	tb.Cleanup(c.CloseIdleConnections)
	return c
}

// BenchmarkDashboardMemory measures what a person at the dashboard costs the
// client: thousands of them, one half on the page of a workspace, with three
// sockets open (inbox, workspace, metadata), the other on the list of workspaces,
// with one, each with idle HTTP connections, and polls going on. The baseline is as
// many times two bare WebSockets and one idle HTTP connection, with the default
// buffers of gorilla/websocket and net/http. The deployment is another process.
//
//	B/user            heap and stacks of this process for each person
//	resident-B/user   its resident memory
//	baseline-B/user   heap and stacks of the baseline
//	x-baseline        the ratio of the first to the third
func BenchmarkDashboardMemory(b *testing.B) {
	for _, c := range []struct{ users, connections int }{{5000, 1}, {2000, 6}} {
		b.Run(fmt.Sprintf("users=%d/connections=%d", c.users, c.connections), func(b *testing.B) {
			needDescriptors(b, uint64(c.users*(c.connections+2)+c.users/2+1000))
			people := benchPeople(b, startDeployment(b, 100))
			for b.Loop() {
				before := float64(inUse())
				hangUp := dialBaseline(b, people, c.users)
				baseline := (float64(inUse()) - before) / float64(c.users)
				hangUp()

				before, resident := float64(inUse()), residentBytes(b)
				run, reached := startDashboards(b, people, c.users, c.connections)
				<-reached
				ours := (float64(inUse()) - before) / float64(c.users)
				rss := float64(residentBytes(b)-resident) / float64(c.users)
				run.Stop()
				s := run.Wait().Scenarios[0]
				require.Zero(b, s.Counters["sockets_lost"])
				for name, a := range s.Actions {
					require.Zero(b, a.Errors, name)
				}
				b.ReportMetric(ours, "B/user")
				b.ReportMetric(rss, "resident-B/user")
				b.ReportMetric(baseline, "baseline-B/user")
				b.ReportMetric(ours/baseline, "x-baseline")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// startDashboards starts people at the dashboard. Reached is closed when most of
// them have opened the second page, so that all stay on one.
func startDashboards(b *testing.B, people []runners.Person, users, connections int) (run *harness.Run, reached <-chan struct{}) {
	opened, done := 0, make(chan struct{})
	run, err := harness.Start(context.Background(), harness.Plan{
		MaxLag:       time.Hour,
		GracefulStop: 30 * time.Second,
		OnSnapshot: func(s harness.Snapshot) {
			before := opened
			opened += int(s.Scenarios[0].Actions["page_workspace"].Count)
			if most := users * 3 / 4; before < most && opened >= most {
				close(done)
			}
		},
		Scenarios: []harness.Scenario{{
			Name: "dashboard",
			Runner: runners.DashboardConfig{
				People: people, Share: true, Connections: connections, Interval: 45 * time.Second, Jitter: 5 * time.Second,
				Journey: []runners.PageWeight{{Page: runners.PageWorkspace, Weight: 1}, {Page: runners.PageWorkspaces, Weight: 1}},
			}.Runner(),
			Schedule: harness.AllAtOnce(users).Hold(10 * time.Minute),
		}},
	})
	require.NoError(b, err)
	return run, done
}

// benchPeople are the members of the deployment.
func benchPeople(b *testing.B, c *coder.Client) []runners.Person {
	users, err := c.AllUsers(b.Context(), coder.UsersQuery{})
	require.NoError(b, err)
	var out []runners.Person
	for _, u := range users {
		if u.Username == "admin" {
			continue
		}
		token, err := c.CreateSessionKey(b.Context(), u.ID.String())
		require.NoError(b, err)
		out = append(out, runners.Person{Client: c.WithToken(token), User: u})
	}
	return out
}

// dialBaseline opens what a careless client would: for each user two WebSockets
// that are read, and a connection on which a request was answered.
func dialBaseline(b *testing.B, people []runners.Person, users int) (hangUp func()) {
	type one struct {
		client  *http.Client
		sockets []*websocket.Conn
	}
	all := make([]one, users)
	var dialing, reading sync.WaitGroup
	for w := range 16 {
		dialing.Go(func() {
			for i := w; i < users; i += 16 {
				p := people[i%len(people)]
				base := p.Client.URL().String()
				header := http.Header{}
				p.Client.AuthHeader(header)
				all[i].client = &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{}).DialContext}}
				req, err := http.NewRequest(http.MethodGet, base+"/api/v2/users/me", nil)
				if err != nil {
					b.Error(err)
					return
				}
				req.Header = header.Clone()
				resp, err := all[i].client.Do(req)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				for range 2 {
					ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(base, "http")+"/api/v2/notifications/inbox/watch?n="+uuid.NewString(), header)
					if err != nil {
						b.Error(err)
						return
					}
					all[i].sockets = append(all[i].sockets, ws)
					reading.Go(func() {
						for {
							if _, _, err := ws.ReadMessage(); err != nil {
								return
							}
						}
					})
				}
			}
		})
	}
	dialing.Wait()
	if b.Failed() {
		b.FailNow()
	}
	return func() {
		for _, o := range all {
			o.client.CloseIdleConnections()
			for _, ws := range o.sockets {
				_ = ws.Close()
			}
		}
		reading.Wait()
	}
}
