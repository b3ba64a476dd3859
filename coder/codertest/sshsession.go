package codertest

import (
	"context"
	"encoding/binary"
	"io"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/coderscale/scaletest/coder/internal/shell"
)

// sshSession is a channel with a program.
type sshSession struct {
	server *Server
	ch     ssh.Channel
	env    map[string]string
	tty    bool
	quiet  bool // the terminal does not echo

	mu      sync.Mutex
	size    shell.Size
	program shell.Program // in a terminal
	started bool
	ended   bool
	cancel  context.CancelFunc // ends a program without a terminal
}

func (s *Server) openSession(n ssh.NewChannel) {
	ch, requests, err := n.Accept()
	if err != nil {
		return // the client has gone
	}
	x := &sshSession{server: s, ch: ch, env: map[string]string{}, size: shell.Size{Columns: 80, Rows: 24}}
	for r := range requests {
		ok := x.request(r)
		if r.WantReply {
			_ = r.Reply(ok, nil) // the client may be gone
		}
		if ok && (r.Type == "exec" || r.Type == "shell") {
			x.start(r)
		}
	}
	x.stop()
}

// request handles one, and reports whether it is granted.
func (x *sshSession) request(r *ssh.Request) bool {
	switch r.Type {
	case "env":
		var m struct{ Name, Value string }
		if ssh.Unmarshal(r.Payload, &m) != nil || x.started {
			return false
		}
		x.env[m.Name] = m.Value
		return true
	case "pty-req":
		var m struct {
			Term                         string
			Columns, Rows, Width, Height uint32
			Modes                        string
		}
		if ssh.Unmarshal(r.Payload, &m) != nil || x.started {
			return false
		}
		x.tty, x.quiet = true, !echoes(m.Modes)
		x.resize(m.Columns, m.Rows)
		return true
	case "window-change":
		var m struct{ Columns, Rows, Width, Height uint32 }
		if ssh.Unmarshal(r.Payload, &m) != nil || !x.tty {
			return false
		}
		x.resize(m.Columns, m.Rows)
		return true
	case "exec", "shell":
		return !x.started
	case "signal":
		var m struct{ Name string }
		if ssh.Unmarshal(r.Payload, &m) != nil || !x.started {
			return false
		}
		x.end("exit-signal", ssh.Marshal(struct {
			Name          string
			Core          bool
			Message, Lang string
		}{Name: m.Name}))
		return true
	case keepAlive:
		return true
	}
	return false // no subsystem, no agent, no X11
}

// echoes reads the modes of a terminal (RFC 4254, section 8), of which only the
// echo matters here.
func echoes(modes string) bool {
	const end, echo, first32 = 0, 53, 160
	for b := []byte(modes); len(b) >= 5 && b[0] != end && b[0] < first32; b = b[5:] {
		if b[0] == echo {
			return binary.BigEndian.Uint32(b[1:]) != 0
		}
	}
	return true
}

func (x *sshSession) resize(columns, rows uint32) {
	if columns == 0 || rows == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.size = shell.Size{Columns: int(columns), Rows: int(rows)}
	if x.program != nil {
		x.send(x.program.Resize(nil, x.size))
	}
}

// start runs the program of an exec or a shell request.
func (x *sshSession) start(r *ssh.Request) {
	var m struct{ Command string }
	if r.Type == "exec" && ssh.Unmarshal(r.Payload, &m) != nil {
		x.exit(1)
		return
	}
	x.started = true
	ctx, cancel := context.WithCancel(x.server.ctx)
	x.mu.Lock()
	x.cancel = cancel
	x.mu.Unlock()
	run := func() { x.exec(ctx, m.Command) }
	if x.tty {
		run = func() { x.terminal(m.Command) }
	}
	x.server.wg.Go(run)
}

func (x *sshSession) exec(ctx context.Context, command string) {
	hub := &x.server.ssh
	code := shell.Exec(ctx, command, x.env, shell.Streams{
		In:  countedReader{x.ch, hub},
		Out: countedSender{x.ch, hub},
		Err: countedSender{x.ch.Stderr(), hub},
	})
	x.exit(code)
}

// terminal runs a program in a terminal, in the goroutine that reads what is
// typed.
func (x *sshSession) terminal(command string) {
	x.mu.Lock()
	program := shell.New(command, x.size)
	if x.quiet {
		shell.WithoutEcho(program)
	}
	out, over := program.Start(nil)
	x.program = program
	x.send(out)
	x.mu.Unlock()
	buf := make([]byte, 16<<10)
	in := countedReader{x.ch, &x.server.ssh}
	for !over {
		n, err := in.Read(buf)
		x.mu.Lock()
		if n > 0 {
			out, over = program.Type(out[:0], buf[:n])
			x.send(out)
		}
		x.mu.Unlock()
		if err != nil {
			break // a terminal ends with its input
		}
	}
	x.exit(program.Code())
}

func (x *sshSession) send(b []byte) {
	if len(b) > 0 {
		_, _ = countedSender{x.ch, &x.server.ssh}.Write(b) // the reader finds out
	}
}

// exit tells the status and closes the channel.
func (x *sshSession) exit(code int) {
	x.end("exit-status", ssh.Marshal(struct{ Status uint32 }{uint32(code)}))
}

func (x *sshSession) end(how string, payload []byte) {
	x.mu.Lock()
	was := x.ended
	x.ended = true
	x.mu.Unlock()
	if was {
		return
	}
	_ = x.ch.CloseWrite()                        // from here on the client may be gone
	_, _ = x.ch.SendRequest(how, false, payload) // as above
	_ = x.ch.Close()                             // as above
}

// stop ends the program of a channel that the client has closed.
func (x *sshSession) stop() {
	x.mu.Lock()
	x.ended = true
	cancel := x.cancel
	x.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	_ = x.ch.Close() // it is closed already
}

// countedReader and countedSender count payload.
type countedReader struct {
	io.Reader
	hub *sshHub
}

func (r countedReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	r.hub.received.Add(int64(n))
	return n, err
}

type countedSender struct {
	io.Writer
	hub *sshHub
}

func (w countedSender) Write(b []byte) (int, error) {
	n, err := w.Writer.Write(b)
	w.hub.sent.Add(int64(n))
	return n, err
}
