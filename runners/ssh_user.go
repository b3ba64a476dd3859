package runners

import (
	"context"
	"errors"
	"fmt"
	"net"

	"golang.org/x/crypto/ssh"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
)

// sshUser holds an SSH connection.
type sshUser struct {
	group     *sshGroup
	workspace *Workspace
	client    *ssh.Client
	session   *sshSession
	pump      *traffic.Pump
	held      *harness.Connection
	joined    bool
}

// Setup connects.
func (u *sshUser) Setup(ctx context.Context, rec *harness.Recorder) error {
	rec.Logf("ssh to %s by %v", u.workspace.Name, u.group.cfg.Dialer)
	if err := u.connect(ctx, rec); err != nil {
		return err
	}
	if !u.group.cfg.pumps() {
		return nil
	}
	if err := u.start(ctx, rec); err != nil {
		return err
	}
	var err error
	u.pump, err = u.group.join(rec, u.group.cfg.Seed)
	u.joined = err == nil
	return err
}

// connect dials and shakes hands, and records both.
func (u *sshUser) connect(ctx context.Context, rec *harness.Recorder) error {
	ctx, cancel := context.WithTimeout(ctx, u.group.cfg.DialTimeout)
	defer cancel()
	var conn net.Conn
	err := rec.Do(ctx, SSHDial, func(ctx context.Context) (err error) {
		conn, err = u.dial(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return rec.Do(ctx, SSHHandshake, func(ctx context.Context) error { return u.handshake(ctx, conn) })
}

// reconnect does it all again, and opens the session of the load. The workspace
// may have another agent by now.
func (u *sshUser) reconnect(ctx context.Context) error {
	u.leave() // what an attempt before has left
	ctx, cancel := context.WithTimeout(ctx, u.group.cfg.DialTimeout)
	defer cancel()
	w, err := u.workspace.present(ctx)
	if err != nil {
		return u.failed("find its agent", err)
	}
	u.workspace = &w
	conn, err := u.dial(ctx)
	if err == nil {
		err = u.handshake(ctx, conn)
	}
	if err == nil {
		err = u.begin(ctx)
	}
	return err
}

func (u *sshUser) dial(ctx context.Context) (net.Conn, error) {
	conn, err := u.group.cfg.Dialer.Dial(ctx, *u.workspace)
	if err != nil {
		return nil, u.failed("dial", err)
	}
	return conn, nil
}

func (u *sshUser) handshake(ctx context.Context, conn net.Conn) error {
	// Closing is the one thing that ends a handshake on any connection.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	// The agent asks for no proof: whoever reached it was let through by the
	// server. Its host key follows from names, so it proves nothing either.
	c, channels, requests, err := ssh.NewClientConn(conn, u.workspace.Name, &ssh.ClientConfig{
		User:            "coder",
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), //nolint:gosec // see above
	})
	if err != nil {
		_ = conn.Close()
		if cause := context.Cause(ctx); cause != nil {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		return u.failed("handshake", err)
	}
	u.client = ssh.NewClient(c, channels, requests)
	return nil
}

func (u *sshUser) failed(what string, err error) error {
	return fmt.Errorf("ssh to %s by %v: %s: %w", u.workspace.Name, u.group.cfg.Dialer, what, err)
}

// Run does what the mode says.
func (u *sshUser) Run(ctx context.Context, rec *harness.Recorder) error {
	if u.client == nil { // it was lost in an iteration before, or left after one
		if err := u.connect(ctx, rec); err != nil {
			return err
		}
	}
	if u.group.cfg.pumps() {
		return u.hold(ctx, rec)
	}
	err := u.once(ctx, rec)
	if err != nil {
		u.leave() // whatever it was, the next iteration begins anew
	}
	return err
}

// start opens the session in which the load is made, and records that.
func (u *sshUser) start(ctx context.Context, rec *harness.Recorder) error {
	if err := rec.Do(ctx, SSHSession, u.begin); err != nil {
		return err
	}
	u.held = rec.Connected()
	return nil
}

func (u *sshUser) begin(ctx context.Context) (err error) {
	// A line at most, because dd reads a terminal line by line.
	block := min(u.group.cfg.Load.BytesPerTick, traffic.MaxLine)
	to, terminal := "/dev/stdout", false
	if u.group.cfg.Mode == SSHTerminalMode {
		to, terminal = "/dev/null", true
	}
	if u.session, err = u.open(ctx, fmt.Sprintf("dd if=/dev/stdin of=%s bs=%d status=none", to, block), terminal); err != nil {
		return u.failed("session", err)
	}
	return nil
}

// hold sends the load until it ends.
func (u *sshUser) hold(ctx context.Context, rec *harness.Recorder) error {
	if u.session == nil {
		if err := u.start(ctx, rec); err != nil {
			return err
		}
	}
	stream := u.pump.Attach(u.session, rec.User(), rec.Intended())
	u.held.Account(stream.Losses)
	defer func() {
		u.leave() // a stream is closed behind its connection
		stream.Close()
		u.held.Close()
	}()
	for {
		err := untilEnd(ctx, rec, stream, u.group.cfg.DrainTimeout)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if end := u.session.ended(); end != nil {
			err = errors.Join(end, err)
		}
		u.held.Lost()
		u.leave()
		if u.group.cfg.NoReconnect {
			return u.failed("the session was lost", err)
		}
		rec.Add(Reconnects, 1)
		rec.Logf("the session was lost: %v", err)
		again := retryUntil(ctx, rec, u.group.cfg.ReconnectTimeout, u.reconnect)
		if again != nil {
			return fmt.Errorf("%w, and not found again: %w", u.failed("the session was lost", err), again)
		}
		if u.session == nil {
			return nil
		}
		u.held.Restored()
		stream.Resume(u.session)
	}
}

// leave closes the session and the connection.
func (u *sshUser) leave() {
	if u.session != nil {
		u.session.close()
		u.session = nil
	}
	if u.client != nil {
		_ = u.client.Close()
		_ = u.client.Wait() // its goroutines are gone then
		u.client = nil
	}
}

// Cleanup closes what Setup opened.
func (u *sshUser) Cleanup(context.Context) error {
	u.leave()
	u.held.Close()
	if u.joined {
		u.joined = false
		u.group.leave()
	}
	return nil
}
