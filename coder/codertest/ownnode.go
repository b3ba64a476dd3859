package codertest

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/coderscale/scaletest/coder/codertest/internal/coordinator"
	"github.com/coderscale/scaletest/coder/codertest/internal/relay"
	"github.com/coderscale/scaletest/coder/internal/node"
)

// ownNode is the deployment's own member of the tailnet, by which it reaches
// agents that are not played here. It is started when it is first needed.
type ownNode struct {
	mu   sync.Mutex
	node *node.Node
}

// node is the deployment's member of the tailnet.
func (s *Server) node() (*node.Node, error) {
	o := &s.own
	o.mu.Lock()
	defer o.mu.Unlock()
	if s.ctx.Err() != nil {
		return nil, errServerClosed
	}
	if o.node != nil {
		return o.node, nil
	}
	n, err := node.New(s.ctx, node.Config{Home: embeddedRegion, Relay: s.innerRelay})
	if err != nil {
		return nil, fmt.Errorf("start the deployment's node: %w", err)
	}
	o.node = n
	s.wg.Go(func() { s.coordinateInside(s.ctx, s.ctx.Done(), n, coordinator.Rules{}) })
	s.wg.Go(func() {
		<-s.ctx.Done()
		_ = n.Close() // it reports nothing
	})
	return n, nil
}

// innerRelay connects to a relay within the process. These connections are not
// among those that can be dropped.
func (s *Server) innerRelay(_ context.Context, region int) (io.ReadWriteCloser, error) {
	var mesh *relay.Mesh
	if region == embeddedRegion {
		mesh = s.relay
	}
	for _, r := range s.relays {
		if r.id == region {
			mesh = r.mesh
		}
	}
	if mesh == nil {
		return nil, fmt.Errorf("there is no relay in region %d", region)
	}
	near, far := net.Pipe()
	s.wg.Go(func() { _ = mesh.Serve(far) }) // the end of a client is no news
	return near, nil
}

// coordinateInside introduces a node of this process to the tailnet, again and
// again until it is done. The context ends it at once.
func (s *Server) coordinateInside(ctx context.Context, done <-chan struct{}, n *node.Node, rules coordinator.Rules) {
	for {
		select {
		case <-done:
			return
		default:
		}
		near, far := callInside()
		var served sync.WaitGroup
		served.Go(func() { _ = s.tailnet.Serve(far, n.ID(), rules, far.abort) }) // the node is told
		_ = n.Coordinate(ctx, near)                                              // it is begun again, unless the node ends
		far.abort()
		served.Wait()
	}
}

// callEnd is an end of a call that does not leave the process.
type callEnd struct {
	in, out chan proto.Message
	over    chan struct{}
	once    *sync.Once
}

func callInside() (near, far *callEnd) {
	a, b, over, once := make(chan proto.Message), make(chan proto.Message), make(chan struct{}), new(sync.Once)
	return &callEnd{a, b, over, once}, &callEnd{b, a, over, once}
}

// Send hands a message over. It must not be changed afterwards.
func (c *callEnd) Send(m proto.Message) error {
	select {
	case c.out <- m:
		return nil
	case <-c.over:
		return io.ErrClosedPipe
	}
}

// Recv waits for a message.
func (c *callEnd) Recv(m proto.Message) error {
	select {
	case got := <-c.in:
		proto.Merge(m, got)
		return nil
	case <-c.over:
		return io.EOF
	}
}

// Close ends the call for both.
func (c *callEnd) Close() error {
	c.once.Do(func() { close(c.over) })
	return nil
}

func (c *callEnd) abort() { _ = c.Close() }

var _ coordinator.Stream = (*callEnd)(nil)
