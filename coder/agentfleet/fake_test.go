package agentfleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/internal/agentpb"
	"github.com/coderscale/scaletest/coder/internal/rpc"
	"github.com/coderscale/scaletest/coder/internal/tailnetpb"
)

// deployment is the agents' side of one, without anything else.
type deployment struct {
	maxMinor int // 0 is 11
	items    int // of metadata, each second unless every is set
	every    time.Duration
	apps     []*agentpb.WorkspaceApp
	quiet    bool // keeps no messages
	ping     time.Duration

	mu       sync.Mutex
	refuse   map[string]int // token -> status
	fail     map[string]error
	block    map[string]chan struct{}
	said     []said
	sessions map[string]*rpc.Peer
	subs     []*agentpb.SubAgent
	changed  chan struct{}
	opened   int
	minors   []string
}

// said is a message that came.
type said struct {
	token, method string
	message       proto.Message
	at            time.Time
}

func newDeployment() *deployment {
	return &deployment{
		refuse: map[string]int{}, fail: map[string]error{}, block: map[string]chan struct{}{},
		sessions: map[string]*rpc.Peer{}, changed: make(chan struct{}),
	}
}

// socket is a WebSocket as a stream of bytes.
type socket struct {
	*websocket.Conn
	r io.Reader
}

func (s *socket) Read(b []byte) (int, error) {
	for {
		if s.r == nil {
			_, r, err := s.NextReader()
			if err != nil {
				return 0, err
			}
			s.r = r
		}
		n, err := s.r.Read(b)
		if err == io.EOF {
			s.r = nil
			if n == 0 {
				continue
			}
			err = nil
		}
		return n, err
	}
}

func (s *socket) Write(b []byte) (int, error) {
	if err := s.WriteMessage(websocket.BinaryMessage, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (d *deployment) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Coder-Build-Version", "v2.37.0")
	answer := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	if r.URL.Path == "/api/v2/buildinfo" {
		answer(http.StatusOK, map[string]string{"version": "v2.37.0"})
		return
	}
	token := r.Header.Get("Coder-Session-Token")
	version := r.URL.Query().Get("version")
	d.mu.Lock()
	status := d.refuse[token]
	d.opened++
	d.minors = append(d.minors, version)
	d.mu.Unlock()
	var minor int
	_, _ = fmt.Sscanf(version, "2.%d", &minor)
	if limit := d.maxMinor; limit > 0 && minor > limit {
		answer(http.StatusBadRequest, map[string]any{
			"message":     "Unknown or unsupported API version",
			"validations": []map[string]string{{"field": "version", "detail": "too new"}},
		})
		return
	}
	if status != 0 {
		answer(status, map[string]string{"message": "no, " + token})
		return
	}
	up := websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024, WriteBufferPool: &sync.Pool{}}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	// In a context that ends with the connection, as the request's does not.
	_ = rpc.Serve(context.Background(), &socket{Conn: conn}, func(m string, s *rpc.Stream) error { return d.handle(token, m, s) },
		func(p *rpc.Peer) {
			d.with(func() { d.sessions[token] = p })
			if d.ping > 0 { // both, as real ones do
				go d.probe(p, conn)
			}
		})
}

func (d *deployment) probe(p *rpc.Peer, conn *websocket.Conn) {
	for {
		time.Sleep(d.ping)
		if p.Ping() != nil || conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)) != nil {
			return
		}
	}
}

func (d *deployment) with(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
	close(d.changed)
	d.changed = make(chan struct{})
}

func receive[T proto.Message](s *rpc.Stream, m T) (T, error) { return m, s.Recv(m) }

func (d *deployment) handle(token, method string, s *rpc.Stream) error {
	d.mu.Lock()
	err, block, subs := d.fail[method], d.block[method], slices.Clone(d.subs)
	d.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-s.Context().Done():
			return s.Context().Err()
		}
	}
	note := func(m proto.Message) {
		d.with(func() {
			if !d.quiet {
				d.said = append(d.said, said{token, method, m, time.Now()})
			}
		})
	}
	var in, out proto.Message
	switch method {
	case streamDERPMaps:
		if _, err := receive(s, &tailnetpb.StreamDERPMapsRequest{}); err != nil {
			return err
		}
		note(nil)
		if err := s.Send(&tailnetpb.DERPMap{}); err != nil {
			return err
		}
		if err == nil {
			<-s.Context().Done()
		}
		return err
	case coordinate:
		note(nil)
		if err == nil {
			<-s.Context().Done()
		}
		return err
	case getManifest.path():
		in, out = &agentpb.GetManifestRequest{}, d.manifest(token)
	case updateStartup.path():
		in, out = &agentpb.UpdateStartupRequest{}, &agentpb.Startup{}
	case updateLifecycle.path():
		in, out = &agentpb.UpdateLifecycleRequest{}, &agentpb.Lifecycle{}
	case createLogs.path():
		in, out = &agentpb.BatchCreateLogsRequest{}, &agentpb.BatchCreateLogsResponse{}
	case updateAppHealths.path():
		in, out = &agentpb.BatchUpdateAppHealthsRequest{}, &agentpb.BatchUpdateAppHealthsResponse{}
	case updateStats.path():
		in, out = &agentpb.UpdateStatsRequest{}, &agentpb.UpdateStatsResponse{ReportInterval: durationpb.New(30 * time.Second)}
	case updateMetadata.path():
		in, out = &agentpb.BatchUpdateMetadataRequest{}, &agentpb.BatchUpdateMetadataResponse{}
	case listSubAgents.path():
		in, out = &agentpb.ListSubAgentsRequest{}, &agentpb.ListSubAgentsResponse{Agents: subs}
	case createSubAgent.path():
		in = &agentpb.CreateSubAgentRequest{}
	case deleteSubAgent.path():
		in, out = &agentpb.DeleteSubAgentRequest{}, &agentpb.DeleteSubAgentResponse{}
	default:
		return errors.New("unknown rpc")
	}
	if err := s.Recv(in); err != nil {
		return err
	}
	if method == createSubAgent.path() {
		id, secret := uuid.New(), uuid.New()
		sub := &agentpb.SubAgent{Name: in.(*agentpb.CreateSubAgentRequest).GetName(), Id: id[:], AuthToken: secret[:]}
		d.with(func() { d.subs = append(d.subs, sub) })
		out = &agentpb.CreateSubAgentResponse{Agent: sub}
	}
	note(in)
	if err != nil {
		return err
	}
	return s.Send(out)
}

func (d *deployment) manifest(token string) *agentpb.Manifest {
	id, err := uuid.Parse(token)
	if err != nil {
		id = uuid.NewSHA1(uuid.Nil, []byte(token))
	}
	m := &agentpb.Manifest{AgentId: id[:], Apps: d.apps}
	for i := range d.items {
		every := d.every
		if every == 0 {
			every = time.Second
		}
		m.Metadata = append(m.Metadata, &agentpb.WorkspaceAgentMetadata_Description{
			Key: fmt.Sprintf("m%02d", i), Interval: durationpb.New(every / time.Second), // seconds for nanoseconds
		})
	}
	return m
}

// of gives the messages of a method, with the times when they came.
func (d *deployment) of(m method) (messages []said) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, x := range d.said {
		if x.method == m.path() {
			messages = append(messages, x)
		}
	}
	return messages
}

// until waits for something that the deployment can see.
func (d *deployment) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for {
		d.mu.Lock()
		changed := d.changed
		d.mu.Unlock()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// cut ends the session of an agent.
func (d *deployment) cut(token string) {
	d.mu.Lock()
	p := d.sessions[token]
	d.mu.Unlock()
	_ = p.Close() // it may be gone
}

// pipes is a network in memory.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	a, b := net.Pipe()
	select {
	case p.conns <- b:
		return a, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve starts the deployment on a network in memory and returns a client for it.
func (d *deployment) serve(t *testing.T) *coder.Client {
	t.Helper()
	p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	srv := &http.Server{Handler: d}
	ended := make(chan struct{})
	go func() {
		_ = srv.Serve(p)
		close(ended)
	}()
	c, err := coder.New(coder.Config{URL: "http://coder.test", Token: "unused", DialContext: p.dial, MaxRetries: -1})
	require.NoError(t, err)
	t.Cleanup(func() {
		c.CloseIdleConnections()
		_ = srv.Close()
		<-ended
		d.mu.Lock()
		peers := d.sessions
		d.mu.Unlock()
		for _, s := range peers {
			_ = s.Close()
		}
	})
	return c
}

// agents are n with tokens of their own.
func agents(n int) []Agent {
	list := make([]Agent, n)
	for i := range list {
		list[i] = Agent{Workspace: fmt.Sprintf("admin/sim-%d", i), Name: "main", Token: NewToken(fmt.Sprintf("token-%d-secret", i))}
	}
	return list
}
