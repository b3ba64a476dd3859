package agentserve

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"github.com/coderscale/scaletest/coder/internal/shell"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ports is a network in memory, or with tcp over loopback: both sides of SSH speak
// first, for which pipes without buffers won't do.
type ports struct {
	tcp bool
	mu  sync.Mutex
	all map[uint16]*port
}

type port struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *port) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *port) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *port) Addr() net.Addr { return &net.TCPAddr{} }

func (n *ports) listen(number uint16) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := &port{conns: make(chan net.Conn), done: make(chan struct{})}
	if n.all == nil {
		n.all = map[uint16]*port{}
	}
	n.all[number] = p
	return p, nil
}

func (n *ports) dial(number uint16) net.Conn {
	n.mu.Lock()
	p := n.all[number]
	n.mu.Unlock()
	a, b := n.pair()
	select {
	case p.conns <- b:
	case <-p.done:
		_ = b.Close()
	}
	return a
}

func (n *ports) pair() (a, b net.Conn) {
	if !n.tcp {
		return net.Pipe()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err == nil {
		b, err = l.Accept()
	}
	if err != nil {
		panic(err)
	}
	return a, b
}

func started(t *testing.T, apps ...App) (*Server, *ports) {
	t.Helper()
	return startedOn(t, &ports{tcp: true}, apps...)
}

func startedOn(t *testing.T, n *ports, apps ...App) (*Server, *ports) {
	t.Helper()
	s, err := Start(Config{Listen: n.listen, Name: "admin/ws.main", Apps: apps, Counters: &Counters{}})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s, n
}

func dialSSH(t *testing.T, n *ports, number uint16) *ssh.Client {
	t.Helper()
	conn, channels, requests, err := ssh.NewClientConn(n.dial(number), "agent", &ssh.ClientConfig{
		User: "coder", HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	require.NoError(t, err)
	c := ssh.NewClient(conn, channels, requests)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestCommandsRunOverSSHOnBothPorts(t *testing.T) {
	s, n := started(t)
	for _, number := range []uint16{SSHPort, StandardSSHPort} {
		c := dialSSH(t, n, number)
		run := func(command, in string) (string, error) {
			x, err := c.NewSession()
			require.NoError(t, err)
			defer x.Close()
			x.Stdin = strings.NewReader(in)
			out, err := x.Output(command)
			return string(out), err
		}
		out, err := run("echo ok", "")
		require.NoError(t, err)
		assert.Equal(t, "ok\n", out)
		out, err = run("wc -c", strings.Repeat("x", 100<<10))
		require.NoError(t, err)
		assert.Equal(t, "102400\n", out)
		out, err = run("head -c 1000000 /dev/zero", "")
		require.NoError(t, err)
		assert.Len(t, out, 1000000)
		_, err = run("exit 7", "")
		var status *ssh.ExitError
		require.ErrorAs(t, err, &status)
		assert.Equal(t, 7, status.ExitStatus())
		ok, _, err := c.SendRequest(keepAlive, true, nil)
		require.NoError(t, err)
		assert.True(t, ok)
		_, err = c.Dial("tcp", "localhost:80")
		require.ErrorContains(t, err, "connection refused")
	}
	r := s.Report()
	assert.Equal(t, 2, r.Connections)
	assert.Greater(t, r.In, int64(200<<10))
	assert.Greater(t, r.Out, int64(2000000))
	assert.Zero(t, s.Report().In, "what was reported is reported again")
	assert.Equal(t, int64(8), s.cfg.Counters.Opened.Load())
}

func TestASessionWithATerminalEchoesAndFollowsTheWindow(t *testing.T) {
	s, n := started(t)
	x, err := dialSSH(t, n, SSHPort).NewSession()
	require.NoError(t, err)
	require.NoError(t, x.Setenv("A", "b"))
	require.NoError(t, x.RequestPty("xterm", 30, 100, ssh.TerminalModes{ssh.ECHO: 1}))
	in, err := x.StdinPipe()
	require.NoError(t, err)
	out, err := x.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, x.Shell())
	assert.Equal(t, int64(1), s.Report().SSH)
	lines := bufio.NewReader(out)
	require.NoError(t, x.WindowChange(40, 120))
	ok, err := x.SendRequest(keepAlive, true, nil) // requests and bytes have no order, other than this
	require.NoError(t, err)
	assert.True(t, ok)
	_, err = io.WriteString(in, "stty size\r")
	require.NoError(t, err)
	var all strings.Builder
	for !strings.Contains(all.String(), "40 120\r\n") {
		line, err := lines.ReadString('\n')
		require.NoError(t, err, all.String())
		all.WriteString(line)
	}
	_, err = io.WriteString(in, "exit 3\r")
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, lines)
	var status *ssh.ExitError
	require.ErrorAs(t, x.Wait(), &status)
	assert.Equal(t, 3, status.ExitStatus())
}

func TestTheHostKeyStaysTheSame(t *testing.T) {
	keys := map[string]bool{}
	for range 2 {
		_, n := started(t)
		conn, _, _, err := ssh.NewClientConn(n.dial(SSHPort), "agent", &ssh.ClientConfig{
			HostKeyCallback: func(_ string, _ net.Addr, k ssh.PublicKey) error {
				keys[string(k.Marshal())] = true
				return nil
			},
		})
		require.NoError(t, err)
		_ = conn.Close()
	}
	assert.Len(t, keys, 1)
}

// screen is a connection to a terminal on which somebody always reads.
type screen struct {
	net.Conn
	mu   sync.Mutex
	text []byte // that was not looked at
	err  error
	more chan struct{}
}

// attach opens a terminal.
func attach(t *testing.T, n *ports, id uuid.UUID, command string) *screen {
	t.Helper()
	c := &screen{Conn: n.dial(TerminalPort), more: make(chan struct{})}
	t.Cleanup(func() { _ = c.Close() })
	go func() {
		buf := make([]byte, 4<<10)
		for {
			n, err := c.Read(buf)
			c.mu.Lock()
			c.text, c.err = append(c.text, buf[:n]...), err
			close(c.more)
			c.more = make(chan struct{})
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	b, err := json.Marshal(map[string]any{"ID": id, "Height": 24, "Width": 80, "Command": command, "BackendType": "buffered"})
	require.NoError(t, err)
	_, err = c.Write(append(binary.LittleEndian.AppendUint16(nil, uint16(len(b))), b...))
	require.NoError(t, err)
	return c
}

// sees waits for a text, or with "" for the end, and returns what came until then.
func (c *screen) sees(t *testing.T, text string) string {
	t.Helper()
	for {
		c.mu.Lock()
		i, more, err, rest := bytes.Index(c.text, []byte(text)), c.more, c.err, string(c.text)
		if text == "" && err == nil {
			i = -1
		}
		if i >= 0 {
			if text == "" {
				i = len(c.text)
			}
			seen := string(c.text[:i+len(text)])
			c.text = c.text[i+len(text):]
			c.mu.Unlock()
			return seen
		}
		c.mu.Unlock()
		require.NoError(t, err, "saw %q", rest)
		<-more
	}
}

func types(t *testing.T, w io.Writer, keys string) {
	t.Helper()
	b, err := json.Marshal(map[string]string{"data": keys})
	require.NoError(t, err)
	_, err = w.Write(b)
	require.NoError(t, err)
}

func TestATerminalSurvivesItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := startedOn(t, &ports{})
		id := uuid.New()
		c := attach(t, n, id, "")
		c.sees(t, "~# ")
		types(t, c, "echo hello\r")
		c.sees(t, "\rhello\r\n")
		c.sees(t, "~# ")
		require.NoError(t, c.Close())
		synctest.Wait()
		assert.Zero(t, s.Report().Terminals)

		c = attach(t, n, id, "")
		c.sees(t, "\rhello\r\n") // repeated
		c.sees(t, "~# ")
		other := attach(t, n, id, "")
		other.sees(t, "\rhello\r\n")
		other.sees(t, "~# ")
		assert.Equal(t, int64(2), s.Report().Terminals)
		types(t, c, "echo both\r")
		c.sees(t, "\rboth\r\n")
		other.sees(t, "\rboth\r\n")
		synctest.Wait()
		require.NoError(t, c.Close())
		require.NoError(t, other.Close())

		time.Sleep(idleTimeout + time.Second) // fake
		synctest.Wait()
		assert.Empty(t, s.terminals.byID, "nobody came back")
		c = attach(t, n, id, "echo once")
		assert.Equal(t, "once\r\n", c.sees(t, ""))
	})
}

func TestATerminalOnlyRepeatsTheLast64KiB(t *testing.T) {
	ts := &terminal{home: &terminals{}, program: shell.New("cat", shell.Size{})}
	for i := range 30_000 {
		ts.show(fmt.Appendf(nil, "%08d", i))
	}
	ts.show(bytes.Repeat([]byte("x"), 3*replay))
	ts.show([]byte("end"))
	require.Len(t, ts.content(), replay)
	assert.True(t, bytes.HasSuffix(ts.content(), []byte("xend")))
	assert.LessOrEqual(t, cap(ts.last), 4*replay)
}

func TestConnectionsThatSayNothingUsefulAreClosed(t *testing.T) {
	_, n := started(t)
	for _, first := range []string{"\x02\x00{}", "\x03\x00abc", "\x00\x00", "\x02\x00[]"} {
		c := n.dial(TerminalPort)
		_, err := io.WriteString(c, first)
		require.NoError(t, err)
		_, err = io.ReadAll(c)
		require.NoError(t, err)
	}
	c := attach(t, n, uuid.New(), "cat")
	_, err := io.WriteString(c, "nonsense")
	require.NoError(t, err)
	c.sees(t, "")
}

func TestAppsDoWhatTheirSlugSays(t *testing.T) {
	s, n := started(t, App{"wsec", 8081}, App{"wsra", 8082}, App{"wsdi", 8083}, App{"again", 8081}, App{"none", 0})
	dial := func(number uint16) *websocket.Conn {
		d := websocket.Dialer{NetDialContext: func(context.Context, string, string) (net.Conn, error) { return n.dial(number), nil }}
		c, resp, err := d.DialContext(t.Context(), "ws://app/", nil)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	c := dial(8081)
	require.NoError(t, c.WriteMessage(websocket.BinaryMessage, []byte("hello")))
	_, b, err := c.ReadMessage()
	require.NoError(t, err)
	assert.Equal(t, "hello", string(b))
	c = dial(8082)
	_, b, err = c.ReadMessage()
	require.NoError(t, err)
	assert.Len(t, b, 512)
	c = dial(8083)
	require.NoError(t, c.WriteMessage(websocket.BinaryMessage, make([]byte, 100<<10)))
	require.NoError(t, c.WriteMessage(websocket.BinaryMessage, []byte("and more")))
	assert.Equal(t, int64(3), s.cfg.Counters.Apps.Load())

	hc := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return n.dial(8083), nil },
	}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://app/x", strings.NewReader("12345"))
	require.NoError(t, err)
	resp, err := hc.Do(req)
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, "wsdi POST \"/x\", 5 bytes\n", string(text))
}

func TestOnlyPortsOfTheAgentItselfAreServed(t *testing.T) {
	for raw, want := range map[string]uint16{
		"http://localhost:8080/x": 8080, "http://127.0.0.1:1": 1, "http://[::1]:99": 99,
		"https://localhost:8080": 0, "http://example.com:80": 0, "http://localhost": 0, "http://localhost:99999": 0, "vscode://x": 0, "::": 0, "": 0,
	} {
		assert.Equal(t, want, PortOf(raw), raw)
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte("\x02\x00{}"))
	f.Add([]byte("\x32\x00{\"ID\":\"c42fdf75-3097-471c-8c33-fb52454d81c0\",\"Height\":1}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := readHeader(bytes.NewReader(b)); err == nil {
			require.NotEqual(t, uuid.Nil, h.ID)
		}
	})
}

func FuzzSSHRequest(f *testing.F) {
	f.Add("pty-req", ssh.Marshal(struct {
		Term                         string
		Columns, Rows, Width, Height uint32
		Modes                        string
	}{"xterm", 80, 24, 0, 0, "\x35\x00\x00\x00\x00\x00"}))
	f.Add("exec", ssh.Marshal(struct{ Command string }{"echo"}))
	f.Add("env", ssh.Marshal(struct{ Name, Value string }{"a", "b"}))
	f.Fuzz(func(_ *testing.T, kind string, payload []byte) {
		x := &session{server: &Server{ctx: context.Background()}, env: map[string]string{}, ended: true}
		_, _ = x.request(kind, payload)
		_, _ = x.request("window-change", payload)
		_, _ = x.request("shell", payload)
		if x.cancel != nil {
			x.cancel()
		}
	})
}

func FuzzTerminalInput(f *testing.F) {
	f.Add(`{"data":"ls\r"}{"height":1,"width":2}`)
	f.Fuzz(func(_ *testing.T, text string) {
		ts := &terminals{}
		t, _ := ts.open(uuid.New(), "cat", shell.Size{Columns: 80, Rows: 24})
		d := json.NewDecoder(strings.NewReader(text))
		for {
			var in input
			if d.Decode(&in) != nil || t.input(in) != nil {
				return
			}
		}
	})
}
