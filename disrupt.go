package scaletest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
)

// errNotOurs is what a live deployment answers: its machines are not ours to touch.
var errNotOurs = errors.New("only the embedded deployment can be told to: on a live one use harness.Command, such as harness.Command(\"kubectl\", \"rollout\", \"restart\", \"deployment/coder\"), or set CODER_SCALETEST_DISRUPT_COMMAND")

// StopReplica is what a [harness.Disruption] does that takes a replica of the
// embedded deployment away, with all of its connections: from 0, see
// codertest.Config.Replicas. Other deployments need a command.
func (t *Target) StopReplica(i int) func(context.Context) error {
	return t.disrupts("stop a replica", func() error { return t.embedded.StopReplica(i) })
}

// StartReplica brings it back: see [Target.StopReplica].
func (t *Target) StartReplica(i int) func(context.Context) error {
	return t.disrupts("start a replica", func() error { return t.embedded.StartReplica(i) })
}

// RestartAgent is what a [harness.Disruption] does that kills the agent of a
// workspace of the embedded deployment, and starts it again at once: its
// connections and processes are gone. Other deployments need a command.
func (t *Target) RestartAgent(w runners.Workspace) func(context.Context) error {
	return t.disrupts("restart an agent", func() error {
		return errors.Join(t.embedded.KillAgent(w.Name), t.embedded.ReviveAgent(w.Name))
	})
}

// Throttle is what a [harness.Disruption] does that bounds the bytes a second of
// all connections to the embedded deployment together. 0 ends it. Other
// deployments need a command.
func (t *Target) Throttle(bytesPerSecond int) func(context.Context) error {
	return t.disrupts("throttle the network", func() error {
		t.embedded.Throttle(bytesPerSecond)
		return nil
	})
}

func (t *Target) disrupts(what string, f func() error) func(context.Context) error {
	return func(context.Context) error {
		if t.embedded == nil {
			return fmt.Errorf("%s of %s: %w", what, t.host(), errNotOurs)
		}
		return f()
	}
}

// Disruption is the one that CODER_SCALETEST_DISRUPT_COMMAND asks for, at an
// instant of the load: a line for sh, and another one that takes it back after
// length, if CODER_SCALETEST_DISRUPT_UNDO_COMMAND is set. It reports false if
// neither is.
func (t *Target) Disruption(at, length time.Duration) (harness.Disruption, bool) {
	if t.cfg.DisruptCommand == "" {
		return harness.Disruption{}, false
	}
	d := harness.Disruption{Name: "command", At: at, Do: harness.Command("sh", "-c", t.cfg.DisruptCommand)}
	if t.cfg.DisruptUndoCommand != "" {
		d.For, d.Undo = length, harness.Command("sh", "-c", t.cfg.DisruptUndoCommand)
	}
	return d, true
}
