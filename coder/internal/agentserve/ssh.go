package agentserve

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/ssh"

	"github.com/coderscale/scaletest/coder/internal/shell"
)

const keepAlive = "keepalive@openssh.com"

// serveSSH serves a connection until that ends.
func (s *Server) serveSSH(c net.Conn) {
	conn, channels, requests, err := ssh.NewServerConn(c, s.ssh)
	if err != nil {
		return // the client has gone, or speaks something else
	}
	s.wg.Go(func() {
		for r := range requests {
			if r.WantReply {
				_ = r.Reply(r.Type == keepAlive, nil) // the client may be gone
			}
		}
	})
	for ch := range channels {
		switch ch.ChannelType() {
		case "session":
			s.wg.Go(func() { s.serveSession(ch) })
		case "direct-tcpip":
			_ = ch.Reject(ssh.ConnectionFailed, "connection refused") // the client may be gone
		default:
			_ = ch.Reject(ssh.UnknownChannelType, "unsupported channel type") // as above
		}
	}
	_ = conn.Close() // it has ended
}

// session is a channel with a program. Its requests come one after the other.
type session struct {
	server *Server
	ch     ssh.Channel
	env    map[string]string
	tty    bool
	quiet  bool // the terminal does not echo
	over   bool // nothing can be started any more

	mu      sync.Mutex
	size    shell.Size
	program shell.Program // in a terminal, once it runs
	ended   bool
	cancel  context.CancelFunc // of a program without a terminal
}

func (s *Server) serveSession(n ssh.NewChannel) {
	ch, requests, err := n.Accept()
	if err != nil {
		return // the client has gone
	}
	defer s.opened(func(c *Counters) *atomic.Int64 { return &c.SSH })()
	x := &session{server: s, ch: ch, env: map[string]string{}, size: shell.Size{Columns: 80, Rows: 24}}
	for r := range requests {
		run, ok := x.request(r.Type, r.Payload)
		if r.WantReply {
			_ = r.Reply(ok, nil) // the client may be gone
		}
		if run != nil {
			s.wg.Go(run)
		}
	}
	x.end("", nil)
}

// request handles one and reports whether it is granted. What it starts is to be
// run after the answer.
func (x *session) request(kind string, payload []byte) (run func(), ok bool) {
	switch kind {
	case "env":
		var m struct{ Name, Value string }
		if ssh.Unmarshal(payload, &m) != nil || x.over {
			return nil, false
		}
		x.env[m.Name] = m.Value
		return nil, true
	case "pty-req":
		var m struct {
			Term                         string
			Columns, Rows, Width, Height uint32
			Modes                        string
		}
		if ssh.Unmarshal(payload, &m) != nil || x.over {
			return nil, false
		}
		x.tty, x.quiet = true, !echoes(m.Modes)
		x.resize(m.Columns, m.Rows)
		return nil, true
	case "window-change":
		var m struct{ Columns, Rows, Width, Height uint32 }
		if ssh.Unmarshal(payload, &m) != nil || !x.tty {
			return nil, false
		}
		x.resize(m.Columns, m.Rows)
		return nil, true
	case "exec":
		var m struct{ Command string }
		if ssh.Unmarshal(payload, &m) != nil {
			return nil, false
		}
		return x.start(m.Command)
	case "shell":
		return x.start("")
	case "signal":
		var m struct{ Name string }
		if ssh.Unmarshal(payload, &m) != nil || !x.over {
			return nil, false
		}
		x.end("exit-signal", ssh.Marshal(struct {
			Name          string
			Core          bool
			Message, Lang string
		}{Name: m.Name}))
		return nil, true
	case keepAlive:
		return nil, true
	}
	return nil, false // no subsystem, no agent, no X11
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

// maxSide keeps a window that somebody made up from being worked with.
const maxSide = 1 << 15

func (x *session) resize(columns, rows uint32) {
	if columns == 0 || rows == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.size = shell.Size{Columns: int(min(columns, maxSide)), Rows: int(min(rows, maxSide))}
	if x.program != nil && !x.ended {
		x.send(x.program.Resize(nil, x.size))
	}
}

func (x *session) start(command string) (run func(), ok bool) {
	if x.over {
		return nil, false
	}
	x.over = true
	if x.tty {
		return func() { x.terminal(command) }, true
	}
	ctx, cancel := context.WithCancel(x.server.ctx)
	x.mu.Lock()
	x.cancel = cancel
	x.mu.Unlock()
	return func() {
		x.exit(shell.Exec(ctx, command, x.env, shell.Streams{In: x.ch, Out: x.ch, Err: x.ch.Stderr()}))
	}, true
}

// terminal runs a program in a terminal, in the goroutine that reads what is
// typed.
func (x *session) terminal(command string) {
	x.mu.Lock()
	program := shell.New(command, x.size)
	if x.quiet {
		shell.WithoutEcho(program)
	}
	out, over := program.Start(nil)
	x.program = program
	x.send(out)
	x.mu.Unlock()
	buf := make([]byte, 8<<10)
	for !over {
		n, err := x.ch.Read(buf)
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

func (x *session) send(b []byte) {
	if len(b) > 0 {
		_, _ = x.ch.Write(b) // the reader finds out
	}
}

func (x *session) exit(code int) {
	x.end("exit-status", ssh.Marshal(struct{ Status uint32 }{uint32(code)}))
}

// end says how the program ended, if it did, and closes the channel.
func (x *session) end(how string, payload []byte) {
	x.mu.Lock()
	was := x.ended
	x.ended = true
	cancel := x.cancel
	x.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	if was {
		return
	}
	if how != "" {
		_ = x.ch.CloseWrite()                        // from here on the client may be gone
		_, _ = x.ch.SendRequest(how, false, payload) // as above
	}
	_ = x.ch.Close() // as above
}
