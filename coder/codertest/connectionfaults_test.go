package codertest

import (
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// openMany opens terminals on workspace 0, one after the other.
func openMany(t testing.TB, s *Server, n int) []*tty {
	var out []*tty
	for range n {
		out = append(out, openTTY(t, s, "admin/scaletest-0", uuid.New(), dd))
	}
	return out
}

// alive asks every terminal for an echo.
func alive(terminals []*tty) (out []bool) {
	for _, c := range terminals {
		if c.ws.WriteMessage(2, []byte(`{"data":"x"}`)) != nil {
			out = append(out, false)
			continue
		}
		_, b, err := c.ws.ReadMessage()
		out = append(out, err == nil && string(b) == "x")
	}
	return out
}

func count(yes []bool) (n int) {
	for _, y := range yes {
		if y {
			n++
		}
	}
	return n
}

func TestDroppedConnectionsAreLostAndNewOnesWork(t *testing.T) {
	s := Start(t, Config{Workspaces: 1})
	terminals := openMany(t, s, 5)
	require.Zero(t, s.DropConnections(0))
	require.Equal(t, 5, count(alive(terminals)))
	require.Equal(t, 5, s.DropConnections(1))
	for _, c := range terminals {
		c.lost()
	}
	until(t, "the terminals are gone", func() bool { return s.Stats().Terminals == 0 && s.Stats().Connections == 0 })
	require.Equal(t, 1, count(alive(openMany(t, s, 1))))
}

func TestTheSeedDecidesWhichConnectionsAreDropped(t *testing.T) {
	survivors := func(seed uint64) []bool {
		s := Start(t, Config{Workspaces: 1, Seed: seed})
		terminals := openMany(t, s, 40)
		n := s.DropConnections(0.5)
		require.InDelta(t, 20, n, 15)
		left := alive(terminals)
		require.Equal(t, 40-n, count(left))
		return left
	}
	first := survivors(1)
	require.Equal(t, first, survivors(1))
	require.NotEqual(t, first, survivors(2))
}

func TestAStoppedReplicaTakesItsShareOfTheConnections(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, Replicas: 3})
	terminals := openMany(t, s, 12)
	require.Equal(t, 12, s.Stats().Connections)
	require.NoError(t, s.StopReplica(1))
	require.NoError(t, s.StopReplica(1), "twice is the same as once")
	left := alive(terminals)
	require.Equal(t, 8, count(left))
	for i, yes := range left {
		if !yes {
			terminals[i].lost()
		}
	}
	require.Equal(t, 6, count(alive(openMany(t, s, 6))))
	require.Equal(t, http.StatusOK, ask(t, s, s.OwnerToken(), "GET", "/api/v2/users/me", "").status)
}

func TestWithoutReplicasNothingAnswers(t *testing.T) {
	for _, n := range []int{1, 2} {
		s := Start(t, Config{Replicas: n})
		for i := range n {
			require.NoError(t, s.StopReplica(i))
		}
		_, err := try(t.Context(), s, "", "GET", "/healthz", "")
		require.Error(t, err)
	}
}

func TestAReplicaThatDoesNotExistCannotBeStopped(t *testing.T) {
	s := Start(t, Config{Replicas: 2})
	for _, i := range []int{-1, 2} {
		require.ErrorContains(t, s.StopReplica(i), "does not exist: there are 2")
	}
}

func TestReplicasShareUsersAndTerminals(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, Replicas: 2})
	id := uuid.New()
	a := openTTY(t, s, "admin/scaletest-0", id, dd)
	a.send(`{"data":"one"}`)
	a.expect("one")
	b := openTTY(t, s, "admin/scaletest-0", id, dd)
	b.expect("one")
	token := memberToken(t, s, "admin")
	for range 4 {
		require.Equal(t, http.StatusOK, ask(t, s, token, "GET", "/api/v2/users/me", "").status)
	}
}

func TestAReplicaThatComesBackGetsItsShareAgain(t *testing.T) {
	s := Start(t, Config{Workspaces: 1, Replicas: 2})
	require.NoError(t, s.StartReplica(0), "one that runs goes on")
	require.NoError(t, s.StopReplica(0))
	before := openMany(t, s, 4) // all at the other
	require.NoError(t, s.StartReplica(0))
	require.NoError(t, s.StartReplica(0))
	after := openMany(t, s, 4)
	require.NoError(t, s.StopReplica(1))
	require.Zero(t, count(alive(before)))
	require.Equal(t, 2, count(alive(after)))
	require.ErrorContains(t, s.StartReplica(2), "does not exist: there are 2")
	s.Close()
	require.ErrorContains(t, s.StartReplica(1), "start replica 1: the deployment is closed")
}

func TestAnAgentThatIsRevivedServesNewTerminals(t *testing.T) {
	for _, version := range []string{"v2.37.0", "v2.26.0"} {
		s := Start(t, Config{Workspaces: 1, Version: version})
		id := uuid.New()
		a := openTTY(t, s, "admin/scaletest-0", id, dd)
		a.send(`{"data":"one"}`)
		a.expect("one")
		require.NoError(t, s.ReviveAgent("admin/scaletest-0"), "one that lives goes on")
		require.NoError(t, s.KillAgent("admin/scaletest-0"))
		a.lost()
		require.NoError(t, s.ReviveAgent("admin/scaletest-0"))
		b := openTTY(t, s, "admin/scaletest-0", id, dd)
		b.send(`{"data":"two"}`)
		b.expect("two")
		require.ErrorContains(t, s.ReviveAgent("admin/none"), "does not exist")
	}
}

func TestAThrottleBoundsAllConnectionsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b band
		b.pass(1 << 40) // no bound
		b.set(100_000)
		began := time.Now()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { b.pass(50_000) })
		}
		wg.Wait()
		require.InDelta(t, 5, time.Since(began).Seconds(), 0.1, "500 kB at 100 kB/s")
		began = time.Now()
		wg.Go(func() { b.pass(1 << 40) })
		time.Sleep(time.Second)
		b.set(0)
		wg.Wait()
		require.Equal(t, time.Second, time.Since(began), "nobody waits for a throttle that is over")
	})
}
