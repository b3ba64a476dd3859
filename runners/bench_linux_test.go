package runners_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/traffic"
)

// pairs is how often the two sides of a comparison are measured in turns.
const pairs = 21

func init() { otherSinks["http"], otherSinks["ssh"] = runHTTPSink, runSSHSink }

// runHTTPSink answers every request with the same small JSON.
func runHTTPSink(l net.Listener) error {
	body := []byte(`{"id":"00000000-0000-4000-8000-000000000000","username":"someone","roles":[]}` + "\n")
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = w.Write(body)
	}))
}

// runSSHSink echoes whatever sessions get.
func runSSHSink(l net.Listener) error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return err
	}
	cfg := &ssh.ServerConfig{NoClientAuth: true}
	cfg.AddHostKey(signer)
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			_, channels, requests, err := ssh.NewServerConn(conn, cfg)
			if err != nil {
				return
			}
			go ssh.DiscardRequests(requests)
			for c := range channels {
				ch, requests, err := c.Accept()
				if err != nil {
					return
				}
				go func() {
					for r := range requests {
						_ = r.Reply(true, nil)
					}
				}()
				go func() {
					_, _ = io.Copy(ch, ch)
					_ = ch.Close()
				}()
			}
		}()
	}
}

func dialSSH(tb testing.TB, address string) *ssh.Client {
	tb.Helper()
	c, err := ssh.Dial("tcp", address, &ssh.ClientConfig{User: "coder", HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	require.NoError(tb, err)
	return c
}

// openSSH opens a session with a command in it.
func openSSH(tb testing.TB, c *ssh.Client) ssh.Channel {
	tb.Helper()
	ch, requests, err := c.OpenChannel("session", nil)
	require.NoError(tb, err)
	go ssh.DiscardRequests(requests)
	ok, err := ch.SendRequest("exec", true, ssh.Marshal(&struct{ Command string }{"cat"}))
	require.NoError(tb, err)
	require.True(tb, ok)
	return ch
}

// bareSSH writes to a session by a ticker and reads from it, as one would
// without this library. The phase keeps connections apart, as a pump does: ticks
// that come all at once are cheaper, and not the same traffic.
func bareSSH(ch ssh.Channel, interval, phase time.Duration, chunk []byte, stop <-chan struct{}, sent *atomic.Int64) (wait func()) {
	var wg sync.WaitGroup
	wg.Go(func() {
		time.Sleep(phase)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				_ = ch.Close()
				return
			case <-tick.C:
			}
			if _, err := ch.Write(chunk); err != nil {
				return
			}
			sent.Add(1)
		}
	})
	wg.Go(func() {
		buf := make([]byte, 4<<10)
		for {
			if _, err := ch.Read(buf); err != nil {
				return
			}
		}
	})
	return wg.Wait
}

// BenchmarkSSHMessage compares the CPU time of a 4 KiB message that an SSH
// session echoes with that of a ticker, a writer and a reader on bare
// x/crypto/ssh, in turns over the same connections. The server is another
// process.
//
//	cpu-ns/msg    CPU time of this process for each message, there and back
//	bare-ns/msg   that of bare x/crypto/ssh
//	x-bare        the ratio: the median over the pairs
func BenchmarkSSHMessage(b *testing.B) {
	const conns, interval, span = 500, 100 * time.Millisecond, time.Second
	address := startSink(b, "ssh")
	clients := make([]*ssh.Client, conns)
	for i := range clients {
		clients[i] = dialSSH(b, address)
		defer clients[i].Close()
	}
	load := traffic.Constant(4096, interval)
	chunk := make([]byte, 4096)
	bare := func() float64 {
		var sent atomic.Int64
		stop := make(chan struct{})
		waits := make([]func(), conns)
		for i, c := range clients {
			waits[i] = bareSSH(openSSH(b, c), interval, time.Duration(i)*interval/conns, chunk, stop, &sent)
		}
		defer func() {
			close(stop)
			for _, wait := range waits {
				wait()
			}
		}()
		return cpuPer(b, span, sent.Load)
	}
	our := func() float64 {
		pump, err := traffic.NewPump(traffic.PumpConfig{Load: load, Payload: traffic.PayloadConfig{Seed: 1}})
		require.NoError(b, err)
		channels, streams := make([]ssh.Channel, conns), make([]*traffic.Stream, conns)
		for i, c := range clients {
			channels[i] = openSSH(b, c)
			streams[i] = pump.Attach(runners.NewSSHStream(channels[i]), i, time.Now())
		}
		defer func() {
			for i, s := range streams {
				s.Stop()
				_ = channels[i].Close()
				s.Close()
			}
			require.Zero(b, pump.Stats().Corrupt)
			pump.Close()
		}()
		return cpuPer(b, span, func() int64 { return pump.Stats().Sent })
	}
	var ours, bares, ratios []float64
	for b.Loop() {
		for i := range pairs {
			// Who comes first changes, because what one leaves is the other's to clear.
			var o, f float64
			if i%2 == 0 {
				f, o = bare(), our()
			} else {
				o, f = our(), bare()
			}
			ours, bares, ratios = append(ours, o), append(bares, f), append(ratios, o/f)
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(ours), "cpu-ns/msg")
	b.ReportMetric(median(bares), "bare-ns/msg")
	b.ReportMetric(median(ratios), "x-bare")
}

// cpuPer is the CPU time for each of what is counted, over a span.
func cpuPer(tb testing.TB, span time.Duration, count func() int64) float64 {
	tb.Helper()
	time.Sleep(300 * time.Millisecond) // buffers and histograms exist
	runtime.GC()
	from, begin := count(), cpuTime(tb)
	time.Sleep(span)
	cpu, n := cpuTime(tb)-begin, count()-from
	require.Positive(tb, n)
	return float64(cpu) / float64(n)
}

// inUse is the memory of this process that is in use: objects and stacks.
func inUse() int64 {
	runtime.GC()
	runtime.GC() // the second one shrinks stacks and empties pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// BenchmarkSSHMemory compares what an SSH user of [runners.SSH] costs with a
// connection, a session, a writer and a reader on bare x/crypto/ssh, all of
// which have sent and received, in turns. What does not grow with their number
// does not count: it is the difference between 200 and 50 of them.
//
//	B/session     objects and stacks of this process for each session on a pump
//	bare-B        those of bare x/crypto/ssh
//	more-B        the difference: the median over the pairs
//	user-more-B   the same for a whole user of the harness
func BenchmarkSSHMemory(b *testing.B) {
	const few, many = 50, 200
	address := startSink(b, "ssh")
	client, err := coder.New(coder.Config{URL: "http://127.0.0.1"})
	require.NoError(b, err)
	var workspaces []runners.Workspace
	for i := range many {
		workspaces = append(workspaces, runners.Workspace{Client: client, Name: fmt.Sprint("x/", i), Agent: coder.Agent{ID: uuid.New()}})
	}
	var ours, bares, more, users []float64
	for b.Loop() {
		for range pairs {
			session := float64(sessionMemory(b, address, many)-sessionMemory(b, address, few)) / (many - few)
			bare := float64(bareSSHMemory(b, address, many)-bareSSHMemory(b, address, few)) / (many - few)
			user := float64(sshMemory(b, address, workspaces)-sshMemory(b, address, workspaces[:few])) / (many - few)
			ours, bares = append(ours, session), append(bares, bare)
			more, users = append(more, session-bare), append(users, user-bare)
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(ours), "B/session")
	b.ReportMetric(median(bares), "bare-B")
	b.ReportMetric(median(more), "more-B")
	b.ReportMetric(median(users), "user-more-B")
}

const memoryInterval = 100 * time.Millisecond

func bareSSHMemory(b *testing.B, address string, conns int) int64 {
	before := inUse()
	var sent atomic.Int64
	stop := make(chan struct{})
	clients, waits := make([]*ssh.Client, conns), make([]func(), conns)
	chunk := make([]byte, 4096)
	for i := range clients {
		clients[i] = dialSSH(b, address)
		waits[i] = bareSSH(openSSH(b, clients[i]), memoryInterval, time.Duration(i)*memoryInterval/time.Duration(conns), chunk, stop, &sent)
	}
	for sent.Load() < 5*int64(conns) {
		time.Sleep(10 * time.Millisecond)
	}
	used := inUse() - before
	close(stop)
	for i, wait := range waits {
		wait()
		_ = clients[i].Close()
		_ = clients[i].Wait()
	}
	return used
}

func sessionMemory(b *testing.B, address string, conns int) int64 {
	before := inUse()
	pump, err := traffic.NewPump(traffic.PumpConfig{Load: traffic.Constant(4096, memoryInterval), Payload: traffic.PayloadConfig{Seed: 1}})
	require.NoError(b, err)
	clients, streams := make([]*ssh.Client, conns), make([]*traffic.Stream, conns)
	for i := range clients {
		clients[i] = dialSSH(b, address)
		streams[i] = pump.Attach(runners.NewSSHStream(openSSH(b, clients[i])), i, time.Now())
	}
	for pump.Stats().Echoed < 5*int64(conns) {
		time.Sleep(10 * time.Millisecond)
	}
	used := inUse() - before
	for i, s := range streams {
		s.Stop()
		_ = clients[i].Close()
		_ = clients[i].Wait()
		s.Close()
	}
	pump.Close()
	return used
}

func sshMemory(b *testing.B, address string, workspaces []runners.Workspace) int64 {
	before := inUse()
	seen := make(chan struct{})
	echoes := uint64(0)
	run, err := harness.Start(context.Background(), harness.Plan{
		Scenarios: []harness.Scenario{{
			Name:     "ssh",
			Runner:   runners.SSH(workspaces, runners.TCP{Address: func(runners.Workspace) string { return address }}, traffic.Constant(4096, memoryInterval)),
			Schedule: harness.AllAtOnce(len(workspaces)).Hold(time.Hour),
		}},
		OnSnapshot: func(s harness.Snapshot) {
			echoes += s.Scenarios[0].Actions["ssh_echo"].Count
			if echoes > 5*uint64(len(workspaces)) {
				select {
				case <-seen:
				default:
					close(seen)
				}
			}
		},
	})
	require.NoError(b, err)
	<-seen
	used := inUse() - before
	run.Stop()
	require.Zero(b, run.Wait().Scenarios[0].Actions["ssh_echo"].Errors)
	return used
}

// BenchmarkAPICall compares the CPU time of a call of [runners.API] with that of
// http.Client, 20 users each in turns, as fast as the server answers. The server
// is another process.
//
//	cpu-ns/call    CPU time of this process for each call
//	bare-ns/call   that of http.NewRequest, http.Client.Do and reading the answer
//	x-bare         the ratio: the median over the pairs
func BenchmarkAPICall(b *testing.B) {
	const users, span = 20, 500 * time.Millisecond
	address := startSink(b, "http")
	client, err := coder.New(coder.Config{URL: "http://" + address, Token: "0123456789-0123456789012345678901"})
	require.NoError(b, err)
	person := runners.Person{Client: client, User: coder.User{ID: uuid.New()}}
	var ours, bares, ratios []float64
	for b.Loop() {
		for range pairs {
			bare := bareCalls(b, "http://"+address+"/api/v2/users/me", users, span)
			our := apiCalls(b, person, users, span)
			ours, bares, ratios = append(ours, our), append(bares, bare), append(ratios, our/bare)
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(ours), "cpu-ns/call")
	b.ReportMetric(median(bares), "bare-ns/call")
	b.ReportMetric(median(ratios), "x-bare")
}

func bareCalls(b *testing.B, url string, users int, span time.Duration) float64 {
	var calls atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range users {
		wg.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport}
			for {
				select {
				case <-stop:
					return
				default:
				}
				req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
				if err != nil {
					b.Error(err)
					return
				}
				req.Header.Set("Accept", "application/json")
				req.Header.Set("Coder-Session-Token", "0123456789-0123456789012345678901")
				resp, err := client.Do(req)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				calls.Add(1)
			}
		})
	}
	defer wg.Wait()
	defer close(stop)
	return cpuPer(b, span, calls.Load)
}

func apiCalls(b *testing.B, person runners.Person, users int, span time.Duration) float64 {
	var calls atomic.Int64
	make := runners.API([]runners.Person{person}, runners.APICall{Name: "me", Path: "/api/v2/users/me"})
	run, err := harness.Start(context.Background(), harness.Plan{Scenarios: []harness.Scenario{{
		Name: "api", Schedule: harness.AllAtOnce(users).Hold(time.Hour),
		Runner: func(user int) (harness.Runner, error) {
			inner, err := make(user)
			return counted{inner, &calls}, err
		},
	}}})
	require.NoError(b, err)
	defer func() {
		run.Stop()
		require.Zero(b, run.Wait().Scenarios[0].Actions["api_me"].Errors)
	}()
	return cpuPer(b, span, calls.Load)
}

// counted counts the iterations of a runner.
type counted struct {
	harness.Runner
	n *atomic.Int64
}

func (c counted) Setup(ctx context.Context, rec *harness.Recorder) error {
	return c.Runner.(harness.Setuper).Setup(ctx, rec)
}

func (c counted) Run(ctx context.Context, rec *harness.Recorder) error {
	c.n.Add(1)
	return c.Runner.Run(ctx, rec)
}

func (c counted) Cleanup(ctx context.Context) error { return c.Runner.(harness.Cleaner).Cleanup(ctx) }
