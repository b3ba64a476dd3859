//go:build unix

package codertest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder/codertest"
)

// echoChild names the server that a child process of BenchmarkTerminalEcho is.
const echoChild = "CODERTEST_ECHO_CHILD"

// BenchmarkTerminalEcho compares the CPU time that the deployment spends on an
// echoed message of 4 KiB, on 1,000 terminals with 10 a second each, with that
// of a raw sink which writes back the bytes that it reads. Both are child
// processes, so that their CPU can be told from that of the load. They are
// measured in turns, and the ratio is the median over the pairs.
//
//	cpu-ns/msg       CPU time of the deployment for each message
//	sink-cpu-ns/msg  that of the sink
//	x-sink           the ratio
//
// CODERTEST_ECHO_CONNS is another number of terminals, and CODERTEST_ECHO_PROFILE
// a file for a CPU profile of the deployment.
func BenchmarkTerminalEcho(b *testing.B) {
	const span, pairs = 2 * time.Second, 5
	conns := 1000
	if n, err := strconv.Atoi(os.Getenv("CODERTEST_ECHO_CONNS")); err == nil {
		conns = n
	}
	deployment, sink := startEchoChild(b, "deployment"), startEchoChild(b, "sink")
	children := []*echoServer{sink, deployment}
	for _, s := range children {
		s.dial(b, conns)
		s.load(b, span) // until what is replayed has its full size
	}
	for b.Loop() {
		var ours, theirs, ratios []float64
		for range pairs {
			cost := map[*echoServer]float64{}
			for _, s := range children {
				before := s.cpu(b)
				messages := s.load(b, span)
				cost[s] = float64(s.cpu(b)-before) / float64(messages)
			}
			ours, theirs = append(ours, cost[deployment]), append(theirs, cost[sink])
			ratios = append(ratios, cost[deployment]/cost[sink])
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(middle(ours), "cpu-ns/msg")
		b.ReportMetric(middle(theirs), "sink-cpu-ns/msg")
		b.ReportMetric(middle(ratios), "x-sink")
	}
}

func middle(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// TestEchoChild is the child process. It ends with its standard input.
func TestEchoChild(t *testing.T) {
	name := os.Getenv(echoChild)
	if name == "" {
		t.Skip("it is for child processes of BenchmarkTerminalEcho")
	}
	switch name {
	case "deployment":
		s, err := codertest.New(codertest.Config{Workspaces: 50, RateLimit: -1, PingInterval: time.Hour})
		require.NoError(t, err)
		defer s.Close()
		fmt.Println(s.URL(), s.OwnerToken())
	case "sink":
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer func() { require.NoError(t, l.Close()) }()
		fmt.Println("http://"+l.Addr().String(), "none")
		go rawSink(l)
	}
	for asked := bufio.NewScanner(os.Stdin); asked.Scan(); {
		var use syscall.Rusage
		require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &use))
		fmt.Println(use.Utime.Nano() + use.Stime.Nano())
	}
}

// rawSink writes back what it reads: the floor for anything with a goroutine
// for each connection.
func rawSink(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			for buf := make([]byte, 8<<10); ; {
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

// echoServer is a child process as its parent sees it.
type echoServer struct {
	name, url, token string
	in               interface{ Write([]byte) (int, error) }
	out              *bufio.Scanner
	agents           []uuid.UUID
	terminals        []net.Conn
}

func startEchoChild(b *testing.B, name string) *echoServer {
	b.Helper()
	args := []string{"-test.run=^TestEchoChild$"}
	if file := os.Getenv("CODERTEST_ECHO_PROFILE"); file != "" && name == "deployment" {
		args = append(args, "-test.cpuprofile="+file)
	}
	cmd := exec.Command(os.Args[0], args...) // it ends with its input
	cmd.Env = append(os.Environ(), echoChild+"="+name)
	in, err := cmd.StdinPipe()
	require.NoError(b, err)
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() {
		_ = in.Close()
		require.NoError(b, cmd.Wait())
	})
	s := &echoServer{name: name, in: in, out: bufio.NewScanner(out)}
	require.True(b, s.out.Scan(), "the %s has not started", name)
	s.url, s.token, _ = strings.Cut(s.out.Text(), " ")
	if name == "deployment" {
		s.agents = s.listAgents(b)
	}
	return s
}

// cpu is what the process has used so far, in ns.
func (s *echoServer) cpu(b *testing.B) int64 {
	b.Helper()
	_, err := s.in.Write([]byte("cpu\n"))
	require.NoError(b, err)
	require.True(b, s.out.Scan(), "the %s has ended", s.name)
	n, err := strconv.ParseInt(s.out.Text(), 10, 64)
	require.NoError(b, err)
	return n
}

func (s *echoServer) listAgents(b *testing.B) (ids []uuid.UUID) {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, s.url+"/api/v2/workspaces", http.NoBody)
	require.NoError(b, err)
	req.Header.Set("Coder-Session-Token", s.token)
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	require.NoError(b, err)
	defer resp.Body.Close()
	var list struct {
		Workspaces []struct {
			Build struct {
				Resources []struct {
					Agents []struct {
						ID uuid.UUID `json:"id"`
					} `json:"agents"`
				} `json:"resources"`
			} `json:"latest_build"`
		} `json:"workspaces"`
	}
	require.NoError(b, json.NewDecoder(resp.Body).Decode(&list))
	for _, w := range list.Workspaces {
		for _, r := range w.Build.Resources {
			for _, a := range r.Agents {
				ids = append(ids, a.ID)
			}
		}
	}
	require.NotEmpty(b, ids)
	return ids
}

// echoLine is what is typed: a line of 4 KiB. It comes back one byte longer.
var echoLine = strings.Repeat("abcdefghijklmno ", 256)[:4095] + "\n"

// echoFrame is the line as the frame of a client.
func echoFrame() []byte {
	payload := []byte(`{"data":"` + strings.TrimSuffix(echoLine, "\n") + `\n"}`)
	frame := []byte{0x82, 0x80 | 126, byte(len(payload) >> 8), byte(len(payload)), 1, 2, 3, 4}
	for i, c := range payload {
		frame = append(frame, c^frame[4+i%4])
	}
	return frame
}

// dial opens terminals, or plain connections to the sink.
func (s *echoServer) dial(b *testing.B, n int) {
	b.Helper()
	host := strings.TrimPrefix(s.url, "http://")
	for i := range n {
		c, err := net.Dial("tcp", host)
		require.NoError(b, err)
		b.Cleanup(func() { _ = c.Close() })
		s.terminals = append(s.terminals, c)
		if s.agents == nil {
			continue
		}
		q := url.Values{
			"reconnect": {uuid.NewString()}, "width": {"80"}, "height": {"25"},
			"command": {"dd if=/dev/stdin of=/dev/null bs=4096 status=none"},
		}
		_, err = fmt.Fprintf(c, "GET /api/v2/workspaceagents/%s/pty?%s HTTP/1.1\r\nHost: %s\r\nCoder-Session-Token: %s\r\n"+
			"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
			s.agents[i%len(s.agents)], q.Encode(), host, s.token)
		require.NoError(b, err)
		// The terminal says nothing before it is typed at, so that the answer
		// ends with its header and the reader holds nothing back.
		r := bufio.NewReader(c)
		resp, err := http.ReadResponse(r, nil)
		require.NoError(b, err)
		require.Equal(b, http.StatusSwitchingProtocols, resp.StatusCode)
		require.Zero(b, r.Buffered())
	}
}

// load types a line into every terminal every 100 ms, spread over that time,
// and returns their number once the echo of all of them has come back.
func (s *echoServer) load(b *testing.B, span time.Duration) int {
	b.Helper()
	conns := s.terminals
	const interval, slices = 100 * time.Millisecond, 20
	rounds := int(span / interval)
	frame := echoFrame()
	back := len(frame)
	if s.agents != nil {
		back = 0 // counted in payload
	}
	var readers sync.WaitGroup
	for _, c := range conns {
		readers.Go(func() {
			var err error
			if back > 0 {
				err = discard(c, rounds*back)
			} else {
				err = discardFrames(c, rounds*(len(echoLine)+1))
			}
			if err != nil {
				b.Errorf("%s: %v", s.name, err)
			}
		})
	}
	next := time.Now()
	for range rounds {
		for part := range slices {
			for _, c := range conns[part*len(conns)/slices : (part+1)*len(conns)/slices] {
				if _, err := c.Write(frame); err != nil {
					b.Fatalf("%s: %v", s.name, err)
				}
			}
			next = next.Add(interval / slices)
			time.Sleep(time.Until(next)) // the load's own pace, which nothing waits for
		}
	}
	readers.Wait()
	return rounds * len(conns)
}

// discard reads exactly n bytes.
func discard(c net.Conn, n int) error {
	for buf := make([]byte, 8<<10); n > 0; {
		got, err := c.Read(buf[:min(n, len(buf))])
		if err != nil {
			return err
		}
		n -= got
	}
	return nil
}

// discardFrames reads frames until their payload is n bytes.
func discardFrames(c net.Conn, n int) error {
	buf, have, left := make([]byte, 8<<10), 0, 0 // left of the frame's payload
	for n > 0 {
		got, err := c.Read(buf[have:])
		if err != nil {
			return err
		}
		rest := buf[:have+got]
		for {
			skip := min(left, len(rest))
			rest, left = rest[skip:], left-skip
			if left > 0 || len(rest) < 4 {
				break
			}
			header, size := 2, int(rest[1])
			if size == 126 {
				header, size = 4, int(rest[2])<<8|int(rest[3])
			}
			if rest[0] == 0x82 {
				n -= size
			}
			rest, left = rest[header:], size
		}
		have = copy(buf, rest)
	}
	if n < 0 {
		return fmt.Errorf("%d bytes more than were typed", -n)
	}
	return nil
}
