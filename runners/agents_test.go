package runners_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

// actor plays a simulated agent: it connects, and does something after that.
type actor struct {
	connect func(ctx context.Context, on runners.AgentEvents) error
	then    func(c *fakeConnection)

	mu     sync.Mutex
	opened int
	open   int // connections
}

type fakeConnection struct {
	on    runners.AgentEvents
	actor *actor
	done  chan struct{}
	why   error
	once  sync.Once
	after sync.WaitGroup
}

func (c *fakeConnection) Done() <-chan struct{} { return c.done }
func (c *fakeConnection) Err() error            { return c.why }

// end is the end for good.
func (c *fakeConnection) end(why error) {
	c.once.Do(func() {
		c.why = why
		c.actor.count(-1)
		close(c.done)
	})
}

func (c *fakeConnection) Close(context.Context) error {
	c.end(errors.New("closed"))
	c.after.Wait()
	return nil
}

func (a *actor) count(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open += n
	a.opened += max(n, 0)
}

// connector is what the runner takes.
func (a *actor) connector(ctx context.Context, _ int, on runners.AgentEvents) (runners.AgentConnection, error) {
	if err := a.connect(ctx, on); err != nil {
		return nil, err
	}
	a.count(1)
	c := &fakeConnection{on: on, actor: a, done: make(chan struct{})}
	if a.then != nil {
		c.after.Go(func() { a.then(c) })
	}
	return c, nil
}

// welcome lets an agent connect after 2 s and be ready after another one.
func welcome(_ context.Context, on runners.AgentEvents) error {
	time.Sleep(2 * time.Second)
	on.Connected(2 * time.Second)
	time.Sleep(time.Second)
	on.Ready(3 * time.Second)
	return nil
}

// refused goes on trying until nobody wants it any more.
func refused(ctx context.Context, on runners.AgentEvents) error {
	for {
		on.Lost(errRefused)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return errors.Join(errRefused, context.Cause(ctx))
		}
	}
}

// silent hangs until nobody wants it any more.
func silent(ctx context.Context, _ runners.AgentEvents) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

var (
	errRefused = errors.New("the deployment answers 502")
	errNewer   = errors.New("the workspace has a newer build")
	errCut     = errors.New("pulled the plug")
)

// one runs one agent for 10 s of fake time, with 5 s for a graceful stop.
func one(t *testing.T, a *actor, change func(*runners.AgentsConfig, *harness.Plan)) (*harness.ScenarioResult, *harness.Result) {
	t.Helper()
	cfg := runners.AgentsConfig{Agents: 1, Connect: a.connector}
	plan := harness.Plan{
		Scenarios:    []harness.Scenario{{Name: "agents", Schedule: harness.AllAtOnce(1).Hold(10 * time.Second)}},
		GracefulStop: 5 * time.Second, MaxLag: time.Hour,
	}
	if change != nil {
		change(&cfg, &plan)
	}
	plan.Scenarios[0].Runner = cfg.Runner()
	run, err := harness.Start(context.Background(), plan)
	require.NoError(t, err)
	res := run.Wait()
	assert.Zero(t, a.open, "the cleanup leaves nothing behind")
	return &res.Scenarios[0], res
}

func TestASimulatedAgentThatIsRefusedIsAFailureAlthoughItGoesOnTrying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, res := one(t, &actor{connect: refused}, nil)
		require.Equal(t, harness.Fail, res.Verdict, res.Reasons)
		require.Equal(t, harness.Iterations{Started: 1, Failed: 1}, s.Iterations, "the end of the load does not hide it")
		require.EqualValues(t, 1, s.Actions["agent_connect"].Errors)
		require.GreaterOrEqual(t, s.Counters["agents_refused"], int64(10))
		require.Zero(t, s.Counters["agents_lost"])
		require.Contains(t, s.Failures[0].Error, "simulated agent 0: the deployment answers 502")
		require.Contains(t, s.Failures[0].Log, "502")
	})
}

func TestASimulatedAgentThatConnectsAndNeverGetsReadyFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, res := one(t, &actor{connect: func(ctx context.Context, on runners.AgentEvents) error {
			time.Sleep(time.Second)
			on.Connected(time.Second)
			return refused(ctx, on)
		}}, nil)
		require.Equal(t, harness.Fail, res.Verdict, res.Reasons)
		require.EqualValues(t, 1, s.Actions["agent_connect"].Count)
		require.EqualValues(t, 1, s.Actions["agent_ready"].Errors)
		require.EqualValues(t, 1, s.Counters["agents_lost"])
	})
}

func TestASimulatedAgentThatIsLateMayGetReadyInTheGracefulStopTime(t *testing.T) {
	for took, want := range map[time.Duration]harness.Iterations{
		12 * time.Second: {Started: 1, Succeeded: 1},
		20 * time.Second: {Started: 1, Interrupted: 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := one(t, &actor{connect: func(ctx context.Context, on runners.AgentEvents) error {
				select {
				case <-time.After(took):
				case <-ctx.Done():
					return context.Cause(ctx)
				}
				on.Connected(took)
				on.Ready(took)
				return nil
			}}, nil)
			require.Equal(t, want, s.Iterations)
		})
	}
}

func TestASimulatedAgentThatEndsForGoodIsOneFailureAndIsNotTriedAgain(t *testing.T) {
	for name, change := range map[string]func(*runners.AgentsConfig, *harness.Plan){
		"until the load ends": nil,
		"for a while": func(c *runners.AgentsConfig, p *harness.Plan) {
			c.Stay = 8 * time.Second
			p.Scenarios[0].Schedule = harness.AllAtOnce(1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &actor{connect: welcome, then: func(c *fakeConnection) {
					time.Sleep(time.Second)
					c.on.Lost(errCut)
					c.on.Lost(errNewer)
					c.end(errNewer)
				}}
				s, res := one(t, a, change)
				require.Equal(t, harness.Fail, res.Verdict, res.Reasons)
				require.Equal(t, harness.Iterations{Started: 1, Failed: 1}, s.Iterations)
				require.Contains(t, s.Failures[0].Error, "ended before its time: the workspace has a newer build")
				require.Equal(t, 1, a.opened)
				require.EqualValues(t, 1, s.Counters["agents_ended"])
				require.EqualValues(t, 1, s.Counters["agents_lost"])
				require.Zero(t, s.Actions["agent_reconnect"].Errors, "it is counted once")
			})
		})
	}
}

func TestALostConnectionIsCountedAndTimedUntilItIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, res := one(t, &actor{connect: welcome, then: func(c *fakeConnection) {
			time.Sleep(time.Second)
			c.on.Lost(errCut)
			time.Sleep(time.Second)
			c.on.Lost(errRefused)
			time.Sleep(time.Second)
			c.on.Connected(time.Millisecond)
			c.on.Ready(time.Millisecond)
		}}, nil)
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		require.EqualValues(t, 1, s.Counters["agents_lost"])
		require.EqualValues(t, 1, s.Counters["agents_refused"])
		back := s.Actions["agent_reconnect"]
		require.EqualValues(t, 1, back.Count)
		require.InEpsilon(t, 2, back.Response.Max, 0.01)
		require.EqualValues(t, 1, s.Actions["agent_connect"].Count, "it is not a first one")
		require.EqualValues(t, 1, s.Actions["agent_ready"].Count)
	})
}

func TestASimulatedAgentThatIsAwayWhenTheLoadEndsIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := one(t, &actor{connect: welcome, then: func(c *fakeConnection) {
			time.Sleep(time.Second)
			c.on.Lost(errCut)
			<-c.done
			c.on.Connected(time.Second) // nobody wants to know
		}}, nil)
		require.EqualValues(t, 1, s.Actions["agent_reconnect"].Errors)
		require.Zero(t, s.Actions["agent_reconnect"].Count)
	})
}

func TestAnInterruptLeavesNoSimulatedAgent(t *testing.T) {
	for name, connect := range map[string]func(context.Context, runners.AgentEvents) error{"while it connects": silent, "while it stays": welcome} {
		for _, first := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a := &actor{connect: connect}
					run, err := harness.Start(context.Background(), harness.Plan{Scenarios: []harness.Scenario{{
						Name: "agents", Schedule: harness.AllAtOnce(1).Hold(time.Hour),
						Runner: runners.AgentsConfig{Agents: 1, Connect: a.connector, ConnectFirst: first}.Runner(),
					}}})
					require.NoError(t, err)
					time.Sleep(5 * time.Second)
					run.Stop()
					res := run.Wait()
					require.Equal(t, harness.Interrupted, res.Verdict)
					require.Zero(t, res.Scenarios[0].Iterations.Failed)
					require.Zero(t, a.open)
				})
			})
		}
	}
}

func TestCleanupOfASimulatedAgentThatNeverRanDoesNothing(t *testing.T) {
	r, err := runners.Agents(1, (&actor{connect: welcome}).connector)(0)
	require.NoError(t, err)
	cleaner, ok := r.(harness.Cleaner)
	require.True(t, ok)
	require.NoError(t, cleaner.Cleanup(t.Context()))
}

func TestAPreparedAgentConnectsBeforeTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &actor{connect: welcome}
		s, res := one(t, a, func(c *runners.AgentsConfig, _ *harness.Plan) { c.ConnectFirst = true })
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		require.InEpsilon(t, 2, s.Setup["agent_connect"].Response.Max, 0.01)
		require.InEpsilon(t, 1, s.Setup["agent_ready"].Response.Max, 0.01)
		require.Empty(t, s.Actions)
		require.Equal(t, 1, a.opened)
	})
}

func TestAgentsThatStayForAWhileConnectAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &actor{connect: welcome}
		s, res := one(t, a, func(c *runners.AgentsConfig, _ *harness.Plan) { c.Stay = 4 * time.Second })
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		require.Equal(t, 3, a.opened, "at 0, 4 and 8 s")
		require.EqualValues(t, 3, s.Iterations.Succeeded)
		require.EqualValues(t, 3, s.Actions["agent_connect"].Count)
		require.Zero(t, s.Counters["agents_lost"], "to leave is no loss")
	})
}

func TestWhatAgentsReportCountsFromTheLoadOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		s, res := one(t, &actor{connect: welcome}, func(c *runners.AgentsConfig, _ *harness.Plan) {
			c.ConnectFirst = true
			c.Totals = func() runners.AgentTotals {
				n := int64(time.Since(begun) / time.Second)
				return runners.AgentTotals{Calls: 1000 + n, CallsFailed: 500, MetadataLate: n / 2, BytesSent: 100 * n, BytesReceived: 10 * n}
			}
		})
		require.Equal(t, harness.Pass, res.Verdict, res.Reasons)
		require.EqualValues(t, 10, s.Counters["agent_calls"])
		require.EqualValues(t, 0, s.Counters["agent_calls_failed"], "those of another run don't count")
		require.EqualValues(t, 5, s.Counters["agent_metadata_late"])
		require.EqualValues(t, 1000, s.Counters["bytes_sent"])
		require.EqualValues(t, 100, s.Counters["bytes_received"])
	})
}

func TestAgentsThatCannotWorkAreRefusedAtOnce(t *testing.T) {
	connect := (&actor{connect: welcome}).connector
	for _, tt := range []struct {
		cfg  runners.AgentsConfig
		user int
		want string
	}{
		{runners.AgentsConfig{Agents: 1}, 0, "there is nothing to connect them with"},
		{runners.AgentsConfig{Agents: -1, Connect: connect}, 0, "there are -1, want 0 or more"},
		{runners.AgentsConfig{Agents: 1, Connect: connect, Stay: -1}, 0, "Stay is -1ns, want 0 (until the load ends) or more"},
		{runners.AgentsConfig{Connect: connect}, 0, "agents: there are none"},
		{runners.AgentsConfig{Agents: 3, Connect: connect}, 3, "there are only 3: give the schedule fewer users"},
	} {
		_, err := tt.cfg.Runner()(tt.user)
		require.ErrorContains(t, err, tt.want)
	}
}
