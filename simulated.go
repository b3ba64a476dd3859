package scaletest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/agentfleet"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

// fleets are those that a target's tests have had.
type fleets struct {
	sync.Mutex
	list []*agentfleet.Fleet
}

// SimulatedAgents makes the pool of workspaces without machines that the options
// describe, or finds it, and returns what [runners.AgentsConfig] needs to simulate
// their agents: all of them in one fleet, which ends with the test. There are
// CODER_SCALETEST_COUNT of them, or else o.Count. CODER_SCALETEST_TEMPLATE is not
// for them: they have a template of their own, and would take the place of agents
// that are real. The pool stays for the next time, until somebody deletes it with
// `scaletest agents -delete`.
//
// Serve is 0 or [agentfleet.All]. Delete, For, Heartbeat, Client and Out are not
// used. A second call on the same target needs another Prefix.
//
// It fails the test if the pool can't be made: its template is made by an owner or
// a template admin, once; its workspaces by anybody who may have workspaces. With
// CODER_SCALETEST_DRY_RUN nothing is made.
func (t *Target) SimulatedAgents(tb TB, o AgentsOptions) runners.AgentsConfig {
	tb.Helper()
	o.Count = or(t.cfg.Create.Count, o.Count)
	o = o.withDefaults()
	o.Out = &linesOut{c: &console{out: output(tb)}}
	cfg, err := t.simulate(tb, o)
	if err != nil {
		tb.Fatalf("simulate %d agents: %s", o.Count, oneLine(err))
	}
	return cfg
}

// linesOut prints a pool's progress below the lines of the console.
type linesOut struct{ c *console }

func (l *linesOut) Write(line []byte) (int, error) {
	l.c.printf("pool        %s", line)
	return len(line), nil
}

func (t *Target) simulate(tb TB, o AgentsOptions) (runners.AgentsConfig, error) {
	err := o.Validate()
	if o.Serve != 0 && o.Serve != agentfleet.All {
		err = errors.Join(err, fmt.Errorf("%d of them can't serve, want none (0) or all (-1)", o.Serve))
	}
	if err == nil {
		err = t.safe(harness.Plan{Scenarios: []harness.Scenario{{Schedule: harness.AllAtOnce(o.Count)}}})
	}
	if err != nil {
		return runners.AgentsConfig{}, err
	}
	if t.cfg.DryRun {
		return runners.AgentsConfig{Agents: o.Count, Connect: func(context.Context, int, runners.AgentEvents) (runners.AgentConnection, error) {
			return nil, errors.New("CODER_SCALETEST_DRY_RUN is set: there is no pool")
		}}, nil
	}
	agents, err := t.ensure(tb, o)
	if err != nil {
		return runners.AgentsConfig{}, t.mayNotPool(err)
	}
	// The context of a test ends before its cleanup.
	fleet, err := agentfleet.Start(context.WithoutCancel(tb.Context()), agentfleet.Config{
		Client: t.client, Metadata: o.Metadata, Serving: o.Serve, SubAgents: o.SubAgents, ReportOff: o.ReportOff,
	})
	if err != nil {
		return runners.AgentsConfig{}, err
	}
	tb.Cleanup(func() {
		if err := fleet.Close(context.WithoutCancel(tb.Context())); err != nil {
			tb.Logf("%s", oneLine(err))
		}
	})
	t.simulated.Lock()
	t.simulated.list = append(t.simulated.list, fleet)
	t.simulated.Unlock()
	return runners.AgentsConfig{
		Agents: len(agents),
		Connect: func(ctx context.Context, user int, on runners.AgentEvents) (runners.AgentConnection, error) {
			return fleet.Connect(ctx, agents[user], agentfleet.Events(on))
		},
		Totals: func() runners.AgentTotals {
			s := fleet.Stats()
			return runners.AgentTotals{
				Calls: calls(s), CallsFailed: s.Failed(), MetadataLate: s.Late,
				BytesSent: s.BytesSent, BytesReceived: s.BytesReceived,
			}
		},
	}, nil
}

// ensure makes the pool, or finds it. Of shards the first one makes it, and the others
// find it afterwards.
func (t *Target) ensure(tb TB, o AgentsOptions) ([]agentfleet.Agent, error) {
	point, first := tb.Name()+" pool "+o.Prefix, t.cfg.Sharding.Shard.Index == 0
	if !first {
		if err := t.meetOthers(tb.Context(), point); err != nil {
			return nil, err
		}
	}
	agents, err := o.pool(t.client).Ensure(tb.Context())
	if first && err == nil {
		err = t.meetOthers(tb.Context(), point)
	}
	return agents, err
}

// mayNotPool adds whose token is needed, if it is that.
func (t *Target) mayNotPool(err error) error {
	if !coder.IsForbidden(err) {
		return err
	}
	return fmt.Errorf("%w; the token is of %s: use that of an owner or a template admin, who may make the pool's template, or have one of them make it by `scaletest agents -count 1 -for 1s`", err, t.preflight.User.Username)
}

// reportNames are what people call the calls by which agents report.
var reportNames = []struct{ method, name string }{
	{"UpdateStats", "statistics"}, {"BatchUpdateMetadata", "metadata"}, {"BatchUpdateAppHealths", "health of apps"}, {"BatchCreateLogs", "logs"},
}

// describeSimulated says how many agents were simulated and what they have
// reported; "" if none were.
func (t *Target) describeSimulated() string {
	t.simulated.Lock()
	defer t.simulated.Unlock()
	var parts []string
	for _, fleet := range t.simulated.list {
		s := fleet.Stats()
		if s.Workspaces.Agents == 0 {
			continue
		}
		var reports []string
		for _, r := range reportNames {
			reports = append(reports, fmt.Sprintf("%s %d", r.name, s.Calls[r.method].Done))
		}
		parts = append(parts, fleetSummary(s)+"; reports: "+strings.Join(reports, ", "))
	}
	return strings.Join(parts, "; ")
}
