package runners

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ProxyCommand dials by a process of Coder's command line, as OpenSSH does with
// its ProxyCommand: coder ssh --stdio. One process is a whole tailnet node of
// some tens of megabytes, so that a machine carries hundreds, not thousands.
//
// The process logs in with the workspace's client: its URL and token are in the
// environment, where other users of this machine can't read them. It does not
// start a workspace that is stopped.
type ProxyCommand struct {
	// Path of the binary. Empty means "coder", looked for in PATH.
	Path string

	// Args are flags behind "ssh --stdio", such as --wait=no.
	Args []string

	// Env are variables on top of this process' own, as KEY=value.
	Env []string
}

// String implements [Dialer].
func (ProxyCommand) String() string { return "coder ssh" }

// Find reports where the binary is, or that there is none.
func (d ProxyCommand) Find() (string, error) {
	path := d.Path
	if path == "" {
		path = "coder"
	}
	found, err := exec.LookPath(path)
	if err != nil {
		return "", fmt.Errorf("coder ssh: there is no %s in PATH: install Coder's command line, which 'coder ssh' belongs to, or put its folder into PATH", path)
	}
	return found, nil
}

// Dial implements [Dialer].
func (d ProxyCommand) Dial(ctx context.Context, w Workspace) (net.Conn, error) {
	path, err := d.Find()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	name := w.Name
	if w.Agent.Name != "" {
		name += "." + w.Agent.Name
	}
	if err := w.Client.SignIn(ctx); err != nil {
		return nil, fmt.Errorf("coder ssh %s: %w", name, err)
	}
	header := http.Header{}
	w.Client.AuthHeader(header)
	token := header.Get("Coder-Session-Token")
	cmd := exec.Command(path, slices.Concat([]string{"ssh", "--stdio", "--disable-autostart"}, d.Args, []string{name})...)
	cmd.Env = slices.Concat(os.Environ(), []string{
		"CODER_URL=" + w.Client.URL().String(), "CODER_SESSION_TOKEN=" + token,
		"CODER_NO_VERSION_WARNING=true", "CODER_NO_FEATURE_WARNING=true",
	}, d.Env)
	c := &processConn{cmd: cmd, name: name, done: make(chan struct{}), said: make(chan struct{})}
	c.stderr.secret = token
	if c.in, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("coder ssh %s: %w", name, err)
	}
	if c.out, err = cmd.StdoutPipe(); err != nil {
		return nil, fmt.Errorf("coder ssh %s: %w", name, err)
	}
	complaints, err := cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("coder ssh %s: %w", name, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("coder ssh %s: %w", name, err)
	}
	go func() {
		defer close(c.said)
		_, _ = io.Copy(&c.stderr, complaints) // it ends with the process
	}()
	return c, nil
}

// processConn is a connection by the standard input and output of a process.
type processConn struct {
	cmd    *exec.Cmd
	name   string
	in     io.WriteCloser
	out    io.ReadCloser
	stderr tail
	once   sync.Once
	done   chan struct{} // closed when the process is gone
	said   chan struct{} // closed when it has said all
}

// lastWords is how long what a process complains about is waited for.
const lastWords = time.Second

// endIn is how long a process may take to end when it is asked to.
const endIn = 5 * time.Second

// Read gives what the process writes. At its end the error says what it
// complained about.
func (c *processConn) Read(b []byte) (int, error) {
	n, err := c.out.Read(b)
	if err == io.EOF {
		select { // of a process that ends, the complaint may come after its output's end
		case <-c.said:
		case <-time.After(lastWords):
		}
		if said := c.stderr.String(); said != "" {
			err = fmt.Errorf("coder ssh %s: %s: %w", c.name, said, io.EOF)
		}
	}
	return n, err
}

// Write gives the process something to read.
func (c *processConn) Write(b []byte) (int, error) { return c.in.Write(b) }

// Close asks the process to end, so that the agent sees the connection close,
// and waits for it.
func (c *processConn) Close() error {
	c.once.Do(func() {
		defer close(c.done)
		_ = c.in.Close()
		if c.cmd.Process.Signal(syscall.SIGTERM) != nil { // gone, or a system without signals
			_ = c.cmd.Process.Kill()
		}
		late := time.AfterFunc(endIn, func() { _ = c.cmd.Process.Kill() })
		defer late.Stop()
		_ = c.cmd.Wait() // closes out; its status says nothing about us
		<-c.said
	})
	<-c.done
	return nil
}

func (c *processConn) LocalAddr() net.Addr  { return processAddr(c.name) }
func (c *processConn) RemoteAddr() net.Addr { return processAddr(c.name) }

var errNoDeadline = errors.New("coder ssh: the pipes of this system have no deadlines")

func (c *processConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *processConn) SetReadDeadline(t time.Time) error {
	if f, ok := c.out.(interface{ SetReadDeadline(time.Time) error }); ok {
		return f.SetReadDeadline(t)
	}
	return errNoDeadline
}

func (c *processConn) SetWriteDeadline(t time.Time) error {
	if f, ok := c.in.(interface{ SetWriteDeadline(time.Time) error }); ok {
		return f.SetWriteDeadline(t)
	}
	return errNoDeadline
}

// processAddr is the workspace's name.
type processAddr string

func (processAddr) Network() string  { return "coder ssh" }
func (a processAddr) String() string { return string(a) }

// tail keeps the last of what a process says, without the token.
type tail struct {
	secret string
	mu     sync.Mutex
	buf    []byte
}

const tailBytes = 2 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - tailBytes; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	text := string(bytes.TrimSpace(t.buf))
	t.mu.Unlock()
	if t.secret != "" {
		text = strings.ReplaceAll(text, t.secret, "(token)")
	}
	return strings.Join(strings.Fields(text), " ")
}
