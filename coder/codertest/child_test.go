package codertest

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// childEnv names what a child process of the tests is to be.
const childEnv = "CODERTEST_CHILD"

// announcement is the first line of a child.
type announcement struct {
	Addr, Token string
	Agents      []string
}

// runChild is main in a child process: it announces itself, then answers each
// line on its standard input with the CPU time that it has used so far, until
// that is closed.
func runChild(kind string) {
	var a announcement
	switch kind {
	case "server":
		s, err := New(Config{Workspaces: 1000, RateLimit: -1})
		if err != nil {
			panic(err)
		}
		defer s.Close()
		a.Addr, a.Token = strings.TrimPrefix(s.URL(), "http://"), s.OwnerToken()
		for _, w := range s.state.workspaceList {
			a.Agents = append(a.Agents, w.latest().agent.id.String())
		}
	case "sink":
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		a.Addr = l.Addr().String()
		go sink(l)
	}
	enc := json.NewEncoder(os.Stdout)
	if err := enc.Encode(a); err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var r syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
			panic(err)
		}
		if err := enc.Encode(time.Duration(r.Utime.Nano() + r.Stime.Nano())); err != nil {
			return
		}
	}
}

// sink is the least that an echo can cost: it writes back what it reads.
func sink(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			buf := make([]byte, 16<<10)
			for {
				n, err := c.Read(buf)
				if err != nil {
					return
				}
				if _, err := c.Write(buf[:n]); err != nil {
					return
				}
			}
		}()
	}
}

type child struct {
	announcement
	in  io.WriteCloser
	out *bufio.Reader
}

func startChild(t testing.TB, kind string) *child {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+kind)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	c := &child{in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		_ = in.Close() // it ends then
		_ = cmd.Wait() // how it ends does not matter
	})
	require.NoError(t, json.NewDecoder(strings.NewReader(c.line(t))).Decode(&c.announcement))
	return c
}

func (c *child) line(t testing.TB) string {
	line, err := c.out.ReadString('\n')
	require.NoError(t, err)
	return line
}

// cpu is how much CPU time the child has used.
func (c *child) cpu(t testing.TB) (d time.Duration) {
	_, err := io.WriteString(c.in, "\n")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal([]byte(c.line(t)), &d))
	return d
}

// peer is a connection that is written to at its own pace.
type peer struct {
	conn  net.Conn
	frame []byte
	back  int // bytes that come for each
}

// round lets all peers send so many messages, and waits for all echoes.
func round(t testing.TB, peers []peer, messages int, every time.Duration) {
	var wg sync.WaitGroup
	start := time.Now()
	for i, p := range peers {
		wg.Go(func() {
			buf := make([]byte, 8<<10)
			offset := every * time.Duration(i) / time.Duration(len(peers))
			for m := range messages {
				if wait := time.Until(start.Add(offset + time.Duration(m)*every)); wait > 0 {
					<-time.After(wait)
				}
				if _, err := p.conn.Write(p.frame); err != nil {
					t.Error(err)
					return
				}
				for left := p.back; left > 0; {
					n, err := p.conn.Read(buf[:min(len(buf), left)])
					if err != nil {
						t.Error(err)
						return
					}
					left -= n
				}
			}
		})
	}
	wg.Wait()
}
