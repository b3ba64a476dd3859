package scaletest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/agentfleet"
)

// AgentsOptions say what [PlayAgents] plays. The zero value plays 10 quiet agents
// until the context ends.
type AgentsOptions struct {
	// Count is how many workspaces have their agents played. 0 means 10.
	Count int

	// Template is the name of the pool's template. "" means scaletest-simulated.
	Template string

	// Prefix begins the names of the pool's workspaces. "" means scaletest-sim.
	Prefix string

	// Metadata is what the agents send. [agentfleet.Greedy] is the most that
	// templates ask for.
	Metadata agentfleet.Metadata

	// Serve is how many agents also serve terminals, SSH and apps.
	// [agentfleet.All] means all of them.
	Serve int

	// SubAgents is how many agents of containers each agent has. They are no
	// workspaces.
	SubAgents int

	// Delete deletes the pool, and plays nothing.
	Delete bool

	// For is how long the agents are played once all are ready. 0 means until the
	// context ends.
	For time.Duration

	// ReportOff has the agents report at the end that they shut down.
	ReportOff bool

	// AtATime is how many workspaces are built or deleted together. 0 means 16.
	AtATime int

	// Heartbeat is how often a line is printed. 0 means 5 s.
	Heartbeat time.Duration

	// Client acts, instead of one for Config's URL and token. The caller keeps it.
	Client *coder.Client

	// Out gets lines for people. Nil drops them.
	Out io.Writer
}

func (o AgentsOptions) withDefaults() AgentsOptions {
	if o.Count == 0 {
		o.Count = 10
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = 5 * time.Second
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	return o
}

// Validate reports everything that is wrong with the options.
func (o AgentsOptions) Validate() error {
	o = o.withDefaults()
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(o.Count < 1, "the number of agents is %d, want 1 or more", o.Count)
	bad(o.Serve < agentfleet.All || o.Serve > o.Count, "%d of %d agents can't serve, want a number up to that, or -1 for all", o.Serve, o.Count)
	bad(o.SubAgents < 0, "the number of sub-agents is %d, want 0 or more", o.SubAgents)
	bad(o.For < 0 || o.Heartbeat < 0, "a time is negative, want 0 or more")
	bad(o.AtATime < 0, "%d workspaces at a time, want 0 (16) or more", o.AtATime)
	if err := o.pool(&coder.Client{}).Validate(); err != nil && o.Count > 0 && o.AtATime >= 0 {
		errs = append(errs, err)
	}
	// Count and Serving are checked above, in words that fit the options.
	fleet := agentfleet.Config{Client: &coder.Client{}, Metadata: o.Metadata}
	if err := fleet.Validate(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (o AgentsOptions) pool(client *coder.Client) agentfleet.Pool {
	return agentfleet.Pool{
		Client: client, Count: o.Count, Prefix: o.Prefix, Template: o.Template, AtATime: o.AtATime,
		Progress: func(line string) { _, _ = fmt.Fprintln(o.Out, line) },
	}
}

// PlayAgents plays the agents of a pool of workspaces that it makes if they are
// not there, and leaves the pool for the next time. The end of the context is the
// usual end and no error. It is one when the pool can't be made, or when agents
// could not be played.
func PlayAgents(ctx context.Context, cfg Config, o AgentsOptions) (agentfleet.Stats, error) {
	if err := o.Validate(); err != nil {
		return agentfleet.Stats{}, err
	}
	o = o.withDefaults()
	client := o.Client
	if client == nil {
		if !cfg.Live() {
			return agentfleet.Stats{}, errors.New("CODER_URL is not set, want the URL of the deployment whose agents are to be played: see scaletest serve for an embedded one")
		}
		var err error
		if client, err = coder.New(coder.Config{URL: cfg.URL, Token: cfg.token.reveal()}); err != nil {
			return agentfleet.Stats{}, err
		}
		defer client.CloseIdleConnections()
	}
	short, cancel := context.WithTimeout(ctx, time.Minute)
	_, err := client.Preflight(short, coder.PreflightOptions{})
	cancel()
	if err != nil {
		return agentfleet.Stats{}, err
	}
	pool := o.pool(client)
	if o.Delete {
		deleted, err := pool.Delete(ctx)
		if err == nil && deleted.Gone == 0 {
			_, _ = fmt.Fprintln(o.Out, "nothing to delete: there is no such pool")
		}
		return agentfleet.Stats{}, err
	}
	agents, err := pool.Ensure(ctx)
	if err != nil {
		return agentfleet.Stats{}, err
	}
	fleet, err := agentfleet.Start(context.WithoutCancel(ctx), agentfleet.Config{
		Client: client, Agents: agents, Metadata: o.Metadata, Serving: o.Serve, SubAgents: o.SubAgents, ReportOff: o.ReportOff,
	})
	if err != nil {
		return agentfleet.Stats{}, err
	}
	err = o.watch(ctx, fleet)
	before := fleet.Stats()
	err = errors.Join(err, fleet.Close(context.WithoutCancel(ctx)))
	after := fleet.Stats()
	after.Workspaces, after.SubAgents = before.Workspaces, before.SubAgents // as they were before the end
	_, _ = fmt.Fprintln(o.Out, fleetSummary(after))
	return after, err
}

// watch prints lines until the time is over or the context ends.
func (o AgentsOptions) watch(ctx context.Context, fleet *agentfleet.Fleet) error {
	ready := make(chan error, 1)
	go func() { ready <- fleet.WaitReady(ctx) }()
	beat := time.NewTicker(o.Heartbeat)
	defer beat.Stop()
	var over <-chan time.Time
	began, last := time.Now(), agentfleet.Stats{}
	short := false
	for {
		select {
		case err := <-ready:
			switch {
			case ctx.Err() != nil:
				return nil
			case err != nil:
				return err
			}
			_, _ = fmt.Fprintf(o.Out, "all agents are ready after %v\n", time.Since(began).Round(time.Millisecond))
			if o.For > 0 {
				timer := time.NewTimer(o.For)
				defer timer.Stop()
				over = timer.C
			}
		case <-beat.C:
			now := fleet.Stats()
			_, _ = fmt.Fprintln(o.Out, heartbeat(time.Since(began), now, last, o.Heartbeat))
			if now.ShortOfMetadata > 0 && !short {
				short = true
				_, _ = fmt.Fprintf(o.Out, "%d agents declare fewer metadata items than were asked for, and send only those: see the template\n", now.ShortOfMetadata)
			}
			last = now
		case <-over:
			return ended(fleet.Stats())
		case <-ctx.Done():
			return ended(fleet.Stats())
		}
	}
}

// ended is an error if agents have ended that were ready before.
func ended(s agentfleet.Stats) error {
	if n := s.Workspaces.Ended + s.SubAgents.Ended; n > 0 {
		return fmt.Errorf("%d agents have ended before their time, because their workspaces were built again, stopped or deleted: repeat it, which starts them", n)
	}
	return nil
}

func calls(s agentfleet.Stats) (n int64) {
	for _, c := range s.Calls {
		n += c.Done + c.Failed
	}
	return n
}

// heartbeat is one line of how it goes.
func heartbeat(since time.Duration, now, last agentfleet.Stats, every time.Duration) string {
	var b strings.Builder
	w, seconds := now.Workspaces, every.Seconds()
	fmt.Fprintf(&b, "%6v  %d of %d agents ready", since.Round(time.Second), w.Ready, w.Agents)
	if s := now.SubAgents; s.Agents > 0 {
		fmt.Fprintf(&b, ", %d of %d sub-agents", s.Ready, s.Agents)
	}
	fmt.Fprintf(&b, "  %.0f calls/s  %.1f kB/s", float64(calls(now)-calls(last))/seconds, float64(now.BytesSent-last.BytesSent)/1000/seconds)
	if s := now.Served; s.Opened > 0 {
		fmt.Fprintf(&b, "  serving %d SSH, %d terminals, %d apps", s.SSH, s.Terminals, s.Apps)
	}
	fmt.Fprintf(&b, "  %d reconnects", now.Reconnects)
	if n := now.Failed() + now.Refused; n > 0 {
		fmt.Fprintf(&b, "  %d errors, the last: %s", n, now.LastError)
	}
	return b.String()
}

// fleetSummary is what was done in all.
func fleetSummary(s agentfleet.Stats) string {
	var b strings.Builder
	fmt.Fprintf(&b, "played %d agents of workspaces", s.Workspaces.Agents)
	if s.SubAgents.Agents > 0 {
		fmt.Fprintf(&b, " and %d sub-agents, which are no workspaces", s.SubAgents.Agents)
	}
	fmt.Fprintf(&b, ": %d calls, %d failed, %.1f MB sent, %d connections lost, %d reconnects, %d metadata updates late",
		calls(s), s.Failed(), float64(s.BytesSent)/1e6, s.Lost, s.Reconnects, s.Late)
	if s.Served.Opened > 0 {
		fmt.Fprintf(&b, "; served %d sessions and connections, %.1f MB in, %.1f MB out", s.Served.Opened, float64(s.Served.BytesReceived)/1e6, float64(s.Served.BytesSent)/1e6)
	}
	return b.String()
}
