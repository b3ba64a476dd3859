package runners

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
)

// The metrics of [Terminal].
var (
	// Echo is a tick's round trip: from the instant at which it was meant to be
	// typed until the last byte of its echo is back. Its errors are ticks whose
	// echo is missing or wrong, or that could not be sent.
	Echo = harness.NewAction("echo")
	// TerminalOpen is the opening of the terminal's socket.
	TerminalOpen = harness.NewAction("terminal_open")
	// TerminalReady is the time from the open socket to the first echo: the
	// server connects to the agent, and the agent starts a process.
	TerminalReady = harness.NewAction("terminal_ready")
	// Reconnect is the time from the loss of a connection to the next one to
	// the same session.
	Reconnect = harness.NewAction("reconnect")

	// BytesSent and BytesReceived are payload: what was typed and what the
	// terminal returned, without framing.
	BytesSent     = harness.NewCounter("bytes_sent")
	BytesReceived = harness.NewCounter("bytes_received")
	// BytesRepeated came again after a reconnect.
	BytesRepeated = harness.NewCounter("bytes_repeated")
	// BytesForeign are bytes that nobody typed.
	BytesForeign = harness.NewCounter("bytes_foreign")
	// EchoesLost and EchoesCorrupt are ticks whose echo is missing or wrong.
	EchoesLost    = harness.NewCounter("echoes_lost")
	EchoesCorrupt = harness.NewCounter("echoes_corrupt")
	// TicksBlocked are ticks that were dropped because the connection took no
	// bytes, TicksDisconnected those because there was no connection, and
	// TicksLate those because this process was too slow.
	TicksBlocked      = harness.NewCounter("ticks_blocked")
	TicksDisconnected = harness.NewCounter("ticks_disconnected")
	TicksLate         = harness.NewCounter("ticks_late")
	// Reconnects are connections that were lost and made again.
	Reconnects = harness.NewCounter("reconnects")
	// Churns are connections that were closed on purpose and made again.
	Churns = harness.NewCounter("churns")
)

// TerminalConfig configures web terminals. [Terminal] is the short form.
type TerminalConfig struct {
	// Workspaces are typed into: user i into workspace i.
	Workspaces []Workspace

	// Load is what is typed: so many bytes at each tick.
	Load traffic.Load

	// ProxyURL is the URL of a workspace proxy to go through. Nil goes to the
	// deployment itself.
	ProxyURL *url.URL

	// Share lets users share workspaces when there are more users.
	Share bool

	// Seed decides the content. 0 takes the run's.
	Seed uint64

	// Burst is how many ticks may wait for being typed. 0 means 64.
	Burst int

	// Pacer configures the pacer that all terminals share.
	Pacer traffic.PacerConfig

	// NoReconnect makes a lost connection a failure. Otherwise the terminal is
	// attached to again, as the dashboard does.
	NoReconnect bool

	// ReconnectTimeout bounds the attempts after a loss. 0 means 30 s.
	ReconnectTimeout time.Duration

	// ReadyTimeout bounds the wait for the first echo. 0 means 30 s.
	ReadyTimeout time.Duration

	// DrainTimeout bounds the wait for the last echoes. 0 means 5 s.
	DrainTimeout time.Duration

	// ChurnEvery closes the connection and attaches to the same session again,
	// so often, as a closed laptop does. 0 is never.
	ChurnEvery time.Duration

	// ResizeEvery changes the window's size, so often. 0 is never.
	ResizeEvery time.Duration
}

// Terminal makes runners that hold a web terminal, one for each workspace, and
// type a load into it. It is TerminalConfig{Workspaces: w, Load: load}.Runner().
//
// What one does: it opens the agent's reconnecting PTY with a dd that swallows
// its input (as Coder's own utility does), so that neither shell nor screen
// redraws the line and all that comes back is the terminal's own echo. It types
// lines of at most 4096 bytes, because a terminal hands no longer one to the
// process, and compares every byte that comes back. A connection that is lost is
// made again to the same session; what is replayed then is recognised, and what
// is missing is counted. At the end it waits for the last echoes, ends the
// process with ^C, and leaves.
//
// Metrics: echo (with its lag and throughput), reconnect; before the load
// terminal_open and terminal_ready; the counters bytes_sent, bytes_received,
// bytes_repeated, bytes_foreign, echoes_lost, echoes_corrupt, ticks_blocked,
// ticks_disconnected, ticks_late, reconnects, churns.
//
// Its cleanup closes the connection. It creates nothing on the deployment.
func Terminal(workspaces []Workspace, load traffic.Load) func(user int) (harness.Runner, error) {
	return TerminalConfig{Workspaces: workspaces, Load: load}.Runner()
}

// Validate reports everything that is wrong with the configuration.
func (c TerminalConfig) Validate() error {
	errs := []error{c.Load.Validate(), c.Pacer.Validate()}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"ReconnectTimeout", c.ReconnectTimeout}, {"ReadyTimeout", c.ReadyTimeout},
		{"DrainTimeout", c.DrainTimeout}, {"ChurnEvery", c.ChurnEvery}, {"ResizeEvery", c.ResizeEvery},
	} {
		if d.value < 0 {
			errs = append(errs, fmt.Errorf("%s is %v, want 0 (the default) or more", d.name, d.value))
		}
	}
	if c.Burst < 0 {
		errs = append(errs, fmt.Errorf("burst is %d, want 0 (the default) or more", c.Burst))
	}
	return errors.Join(errs...)
}

// Runner returns what harness.Scenario.Runner takes. The terminals that it
// makes share a pump.
func (c TerminalConfig) Runner() func(user int) (harness.Runner, error) {
	err := c.Validate()
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{{&c.ReconnectTimeout, 30 * time.Second}, {&c.ReadyTimeout, 30 * time.Second}, {&c.DrainTimeout, 5 * time.Second}} {
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	g := &terminals{cfg: c}
	return func(user int) (harness.Runner, error) {
		if err != nil {
			return nil, err
		}
		w, err := pick(c.Workspaces, user, c.Share)
		if err != nil {
			return nil, err
		}
		return &terminal{group: g, workspace: *w}, nil
	}
}

// terminal is one web terminal.
type terminal struct {
	group     *terminals
	workspace Workspace
	client    *coder.Client
	session   uuid.UUID
	pty       *coder.PTY
	pump      *traffic.Pump
	held      *harness.Connection
	joined    bool // the group
}

// interrupt is ^C, which ends dd.
const interrupt = "\x03"

// Setup opens the terminal and waits until it echoes.
func (t *terminal) Setup(ctx context.Context, rec *harness.Recorder) error {
	rec.Observe(t.group)
	t.group.users.Add(1)
	t.joined = true
	t.client = t.workspace.Client.Isolated()
	t.session = uuid.New()
	return t.open(ctx, rec)
}

// open opens a new terminal and probes it.
func (t *terminal) open(ctx context.Context, rec *harness.Recorder) error {
	err := rec.Do(ctx, TerminalOpen, func(ctx context.Context) (err error) {
		t.pty, err = t.connect(ctx)
		return err
	})
	if err != nil {
		return err
	}
	var comparable bool
	err = rec.Do(ctx, TerminalReady, func(ctx context.Context) (err error) {
		comparable, err = t.probe(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("terminal of %s: %w", t.workspace.Name, err)
	}
	if !comparable {
		rec.Warn("the server redraws its terminals (the screen backend), so their echo can't be compared: bytes are counted, round trips are not measured; servers from 2.26 on use the buffered backend when asked, older ones when screen is not installed in the workspace")
	}
	seed := t.group.cfg.Seed
	if seed == 0 {
		seed = rec.RunSeed()
	}
	if t.pump, err = t.group.pump(comparable, seed); err != nil {
		return err
	}
	t.held = rec.Connected()
	return nil
}

func (t *terminal) connect(ctx context.Context) (*coder.PTY, error) {
	// The block is a line at most: dd reads a terminal line by line anyhow.
	block := min(t.group.cfg.Load.BytesPerTick, traffic.MaxLine)
	return t.client.PTY(ctx, t.workspace.Agent.ID, coder.PTYOptions{
		Session: t.session,
		Width:   80,
		Height:  25,
		Command: fmt.Sprintf("dd if=/dev/stdin of=/dev/null bs=%d status=none", block),
		Backend: "buffered",
		BaseURL: t.group.cfg.ProxyURL,
	})
}

// Run types until the load ends.
func (t *terminal) Run(ctx context.Context, rec *harness.Recorder) error {
	if t.pty == nil { // an iteration after the first
		t.session = uuid.New()
		if err := t.open(ctx, rec); err != nil {
			return err
		}
	}
	rec.Logf("typing %v into %s", t.group.cfg.Load, t.workspace.Name)
	stream := t.pump.Attach(t.pty.Stream(), rec.User(), rec.Intended())
	t.held.Account(stream.Losses)
	err := t.hold(ctx, rec, stream)
	if err == nil && t.pty != nil {
		stream.Stop()
		drain, cancel := context.WithTimeout(ctx, t.group.cfg.DrainTimeout)
		if derr := stream.Drain(drain); derr != nil && drain.Err() == nil {
			rec.Logf("the last echoes: %v", derr)
		}
		cancel()
		stop := t.endWith(ctx)
		_, _ = t.pty.Write([]byte(interrupt))
		stop()
	}
	t.leave()
	stream.Close()
	t.held.Close()
	return err
}

// hold keeps the terminal going until the load ends.
func (t *terminal) hold(ctx context.Context, rec *harness.Recorder, stream *traffic.Stream) error {
	events := newTerminalEvents(t.group.cfg, rec)
	defer events.stop()
	for {
		wait, cancel := events.context(ctx)
		err := stream.Wait(wait)
		cancel()
		switch {
		case err == nil: // all of the load is sent and answered
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.Is(err, context.Canceled):
			if err := t.reconnect(ctx, rec, stream, err); err != nil {
				return err
			}
		case events.due(eventEnd):
			return nil
		case events.due(eventChurn):
			rec.Add(Churns, 1)
			t.leave()
			if err := t.reconnect(ctx, rec, stream, stream.Wait(ctx)); err != nil {
				return err
			}
		case events.due(eventResize):
			stop := t.endWith(ctx)
			err := t.pty.Resize(events.size())
			stop()
			if err != nil {
				rec.Logf("resize: %v", err)
			}
		}
	}
}

// reconnect attaches to the same session again.
func (t *terminal) reconnect(ctx context.Context, rec *harness.Recorder, stream *traffic.Stream, cause error) error {
	end := coder.PTYEnded(cause)
	rec.Logf("%v: %v", end, cause)
	if t.pty != nil {
		t.held.Lost()
	}
	switch {
	case t.pty == nil: // churn
	case end == coder.PTYExited:
		t.leave()
		return fmt.Errorf("terminal of %s: the process in it ended early", t.workspace.Name)
	case t.group.cfg.NoReconnect:
		t.leave()
		return fmt.Errorf("terminal of %s: %v: %w", t.workspace.Name, end, cause)
	default:
		rec.Add(Reconnects, 1)
	}
	t.leave()
	start := time.Now()
	err := retryUntil(ctx, rec, t.group.cfg.ReconnectTimeout, func(ctx context.Context) (err error) {
		t.pty, err = t.connect(ctx)
		return err
	})
	took := time.Since(start)
	switch {
	case err != nil:
		return fmt.Errorf("terminal of %s: lost (%v) and not found again within %v: %w", t.workspace.Name, cause, took.Round(time.Millisecond), err)
	case t.pty != nil: // or nobody needs it any more
		rec.Logf("attached again after %v", took)
		t.held.Restored()
		stream.Resume(t.pty.Stream())
	}
	return nil
}

// endWith closes the connection when ctx is done, because nothing else ends a
// write that the other side does not take.
func (t *terminal) endWith(ctx context.Context) (stop func() bool) {
	pty := t.pty
	return context.AfterFunc(ctx, func() { _ = pty.Close() })
}

// leave closes the connection.
func (t *terminal) leave() {
	if t.pty != nil {
		_ = t.pty.Close()
		t.pty = nil
	}
}

// Cleanup closes what Setup opened.
func (t *terminal) Cleanup(context.Context) error {
	t.leave()
	t.held.Close()
	if t.client != nil {
		t.client.CloseIdleConnections()
	}
	if t.joined {
		t.joined = false
		t.group.leave()
	}
	return nil
}
