package runners

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coderscale/scaletest/harness"
)

// The metrics of [AgentsConfig], besides [AgentConnect], [AgentReady] and the
// counters bytes_sent and bytes_received.
var (
	// AgentReconnect is the time from the loss of a connection to the next one.
	// Its errors are agents that were not back when the load ended.
	AgentReconnect = harness.NewAction("agent_reconnect")

	// AgentsLost counts connections that ended before they should have.
	AgentsLost = harness.NewCounter("agents_lost")
	// AgentsRefused counts attempts to connect that failed. Agents try again.
	AgentsRefused = harness.NewCounter("agents_refused")
	// AgentsEnded counts agents that can't come back.
	AgentsEnded = harness.NewCounter("agents_ended")
	// AgentCalls and AgentCallsFailed count what agents have reported, and what of
	// it the deployment did not take.
	AgentCalls       = harness.NewCounter("agent_calls")
	AgentCallsFailed = harness.NewCounter("agent_calls_failed")
	// AgentMetadataLate counts values of metadata that were more than their
	// interval late.
	AgentMetadataLate = harness.NewCounter("agent_metadata_late")
)

// AgentEvents are what happens to a simulated agent. They may be called from any
// goroutine, and return at once.
type AgentEvents struct {
	// Connected is called when a connection is open, with the time that this
	// attempt took.
	Connected func(took time.Duration)
	// Ready is called when the agent is ready, with the time since that attempt
	// began. After another connection it is called again.
	Ready func(took time.Duration)
	// Lost is called when a connection has ended, or an attempt has failed.
	Lost func(why error)
}

// AgentConnection is an agent that is being simulated. It comes back by itself
// when it loses its connection.
type AgentConnection interface {
	// Done is closed when the agent can't come back, and Err is why.
	Done() <-chan struct{}
	Err() error
	// Close ends the agent.
	Close(ctx context.Context) error
}

// AgentConnector begins to simulate the agent of a user and returns when it is
// ready. It goes on trying until the context ends or there is no point in it; then
// it leaves nothing behind. The context does not outlast the call.
type AgentConnector func(ctx context.Context, user int, on AgentEvents) (AgentConnection, error)

// AgentTotals are what all simulated agents together have done so far.
type AgentTotals struct {
	Calls, CallsFailed       int64 // to report something
	MetadataLate             int64 // values that were more than their interval late
	BytesSent, BytesReceived int64 // over their connections to the deployment
}

// AgentsConfig configures simulated agents of workspaces. [Agents] is the short
// form.
//
// What one does: it connects to the deployment as a workspace's agent, becomes
// ready, and stays until the load ends, while it reports statistics, metadata and
// the health of apps as Connect has it do. When it loses its connection it comes
// back. One that can't (its workspace has a newer build, or was stopped) fails its
// iteration when the load ends, and so does one that never got ready.
//
// Metrics: agent_connect (the response time has all attempts and the wait for a
// turn in it, the service time only the attempt that succeeded), agent_ready,
// agent_reconnect; the counters agents_lost, agents_refused and agents_ended; with
// Totals agent_calls, agent_calls_failed, agent_metadata_late, bytes_sent and
// bytes_received.
//
// Its cleanup closes the connection. It creates nothing on the deployment.
type AgentsConfig struct {
	// Agents is how many can be simulated: more users than that are refused.
	Agents int

	// Connect begins to simulate one of them.
	Connect AgentConnector

	// Totals are read once a second. Nil reads none.
	Totals func() AgentTotals

	// ConnectFirst has the agents connect before the load begins, so that the load
	// is that of agents who are there. Otherwise they connect when the schedule says
	// so, and the load is their arrival too.
	ConnectFirst bool

	// Stay is how long an agent stays. Then it leaves, and if the schedule goes on
	// it connects anew. 0 means until the load ends.
	Stay time.Duration
}

// Agents makes runners that simulate an agent of a workspace each, see
// [AgentsConfig]. It is AgentsConfig{Agents: n, Connect: connect}.Runner().
func Agents(n int, connect AgentConnector) func(user int) (harness.Runner, error) {
	return AgentsConfig{Agents: n, Connect: connect}.Runner()
}

// Validate reports everything that is wrong with the configuration.
func (c AgentsConfig) Validate() error {
	var errs []error
	if c.Agents < 0 {
		errs = append(errs, fmt.Errorf("agents: there are %d, want 0 or more", c.Agents))
	}
	if c.Connect == nil {
		errs = append(errs, errors.New("agents: there is nothing to connect them with"))
	}
	if c.Stay < 0 {
		errs = append(errs, fmt.Errorf("agents: Stay is %v, want 0 (until the load ends) or more", c.Stay))
	}
	return errors.Join(errs...)
}

// Runner returns what harness.Scenario.Runner takes.
func (c AgentsConfig) Runner() func(user int) (harness.Runner, error) {
	err := c.Validate()
	g := &agentGroup{cfg: c}
	return func(user int) (harness.Runner, error) {
		switch {
		case err != nil:
			return nil, err
		case c.Agents == 0:
			return nil, errors.New("agents: there are none")
		case user >= c.Agents:
			return nil, fmt.Errorf("agents: there are only %d: give the schedule fewer users", c.Agents)
		}
		a := &simulatedAgent{group: g, user: user}
		if c.ConnectFirst {
			return &preparedAgent{a}, nil
		}
		return a, nil
	}
}
