package runners

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
)

// tunnel is one that is held.
type tunnel struct {
	cfg       TunnelConfig
	workspace *Workspace
	url       *url.URL // nil for TCP and pings
	port      uint16
	opened    bool
	stale     bool // the last thing failed: the agent may be another one
	http      *http.Client
	first     chan net.Conn // that http has not begun to use
	conn      net.Conn      // over TCP
	held      *harness.Connection
	out, in   []byte
}

func (c TunnelConfig) tunnel(w *Workspace) *tunnel {
	t := &tunnel{cfg: c, workspace: w, port: c.Port}
	if c.URL != "" {
		t.url, t.port, _ = c.target() // Validate has seen that it is one
	}
	return t
}

// Setup finds out whether the agent is there.
func (t *tunnel) Setup(ctx context.Context, rec *harness.Recorder) error { return t.open(ctx, rec) }

// Run holds the tunnel until the load ends.
func (t *tunnel) Run(ctx context.Context, rec *harness.Recorder) error {
	return t.hold(ctx, rec, rec.Intended(), 0, false)
}

// Cleanup closes it.
func (t *tunnel) Cleanup(context.Context) error {
	t.close()
	return nil
}

func (t *tunnel) open(ctx context.Context, rec *harness.Recorder) error {
	if err := rec.Do(ctx, TunnelPing, t.ping); err != nil {
		return err
	}
	return t.connect(ctx, rec)
}

// connect opens the connection that is held.
func (t *tunnel) connect(ctx context.Context, rec *harness.Recorder) error {
	if t.port == 0 {
		return nil
	}
	var conn net.Conn
	err := rec.Do(ctx, TunnelDial, func(ctx context.Context) (err error) {
		conn, err = t.dial(ctx, t.port)
		return err
	})
	if err != nil {
		return err
	}
	if t.opened {
		rec.Add(Reconnects, 1)
	}
	t.opened = true
	if t.url == nil {
		t.conn = conn
		if t.held == nil {
			t.held = rec.Connected()
		}
		t.held.Restored()
		return nil
	}
	t.first = make(chan net.Conn, 1)
	t.first <- conn
	t.http = &http.Client{
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			select {
			case c := <-t.first:
				return c, nil
			default:
			}
			c, err := t.dial(ctx, t.port)
			if err == nil {
				rec.Add(Reconnects, 1)
			}
			return c, err
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return nil
}

// find looks for the agent that the workspace has now.
func (t *tunnel) find(ctx context.Context) error {
	if !t.stale {
		return nil
	}
	w, err := t.workspace.present(ctx)
	if err != nil {
		return fmt.Errorf("tunnel to %s: %w", t.workspace.Name, err)
	}
	t.workspace, t.stale = &w, false
	return nil
}

func (t *tunnel) dial(ctx context.Context, port uint16) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, t.cfg.Timeout)
	defer cancel()
	if err := t.find(ctx); err != nil {
		return nil, err
	}
	c, err := t.cfg.Dial(ctx, t.workspace.Agent.ID, port)
	if err != nil {
		return nil, fmt.Errorf("tunnel to %s: %w", t.workspace.Name, err)
	}
	return c, nil
}

// ping asks for a sign of life.
func (t *tunnel) ping(ctx context.Context) error {
	if t.cfg.Ping == nil {
		c, err := t.dial(ctx, agentAPIPort)
		if err == nil {
			_ = c.Close() // that it opened is all
		}
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, t.cfg.Timeout)
	defer cancel()
	if err := t.find(ctx); err != nil {
		return err
	}
	if _, err := t.cfg.Ping(ctx, t.workspace.Agent.ID); err != nil {
		return fmt.Errorf("tunnel to %s: %w", t.workspace.Name, err)
	}
	return nil
}

// hold does something at each tick until the load ends, or for a time. What is
// due while something else is on its way waits for it, and is measured from when
// it was due.
func (t *tunnel) hold(ctx context.Context, rec *harness.Recorder, begin time.Time, atMost time.Duration, strict bool) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for due, more := t.cfg.Load.Shape.Next(traffic.Before); more; due, more = t.cfg.Load.Shape.Next(due) {
		if atMost > 0 && due.At > atMost {
			break
		}
		intended := begin.Add(due.At)
		timer.Reset(max(time.Until(intended), 0))
		select {
		case <-timer.C:
		case <-rec.Done():
			return t.agentSide(ctx, rec)
		case <-ctx.Done():
			return ctx.Err()
		}
		start := time.Now()
		action, err := t.act(ctx, rec)
		now := time.Now()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		rec.Record(action, now.Sub(intended), now.Sub(start), err)
		if err == nil {
			continue
		}
		t.stale = true
		if strict {
			return err
		}
		rec.Logf("%v", err)
	}
	return t.agentSide(ctx, rec)
}

// act is what is done at a tick.
func (t *tunnel) act(ctx context.Context, rec *harness.Recorder) (harness.Action, error) {
	switch {
	case t.url != nil:
		return TunnelRequest, t.request(ctx, rec)
	case t.port != 0 && t.cfg.Load.BytesPerTick > 0:
		return TunnelEcho, t.echo(ctx, rec)
	}
	return TunnelPing, t.ping(ctx)
}

func (t *tunnel) request(ctx context.Context, rec *harness.Recorder) error {
	ctx, cancel := context.WithTimeout(ctx, t.cfg.Timeout)
	defer cancel()
	fail := func(err error) error {
		return fmt.Errorf("GET %s in %s: %w", t.url.Redacted(), t.workspace.Name, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url.String(), nil)
	if err != nil {
		return fail(err)
	}
	resp, err := t.http.Do(req)
	if err != nil {
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err // the request is named already
		}
		return fail(err)
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	rec.Add(BytesReceived, n)
	switch {
	case err != nil:
		return fail(err)
	case resp.StatusCode >= http.StatusBadRequest:
		return fail(fmt.Errorf("it answered %s", resp.Status))
	}
	return nil
}

// echo sends a tick's bytes and looks at what comes back.
func (t *tunnel) echo(ctx context.Context, rec *harness.Recorder) (err error) {
	if t.conn == nil {
		if err := t.connect(ctx, rec); err != nil {
			return err
		}
	}
	conn := t.conn
	defer func() {
		if err != nil {
			_ = conn.Close() // what it has still to say belongs to this tick
			t.conn = nil
			if ctx.Err() == nil {
				t.held.Lost()
			}
			err = fmt.Errorf("echo of %d bytes by port %d of %s: %w", t.cfg.Load.BytesPerTick, t.port, t.workspace.Name, err)
		}
	}()
	if t.out == nil {
		t.out, t.in = make([]byte, t.cfg.Load.BytesPerTick), make([]byte, t.cfg.Load.BytesPerTick)
		var seed [32]byte
		copy(seed[:], t.workspace.Agent.ID[:])
		_, _ = rand.NewChaCha8(seed).Read(t.out) // it never fails
	}
	t.out[0]++ // so that an old echo is not taken for this one
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := conn.SetDeadline(time.Now().Add(t.cfg.Timeout)); err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() {
		n, err := conn.Write(t.out)
		rec.Add(BytesSent, int64(n))
		sent <- err
	}()
	n, err := io.ReadFull(conn, t.in)
	rec.Add(BytesReceived, int64(n))
	if err != nil {
		_ = conn.Close() // the writer ends, too
	}
	if serr := <-sent; err == nil {
		err = serr
	}
	if err != nil {
		return err
	}
	if !bytes.Equal(t.in, t.out) {
		return errors.New("what came back is not what was sent")
	}
	return nil
}

// agentSide records what the agent has measured.
func (t *tunnel) agentSide(ctx context.Context, rec *harness.Recorder) error {
	if t.workspace.Client == nil {
		return nil
	}
	a, err := t.workspace.Client.Agent(ctx, t.workspace.Agent.ID)
	if err != nil {
		rec.Logf("%v", err)
		return nil
	}
	for region, l := range a.Latency {
		if l.Preferred && l.Millis > 0 {
			d := time.Duration(l.Millis * float64(time.Millisecond))
			rec.Record(AgentLatency, d, d, nil)
			rec.Logf("the agent of %s is %v from its relay in %s", t.workspace.Name, d.Round(10*time.Microsecond), region)
		}
	}
	return nil
}

func (t *tunnel) close() {
	if t.http != nil {
		t.http.CloseIdleConnections()
		t.http = nil
		select {
		case c := <-t.first:
			_ = c.Close() // nothing was asked for
		default:
		}
	}
	if t.conn != nil {
		_ = t.conn.Close() // it is no longer used
		t.conn = nil
	}
	t.held.Close()
	t.held = nil
}
