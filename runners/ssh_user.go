package runners

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
)

// sshUser holds an SSH connection.
type sshUser struct {
	group     *sshGroup
	workspace Workspace
	client    *ssh.Client
	session   *sshSession
	pump      *traffic.Pump
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

// reconnect does it all again, and opens the session of the load.
func (u *sshUser) reconnect(ctx context.Context) error {
	u.leave() // what an attempt before has left
	ctx, cancel := context.WithTimeout(ctx, u.group.cfg.DialTimeout)
	defer cancel()
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
	conn, err := u.group.cfg.Dialer.Dial(ctx, u.workspace)
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
	return rec.Do(ctx, SSHSession, u.begin)
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
	defer func() {
		u.leave() // a stream is closed behind its connection
		stream.Close()
	}()
	for {
		err := untilEnd(ctx, rec, stream, u.group.cfg.DrainTimeout)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if end := u.session.ended(); end != nil {
			err = errors.Join(end, err)
		}
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
	if u.joined {
		u.joined = false
		u.group.leave()
	}
	return nil
}

// sshSession is a session with a command in it.
type sshSession struct {
	ssh.Channel
	gone   chan struct{} // closed when its requests have ended
	status int           // the command's exit status, or -1
	signal string        // that ended it
}

// open opens a session and starts a command in it. An empty command is a shell.
func (u *sshUser) open(ctx context.Context, command string, terminal bool) (*sshSession, error) {
	stop := context.AfterFunc(ctx, func() { _ = u.client.Close() })
	defer stop()
	ch, requests, err := u.client.OpenChannel("session", nil)
	if err != nil {
		return nil, err
	}
	s := &sshSession{Channel: ch, gone: make(chan struct{}), status: -1}
	go s.listen(requests)
	ask := func(name string, payload []byte) error {
		ok, err := ch.SendRequest(name, true, payload)
		if err == nil && !ok {
			err = errors.New("the server refused it")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	if terminal {
		err = ask("pty-req", ssh.Marshal(&ptyRequest{Term: "xterm-256color", Columns: 80, Rows: 25}))
	}
	switch {
	case err != nil:
	case command == "":
		err = ask("shell", nil)
	default:
		err = ask("exec", ssh.Marshal(&execRequest{command}))
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// ptyRequest and execRequest are RFC 4254, sections 6.2 and 6.5.
type ptyRequest struct {
	Term                         string
	Columns, Rows, Width, Height uint32
	Modes                        string
}

type execRequest struct{ Command string }

// listen takes what the server says about the session.
func (s *sshSession) listen(requests <-chan *ssh.Request) {
	defer close(s.gone)
	for r := range requests {
		switch r.Type {
		case "exit-status":
			var exit struct{ Status uint32 }
			if ssh.Unmarshal(r.Payload, &exit) == nil {
				s.status = int(exit.Status)
			}
		case "exit-signal":
			var exit struct {
				Signal     string
				CoreDumped bool
				Error      string
				Language   string
			}
			if ssh.Unmarshal(r.Payload, &exit) == nil {
				s.signal = exit.Signal
			}
		}
		if r.WantReply {
			_ = r.Reply(false, nil)
		}
	}
}

// ended says how the command ended, once it has. It is nil while nobody knows.
func (s *sshSession) ended() error {
	select {
	case <-s.gone:
	case <-time.After(100 * time.Millisecond):
		return nil
	}
	switch {
	case s.signal != "":
		return fmt.Errorf("the command was ended by signal %s", s.signal)
	case s.status >= 0:
		said, _ := io.ReadAll(io.LimitReader(s.Stderr(), 1<<10)) // what there is
		return fmt.Errorf("the command ended with status %d: %s", s.status, said)
	}
	return nil
}

// close ends the session and waits for its goroutine.
func (s *sshSession) close() {
	_ = s.Close()
	// The server answers, or the connection's end stands for it.
	select {
	case <-s.gone:
	case <-time.After(time.Second):
	}
}
