package tailnet

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/internal/node"
	"github.com/coderscale/scaletest/coder/internal/relay"
	"github.com/coderscale/scaletest/coder/internal/rpc"
	"github.com/coderscale/scaletest/coder/internal/tailnetpb"
)

const (
	service = "/coder.tailnet.v2.Tailnet/"
	// version of the tailnet API. The server would take the next one for an old
	// client's if it were left out.
	version = "2.0"
	// steady is how long a coordination must have held for the next loss to be
	// repaired at once.
	steady = 10 * time.Second
)

// member is a node and its coordination.
type member struct {
	cfg    Config
	relays *relay.Dialer
	node   *node.Node
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	resume string // proves to the deployment that it knows this node
	down   error  // why there is no coordination now
}

func join(ctx context.Context, cfg Config, relays *relay.Dialer) (*member, error) {
	n, err := node.New(ctx, node.Config{Home: relays.Home(), Relay: relays.Dial, Queue: cfg.Queue, OnEvent: cfg.OnEvent})
	if err != nil {
		return nil, err
	}
	m := &member{cfg: cfg, relays: relays, node: n}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	s, err := m.connect(ctx)
	if err != nil {
		m.cancel()
		_ = n.Close() // it has not begun
		return nil, err
	}
	m.wg.Go(func() { m.run(s) })
	return m, nil
}

// session is a connection to the coordination.
type session struct {
	*rpc.Session
	coordination *rpc.Stream
}

// connect opens one. The context bounds that only.
func (m *member) connect(ctx context.Context) (*session, error) {
	m.mu.Lock()
	resume := m.resume
	m.mu.Unlock()
	query := url.Values{"version": {version}}
	if resume != "" {
		query.Set("resume_token", resume)
	}
	socket, err := m.cfg.Client.Socket(ctx, "join the tailnet", "/api/v2/tailnet?"+query.Encode())
	if err != nil {
		if refusesResume(err) && resume != "" {
			m.setResume("")
			return m.connect(ctx)
		}
		return nil, err
	}
	s, err := rpc.Client(socket)
	if err != nil {
		return nil, err
	}
	stream, err := s.Stream(m.ctx, service+"Coordinate")
	if err != nil {
		_ = s.Close() // it is of no use
		return nil, err
	}
	return &session{s, stream}, nil
}

// refusesResume reports whether a server does not know the token any more.
func refusesResume(err error) bool {
	if e, ok := errors.AsType[*coder.Error](err); ok {
		for _, v := range e.Validations {
			if v.Field == "resume_token" {
				return true
			}
		}
	}
	return false
}

func (m *member) setResume(token string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.resume = token
}

// run keeps the coordination.
func (m *member) run(s *session) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 100*time.Millisecond, 15*time.Second
	for {
		begin := time.Now()
		err := m.hold(s)
		if m.ctx.Err() != nil {
			return
		}
		if time.Since(begin) > steady {
			wait.Reset()
		}
		for {
			m.setTrouble(err)
			select {
			case <-time.After(wait.NextBackOff()):
			case <-m.ctx.Done():
				return
			}
			if s, err = m.connect(m.ctx); err == nil {
				break
			}
			if m.ctx.Err() != nil {
				return
			}
		}
		m.setTrouble(nil)
	}
}

func (m *member) setTrouble(err error) {
	m.mu.Lock()
	m.down = err
	m.mu.Unlock()
	if err != nil && m.cfg.OnEvent != nil {
		m.cfg.OnEvent("coordination: " + err.Error())
	}
}

// explain adds to what took too long why there was no coordination.
func (m *member) explain(ctx context.Context, err error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil && m.down != nil {
		return fmt.Errorf("%w (%w)", err, m.down)
	}
	return err
}

// hold coordinates until that ends, and does beside it what Coder's clients do.
func (m *member) hold(s *session) error {
	ctx, cancel := context.WithCancel(m.ctx)
	var wg sync.WaitGroup
	wg.Go(func() { m.followMaps(ctx, s) })
	wg.Go(func() { m.renew(ctx, s) })
	err := m.node.Coordinate(ctx, s.coordination)
	cancel()
	_ = s.Close() // it has ended
	wg.Wait()
	return err
}

// followMaps takes new DERP maps. An old server has none to give.
func (m *member) followMaps(ctx context.Context, s *session) {
	st, err := s.Stream(ctx, service+"StreamDERPMaps")
	if err != nil {
		return
	}
	defer st.Close()
	if st.Send(&tailnetpb.StreamDERPMapsRequest{}) != nil || st.CloseSend() != nil {
		return
	}
	for {
		var derps tailnetpb.DERPMap
		if st.Recv(&derps) != nil {
			return
		}
		m.relays.Update(&derps)
	}
}

// renew keeps a resume token that is valid. A server that gives none is asked
// once.
func (m *member) renew(ctx context.Context, s *session) {
	for {
		var token tailnetpb.RefreshResumeTokenResponse
		if err := s.Call(ctx, service+"RefreshResumeToken", &tailnetpb.RefreshResumeTokenRequest{}, &token); err != nil {
			return
		}
		m.setResume(token.GetToken())
		s.Rest()
		select {
		case <-time.After(max(token.GetRefreshIn().AsDuration(), time.Minute)):
		case <-ctx.Done():
			return
		}
	}
}

// close says goodbye: it gives the node a moment to do so.
func (m *member) close() {
	_ = m.node.Close() // it reports nothing
	m.cancel()
	m.wg.Wait()
}

// Format keeps the token out of what prints a member.
func (m *member) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "tailnet member %s", m.node.ID()) }
