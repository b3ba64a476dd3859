package node

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// roundTrip sends what it wants to have back.
func roundTrip(t *testing.T, c net.Conn, n int) {
	t.Helper()
	out := make([]byte, n)
	_, _ = rand.Read(out)
	in := make([]byte, n)
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = c.Write(out) })
	require.NoError(t, c.SetReadDeadline(time.Now().Add(30*time.Second)))
	_, err := io.ReadFull(c, in)
	require.NoError(t, err)
	wg.Wait()
	require.Equal(t, out, in)
}

func TestBytesComeBackFromAnAgent(t *testing.T) {
	r, h := newRelay(t), newHub()
	agent := start(t, h, Config{ID: uuid.New(), Agent: true, Home: 999, Relay: r.dial})
	serve(t, agent, 1, echo)
	client := start(t, h, Config{Home: 999, Relay: r.dial})
	c, err := client.Dial(within(t), agent.ID(), 1)
	require.NoError(t, err)
	roundTrip(t, c, 1)
	roundTrip(t, c, 1<<20)
	s := client.Stats()
	require.Equal(t, 1, s.Peers)
	require.Equal(t, 1, s.Connections)
	require.Len(t, s.Relays, 1)
	require.Equal(t, 999, s.Relays[0].Region)
	require.Greater(t, s.Relays[0].In, int64(1<<20))
	require.Greater(t, s.Relays[0].Out, int64(1<<20))
	require.NoError(t, c.Close())
	require.Zero(t, client.Stats().Connections)
}

func TestAPingComesBackAndOneToNobodyDoesNot(t *testing.T) {
	r, h := newRelay(t), newHub()
	agent := start(t, h, Config{ID: uuid.New(), Agent: true, Home: 999, Relay: r.dial})
	client := start(t, h, Config{Home: 999, Relay: r.dial})
	took, err := client.Ping(within(t), agent.ID())
	require.NoError(t, err)
	require.Positive(t, took)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err = client.Ping(ctx, uuid.New())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Empty(t, client.pings.waiting)
}

func TestAPortWithoutListenerRefuses(t *testing.T) {
	r, h := newRelay(t), newHub()
	agent := start(t, h, Config{ID: uuid.New(), Agent: true, Home: 999, Relay: r.dial})
	client := start(t, h, Config{Home: 999, Relay: r.dial})
	_, err := client.Dial(within(t), agent.ID(), 7)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

func TestAnAgentThatIsNotThereIsWaitedForAndNamed(t *testing.T) {
	r, h := newRelay(t), newHub()
	client := start(t, h, Config{Home: 999, Relay: r.dial})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	id := uuid.New()
	_, err := client.Dial(ctx, id, 1)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "dial port 1 of agent "+id.String())
	require.ErrorContains(t, err, "the deployment does not know where it is")
}

func TestAnAgentInAnotherRegionIsReachedThere(t *testing.T) {
	here, there, h := newRelay(t), newRelay(t), newHub()
	relays := func(ctx context.Context, region int) (io.ReadWriteCloser, error) {
		return map[int]*fakeRelay{999: here, 1001: there}[region].dial(ctx, region)
	}
	agent := start(t, h, Config{ID: uuid.New(), Agent: true, Home: 1001, Relay: relays})
	serve(t, agent, 1, echo)
	client := start(t, h, Config{Home: 999, Relay: relays})
	c, err := client.Dial(within(t), agent.ID(), 1)
	require.NoError(t, err)
	roundTrip(t, c, 100_000)
	require.Len(t, client.Stats().Relays, 2)
}

func TestALostRelayIsFoundAgainAndConnectionsGoOn(t *testing.T) {
	r, h := newRelay(t), newHub()
	agent := start(t, h, Config{ID: uuid.New(), Agent: true, Home: 999, Relay: r.dial})
	serve(t, agent, 1, echo)
	client := start(t, h, Config{Home: 999, Relay: r.dial})
	c, err := client.Dial(within(t), agent.ID(), 1)
	require.NoError(t, err)
	roundTrip(t, c, 1000)
	client.CutRelays()
	agent.CutRelays()
	roundTrip(t, c, 200_000)
	require.EqualValues(t, 1, client.Stats().Relays[0].Redials)
}

func TestARestartedAgentIsReachedAgainAndOldConnectionsEnd(t *testing.T) {
	r, h := newRelay(t), newHub()
	id := uuid.New()
	first := start(t, h, Config{ID: id, Agent: true, Home: 999, Relay: r.dial})
	serve(t, first, 1, echo)
	client := start(t, h, Config{Home: 999, Relay: r.dial})
	c, err := client.Dial(within(t), id, 1)
	require.NoError(t, err)
	roundTrip(t, c, 1000)
	// The second has another key, as a process that was started again has.
	second := start(t, h, Config{ID: id, Agent: true, Home: 999, Relay: r.dial})
	serve(t, second, 1, echo)
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(t, err, errRestarted)
	again, err := client.Dial(within(t), id, 1)
	require.NoError(t, err)
	roundTrip(t, again, 1000)
	require.EqualValues(t, 1, client.Stats().Restarts)
}

func TestAnAgentThatLeavesEndsItsConnections(t *testing.T) {
	r, h := newRelay(t), newHub()
	agent := start(t, h, Config{ID: uuid.New(), Agent: true, Home: 999, Relay: r.dial})
	serve(t, agent, 1, echo)
	client := start(t, h, Config{Home: 999, Relay: r.dial})
	c, err := client.Dial(within(t), agent.ID(), 1)
	require.NoError(t, err)
	roundTrip(t, c, 1000)
	require.NoError(t, agent.Close())
	_, err = c.Read(make([]byte, 1))
	require.Error(t, err)
	require.Eventually(t, func() bool { return client.Stats().Peers == 0 }, 10*time.Second, time.Millisecond)
}

func TestAgentsThatDoNotSayThatTheyAreReadyAreDialedAllTheSame(t *testing.T) {
	r, h := newRelay(t), newHub()
	h.silent = true
	agent := start(t, h, Config{ID: uuid.New(), Agent: true, Home: 999, Relay: r.dial})
	serve(t, agent, 1, echo)
	client := start(t, h, Config{Home: 999, Relay: r.dial})
	c, err := client.Dial(within(t), agent.ID(), 1)
	require.NoError(t, err)
	roundTrip(t, c, 1000)
}

func TestANodeThatIsClosedRefuses(t *testing.T) {
	r, h := newRelay(t), newHub()
	client := start(t, h, Config{Home: 999, Relay: r.dial})
	failed := make(chan error, 1)
	go func() {
		_, err := client.Dial(context.Background(), uuid.New(), 1)
		failed <- err
	}()
	require.Eventually(t, func() bool {
		client.mu.Lock()
		defer client.mu.Unlock()
		return len(client.peers) == 1
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, client.Close())
	require.ErrorIs(t, <-failed, net.ErrClosed)
	_, err := client.Dial(context.Background(), uuid.New(), 1)
	require.ErrorIs(t, err, net.ErrClosed)
	require.NoError(t, client.Close())
	require.ErrorIs(t, client.Coordinate(context.Background(), h.join(client.ID())), net.ErrClosed)
}

func TestARelayThatSaysNothingIsNotWaitedForForever(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := New(ctx, Config{Home: 999, Relay: func(context.Context, int) (io.ReadWriteCloser, error) {
		a, _ := net.Pipe()
		return a, nil
	}})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "connect to the relay of region 999")
}

// TestNothingIsLeftAfterAThousandConnections opens and closes.
func TestNothingIsLeftAfterAThousandConnections(t *testing.T) {
	r, h := newRelay(t), newHub()
	agent := start(t, h, Config{ID: uuid.New(), Agent: true, Home: 999, Relay: r.dial})
	serve(t, agent, 1, echo)
	client := start(t, h, Config{Home: 999, Relay: r.dial})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 125 {
				c, err := client.Dial(within(t), agent.ID(), 1)
				if err != nil {
					t.Error(err)
					return
				}
				roundTrip(t, c, 100)
				_ = c.Close()
			}
		})
	}
	wg.Wait()
	require.Zero(t, client.Stats().Connections)
}
